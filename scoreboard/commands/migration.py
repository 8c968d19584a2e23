"""`scoreboard migrate`: brings the database to the schema of this version, or back with a yes."""

from __future__ import annotations

import argparse
import asyncio
from typing import Any, Final

from scoreboard.accounts import listing
from scoreboard.accounts.listing import Listed
from scoreboard.configuration import sources as configuration
from scoreboard.configuration.settings import Settings
from scoreboard.connections import hosts
from scoreboard.console.arguments import Commands, count
from scoreboard.console.reports import Answer, CommandFailed, Report
from scoreboard.console.servers import database_url, open_postgres
from scoreboard.console.terminal import counted, note, say
from scoreboard.database import migrations
from scoreboard.unicode import escaped

_SHOWN: Final = 50
# The tables whose rows nothing can compute anew, and what operators call such a row.
_IRREPLACEABLE: Final = {"users": "user", "ledger": "grant"}


def add_to(commands: Commands) -> None:
    """Declare `migrate`."""
    migrate = commands.add(
        "migrate",
        _migrate,
        "bring the database to the schema of this version",
        "scoreboard migrate                run it before the new version starts",
        "scoreboard migrate --check        exit code 1 if the database lacks one; changes nothing",
        "scoreboard migrate --rollback 1   says what undoing the newest migration would delete",
        report=Report(("applied", "missing"), ("done", "undone", "clashes")),
    )
    migrate.add_argument(
        "--check", action="store_true", help="only say what is applied and what is missing"
    )
    migrate.add_argument(
        "--rollback",
        type=count,
        metavar="N",
        help="undo the newest N instead, and delete what they hold",
    )
    migrate.add_argument("--yes", action="store_true", help="yes, roll back and delete, for ever")


def _migrate(arguments: argparse.Namespace) -> Answer | None:
    if arguments.check and arguments.rollback:
        raise CommandFailed("Ask for --check or for --rollback, not for both.", "invalid_arguments")
    found = configuration.load()
    if arguments.check:
        return _check(found)
    if arguments.rollback:
        undone = _roll_back(found, arguments.rollback, certain=arguments.yes)
        return Answer(_state(found) | {"undone": undone}, _changed("Undid", undone))
    done = migrations.migrate(database_url(found))
    clashes = asyncio.run(_clashes(found))
    _mention_newer(database_url(found))
    text = _changed("Applied", done)
    if not arguments.json:
        say(text)
        _mention(clashes)
        return None
    changed = {"done": done, "clashes": [_clash(user) for user in clashes]}
    return Answer(_state(found) | changed, text)


def _changed(verb: str, names: list[str]) -> str:
    return "\n".join(f"{verb} {name}." for name in names) or "Nothing to do."


def _check(found: Settings) -> Answer:
    state = _state(found)
    lines = [f"The database lacks {name}." for name in state["missing"]]
    if not lines:
        return Answer(state, "Every migration is applied.")
    return Answer(state, "\n".join([*lines, "Apply it with `scoreboard migrate`."]), 1)


def _state(found: Settings) -> dict[str, Any]:
    """Answer which migrations of this version the database has and which it lacks, oldest first."""
    missing = asyncio.run(migrations.pending(database_url(found)))
    return {
        "applied": [name for name in migrations.names() if name not in missing],
        "missing": missing,
    }


def _clash(user: Listed) -> dict[str, Any]:
    account = user.account
    return {
        "userId": account.user_id,
        "username": account.username,
        "problems": user.problems,
    }


def _mention_newer(url: str) -> None:
    """Name the migrations that this version does not know."""
    if newer := asyncio.run(migrations.newer(url)):
        note(
            f"The database has migrations that this version does not know: {', '.join(newer)}. A "
            "newer release was here: run that one."
        )


async def _clashes(found: Settings) -> list[Listed]:
    async with open_postgres(found) as postgres:
        return await listing.clashes(postgres)


def _mention(clashes: list[Listed]) -> None:
    """Name those who have a name or a mailbox that somebody else had first (migration 0006)."""
    if not clashes:
        return
    note(
        f"Users with a name or a mailbox that somebody else had first, in another spelling: "
        f"{len(clashes)}. All of them log in as before, each by the spelling that was registered. "
        "Give them another with `scoreboard users rename` or `scoreboard users set-email`:"
    )
    for user in clashes[:_SHOWN]:
        name, user_id = escaped(user.account.username), user.account.user_id
        note(f"  id:{user_id}  {name}: {' '.join(user.problems)}")
    if len(clashes) > _SHOWN:
        note(f"  … and {len(clashes) - _SHOWN} more: `scoreboard users list` marks them")


def _roll_back(found: Settings, newest: int, *, certain: bool) -> list[str]:
    """Undo so many migrations, the newest first, and name them.

    Raises CommandFailed, with what would be lost, unless the operator is certain.
    """
    url = database_url(found)
    applied = _state(found)["applied"][::-1]
    if newest > len(applied):
        number = f"Only {len(applied)} migrations are" if applied else "No migration is"
        raise CommandFailed(
            f"{number} applied to the database at {hosts.place(url)}, so {newest} cannot be "
            "undone. Nothing was changed."
        )
    if not certain:
        lines = [
            f"This undoes, in the database at {hosts.place(url)},",
            *(f"  {name}" for name in applied[:newest]),
            f"and deletes what they hold, for ever. The database has {asyncio.run(_held(found))}.",
            "Nothing was changed. If that is meant, add --yes.",
        ]
        raise CommandFailed("\n".join(lines), "not_confirmed")
    return migrations.roll_back(url, newest)


async def _held(found: Settings) -> str:
    """Count what cannot be brought back. A schema this old may lack a table."""
    counts = []
    async with open_postgres(found) as postgres:
        for table, row in _IRREPLACEABLE.items():
            [(exists,)] = await postgres.read(f"SELECT to_regclass('{table}') IS NOT NULL")
            if exists:
                # The name is one of ours, above.
                [(number,)] = await postgres.read(f"SELECT count(*) FROM {table}")  # noqa: S608
                counts.append(counted(number, row))
    return " and ".join(counts) or "neither users nor grants"
