"""What boards and seasons there are: what operators say of each board, and what is kept of its
seasons. Everything here raises LedgerUnavailable.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

import orjson

from scoreboard.connections.postgres import Postgres
from scoreboard.connections.session import TransactionAborted
from scoreboard.errors import UnknownBoard, UnknownSeason
from scoreboard.ledger import archives
from scoreboard.ledger.closing import close_board, close_season, go_on
from scoreboard.ledger.defining import (
    BoardsRefused,
    Defining,
    definition_of,
    write_definitions,
)
from scoreboard.ledger.preparation import Prepared, Progress, Unprepared, no_progress, prepare
from scoreboard.ledger.queries import SQL
from scoreboard.ledger.shown import season_of
from scoreboard.ledger.transaction import Transaction, transaction
from scoreboard.model import Board, BoardId, Entry, Season
from scoreboard.seasons.definition import Definition
from scoreboard.timestamps import exact_timestamp, timestamp

Changed = TypeVar("Changed")
# Entries that one statement removes: some 50 ms.
PURGED_AT_ONCE: Final = 2_000
# To write boards: each time what was granted since the last one is counted first.
_ATTEMPTS_MAX: Final = 10


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

    def as_json(self, version: int) -> dict[str, Any]:
        """The board as clients see it, without the actions that count on it."""
        said = self.definition
        return {
            "boardId": said.board_id,
            "title": said.title,
            "direction": said.direction,
            "operator": said.operator,
            "counts": said.counts,
            "size": said.size,
            "period": said.period,
            "zone": said.zone,
            "graceSeconds": said.grace_seconds,
            "visibility": said.visibility,
            "createdAt": timestamp(self.created_at),
            "closedAt": self.closed_at and timestamp(self.closed_at),
            "season": self.season and self.season.as_json(),
            "version": version,
        }


@dataclass(frozen=True, slots=True)
class ListedSeason(Season):
    """A season, and the digest of what was kept of it: None until it is final."""

    digest: str | None

    def as_json(self) -> dict[str, Any]:
        """The season as clients see it in a list."""
        return Season.as_json(self) | {"digest": self.digest}


@dataclass(frozen=True, slots=True)
class Kept:
    """What was kept of a season: its last entries, best first, each with when it was reached.

    Before its end there is nothing. `digest` is None until the season is final, which it is from
    `closes_at` on; None without an end.
    """

    season: Season
    closes_at: datetime | None
    entries: tuple[archives.KeptEntry, ...]
    digest: str | None

    def as_json(self) -> dict[str, Any]:
        """What was kept, but for the entries, as clients see it."""
        return {
            "season": self.season.as_json(),
            "closesAt": self.closes_at and timestamp(self.closes_at),
            "digest": self.digest,
        }

    def top_users(self) -> list[dict[str, Any]]:
        """The entries as clients see them: the digest is made of these texts of `reachedAt`."""
        return [
            entry.as_json() | {"reachedAt": exact_timestamp(reached_at)}
            for entry, reached_at in self.entries
        ]


class Definitions:
    """Reads them, and writes them for operators."""

    def __init__(self, queries: Postgres) -> None:
        self._queries = queries

    async def all(self) -> list[Defined]:
        """Read every board, `main` first, the others by id."""
        found = []
        for row in await self._queries.read(SQL["read_definitions"]):
            created_at, defined_at, closed_at, *season = row[12:]
            definition, shown = definition_of(row), season_of(season)
            found.append(Defined(definition, shown, created_at, defined_at, closed_at))
        return found

    async def seasons(
        self, board_id: BoardId, *, below: int | None = None, limit: int
    ) -> list[ListedSeason]:
        """Read seasons of a board with numbers below one, newest first. Raises UnknownBoard."""
        parameters = {"board_id": board_id, "below": below, "limit": limit}
        rows = await self._queries.read(SQL["read_seasons"], parameters)
        if not rows:
            raise UnknownBoard
        return [ListedSeason(*row) for row in rows if row[0] is not None]

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

    async def add(
        self, said: Sequence[Definition], on_progress: Progress = no_progress
    ) -> Defining:
        """Add boards, all or none, with the seasons of now and what was granted in them before. If
        that is much, `on_progress` is told again and again of how many rows how many are counted.

        Raises BoardsRefused; TransactionAborted when grants under way hold it up for 2 s.
        """
        return await self._write(said, on_progress, adds=True, changes=False)

    async def update(self, said: Sequence[Definition]) -> Defining:
        """Change boards that there are, all or none: their titles, who may read them, how long
        their entries are kept, and the grace of seasons to come. Raises what `add` raises.
        """
        return await self._write(said, no_progress, adds=False, changes=True)

    async def load(
        self, said: Sequence[Definition], on_progress: Progress = no_progress
    ) -> Defining:
        """Add the boards that there are not, and change the others. Raises what `add` raises."""
        return await self._write(said, on_progress, adds=True, changes=True)

    async def close(self, board_id: BoardId) -> list[Board]:
        """Let a board count nothing any more: its season ends now, and none follows. It stays
        readable, with its archive. Returns the boards that show something else then.

        Raises UnknownBoard, BoardsRefused; TransactionAborted when grants under way hold it up for
        2 s.
        """
        return await self._changed(lambda begun: close_board(begun, board_id))

    async def close_season(self, board_id: BoardId) -> list[Board]:
        """End the season of a board now, and begin the next one. Seasons with dates of their own
        keep them: nothing counts before the next one begins. Returns and raises what `close` does.
        """
        return await self._changed(lambda begun: close_season(begun, board_id))

    async def go_on(self, board_id: BoardId, *, length: timedelta, ahead: timedelta) -> list[Board]:
        """Let a board whose seasons have dates of their own have more of them, each of that length,
        until they reach so far ahead of now. Returns and raises what `close` does.
        """
        return await self._changed(lambda begun: go_on(begun, board_id, length, ahead))

    async def verify_season(self, board_id: BoardId, number: int) -> list[str]:
        """Derive the last entries of a season that has ended again, from the ledger, results and
        corrections, and compare them and the digest with what was kept: a sentence for each
        difference. Names are not compared: nothing says what they were.

        Raises UnknownSeason; BoardsRefused while the season runs: `Ledger.differences` compares its
        entries.
        """
        kept = await self.season(board_id, number)
        if not kept.season.is_over:
            text = f"season {number} has not ended, so no final board was kept: verify the board"
            raise BoardsRefused([(board_id, text)])
        at = {"board_id": board_id, "number": number}
        derived = await self._queries.read(SQL["derive_final"], at)
        while kept != (now := await self.season(board_id, number)):  # guard: final-corrected-since
            kept, derived = now, await self._queries.read(SQL["derive_final"], at)
        found = list(archives.differences(kept.entries, derived))
        if kept.digest not in (None, archives.digest_of(kept.entries)):
            found.append("the digest is not that of the entries that were kept")
        return found

    async def purge(self, limit: int = PURGED_AT_ONCE) -> int:
        """Remove the entries of seasons whose time to keep them is over, so many in a transaction,
        and return how many there were. What was kept at their end stays. What somebody else holds,
        who removes a user for example, is left for the next time.
        """
        purged = 0
        await self._queries.fetch(SQL["give_up_preparations"])
        while True:
            [(count,)] = await self._queries.fetch(SQL["purge_entries"], {"limit": limit})
            purged += int(count)
            if count < limit:
                await self._queries.fetch(SQL["forget_preparations"])
                return purged

    async def _write(
        self, said: Sequence[Definition], on_progress: Progress, *, adds: bool, changes: bool
    ) -> Defining:
        prepared: Prepared | None = None
        async with self._queries.session() as session:
            for _ in range(_ATTEMPTS_MAX):
                try:
                    async with transaction(session) as begun:
                        return await write_definitions(
                            begun, said, prepared, adds=adds, changes=changes
                        )
                except Unprepared as lacking:
                    prepared = await prepare(session, lacking, on_progress)
                except TransactionAborted:
                    if prepared is None:
                        raise
        text = "grants come in faster than they are counted for new boards: try at a quieter time"
        raise BoardsRefused([(None, text)])

    async def _changed(self, change: Callable[[Transaction], Awaitable[Changed]]) -> Changed:
        async with self._queries.session() as session, transaction(session) as begun:
            return await change(begun)
