"""Users who have no key yet, because an older version registered them beside this one.

An upgrade changes the schema first and replaces the instances after that. Until the last one is
replaced, whoever looks for a user, or registers one, gives keys to those who have none first.
Nearly always there are none, and then this is one look at an empty index.
"""

from __future__ import annotations

from typing import Final

import structlog

from scoreboard.accounts import names
from scoreboard.accounts.queries import SQL
from scoreboard.connections.postgres import Postgres
from scoreboard.connections.session import StatementRefused

log = structlog.get_logger("scoreboard.accounts")

# In the time of one log-in: what an older version registers in a few minutes is less.
_AT_ONCE: Final = 100


async def give_keys(postgres: Postgres) -> int:
    """Give keys to the oldest without one, and count them. Raises LedgerUnavailable."""
    rows = await postgres.read(SQL["users_without_key"], {"limit": _AT_ONCE})
    for user_id, username, email in rows:
        await _give_address(postgres, user_id, email)
        await _give_key(postgres, user_id, names.username_key(username))
    return len(rows)


async def _give_key(postgres: Postgres, user_id: str, key: str) -> None:
    """Give a key, or one of their own to a user whose name somebody has in another spelling."""
    try:
        if key:
            await postgres.fetch(SQL["set_key"], {"user_id": user_id, "key": key})
            return
    except StatementRefused:
        pass
    own = names.own_key(key, user_id)
    await postgres.fetch(SQL["set_key"], {"user_id": user_id, "key": own})
    log.warning("scoreboard.accounts.name_in_two_spellings", user_id=user_id)


async def _give_address(postgres: Postgres, user_id: str, email: str) -> None:
    """Keep an address in the form that is looked for, unless that mailbox is somebody else's."""
    key = names.email_key(email)
    if key == email:
        return
    try:
        change = {"user_id": user_id, "email": key, "email_given": email}
        await postgres.fetch(SQL["set_email"], change)
    except StatementRefused:
        log.warning("scoreboard.accounts.mailbox_of_two", user_id=user_id)
