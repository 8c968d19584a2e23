"""`scoreboard migrate --rollback N`, which can destroy everything and so wants a yes."""

from __future__ import annotations

import asyncio
from typing import Final

from scoreboard import configuration, migrations
from scoreboard.commands.failure import CommandFailed
from scoreboard.commands.servers import database_url, open_postgres
from scoreboard.connections import hosts
from scoreboard.settings import Settings

# What operators know the two tables by whose rows nothing can compute anew.
_IRREPLACEABLE: Final = {"users": "user", "ledger": "grant"}


def roll_back(found: Settings, count: int, *, certain: bool) -> list[str]:
    """Undo the newest `count` migrations and name them.

    Raises CommandFailed, with what would be lost, unless the operator is certain.
    """
    url = database_url(found)
    applied = _applied(url)
    if count > len(applied):
        number = f"Only {len(applied)} migrations are" if applied else "No migration is"
        raise CommandFailed(
            f"{number} applied to the database at {hosts.place(url)}, so {count} cannot be "
            "undone. Nothing was changed."
        )
    if not certain:
        lines = [
            f"This undoes, in the database at {hosts.place(url)},",
            *(f"  {name}" for name in applied[:count]),
            f"and deletes what they hold, for ever. The database has {asyncio.run(_held(found))}.",
            "Nothing was changed. If that is meant, add --yes.",
        ]
        raise CommandFailed("\n".join(lines))
    return migrations.roll_back(url, count)


def _applied(url: str) -> list[str]:
    """Name what is applied, newest first."""
    files = configuration.shipped("migrations").glob("*.sql")
    shipped = {path.name.split(".sql")[0] for path in files}
    names = {name for name in shipped if not name.endswith(".rollback")}
    return sorted(names - set(migrations.pending(url)), reverse=True)


async def _held(found: Settings) -> str:
    """Count what cannot be brought back. A schema this old may lack a table."""
    counts = []
    async with open_postgres(found) as postgres:
        for table, row in _IRREPLACEABLE.items():
            [(exists,)] = await postgres.fetch(f"SELECT to_regclass('{table}') IS NOT NULL")
            if exists:
                # The name is one of ours, above.
                [(count,)] = await postgres.fetch(f"SELECT count(*) FROM {table}")  # noqa: S608
                counts.append(f"{count} {row}{'' if count == 1 else 's'}")
    return " and ".join(counts) or "neither users nor grants"
