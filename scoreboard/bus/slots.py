"""The boards that wait to be published: of each board one, the newest.

A newer board takes the place of the one that waits, which is counted, and said in the trace of the
one that was left out. A board goes out in its turn, however often another one changes, and with
it those that were committed with it: they share a message. (`main` has one for itself.)

Two messages of one board are `apart_seconds` apart at least: the first change goes out at once, and
the last one always. The hubs that hear of it would leave out most of those between anyway.

Bound: `SLOTS_MAX` boards. One more takes the place of the board that has waited longest, which is
counted: the other instances find that one by comparing versions.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Iterable
from dataclasses import replace
from itertools import islice
from typing import Final, NamedTuple

from scoreboard.bus.messages import BOARDS_MAX, attributes_of
from scoreboard.model import MAIN, ON_ITS_WAY_SECONDS, Board, BoardId, Origin
from scoreboard.operations.metrics import Metrics
from scoreboard.operations.tracing import Tracing

SLOTS_MAX: Final = 1_000


class _Slot(NamedTuple):
    """A board that waits, and since when the oldest submission waits whose board it stands for."""

    board: Board
    origin: Origin | None
    began: float | None


def seconds_apart(push_interval_seconds: float) -> float:
    """How far two messages of one board are apart, where hubs push every so many seconds: a quarter
    of that, and of the time in which a board counts as on its way.
    """
    return min(ON_ITS_WAY_SECONDS, push_interval_seconds) / 4


class Slots:
    """Room for the boards between those who commit and the one task that publishes."""

    def __init__(
        self,
        metrics: Metrics,
        tracing: Tracing,
        *,
        apart_seconds: float = 0.0,
        slots_max: int = SLOTS_MAX,
    ) -> None:
        self._metrics = metrics
        self._tracing = tracing
        self._apart_seconds = apart_seconds
        self._slots_max = slots_max
        self._waiting: dict[BoardId, _Slot] = {}  # the oldest first
        self._under_way: set[BoardId] = set()
        # Those that went out less than `apart_seconds` ago; 64 a message.
        self._just_sent: set[BoardId] = set()
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._emptied.set()

    def put(self, board: Board, origin: Origin | None) -> None:
        """Keep the newer of this board and the one of its id that waits."""
        self._emptied.clear()
        if board.board_id not in self._just_sent:  # guard: just-sent-wakes-nobody
            self._filled.set()
        slot = _Slot(board, origin, None if origin is None else origin.began)
        before = self._waiting.get(board.board_id)  # guard: boards-several-ids
        if before is not None:
            self._metrics.events_superseded.inc()
            newer, older = slot, before
            if before.board.version >= board.version:  # guard: board-waits-published
                newer, older = before, slot
            self._note_superseded(older)
            slot = newer._replace(began=_oldest([newer.began, older.began]))
        elif len(self._waiting) >= self._slots_max:  # guard: boards-wait-published
            self._metrics.events_crowded_out.inc()
            self._note_superseded(self._waiting.pop(next(iter(self._waiting))))
        self._waiting[board.board_id] = slot

    async def next(self, within_seconds: float) -> tuple[list[Board], Origin | None] | None:
        """Take out the board that has waited longest and those that one message may hold with it;
        None if none comes in time, at once if there is no time. What was taken before is published
        by now, or is put in again.
        """
        self._under_way.clear()
        if not self._waiting:
            self._emptied.set()
        if self._first() is None and within_seconds > 0:
            self._filled.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within_seconds):
                    await self._filled.wait()
        if (first := self._first()) is None:
            return None
        taken = [first] if first.board.board_id == MAIN else self._together(first.origin)
        boards = [slot.board for slot in taken]
        for board in boards:
            del self._waiting[board.board_id]
            self._under_way.add(board.board_id)
        return boards, _since(first.origin, _oldest(slot.began for slot in taken))

    def note_sent(self, boards: Collection[Board]) -> None:
        """These go out now: the next one of each waits a moment, and comes in its turn then."""
        if self._apart_seconds > 0:
            board_ids = {board.board_id for board in boards}
            self._just_sent |= board_ids
            loop = asyncio.get_running_loop()
            loop.call_later(self._apart_seconds, self._come_again, board_ids)

    def _come_again(self, board_ids: set[BoardId]) -> None:
        self._just_sent -= board_ids
        if not board_ids.isdisjoint(self._waiting):
            self._filled.set()  # guard: last-burst-published

    def _first(self) -> _Slot | None:
        """The one that has waited longest, of those that may go out."""
        return next(
            (slot for each, slot in self._waiting.items() if each not in self._just_sent), None
        )

    def _together(self, origin: Origin | None) -> list[_Slot]:
        """The boards beside `main` that have this origin and may go out: a batch made them, or
        turns of seasons, which have none.
        """
        others = (
            slot
            for each, slot in self._waiting.items()
            if slot.origin is origin and each != MAIN and each not in self._just_sent
        )
        return list(islice(others, BOARDS_MAX))  # guard: boards-message-bounded

    @property
    def unconfirmed(self) -> int:
        """How many boards wait or are under way."""
        return len(self._waiting.keys() | self._under_way)

    async def emptied(self) -> None:
        """Wait until everything that was put in is published."""
        await self._emptied.wait()

    def _note_superseded(self, slot: _Slot) -> None:
        """Say in its trace why it reaches no other instance."""
        if slot.origin is not None:
            attributes = {**attributes_of([slot.board]), "scoreboard.superseded": True}
            self._tracing.span(
                "scoreboard.publish", slot.origin.trace, kind="producer", attributes=attributes
            ).end()


def _oldest(began: Iterable[float | None]) -> float | None:
    return min((each for each in began if each is not None), default=None)


def _since(origin: Origin | None, began: float | None) -> Origin | None:
    """The origin, timed from the oldest submission behind it."""
    if origin is None or began is None or origin.began <= began:
        return origin
    return replace(origin, began=began)  # guard: superseded-timed
