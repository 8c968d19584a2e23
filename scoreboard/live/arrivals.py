"""How long the way of each board was: from the submission behind it until every subscriber of this
instance was sent it, in a metric and, where it is traced, in a span.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sized
from typing import Final

from scoreboard.model import Board, Origin
from scoreboard.operations.metrics import Metrics
from scoreboard.operations.tracing import Span, Tracing

# Of the boards that one push brings, this many are timed.
_TIMED_MAX: Final = 64


class Arrivals:
    """The boards that came since the last push. One that was conflated arrives with the newest, so
    it is timed with that.
    """

    def __init__(self, metrics: Metrics, tracing: Tracing) -> None:
        self._metrics = metrics
        self._tracing = tracing
        self._on_their_way: list[tuple[Origin, Span]] = []

    def note(self, board: Board, origin: Origin) -> None:
        """A board has come; it waits for a push."""
        if len(self._on_their_way) < _TIMED_MAX:
            # guard: boards-conflated-timed
            self._on_their_way.append((origin, self._span(board, origin)))

    @contextlib.contextmanager
    def pushed(self, subscribers: Sized) -> Iterator[None]:
        """Time a push: all that came before it have arrived when it ends."""
        arriving, self._on_their_way = self._on_their_way, []
        for _, span in arriving:
            span.event("push")
        started = time.monotonic()
        yield
        ended = time.monotonic()
        self._metrics.push_seconds.observe(ended - started)
        for origin, span in arriving:
            span.note({"scoreboard.subscribers": len(subscribers)})
            span.end()
            if subscribers:  # else there was no event that a submission could have led to
                way = self._metrics.submit_to_event_seconds.labels(origin.via)
                way.observe(ended - origin.began)

    def _span(self, board: Board, origin: Origin) -> Span:
        """From the arrival here until it was written to every subscriber."""
        return self._tracing.span(
            "scoreboard.push",
            origin.trace,
            kind="consumer" if origin.via == "bus" else "internal",
            attributes={"scoreboard.board": board.board_id, "scoreboard.version": board.version},
        )
