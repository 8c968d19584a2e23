"""A clock for tests about time: it stands while there is work and jumps when all only wait."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

Parameters = ParamSpec("Parameters")


class JumpingClockLoop(asyncio.SelectorEventLoop):
    """A loop in which an hour of sleep takes no time. Nothing may wait for a socket in it."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__()

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self._now = max(self._now, self._scheduled[0].when())  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


def jumping_clock(
    test: Callable[Parameters, Coroutine[Any, Any, None]],
) -> Callable[Parameters, None]:
    """Run a test in such a loop, so that it can say exactly what happens when."""

    @functools.wraps(test)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        with asyncio.Runner(loop_factory=JumpingClockLoop) as runner:
            runner.run(test(*args, **kwargs))

    return run


def now() -> float:
    """What the running loop's clock says."""
    return round(asyncio.get_running_loop().time(), 6)
