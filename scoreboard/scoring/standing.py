"""Standings: where a user stands on `main`, with score and rank."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from scoreboard.connections import statements
from scoreboard.connections.postgres import Postgres
from scoreboard.errors import UnknownUser
from scoreboard.ledger.queries import RANKING

SQL: Final = statements.load("scoreboard.scoring", "standing.sql", words={"ranking": RANKING})

# A rank is counted from the top, so a bound on it bounds the cost: at most 1000 index entries,
# among ten million users as among a hundred thousand.
RANKS_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class Standing:
    """A user's score and rank. `rank` is None past RANKS_MAX (`is_ranked` is True then), and for a
    user without a score. `created_at` is when the user was made.
    """

    user_id: str
    username: str
    score: int
    rank: int | None
    is_ranked: bool
    created_at: datetime

    @property
    def rank_above(self) -> int | None:
        """The rank that the user's is greater than, where it is not counted."""
        return RANKS_MAX if self.is_ranked and self.rank is None else None


class Standings:
    """Reads standings from the ledger's tables, because no copy holds more than the top 10."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def of(self, user_id: str) -> Standing:
        """Read a user's standing. Raises UnknownUser, LedgerUnavailable."""
        rows = await self._postgres.read(
            SQL["read_standing"], {"user_id": user_id, "ranks": RANKS_MAX}
        )
        if not rows:
            raise UnknownUser
        [(found, username, score, rank, created_at)] = rows
        is_ranked = score is not None
        return Standing(found, username, score or 0, rank, is_ranked, created_at)
