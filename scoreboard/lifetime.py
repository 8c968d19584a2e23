"""What runs in the background, and what is closed at the end: one list, in the order in which parts
are made (`parts`). The end goes the other way, because a part uses those that were made before it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import structlog

from scoreboard.operations.metrics import Metrics

log = structlog.get_logger("scoreboard.app")

_CRASH_PAUSE_SECONDS: Final = 1.0

Work = Callable[[], Awaitable[None]]


class Lifetime:
    """The background tasks and the closes of one process."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._begin: list[Callable[[], Work]] = []

    def run(self, name: str, work: Work) -> None:
        """Run this as a background task. At the end it is cancelled and waited for."""
        self._begin.append(lambda: self._started(name, work))

    def close(self, close: Callable[[], Awaitable[None] | None]) -> None:
        """Call this at the end."""

        async def closed() -> None:
            if (ending := close()) is not None:
                await ending

        self._begin.append(lambda: closed)

    @contextlib.asynccontextmanager
    async def begun(self) -> AsyncIterator[None]:
        """Start the tasks; at the end, end everything. Raises what one of the ends raised, once all
        others have been called.
        """
        async with contextlib.AsyncExitStack() as ends:
            for begin in self._begin:
                ends.push_async_callback(begin())
            yield

    def _started(self, name: str, work: Work) -> Work:
        task = asyncio.create_task(self._keep_running(name, work), name=name)

        async def ended() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        return ended

    async def _keep_running(self, name: str, work: Work) -> None:
        """Run a background task again when a defect of ours ended it; it is logged and counted."""
        # Shown as 0 from the start, so that a rise from there is seen.
        crashes = self._metrics.task_crashes.labels(name)
        while True:
            try:
                return await work()
            except Exception:
                crashes.inc()
                log.exception("scoreboard.app.task_crashed", task=name)
                await asyncio.sleep(_CRASH_PAUSE_SECONDS)
