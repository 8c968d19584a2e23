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
        report=Report(MEMBERS, ("problems",), is_list=True),
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
        if arguments.json:
            await report_list(_documents(everybody))
            return
        async for user in everybody:
            say(_line(user))


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


def _line(user: Listed) -> str:
    account = user.account
    name, email = escaped(account.username), escaped(account.email)
    line = f"{name:<24}  {account.created_at:%Y-%m-%d}  {email}"
    if not user.problems:
        return line
    return f"{line}  ({escaped(' '.join(user.problems))} id:{account.user_id})"


async def _documents(everybody: AsyncIterator[Listed]) -> AsyncIterator[dict[str, Any]]:
    async for user in everybody:
        problems = {"problems": user.problems} if user.problems else {}
        yield document_of(user.account) | problems
