"""One board on this instance: the newest version that came, and its subscribers.

A subscriber has one slot, not a queue: it has the newest board or it is behind. So a slow client
costs one board of memory and delays nobody (`crowd`; docs/decisions/0005, with the measurements).

When the board goes over to another season, the events that say so go out in front of the first
board that a subscriber gets after that: in one frame, once, in their order. Of the turns that a
subscriber has missed, it is told the last `_TURNS_KEPT`; each board says itself which season it
shows.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from scoreboard.live.crowd import STRIDE, Crowd
from scoreboard.live.frames import RENUMBERED, Frame, closing
from scoreboard.live.subscriber import Subscriber
from scoreboard.model import LEAP_MAX, Board, Origin
from scoreboard.operations.metrics import Metrics
from scoreboard.operations.tracing import UNRECORDED, Span, Tracing

# Of the boards that one push brings, this many are timed.
_TIMED_MAX: Final = 64
_TURNS_KEPT: Final = 2
_BEGINS_ANEW: Final = Frame.of(
    closing(
        RENUMBERED,
        "The board is numbered anew. Forget the highest id that you have seen, and reconnect.",
    )
)


class Channel(Crowd[Subscriber]):
    """Writes `board`, the newest that came, to each subscriber that has an older one. `has_news`
    says that it was not pushed yet.
    """

    def __init__(self, metrics: Metrics, tracing: Tracing, *, stuck_after_seconds: float) -> None:
        super().__init__(metrics, stuck_after_seconds=stuck_after_seconds)
        self.board: Board | None = None
        self.has_news = False
        self._tracing = tracing
        self._frame: Frame | None = None  # the board as a `score:update`
        # The turns of its seasons: the version that came with each, and the frame for those who
        # have an older one, which ends with the board.
        self._turns: list[tuple[int, bytes]] = []
        self._turned: list[tuple[int, Frame]] = []
        self.rests_until = 0.0  # when the next push may be, by the loop's clock
        self._on_their_way: list[tuple[Origin, Span]] = []  # the boards since the last push

    @property
    def version(self) -> int:
        """The version of the newest board, -1 before the first."""
        return self.board.version if self.board else -1

    @property
    def newest(self) -> bytes:
        """The newest board as an event, b"" before the first."""
        return b"" if self._frame is None else self._frame.plain

    def subscriber(
        self, transport: asyncio.Transport, *, chunked: bool, end: Callable[[], None]
    ) -> Subscriber:
        """A subscriber that is told `newest` as it is now, before it joins."""
        return Subscriber(transport, chunked=chunked, version=self.version, end=end)

    def show(self, board: Board, event: bytes, turn: bytes, origin: Origin | None) -> None:
        """Let this board, encoded, be the one to push, after the events of its `turn`, if its
        season is another one now. Without an origin nobody times its way.
        """
        if origin is not None and len(self._on_their_way) < _TIMED_MAX:
            # guard: boards-conflated-timed
            self._on_their_way.append((origin, self._span(board, origin)))
        if self.has_news:
            self._metrics.boards_conflated.inc()
        self.board, self._frame, self.has_news = board, Frame.of(event), True
        if turn:
            self._turns = [*self._turns, (board.version, turn)][-_TURNS_KEPT:]
        if self._turns:
            self._turned = [
                (version, Frame.of(b"".join(each for _, each in self._turns[number:]) + event))
                for number, (version, _) in enumerate(self._turns)
            ]

    def begin_anew(self) -> None:
        """Forget the board, and tell subscribers to forget it too: their streams end."""
        self.board, self._frame, self.has_news = None, None, False
        self._turns, self._turned = [], []
        self.dismiss_all(_BEGINS_ANEW)

    def join(self, subscriber: Subscriber) -> None:
        """Add a subscriber, and write the newest board to it unless it has that."""
        super().join(subscriber)
        # It may have been on its way in when the others were told.
        is_ahead = subscriber.version - self.version > LEAP_MAX
        if is_ahead and not subscriber.is_dismissed:  # guard: stream-way-when
            subscriber.dismiss(_BEGINS_ANEW)

    def push(self) -> Iterator[int]:
        """Write the newest board to all, and time that. A board that was conflated arrives with the
        newest, so it is timed with it. Stops after each stride, and says how long that was: after
        `STRIDE` subscribers, of one channel or several, requests get their turn.
        """
        self.has_news = False
        self._metrics.pushes.inc()
        arriving, self._on_their_way = self._on_their_way, []
        for _, span in arriving:
            span.event("push")
        started = time.monotonic()
        everybody = list(self.subscribers)
        for start in range(0, len(everybody), STRIDE):
            stride = everybody[start : start + STRIDE]
            self._push_to(stride)
            yield len(stride)
        ended = time.monotonic()
        self._metrics.push_seconds.observe(ended - started)
        for origin, span in arriving:
            span.note({"scoreboard.subscribers": len(self.subscribers)})
            span.end()
            if self.subscribers:  # else there was no event that a submission could have led to
                self._metrics.time_way(origin.via, ended - origin.began)

    def _span(self, board: Board, origin: Origin) -> Span:
        """From the arrival here until it was written to every subscriber."""
        if not self._tracing.on:
            return UNRECORDED
        return self._tracing.span(
            "scoreboard.push",
            origin.trace,
            kind="consumer" if origin.via == "bus" else "internal",
            attributes={"scoreboard.board": board.board_id, "scoreboard.version": board.version},
        )

    def _push_to(self, subscribers: Sequence[Subscriber]) -> None:
        """Do what `deliver` does, for many: in one loop, and counted once, a delivery costs 2 µs
        less of Python.
        """
        if self._frame is None or self.board is None:
            return
        version, frame = self.version, self._frame
        turned_at = self._turned[-1][0] if self._turned else -1
        present, delivered = self.subscribers, 0
        for subscriber in subscribers:
            if subscriber.version >= version or subscriber not in present:
                continue
            if subscriber.transport.get_write_buffer_size():
                self.deliver(subscriber)  # says what becomes of it
                continue
            is_told = subscriber.version >= turned_at  # guard: season-events-told
            subscriber.write(frame if is_told else self._after_turns(subscriber, frame))
            subscriber.version = version
            delivered += 1
        self._metrics.count_deliveries(self.board.board_id, delivered)

    def deliver(self, subscriber: Subscriber) -> None:
        """Write the newest board to a subscriber that has an older one, if it can take it."""
        if self._frame is None or self.board is None or subscriber.version >= self.version:
            return
        if self.is_behind(subscriber):
            return
        subscriber.write(self._after_turns(subscriber, self._frame))
        subscriber.version = self.version
        self._metrics.count_deliveries(self.board.board_id, 1)

    def _after_turns(self, subscriber: Subscriber, frame: Frame) -> Frame:
        """This frame, of the newest board, with the turns in front of it that this subscriber has
        not heard of. One that has no board yet learns from this one alone.
        """
        for version, turned in self._turned:
            if 0 <= subscriber.version < version:  # guard: season-events-newcomers
                return turned
        return frame
