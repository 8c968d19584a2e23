"""The hub hands each new board to every subscriber of this instance without waking anybody.

A board is encoded once and the same bytes go to every transport. A subscriber has one slot, not a
queue: it has the latest board or it is behind. One whose transport still holds unsent bytes is
skipped, and gets the newest board when it has drained; one that stays stuck is cut off. So a slow
client costs one board of memory and delays nobody. (docs/decisions/0005, with the measurements.)

Bursts are conflated: the first change goes out at once, later ones at most every
`push_interval_seconds`, and the last one always.

A board is encoded before it is taken: one that cannot be sent never becomes the one to send.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import structlog

from scoreboard.live.frames import HEARTBEAT, RENUMBERED, Frame, closing, score_update
from scoreboard.live.subscriber import Subscriber
from scoreboard.model import LEAP_MAX, Board, Origin
from scoreboard.operations.logs import Seldom
from scoreboard.operations.metrics import Metrics
from scoreboard.operations.tracing import OFF, Span, Tracing

log = structlog.get_logger("scoreboard.hub")

# Writing takes about 12 µs each: after this many, requests get their turn.
_STRIDE: Final = 256
_TEND_SECONDS: Final = 0.1
# Of the boards that one push brings, this many are timed.
_TIMED_MAX: Final = 64
_BEGINS_ANEW: Final = Frame.of(
    closing(
        RENUMBERED,
        "The board is numbered anew. Forget the highest id that you have seen, and reconnect.",
    )
)


class Hub:
    """Keeps the subscribers and the newest board. `run` does the pushing until it is cancelled.

    `on_newer` is told of each board that is newer than the one before.
    """

    def __init__(
        self,
        metrics: Metrics,
        *,
        push_interval_seconds: float,
        heartbeat_seconds: float,
        stuck_after_seconds: float,
        tracing: Tracing = OFF,
        on_newer: Callable[[Board], None] = lambda _: None,
    ) -> None:
        self._tracing = tracing
        self._on_newer = on_newer
        self.board: Board | None = None
        self.frame: Frame | None = None  # the board as a `score:update`
        self._metrics = metrics
        self._push_interval_seconds = push_interval_seconds
        self._heartbeat_seconds = heartbeat_seconds
        self._stuck_after_seconds = stuck_after_seconds
        self._subscribers: dict[Subscriber, None] = {}  # keeps the order of arrival
        self._behind: dict[Subscriber, None] = {}
        self._changed = asyncio.Event()
        self._pushed_version = 0
        self._farewell: Frame | None = None
        self._seldom = Seldom()
        self._on_their_way: list[tuple[Origin, Span]] = []

    def __len__(self) -> int:
        return len(self._subscribers)

    @property
    def version(self) -> int:
        """The version of the newest board, -1 before the first."""
        return self.board.version if self.board else -1

    def offer(self, board: Board, origin: Origin | None = None) -> None:
        """Take a board, whoever made it, unless the one we have is as new, or this one so far ahead
        that no history leads there.
        """
        if self.board is not None and board.version - self.board.version > LEAP_MAX:
            self._refuse(board, "leap")
        else:
            self._take(board, origin)

    def _take(self, board: Board, origin: Origin | None = None) -> bool:
        if board.version <= self.version:
            self._metrics.boards_outdated.inc()
            return False
        try:
            frame = Frame.of(score_update(board))
        except (TypeError, ValueError, OverflowError):
            self._refuse(board, "unencodable")
            return False
        if origin is not None and len(self._on_their_way) < _TIMED_MAX:
            self._on_their_way.append((origin, self._span(board, origin)))
        if self.version > self._pushed_version:
            self._metrics.boards_conflated.inc()
        self.board, self.frame = board, frame
        self._metrics.board_version.labels("hub").set(board.version)
        self._on_newer(board)
        self._changed.set()
        return True

    def _refuse(self, board: Board, reason: str) -> None:
        self._metrics.boards_refused.labels(reason).inc()
        if self._seldom.due(reason):
            log.error("scoreboard.hub.refused", reason=reason, version=board.version)

    # For the relay

    async def held(self) -> Sequence[Board]:
        """The board that subscribers may have seen."""
        return [] if self.board is None else [self.board]

    def lags(self, board: Board) -> bool:
        """Whether subscribers have seen an older one than this, which may come by itself."""
        return self.board is not None and board.version > self.board.version

    async def take(self, board: Board) -> bool:
        """Take the ledger's board if it is newer; however far ahead, it is the truth."""
        return board.version > self.version and self._take(board)

    async def begin_anew(self, board: Board) -> None:
        """Take the ledger's board though it is older. Whoever has seen the one that we had is told
        to forget it: the stream ends, and the next one begins with this.
        """
        if self.version <= board.version:
            return
        self.board = self.frame = None
        self._pushed_version = 0
        self._take(board)
        for subscriber in list(self._subscribers):
            subscriber.dismiss(_BEGINS_ANEW)

    def join(self, subscriber: Subscriber) -> None:
        """Add a subscriber; it gets the newest board now, unless it has it."""
        self._subscribers[subscriber] = None
        self._metrics.subscribers.set(len(self._subscribers))
        self._deliver(subscriber)
        # It was on its way in when the others were told.
        if self._farewell is not None:
            subscriber.dismiss(self._farewell)
        elif subscriber.version - self.version > LEAP_MAX:
            subscriber.dismiss(_BEGINS_ANEW)

    def leave(self, subscriber: Subscriber, *, vanished: bool = False) -> None:
        """Forget a subscriber; one that `vanished` acknowledged nothing until the kernel gave it
        up.
        """
        if vanished:
            self._metrics.subscribers_vanished.inc()
        self._subscribers.pop(subscriber, None)
        self._behind.pop(subscriber, None)
        self._metrics.subscribers.set(len(self._subscribers))

    async def run(self) -> None:
        """Push, send heartbeats and cut off the stuck, until cancelled."""
        self._changed.set()  # after a crash, somebody may lack the board that was being pushed
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._push_changes())
            tasks.create_task(self._beat())
            tasks.create_task(self._tend())

    def close(self, code: str, message: str) -> None:
        """Tell every subscriber that this is the end, and end its stream."""
        self._farewell = Frame.of(closing(code, message))
        for subscriber in list(self._subscribers):
            subscriber.dismiss(self._farewell)

    async def _push_changes(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            self._pushed_version = self.version
            self._metrics.pushes.inc()
            await self._push_and_time()
            await asyncio.sleep(self._push_interval_seconds)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_seconds)
            await self._in_strides(self._subscribers, self._send_heartbeat)

    async def _tend(self) -> None:
        """Look after those that are behind: there is no event for "drained" that costs nothing to
        keep.
        """
        while True:
            await asyncio.sleep(_TEND_SECONDS)
            await self._in_strides(self._behind, self._catch_up_or_cut_off)

    async def _push_and_time(self) -> None:
        """Boards that were conflated arrive with the newest one, so they are timed with it."""
        arriving, self._on_their_way = self._on_their_way, []
        for _, span in arriving:
            span.event("push")
        started = time.monotonic()
        await self._push()
        ended = time.monotonic()
        self._metrics.push_seconds.observe(ended - started)
        for origin, span in arriving:
            span.note({"scoreboard.subscribers": len(self._subscribers)})
            span.end()
            if self._subscribers:  # else there was no event that a submission could have led to
                way = self._metrics.submit_to_event_seconds.labels(origin.via)
                way.observe(ended - origin.began)

    def _span(self, board: Board, origin: Origin) -> Span:
        """From the arrival here until it was written to every subscriber."""
        return self._tracing.span(
            "scoreboard.push",
            origin.trace,
            kind="consumer" if origin.via == "bus" else "internal",
            attributes={"scoreboard.version": board.version},
        )

    async def _push(self) -> None:
        everybody = list(self._subscribers)
        for start in range(0, len(everybody), _STRIDE):
            self._push_to(everybody[start : start + _STRIDE])
            await asyncio.sleep(0)

    def _push_to(self, subscribers: Sequence[Subscriber]) -> None:
        """Do what `_deliver` does, for many: in one loop, and counted once, a delivery costs 2 µs
        less of Python.
        """
        if self.board is None or self.frame is None:
            return
        version, frame = self.board.version, self.frame
        present, delivered = self._subscribers, 0
        for subscriber in subscribers:
            if subscriber.version >= version or subscriber not in present:
                continue
            if subscriber.transport.get_write_buffer_size():
                self._deliver(subscriber)  # says what becomes of it
                continue
            subscriber.write(frame)
            subscriber.version = version
            delivered += 1
        self._metrics.deliveries.inc(delivered)

    async def _in_strides(
        self, subscribers: Iterable[Subscriber], act: Callable[[Subscriber], None]
    ) -> None:
        for number, subscriber in enumerate(list(subscribers), 1):
            if subscriber in self._subscribers:  # it may have left meanwhile
                act(subscriber)
            if number % _STRIDE == 0:
                await asyncio.sleep(0)

    def _deliver(self, subscriber: Subscriber) -> None:
        """Write the newest board to a subscriber that has an older one, if it can take it."""
        if self.frame is None or subscriber.version >= self.version:
            return
        if subscriber.has_unsent_bytes:
            self._metrics.deliveries_skipped.inc()
            self._fall_behind(subscriber)
            return
        subscriber.write(self.frame)
        subscriber.version = self.version
        self._metrics.deliveries.inc()

    def _send_heartbeat(self, subscriber: Subscriber) -> None:
        if subscriber.has_unsent_bytes:
            self._fall_behind(subscriber)
        else:
            subscriber.write(HEARTBEAT)

    def _fall_behind(self, subscriber: Subscriber) -> None:
        if subscriber.behind_since is None:
            subscriber.behind_since = asyncio.get_running_loop().time()
            self._behind[subscriber] = None

    def _catch_up_or_cut_off(self, subscriber: Subscriber) -> None:
        if not subscriber.has_unsent_bytes:
            subscriber.behind_since = None
            del self._behind[subscriber]
            self._deliver(subscriber)
        elif self._is_stuck(subscriber):
            self._metrics.subscribers_cut_off.inc()
            log.info("scoreboard.hub.cut_off", version=subscriber.version)
            self.leave(subscriber)
            subscriber.transport.abort()
            subscriber.end()

    def _is_stuck(self, subscriber: Subscriber) -> bool:
        now = asyncio.get_running_loop().time()
        return (
            subscriber.behind_since is not None
            and now - subscriber.behind_since >= self._stuck_after_seconds
        )
