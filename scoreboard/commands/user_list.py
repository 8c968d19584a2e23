"""`scoreboard users list`: all users, or those that are sought, by the page if that is wanted."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from scoreboard.accounts import ids, listing
from scoreboard.accounts.listing import Listed, Sought
from scoreboard.accounts.names import username_key
from scoreboard.accounts.users import Account
from scoreboard.audit import withheld
from scoreboard.audit.withheld import Withheld
from scoreboard.configuration import sources as configuration
from scoreboard.connections.postgres import Postgres
from scoreboard.console.arguments import NAME_HELP, Commands, add_page, moment, text_to_store
from scoreboard.console.reports import Report, report_list
from scoreboard.console.servers import open_postgres
from scoreboard.console.terminal import say
from scoreboard.demo import marks as demo_marks
from scoreboard.timestamps import timestamp
from scoreboard.unicode import escaped

MEMBERS: Final = ("userId", "username", "email", "createdAt")
WITHHELD: Final = ("hiddenAt", "hiddenBecause", "bannedAt", "bannedBecause")
# Users whose state is asked for together.
_TOGETHER: Final = 500
_ID_PREFIX: Final = "id:"


def add_to(group: Commands) -> None:
    """Declare `users list`."""
    listed = group.add(
        "list",
        _list,
        "show every user, or those that are sought, in the order of names",
        "scoreboard users list --json",
        "scoreboard users list --name ada --since 2024-12-09",
        "scoreboard users list --limit 100 --after grace    the next 100 behind grace",
        report=Report(MEMBERS, (*WITHHELD, "problems"), is_list=True),
    )
    listed.add_argument("--name", default="", type=text_to_store, metavar="PART", help=NAME_HELP)
    listed.add_argument(
        "--since", type=moment, metavar="TIME", help="only who registered at this time or later"
    )
    listed.add_argument(
        "--problems", action="store_true", help="only who has something that should be mended"
    )
    listed.add_argument(
        "--demo", action="store_true", help="only players that `scoreboard demo` made from here"
    )
    add_page(listed, "USER", "begin behind this user name, or id:USERID")


def document_of(account: Account) -> dict[str, str]:
    """A user as JSON."""
    return {
        "userId": account.user_id,
        "username": account.username,
        "email": account.email,
        "createdAt": timestamp(account.created_at),
    }


async def _list(arguments: argparse.Namespace) -> None:
    sought = Sought(
        part=arguments.name,
        since=arguments.since,
        wanted=_wanted(arguments.problems, arguments.demo),
        limit=arguments.limit,
    )

    async with open_postgres(configuration.load()) as postgres:
        after = await _key(postgres, arguments.after or "")
        everybody = listing.everybody(postgres, dataclasses.replace(sought, after=after))
        found = _with_state(postgres, everybody)
        if arguments.json:
            await report_list(_documents(found))
            return
        async for user, state in found:
            say(_line(user, state))


async def _with_state(
    postgres: Postgres, everybody: AsyncIterator[Listed]
) -> AsyncIterator[tuple[Listed, Withheld | None]]:
    """Say of each whether they are hidden or banned, with a question for many of them."""
    async for some in _together(everybody):
        states = await withheld.among(postgres, [user.account.user_id for user in some])
        for user in some:
            yield user, states.get(user.account.user_id)


async def _together(everybody: AsyncIterator[Listed]) -> AsyncIterator[list[Listed]]:
    some: list[Listed] = []
    async for user in everybody:
        some.append(user)
        if len(some) == _TOGETHER:
            yield some
            some = []
    if some:
        yield some


def _wanted(only_problems: bool, only_demo: bool) -> Callable[[Listed], bool]:
    """Make the test for what PostgreSQL cannot judge: problems, and players of the demo."""
    marks = demo_marks.kept() if only_demo else None

    def is_wanted(user: Listed) -> bool:
        if only_problems and not user.problems:
            return False
        return not only_demo or (marks is not None and marks.made(user.account.email))

    return is_wanted


async def _key(postgres: Postgres, after: str) -> str:
    """Find the key to begin behind. A name that nobody has still has its place in the order."""
    user_id = ids.canonical(after.removeprefix(_ID_PREFIX))
    if after.startswith(_ID_PREFIX) and user_id:
        return await listing.key_of(postgres, user_id)
    return username_key(after)


def _line(user: Listed, state: Withheld | None) -> str:
    account = user.account
    name, email = escaped(account.username), escaped(account.email)
    line = f"{name:<24}  {account.created_at:%Y-%m-%d}  {email}"
    notes = [*user.problems, *in_words(state)]
    if not notes:
        return line
    return f"{line}  ({escaped(' '.join(notes))} id:{account.user_id})"


def in_words(state: Withheld | None) -> list[str]:
    """Say for people that a user is hidden or banned, and why."""
    if state is None:
        return []
    found = [
        (word, at, why)
        for word, at, why in (
            ("Hidden", state.hidden_at, state.hidden_why),
            ("Banned", state.banned_at, state.banned_why),
        )
        if at is not None
    ]
    return [f"{word} since {timestamp(at)}: {why or 'nobody said why.'}" for word, at, why in found]


async def _documents(
    found: AsyncIterator[tuple[Listed, Withheld | None]],
) -> AsyncIterator[dict[str, Any]]:
    async for user, state in found:
        problems = {"problems": user.problems} if user.problems else {}
        yield document_of(user.account) | (state.as_json() if state else {}) | problems
