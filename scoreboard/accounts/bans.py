"""Who is banned, as PostgreSQL has it. `revocations` holds them in memory and refuses their tokens.

All are read anew whenever one was banned or let in again, because a list that is read as a whole is
right whatever came before: a restored backup, a clock that was set back, an instance that starts
years after the ban. 100,000 take 14 MB and a third of a second.
"""

from __future__ import annotations

from typing import Final

from scoreboard.accounts.queries import SQL
from scoreboard.connections.postgres import Postgres

# A page holds up everything else for some 10 ms.
_PAGE: Final = 5000
_FIRST: Final = "00000000-0000-0000-0000-000000000000"


async def read_bans(postgres: Postgres) -> set[str]:
    """Read the ids of all who are banned. Raises LedgerUnavailable."""
    found: set[str] = set()
    after = _FIRST
    while True:
        rows = await postgres.read(SQL["read_bans"], {"after": after, "limit": _PAGE})
        found.update(user_id for (user_id,) in rows)
        if len(rows) < _PAGE:  # guard: banned-paged
            return found
        after = rows[-1][0]
