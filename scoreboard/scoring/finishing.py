"""What a client has begun is done to the end, also when the client leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from scoreboard.errors import Overloaded

Made = TypeVar("Made")


class Finishing:
    """Finishes what was begun: `running_max` at once, over all clients of this instance."""

    def __init__(self, running_max: int) -> None:
        self._running_max = running_max
        self._running: set[asyncio.Task[Any]] = set()

    async def finish(self, work: Callable[[], Coroutine[Any, Any, Made]]) -> Made:
        """Do it in a task of its own. Raises Overloaded before it has begun, and what it raises."""
        if len(self._running) >= self._running_max:  # guard: orders-bounded
            raise Overloaded
        task = asyncio.create_task(work())
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)  # guard: orders-finished

    async def close(self) -> None:
        """Wait for what was begun."""
        await asyncio.gather(*self._running, return_exceptions=True)
