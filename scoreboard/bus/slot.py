"""The board that waits to be published: one, and always the newest.

Bound: one board. A newer one replaces the one that waits, which is counted, and said in the trace
of the one that was left out.
"""

from __future__ import annotations

import asyncio

from scoreboard.bus.messages import attributes_of
from scoreboard.model import Board, Origin
from scoreboard.operations.metrics import Metrics
from scoreboard.operations.tracing import Tracing


class Slot:
    """Room for one board, between those who commit and the one task that publishes."""

    def __init__(self, metrics: Metrics, tracing: Tracing) -> None:
        self._metrics = metrics
        self._tracing = tracing
        self._waiting: tuple[Board, Origin | None] | None = None
        # Set as well to wake whoever waits in `fill` for another reason: the broker is lost.
        self.filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._emptied.set()

    def put(self, board: Board, origin: Origin | None) -> None:
        """Keep the newer of this board and the one that waits."""
        self._emptied.clear()
        self.filled.set()
        if self._waiting is not None:
            self._metrics.events_superseded.inc()
            if self._waiting[0].version >= board.version:
                self._note_superseded(board, origin)
                return
            self._note_superseded(*self._waiting)
        self._waiting = (board, origin)

    def take(self) -> tuple[Board, Origin | None] | None:
        """Take out the board that waits, if one does."""
        taken, self._waiting = self._waiting, None
        return taken

    async def fill(self) -> None:
        """Wait until there is a board to take. What was taken before is published by now."""
        self._emptied.set()
        self.filled.clear()
        await self.filled.wait()

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
