"""The list of users, and what an operator should mend in it.

An older version let in names that are not good any more, and one name, or one mailbox, for two
users. All of them go on: each is found by the very spelling that was registered.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from scoreboard.accounts import names, newcomers
from scoreboard.accounts.queries import SQL
from scoreboard.accounts.users import NOBODY, Account
from scoreboard.connections.postgres import Postgres
from scoreboard.connections.session import Row
from scoreboard.errors import UnknownUser

_PAGE: Final = 1000
_FIRST_ID: Final = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class Listed:
    """A user in the list, and a sentence for each thing to mend."""

    account: Account
    problems: list[str]


@dataclass(frozen=True, slots=True)
class Sought:
    """Which users to list: with `part` in the name in any spelling, registered `since`, and of
    those the ones that are `wanted`; at most `limit` of them, from behind the key `after`.
    """

    part: str = ""
    since: datetime | None = None
    wanted: Callable[[Listed], bool] = lambda _: True
    limit: int | None = None
    after: str = ""


async def everybody(postgres: Postgres, sought: Sought | None = None) -> AsyncIterator[Listed]:
    """Read all users, or those who are sought, by key. Raises LedgerUnavailable."""
    sought = sought or Sought()
    left = math.inf if sought.limit is None else sought.limit
    await _give_all_keys(postgres)
    after = sought.after
    parameters = {"part": names.username_key(sought.part), "since": sought.since, "limit": _PAGE}
    while rows := await postgres.read(SQL["list_users"], parameters | {"after": after}):
        for user in filter(sought.wanted, map(_listed, rows)):
            yield user
            left -= 1
            if left <= 0:
                return
        after = rows[-1][4]


async def key_of(postgres: Postgres, user_id: str) -> str:
    """The key of a user who is in the list. Raises UnknownUser, LedgerUnavailable."""
    rows = await postgres.read(SQL["find_key"], {"user_id": user_id})
    if not rows or rows[0][0] is None:
        raise UnknownUser(NOBODY)
    [(key,)] = rows
    return str(key)


async def marked(postgres: Postgres, ending: str) -> AsyncIterator[Account]:
    """Read the users whose e-mail address ends so. Raises LedgerUnavailable."""
    after = _FIRST_ID
    while rows := await postgres.read(
        SQL["list_marked"], {"ending": ending, "after": after, "limit": _PAGE}
    ):
        for row in rows:
            yield Account(*row)
        after = rows[-1][0]


async def clashes(postgres: Postgres) -> list[Listed]:
    """Read those whose name or mailbox somebody had first. Raises LedgerUnavailable."""
    await _give_all_keys(postgres)
    rows = await postgres.read(SQL["list_suspects"])
    found = [(row, _clashes(row)) for row in rows]
    return [Listed(Account(*row[:4]), problems) for row, problems in found if problems]


async def _give_all_keys(postgres: Postgres) -> None:
    while await newcomers.give_keys(postgres):
        pass


def _listed(row: Row) -> Listed:
    account = Account(*row[:4])
    problems = _clashes(row)
    if problem := names.username_problem(account.username):
        problems.append(f"This name is not allowed any more. {problem}")
    return Listed(account, problems)


def _clashes(row: Row) -> list[str]:
    username, key, email = row[1], row[4], row[5]
    problems = []
    if names.username_key(username) not in (key, ""):  # without a letter, a name is like no other
        problems.append("Somebody else had this name first, in another spelling.")
    if email != names.email_key(email):
        problems.append("Somebody else has this mailbox, under another form of the address.")
    return problems
