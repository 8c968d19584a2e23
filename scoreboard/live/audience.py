"""The subscribers of one board: who is there, who is behind, and what is written to whom.

A subscriber has one slot, not a queue: it has the newest board or it is behind. One whose transport
still holds unsent bytes is skipped, and gets the newest board when it has drained; one that stays
stuck is cut off. So a slow client costs one board of memory and delays nobody.
(docs/decisions/0005, with the measurements.)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from typing import Final

import structlog

from scoreboard.live.frames import HEARTBEAT, Frame, Update
from scoreboard.live.subscriber import Subscriber
from scoreboard.operations.metrics import Metrics

log = structlog.get_logger("scoreboard.hub")

# A write takes about 12 µs: after this many, requests get their turn.
_STRIDE: Final = 256


class Audience:
    """Writes `update`, the newest board, to each subscriber that has an older one."""

    def __init__(self, metrics: Metrics, *, stuck_after_seconds: float) -> None:
        self.update: Update | None = None
        self._metrics = metrics
        self._stuck_after_seconds = stuck_after_seconds
        self._subscribers: dict[Subscriber, None] = {}  # keeps the order of arrival
        self._behind: dict[Subscriber, None] = {}

    def __len__(self) -> int:
        return len(self._subscribers)

    def __iter__(self) -> Iterator[Subscriber]:
        """Those who are there now; they may leave meanwhile."""
        return iter(list(self._subscribers))

    @property
    def is_level(self) -> bool:
        """Whether nobody is behind."""
        return not self._behind

    def join(self, subscriber: Subscriber) -> None:
        """Add a subscriber, and write the newest board to it unless it has that."""
        self._subscribers[subscriber] = None
        self._metrics.subscribers.inc()
        self._deliver(subscriber)

    def leave(self, subscriber: Subscriber) -> None:
        """Forget a subscriber; one that has left already is none."""
        if subscriber in self._subscribers:
            del self._subscribers[subscriber]
            self._behind.pop(subscriber, None)
            self._metrics.subscribers.dec()

    def dismiss(self, farewell: Frame) -> None:
        """End every stream with these words."""
        for subscriber in self:
            subscriber.dismiss(farewell)

    async def push(self) -> None:
        """Write the newest board to all."""
        everybody = list(self._subscribers)
        for start in range(0, len(everybody), _STRIDE):
            self._push_to(everybody[start : start + _STRIDE])
            await asyncio.sleep(0)

    async def beat(self) -> None:
        """Write a heartbeat to all; one that cannot take it is behind."""
        async for subscriber in self._in_strides(self._subscribers):
            if subscriber.has_unsent_bytes:
                self._fall_behind(subscriber)
            else:
                subscriber.write(HEARTBEAT)

    async def tend(self) -> None:
        """Look after those that are behind: write the newest board to who has drained, and cut off
        who is stuck. No event says that a transport has drained and costs nothing to keep.
        """
        stuck_since = asyncio.get_running_loop().time() - self._stuck_after_seconds
        async for subscriber in self._in_strides(self._behind):
            if not subscriber.has_unsent_bytes:
                subscriber.behind_since = None
                del self._behind[subscriber]
                self._deliver(subscriber)
            elif subscriber.behind_since is not None and subscriber.behind_since <= stuck_since:
                self._cut_off(subscriber)

    def _push_to(self, subscribers: Sequence[Subscriber]) -> None:
        """Do what `_deliver` does, for many: in one loop, and counted once, a delivery costs 2 µs
        less of Python.
        """
        if self.update is None:
            return
        version, frame = self.update.version, self.update.frame
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

    def _deliver(self, subscriber: Subscriber) -> None:
        """Write the newest board to a subscriber that has an older one, if it can take it."""
        if self.update is None or subscriber.version >= self.update.version:
            return
        if subscriber.has_unsent_bytes:  # guard: subscriber-unsent-bytes
            self._metrics.deliveries_skipped.inc()
            self._fall_behind(subscriber)
            return
        subscriber.write(self.update.frame)
        subscriber.version = self.update.version
        self._metrics.deliveries.inc()

    async def _in_strides(self, subscribers: Collection[Subscriber]) -> AsyncIterator[Subscriber]:
        for number, subscriber in enumerate(list(subscribers), 1):
            if subscriber in self._subscribers:  # it may have left meanwhile
                yield subscriber
            if number % _STRIDE == 0:
                await asyncio.sleep(0)

    def _fall_behind(self, subscriber: Subscriber) -> None:
        if subscriber.behind_since is None:
            subscriber.behind_since = asyncio.get_running_loop().time()
            self._behind[subscriber] = None

    def _cut_off(self, subscriber: Subscriber) -> None:
        self._metrics.subscribers_cut_off.inc()
        log.info("scoreboard.hub.cut_off", version=subscriber.version)
        self.leave(subscriber)
        subscriber.transport.abort()  # guard: stuck-subscriber-cut
        subscriber.end()
