"""The boards that wait to be published: one of each id, and always its newest.

A newer board takes the place of the one that waits, which is counted, and said in the trace of the
one that was left out. A board goes out in its turn, however often another one changes.

Bound: `SLOTS_MAX` boards. One more takes the place of the board that has waited longest, which is
counted: the other instances find that one by comparing versions.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from scoreboard.bus.messages import attributes_of
from scoreboard.model import Board, BoardId, Origin
from scoreboard.operations.metrics import Metrics
from scoreboard.operations.tracing import Tracing

SLOTS_MAX: Final = 1_000


class Slots:
    """Room for the boards between those who commit and the one task that publishes."""

    def __init__(self, metrics: Metrics, tracing: Tracing, *, slots_max: int = SLOTS_MAX) -> None:
        self._metrics = metrics
        self._tracing = tracing
        self._slots_max = slots_max
        self._waiting: dict[BoardId, tuple[Board, Origin | None]] = {}  # the oldest first
        self._under_way: BoardId | None = None
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._emptied.set()

    def put(self, board: Board, origin: Origin | None) -> None:
        """Keep the newer of this board and the one of its id that waits."""
        self._emptied.clear()
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

    async def next(self, within_seconds: float) -> tuple[Board, Origin | None] | None:
        """Take out the board that has waited longest; None if none comes in time, at once if there
        is no time. What was taken before is published by now.
        """
        self._under_way = None
        if not self._waiting:
            self._emptied.set()
        if not self._waiting and within_seconds > 0:
            self._filled.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within_seconds):
                    await self._filled.wait()
        if not self._waiting:
            return None
        self._under_way, taken = next(iter(self._waiting.items()))
        del self._waiting[self._under_way]
        return taken

    @property
    def unconfirmed(self) -> int:
        """How many boards wait or are under way."""
        return len(self._waiting.keys() | {self._under_way} - {None})

    async def emptied(self) -> None:
        """Wait until everything that was put in is published."""
        await self._emptied.wait()

    def _note_superseded(self, board: Board, origin: Origin | None) -> None:
        """Say in its trace why it reaches no other instance."""
        if origin is not None:
            attributes = {**attributes_of(board), "scoreboard.superseded": True}
            self._tracing.span(
                "scoreboard.publish", origin.trace, kind="producer", attributes=attributes
            ).end()
