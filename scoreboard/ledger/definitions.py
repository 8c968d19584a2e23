"""What boards and seasons there are: what operators said of each board, and what was kept of its
seasons. Everything here raises LedgerUnavailable.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import orjson

from scoreboard.connections.postgres import Postgres
from scoreboard.errors import UnknownBoard, UnknownSeason
from scoreboard.ledger.queries import SQL
from scoreboard.model import BoardId, Entry, Season
from scoreboard.seasons.definition import Definition


@dataclass(frozen=True, slots=True)
class Defined:
    """A board as it is defined, without the dates of its seasons; and the season that it shows.
    One with `closed_at` counts nothing any more.
    """

    definition: Definition
    season: Season | None
    created_at: datetime
    defined_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Kept:
    """What was kept of a season: its last entries, best first, each with when it was reached.

    Before its end there is nothing. `digest` is None until the season is final, which it is from
    `closes_at` on; None without an end.
    """

    season: Season
    closes_at: datetime | None
    entries: tuple[tuple[Entry, datetime], ...]
    digest: str | None


class Definitions:
    """Reads them."""

    def __init__(self, queries: Postgres) -> None:
        self._queries = queries

    async def all(self) -> list[Defined]:
        """Read every board, `main` first, the others by id."""
        found = []
        for row in await self._queries.read(SQL["read_definitions"]):
            board_id, title, direction, operator, counts, actions, size, period, zone, *rest = row
            grace_seconds, visibility, keep_full_seconds, *times = rest
            definition = Definition(
                board_id=board_id,
                title=title,
                direction=direction,
                operator=operator,
                counts=counts,
                actions=tuple(actions),
                size=size,
                period=period,
                zone=zone,
                grace_seconds=grace_seconds,
                visibility=visibility,
                keep_full_seconds=keep_full_seconds,
            )
            created_at, defined_at, closed_at, *season = times
            shown = None if season[0] is None else Season(*season)
            found.append(Defined(definition, shown, created_at, defined_at, closed_at))
        return found

    async def seasons(
        self, board_id: BoardId, *, below: int | None = None, limit: int
    ) -> list[Season]:
        """Read seasons of a board with numbers below one, newest first. Raises UnknownBoard."""
        parameters = {"board_id": board_id, "below": below, "limit": limit}
        rows = await self._queries.read(SQL["read_seasons"], parameters)
        if not rows:
            raise UnknownBoard
        return [Season(*row) for row in rows if row[0] is not None]

    async def season(self, board_id: BoardId, number: int) -> Kept:
        """Read what was kept of a season. Raises UnknownSeason, also where there is no board."""
        parameters = {"board_id": board_id, "number": number}
        rows = await self._queries.read(SQL["read_season"], parameters)
        if not rows:
            raise UnknownSeason
        [(*season, closes_at, final, digest)] = rows
        entries = tuple(
            (
                Entry(entry["userId"], entry["username"], entry["score"]),
                datetime.fromisoformat(entry["reachedAt"]),
            )
            for entry in orjson.loads(final or "[]")
        )
        return Kept(Season(*season), closes_at, entries, digest)
