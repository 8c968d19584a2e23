"""Standings: where a user stands (score and rank), and pages of the whole ranking."""

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
    user without a score.
    """

    user_id: str
    username: str
    score: int
    rank: int | None
    is_ranked: bool

    @property
    def rank_above(self) -> int | None:
        """The rank that the user's is greater than, where it is not counted."""
        return RANKS_MAX if self.is_ranked and self.rank is None else None


@dataclass(frozen=True, slots=True)
class Place:
    """An entry of the whole ranking, which begins with the board's."""

    rank: int
    user_id: str
    username: str
    score: int
    reached_at: datetime


@dataclass(frozen=True, slots=True)
class Places:
    """Places as of one version of the board, in the order of ranks."""

    version: int
    changed_at: datetime
    places: tuple[Place, ...]


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
        [(found, username, score, rank)] = rows
        return Standing(found, username, score or 0, rank, is_ranked=score is not None)

    async def places(
        self, after: int, limit: int, part: str = "", since: datetime | None = None
    ) -> Places:
        """Read places behind a rank: those with `part` in the key of the name, and whose score was
        reached `since`. Raises LedgerUnavailable.
        """
        wanted = {"after": after, "limit": limit, "part": part, "since": since}
        statement = SQL["find_places" if part else "read_places"]
        rows = await self._postgres.read(statement, wanted)
        if not rows:
            raise self._postgres.lacks("board")
        found = tuple(Place(*row[2:]) for row in rows if row[2] is not None)
        version, changed_at = rows[0][:2]
        return Places(version, changed_at, found)
