"""Counts what was granted before a board is added, while grants go on.

To derive entries of a million users takes seconds, and no grant may be under way where a board
begins to count. So, where there is much to count, it is counted in small transactions before that,
as entries of seasons that nobody sees yet. What is granted meanwhile is counted in the transaction
that writes the board: most of it while grants go on as well, the rest with no grant under way,
which takes some milliseconds.

A row of the ledger is counted once, because the rows up to `until` are, and those after it are not:
that row was the last one when no grant was under way. If the command is ended in the middle,
nothing was added, and what it counted is removed an hour later (`Definitions.purge`).
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from scoreboard.connections.session import Session
from scoreboard.errors import LedgerUnavailable
from scoreboard.ledger.queries import SQL
from scoreboard.ledger.transaction import RolledBack, Transaction, transaction
from scoreboard.ledger.turn import Written
from scoreboard.seasons.definition import Definition
from scoreboard.seasons.periods import FIRST_MOMENT

# How many rows of the ledger are counted, of how many.
Progress = Callable[[int, int], None]

# Rows that are counted with no grant under way: some 50 ms for one board.
_ROWS_AT_ONCE: Final = 2_000
# Rows of a small transaction, for which a turn of seasons waits: as many as take so long. All of
# what comes next may count where nothing did before, so there is a bound as well.
_ROWS_FIRST: Final = 1_000
_ROWS_MIN: Final = 100
_ROWS_MAX: Final = 20_000
_STEP_SECONDS: Final = 0.1
# A row that counts on more boards than these is taken for one that counts on so many.
_BOARDS_WEIGHED: Final = 10
# How often what was granted while boards were written is counted. If there is much each time,
# more is prepared at another attempt.
_LOOKS_MAX: Final = 10


def no_progress(counted: int, rows: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Boards to add, the seasons of theirs to write, and the entries of these, as far as rows of
    the ledger are counted: up to `until`.

    Without an `id` none is counted, and the seasons have no ids yet. `actions` tells the rows of
    the actions that are listed from any others (`rows_of_actions`). Of `corrections`, those up to
    this one were there before anything was counted.
    """

    said: tuple[Definition, ...]
    seasons: tuple[Written, ...]
    actions: str
    corrections: int
    id: int | None = None
    season_ids: tuple[int, ...] = ()
    until: int = 0

    @property
    def weight(self) -> int:
        """How many entries a row is taken to make. Of many boards it hardly counts on all."""
        return min(len(self.said), _BOARDS_WEIGHED)

    async def is_of(self, begun: Transaction, said: tuple[Definition, ...], last: datetime) -> bool:
        """Whether this was counted for these boards, with actions that had their ids all along, and
        their seasons reach behind the last grant.
        """
        if said != self.said:  # guard: counted-for-others
            return False
        ends = {board_id: ends_at for board_id, *_, ends_at in self.seasons}
        calendar = (ends[each.board_id] for each in said if each.period not in ("none", "dates"))
        if any(ends_at is not None and ends_at <= last for ends_at in calendar):
            return False  # guard: counted-for-days
        # guard: count-renamed-meanwhile
        return await rows_of_actions(begun, said) == self.actions

    async def look(self, begun: Transaction) -> None:
        """See how much is to be counted, if none is yet. Raises Unprepared when that is much."""
        if self.id is None and self._is_much(last := await _last(begun)):  # guard: much-to-count
            raise Unprepared(self, last)

    async def adopt(self, begun: Transaction) -> Prepared:
        """Let the seasons, which are written, have the entries that were counted for them. Then
        count what was granted while boards were written, again and again, as less comes each time.
        Raises Unprepared when it does not.
        """
        places = {
            "board_ids": [board_id for board_id, *_ in self.seasons],
            "numbers": [number for _, number, *_ in self.seasons],
        }
        if self.id is not None:
            # guard: given-up-at-last
            if not await begun.run(SQL["end_preparation"], {"preparation_id": self.id}):
                raise LedgerUnavailable
            ids = {"season_ids": list(self.season_ids)}
            await begun.run(SQL["adopt_entries"], places | ids)
        rows = await begun.run(SQL["ids_of_seasons"], places)
        adopted = dataclasses.replace(self, season_ids=tuple(id for (id,) in rows))
        for _ in range(_LOOKS_MAX):
            last = await _last(begun)
            if not adopted._is_much(last):
                return adopted
            await adopted.count(begun, last)
            adopted = dataclasses.replace(adopted, until=last)
        raise Unprepared(self, last)

    async def complete(self, begun: Transaction) -> None:
        """Count the rest, without what was revoked since it was counted, and hide entries of hidden
        users. No grant may be under way.
        """
        [(last,)] = await begun.run(SQL["read_last"])
        await self.count(begun, last)
        ids = {"season_ids": list(self.season_ids)}
        rows = await begun.run(SQL["revoked_since"], {"correction_id": self.corrections})
        if rows:
            # guard: revoked-while-counted
            await begun.run(SQL["correct_entries"], ids | {"user_ids": [user for (user,) in rows]})
        await begun.run(SQL["hide_new_entries"], ids)  # guard: hidden-on-new

    async def count(self, begun: Transaction, until: int) -> None:
        """Count the rows of the ledger from behind the last one on up to this one."""
        if until == self.until:
            return
        rows: dict[str, Any] = {"after": self.until, "until": until}
        [span] = await begun.run(SQL["span_of_rows"], rows)
        said = {each.board_id: each for each in self.said}
        these = [
            (season_id, starts_at, ends_at, said[board_id])
            for season_id, (board_id, _, starts_at, ends_at) in zip(
                self.season_ids, self.seasons, strict=True
            )
            if _contains_any(starts_at, ends_at, *span)
        ]
        if not these:
            return
        # Of a million that may be listed, those alone that these rows can be about.
        granted = {action for (action,) in await begun.run(SQL["granted_actions"], rows)}
        listed = [
            (each.board_id, action)
            for each in self.said
            for action in granted.intersection(each.actions)
        ]
        rows |= {
            "season_ids": [season_id for season_id, *_ in these],
            "board_ids": [board.board_id for *_, board in these],
            "starts": [starts_at for _, starts_at, *_ in these],
            "ends": [ends_at for _, _, ends_at, _ in these],
            "operators": [board.operator for *_, board in these],
            "directions": [board.direction for *_, board in these],
            "counts": [board.counts for *_, board in these],
            "listing": [board_id for board_id, _ in listed],
            "listed": [action_id for _, action_id in listed],
        }
        await begun.run(SQL["add_entries"], rows)

    def _is_much(self, last: int) -> bool:
        return last - self.until > _ROWS_AT_ONCE // self.weight


def _contains_any(
    starts_at: datetime, ends_at: datetime | None, first: datetime | None, last: datetime | None
) -> bool:
    """Whether a season may contain rows, of which the first and the last one were granted then.

    A board may have a thousand seasons, and what is counted at once is in few of them.
    """
    if first is None or last is None:
        return False
    return starts_at <= last and (ends_at is None or ends_at > first)


async def rows_of_actions(begun: Transaction, said: tuple[Definition, ...]) -> str:
    """Tell the rows of the actions that these boards list from those that a rename would make."""
    action_ids = sorted({action_id for each in said for action_id in each.actions})
    if not action_ids:
        return ""
    [(rows,)] = await begun.run(SQL["rows_of_actions"], {"action_ids": action_ids})
    return str(rows)


class Unprepared(RolledBack):
    """So much was granted, up to the row `last`, that it is to be counted before. `prepared` says
    for what, and what is counted already.
    """

    def __init__(self, prepared: Prepared, last: int) -> None:
        super().__init__()
        self.prepared, self.last = prepared, last


async def prepare(session: Session, lacking: Unprepared, on_progress: Progress) -> Prepared:
    """Count what is lacking, in small transactions. Raises LedgerUnavailable, also when it took so
    long that it was given up.
    """
    prepared, last = lacking.prepared, lacking.last
    if prepared.id is None:
        prepared = await _with_ids(session, prepared, last)
    loop, rows, first = asyncio.get_running_loop(), _ROWS_FIRST, prepared.until
    while prepared.until < last:
        until, began = min(prepared.until + rows, last), loop.time()
        async with transaction(session) as begun:
            await begun.run(SQL["keep_falls_out"])  # guard: count-beside-fall
            await begun.run(SQL["join_grants"])
            asked = {"preparation_id": prepared.id}
            # guard: count-given-up
            if not await begun.run(SQL["renew_preparation"], asked):
                raise LedgerUnavailable
            await prepared.count(begun, until)
        prepared = dataclasses.replace(prepared, until=until)
        on_progress(until - first, last - first)
        took = loop.time() - began
        rows = int(rows * min(2.0, _STEP_SECONDS / max(took, 0.001)))
        rows = max(_ROWS_MIN, min(rows, _ROWS_MAX // prepared.weight))
    return prepared


async def _last(begun: Transaction) -> int:
    """The last row of the ledger; all up to it are there. Grants wait for as long as that takes."""
    await begun.run(SQL["begin_look"])
    [(last,)] = await begun.run(SQL["read_last"])
    await begun.run(SQL["end_look"])
    return int(last)


async def _with_ids(session: Session, prepared: Prepared, last: int) -> Prepared:
    """Give the seasons ids, and find the first row of the ledger that counts in one."""
    starts_at = min(season[2] for season in prepared.seasons)
    before = 0
    if starts_at > FIRST_MOMENT:
        asked = {"moment": starts_at, "until": last}
        [(before,)] = await session.run(SQL["row_before"], asked)
    seasons = {"seasons": len(prepared.seasons)}
    [(id, season_ids)] = await session.run(SQL["begin_preparation"], seasons)
    return dataclasses.replace(prepared, id=id, season_ids=tuple(season_ids), until=before)
