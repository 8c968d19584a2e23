"""Open streams that are walked together: who has joined, who is behind, and how it ends for them.

What is written to them is up to whoever inherits this: a channel writes its board, the personal
streams what concerns each user. A subscriber whose transport still holds unsent bytes is skipped,
and gets the newest when it has drained; one that stays stuck is cut off. So a slow client delays
nobody, and no task and no queue belongs to a subscriber.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection
from contextlib import AbstractContextManager
from typing import Final, Generic, TypeVar

import structlog

from scoreboard.live.frames import HEARTBEAT, Frame
from scoreboard.live.subscriber import Subscriber
from scoreboard.operations.metrics import Metrics

log = structlog.get_logger("scoreboard.hub")

# A write takes about 12 µs: after this many, requests get their turn.
STRIDE: Final = 256

SubscriberT = TypeVar("SubscriberT", bound=Subscriber)


class _Opening:
    """Counts those who are about to join a crowd, and knows when somebody asked for it last. One
    for all of them: each stream comes by.
    """

    def __init__(self) -> None:
        self.count = 0
        self.touch()

    def __enter__(self) -> None:
        self.count += 1

    def __exit__(self, *_: object) -> None:
        self.count -= 1
        self.touch()

    def touch(self) -> None:
        self.asked_at = time.monotonic()


class Crowd(Generic[SubscriberT]):
    """Keeps the subscribers. Whoever inherits this says what `deliver` writes."""

    def __init__(self, metrics: Metrics, *, stuck_after_seconds: float) -> None:
        self.subscribers: dict[SubscriberT, None] = {}  # keeps the order of arrival
        self.behind: dict[SubscriberT, None] = {}
        self._metrics = metrics
        self._stuck_after_seconds = stuck_after_seconds
        self._opening = _Opening()
        self._farewell: Frame | None = None

    def deliver(self, subscriber: SubscriberT) -> None:
        """Write what is new to a subscriber, unless it `is_behind`."""
        raise NotImplementedError

    @property
    def idle_seconds(self) -> float:
        """For how long nobody has been here, or was about to; 0.0 if somebody is."""
        is_used = self.subscribers or self._opening.count
        return 0.0 if is_used else time.monotonic() - self._opening.asked_at

    def opening(self) -> AbstractContextManager[None]:
        """Somebody is about to join, and does so or not within this."""
        return self._opening

    def touch(self) -> None:
        """Somebody asked for it just now."""
        self._opening.touch()

    def join(self, subscriber: SubscriberT) -> None:
        """Add a subscriber, and write what it has not got."""
        self.subscribers[subscriber] = None
        self._metrics.subscribers.inc()
        self.deliver(subscriber)
        # It may have been on its way in when the others were told.
        if self._farewell is not None:  # guard: streams-join-after
            subscriber.dismiss(self._farewell)

    def leave(self, subscriber: SubscriberT, *, vanished: bool = False) -> None:
        """Forget a subscriber; one that has left already is none. One that `vanished` acknowledged
        nothing until the kernel gave it up.
        """
        if vanished:
            self._metrics.subscribers_vanished.inc()
        if subscriber in self.subscribers:
            del self.subscribers[subscriber]
            self.touch()
            self.behind.pop(subscriber, None)
            self._metrics.subscribers.dec()

    def close(self, farewell: Frame) -> None:
        """End every stream with these words, also those that are on their way in."""
        self._farewell = farewell
        self.dismiss_all(farewell)

    def dismiss_all(self, farewell: Frame) -> None:
        """End the streams of those who are here with these words."""
        for subscriber in list(self.subscribers):  # they may leave meanwhile
            subscriber.dismiss(farewell)

    async def beat(self) -> None:
        """Write a heartbeat to all; one that cannot take it is behind."""
        async for subscriber in self.in_strides(self.subscribers):
            if subscriber.has_unsent_bytes:
                self._fall_behind(subscriber)
            else:
                subscriber.write(HEARTBEAT)

    async def tend(self) -> None:
        """Look after those that are behind: write what is new to who has drained, and cut off who
        is stuck. No event says that a transport has drained and costs nothing to keep.
        """
        stuck_since = asyncio.get_running_loop().time() - self._stuck_after_seconds
        async for subscriber in self.in_strides(self.behind):
            if not subscriber.has_unsent_bytes:
                subscriber.behind_since = None
                del self.behind[subscriber]
                self.deliver(subscriber)
            elif subscriber.behind_since is not None and subscriber.behind_since <= stuck_since:
                self._cut_off(subscriber)

    async def in_strides(self, subscribers: Collection[SubscriberT]) -> AsyncIterator[SubscriberT]:
        """Walk these, those that have not left; after each stride requests get their turn."""
        for number, subscriber in enumerate(list(subscribers), 1):
            if subscriber in self.subscribers:  # it may have left meanwhile
                yield subscriber
            if number % STRIDE == 0:
                await asyncio.sleep(0)

    def is_behind(self, subscriber: SubscriberT) -> bool:
        """Whether something is not to be written to a subscriber now, because earlier bytes are
        still unsent: it is skipped, and gets what is new then when it has drained.
        """
        if subscriber.has_unsent_bytes:  # guard: subscriber-unsent-bytes
            self._metrics.deliveries_skipped.inc()
            self._fall_behind(subscriber)
            return True
        return False

    def _fall_behind(self, subscriber: SubscriberT) -> None:
        if subscriber.behind_since is None:
            subscriber.behind_since = asyncio.get_running_loop().time()
            self.behind[subscriber] = None

    def _cut_off(self, subscriber: SubscriberT) -> None:
        self._metrics.subscribers_cut_off.inc()
        log.info("scoreboard.hub.cut_off", version=subscriber.version)
        self.leave(subscriber)
        subscriber.transport.abort()  # guard: stuck-subscriber-cut
        subscriber.end()
