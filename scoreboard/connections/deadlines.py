"""Ends what takes too long, as `asyncio.timeout` does, with one timer for all that is under way."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType


class Deadlines:
    """`with deadlines.next():` raises TimeoutError in a task that is in there `seconds` later.

    `asyncio.timeout` sets a timer for each use, and takes it away again, which costs more than the
    rest of a short call. These all have the same time, so whoever came first is late first: the
    timer waits for that one alone, and is set again only when it has rung.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._open: dict[Deadline, None] = {}  # in the order in which they end
        self._timer: asyncio.TimerHandle | None = None

    def next(self) -> Deadline:
        """A deadline that begins when it is entered, by a task, once."""
        return Deadline(self)

    def close(self) -> None:
        """Ring no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _begin(self, deadline: Deadline) -> float:
        """Add one, and return when it ends."""
        self._open[deadline] = None
        if self._timer is None:
            self._ring_in(self._seconds)
        return time.monotonic() + self._seconds

    def _end(self, deadline: Deadline) -> None:
        self._open.pop(deadline, None)

    def _ring_in(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._ring)

    def _ring(self) -> None:
        self._timer, now = None, time.monotonic()
        for deadline in list(self._open):
            if deadline.until > now:
                self._ring_in(deadline.until - now)  # guard: deadline-after-another
                return
            self._end(deadline)
            deadline.expire()


class Deadline:
    """One use of `Deadlines`. `until` is when it ends, by the monotonic clock."""

    __slots__ = ("_all", "_cancelling", "_has_expired", "_task", "until")

    def __init__(self, all_of_them: Deadlines) -> None:
        self._all = all_of_them
        self._has_expired = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a deadline needs a task that it can end")
        self._task, self._cancelling = task, task.cancelling()
        self.until = self._all._begin(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._all._end(self)
        # A task that somebody else has cancelled as well ends by that.
        # guard: deadline-and-cancelled
        is_ours = self._has_expired and self._task.uncancel() <= self._cancelling
        if is_ours and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def expire(self) -> None:
        """Cancel the task, for which `__exit__` then raises TimeoutError."""
        self._has_expired = True
        self._task.cancel()
