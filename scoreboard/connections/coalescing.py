"""Group commit, for anything: calls that arrive while a batch is under way form the next one.

An idle caller pays no delay, because its batch leaves at once; a busy one shares its round trip
with all that wait. Submissions are committed through this; rate limits, stream leases and the
board's copy reach Redis through it.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Generic, TypeVar

from scoreboard.errors import Overloaded, ShuttingDown

Item = TypeVar("Item")
Result = TypeVar("Result")
# An item, its caller, and the time of the loop's clock after which it waits no longer.
_Waiting = tuple[Item, "asyncio.Future[Result]", float]


class Coalescer(Generic[Item, Result]):
    """Runs `process` on batches of the items that callers join with, and hands each its own result.

    `process` takes the batch's items and returns as many results in the same order; a result that
    is an exception is raised to its caller alone. When `process` itself raises, all of the batch's
    callers get that exception. Bounds: `batch_max` items a batch, `concurrency` batches at once,
    `waiting_max` items waiting; past that, `join` raises Overloaded at once. An item that no batch
    has taken within `waiting_seconds` gets Overloaded too. Of both `on_overload` is told.

    With `parts` a batch is at most one of so many parts of all items that wait or are under way, so
    that one part is processed while the callers of another one are answered, and join again. Else
    all of them would soon be in one batch, and this process idle while that is processed. No part
    is smaller than `part_min` for that.

    A caller that is cancelled leaves; its item stays, so that what was accepted is finished. But it
    never keeps one out whose caller waits: it comes behind those, and is dropped like any other
    when it has waited too long.
    """

    def __init__(
        self,
        process: Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]],
        *,
        batch_max: int,
        waiting_max: int,
        parts: int = 1,
        part_min: int = 1,
        waiting_seconds: float = math.inf,
        concurrency: int = 1,
        on_overload: Callable[[], None] = lambda: None,
    ) -> None:
        self._process = process
        self._batch_max = batch_max
        self._parts = min(parts, concurrency)
        self._part_min = part_min
        self._waiting_max = waiting_max
        self._waiting_seconds = waiting_seconds
        self._concurrency = concurrency
        self._on_overload = on_overload
        self._waiting: deque[_Waiting[Item, Result]] = deque()
        # Those of them whose callers were found to have left.
        self._left: deque[_Waiting[Item, Result]] = deque()
        self._running: set[asyncio.Task[None]] = set()
        # How many of them still take batches: one that has ended leaves `_running` a turn later.
        self._busy = 0
        # How many items are in the batches that are under way.
        self._taken = 0
        # Whether the item of the last batch was the only one: nothing waited or was under way.
        self._was_alone = True
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many items wait for a batch, right now."""
        return len(self._waiting) + len(self._left)

    @property
    def is_busy(self) -> bool:
        """Whether anything waits or is under way."""
        return self._busy > 0 or self.waiting > 0

    async def join(self, item: Item) -> Result:
        """Put `item` into the next batch and return its result.

        Raises Overloaded when too many wait, ShuttingDown after `close`, and what `process` says.
        """
        if self._closed:
            raise ShuttingDown
        if self.waiting >= self._waiting_max:
            self._make_room()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._waiting.append((item, future, loop.time() + self._waiting_seconds))
        if self._busy < self._concurrency:
            self._start(loop)
        return await future  # guard: commit-push-outlive

    async def close(self) -> None:
        """Take nothing more, and return when all that was accepted is finished."""
        self._closed = True
        # Not `while self._running`: from Python 3.12 on, gathering what is done takes no turn of
        # the loop, and the callback that takes a task out of the set would never have one.
        while running := [task for task in self._running if not task.done()]:
            await asyncio.gather(*running)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        # A task starts in the loop's next turn, so all that arrives in this one shares the batch.
        self._busy += 1
        # In a context of its own: it works for all who wait, not for the one who came first.
        task = loop.create_task(self._run(), context=Context())  # guard: many-requests-share
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run(self) -> None:
        try:
            while self._waiting or self._left:
                # One more turn of the loop: requests that have arrived but were not read yet come
                # along. Nothing waits for time to pass, and a busy server needs half the batches.
                # Where one was alone the last time, the next one is likely to be alone too.
                if not self._was_alone:
                    await asyncio.sleep(0)
                if batch := self._take():  # another task may have come first
                    try:
                        await self._settle(batch)
                    finally:
                        self._taken -= len(batch)
        finally:
            self._busy -= 1

    def _take(self) -> list[_Waiting[Item, Result]]:
        """The next batch: those who wait, then those who have left, and nobody who is late."""
        batch: list[_Waiting[Item, Result]] = []
        now = asyncio.get_running_loop().time()
        part = math.ceil((self.waiting + self._taken) / self._parts)
        most = min(max(part, self._part_min), self._batch_max)
        while (queue := self._waiting or self._left) and len(batch) < most:
            waiting = queue.popleft()
            _, future, until = waiting
            if queue is self._waiting and future.done():
                self._left.append(waiting)  # guard: batches-left-behind
            elif now > until:  # guard: batches-left-behind-dropped
                self._refuse(future)
            else:
                batch.append(waiting)
        self._taken += len(batch)
        self._was_alone = self._taken <= 1 and self.waiting == 0
        return batch

    def _make_room(self) -> None:
        """Drop an item whose caller has left. Raises Overloaded if there is none."""
        if not self._left:  # guard: batches-left-behind-makes
            self._on_overload()
            raise Overloaded
        _, future, _ = self._left.popleft()
        self._refuse(future)

    def _refuse(self, future: asyncio.Future[Result]) -> None:
        self._on_overload()
        if not future.done():
            future.set_exception(Overloaded())

    async def _settle(self, batch: list[_Waiting[Item, Result]]) -> None:
        try:
            results = await self._process([item for item, _, _ in batch])
            if len(results) != len(batch):  # guard: batches-too-few
                raise RuntimeError(f"{len(results)} results for {len(batch)} items")
        except Exception as error:  # each caller must hear of it, or it waits for ever
            results = [error] * len(batch)
        except BaseException:
            for _, future, _ in batch:
                future.cancel()
            raise
        for (_, future, _), result in zip(batch, results, strict=True):
            if future.done():
                continue  # its caller was cancelled
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
