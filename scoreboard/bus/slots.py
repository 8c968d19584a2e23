"""The boards that wait to be published: one of each id, and always its newest.

A newer board takes the place of the one that waits, which is counted, and said in the trace of the
one that was left out. A board goes out in its turn, however often another one changes, and with
it those that were committed with it: they share a message. (`main` has one for itself.)

Bursts are conflated, as the hub does: the first change of a board goes out at once, later ones at
most every `rest_seconds`, and the last one always. Most of what is conflated here would be by the
hubs that hear of it, so it need not be sent, carried and read.

Bound: `SLOTS_MAX` boards. One more takes the place of the board that has waited longest, which is
counted: the other instances find that one by comparing versions.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from itertools import islice
from typing import Final

from scoreboard.bus.messages import BOARDS_MAX, attributes_of
from scoreboard.model import MAIN, Board, BoardId, Origin
from scoreboard.operations.metrics import Metrics
from scoreboard.operations.tracing import Tracing

SLOTS_MAX: Final = 1_000


class Slots:
    """Room for the boards between those who commit and the one task that publishes."""

    def __init__(
        self,
        metrics: Metrics,
        tracing: Tracing,
        *,
        rest_seconds: float = 0.0,
        slots_max: int = SLOTS_MAX,
    ) -> None:
        self._metrics = metrics
        self._tracing = tracing
        self._rest_seconds = rest_seconds
        self._slots_max = slots_max
        self._waiting: dict[BoardId, tuple[Board, Origin | None]] = {}  # the oldest first
        self._under_way: set[BoardId] = set()
        self._resting: set[BoardId] = set()  # those that went out a moment ago
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._emptied.set()

    def put(self, board: Board, origin: Origin | None) -> None:
        """Keep the newer of this board and the one of its id that waits."""
        self._emptied.clear()
        if board.board_id not in self._resting:
            self._filled.set()
        before = self._waiting.get(board.board_id)  # guard: boards-several-ids
        if before is not None:
            self._metrics.events_superseded.inc()
            if before[0].version >= board.version:  # guard: board-waits-published
                self._note_superseded(board, origin)
                return
            self._note_superseded(*before)
        elif len(self._waiting) >= self._slots_max:  # guard: boards-wait-published
            self._metrics.events_crowded_out.inc()
            self._note_superseded(*self._waiting.pop(next(iter(self._waiting))))
        self._waiting[board.board_id] = (board, origin)

    async def next(self, within_seconds: float) -> tuple[list[Board], Origin | None] | None:
        """Take out the board that has waited longest and those that one message may hold with it;
        None if none comes in time, at once if there is no time. What was taken before is published
        by now, or is put in again. Boards that rest stay.
        """
        self._under_way.clear()
        if not self._waiting:
            self._emptied.set()
        if self._first() is None and within_seconds > 0:
            self._filled.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within_seconds):
                    await self._filled.wait()
        if (waiting := self._first()) is None:
            return None
        first, origin = waiting
        boards = [first] if first.board_id == MAIN else self._together(origin)
        for board in boards:
            del self._waiting[board.board_id]
            self._under_way.add(board.board_id)
        self._rest(boards)
        return boards, origin

    def _first(self) -> tuple[Board, Origin | None] | None:
        """The board that has waited longest, of those that do not rest."""
        return next(
            (self._waiting[each] for each in self._waiting if each not in self._resting), None
        )

    def _rest(self, boards: Sequence[Board]) -> None:
        """Let these rest from now on, and come in their turn again after that."""
        if self._rest_seconds > 0:
            board_ids = {board.board_id for board in boards}
            self._resting |= board_ids
            asyncio.get_running_loop().call_later(self._rest_seconds, self._end_rest, board_ids)

    def _end_rest(self, board_ids: set[BoardId]) -> None:
        self._resting -= board_ids
        if not board_ids.isdisjoint(self._waiting):
            self._filled.set()  # guard: last-burst-published

    def _together(self, origin: Origin | None) -> list[Board]:
        """The boards beside `main` that have this origin: a batch made them, or turns of seasons,
        which have none.
        """
        others = (
            board
            for board, its in self._waiting.values()
            if its is origin and board.board_id not in self._resting and board.board_id != MAIN
        )
        return list(islice(others, BOARDS_MAX))  # guard: boards-message-bounded

    @property
    def unconfirmed(self) -> int:
        """How many boards wait or are under way."""
        return len(self._waiting.keys() | self._under_way)

    async def emptied(self) -> None:
        """Wait until everything that was put in is published."""
        await self._emptied.wait()

    def _note_superseded(self, board: Board, origin: Origin | None) -> None:
        """Say in its trace why it reaches no other instance."""
        if origin is not None:
            attributes = {**attributes_of([board]), "scoreboard.superseded": True}
            self._tracing.span(
                "scoreboard.publish", origin.trace, kind="producer", attributes=attributes
            ).end()
