"""The list of users, and what an operator should mend in it.

An older version let in names that are not good any more, and one name, or one mailbox, for two
users. All of them go on: each is found by the very spelling that was registered.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from scoreboard.accounts import names, newcomers
from scoreboard.accounts.queries import SQL
from scoreboard.accounts.users import Account
from scoreboard.connections.postgres import Postgres
from scoreboard.connections.session import Row

_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Listed:
    """A user in the list, and a sentence for each thing to mend."""

    account: Account
    problems: list[str]


async def everybody(postgres: Postgres) -> AsyncIterator[Listed]:
    """Read all users in the order of their keys. Raises LedgerUnavailable."""
    await _give_all_keys(postgres)
    after = ""
    while rows := await postgres.fetch(SQL["list_users"], {"limit": _PAGE, "after": after}):
        for row in rows:
            yield _listed(row)
        after = rows[-1][4]


async def clashes(postgres: Postgres) -> list[Listed]:
    """Read those who share a name or a mailbox with somebody who had it first. Raises
    LedgerUnavailable.
    """
    await _give_all_keys(postgres)
    rows = await postgres.fetch(SQL["list_suspects"])
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
