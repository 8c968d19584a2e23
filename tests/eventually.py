"""Waiting in tests: poll a condition with a deadline, never sleep and hope."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any


async def eventually(
    check: Callable[[], Any],
    *,
    within_seconds: float = 10.0,
    every_seconds: float = 0.02,
    message: str = "",
) -> Any:
    """Call `check` until it answers something true, and answer that.

    An AssertionError inside `check` counts as "not yet", so that a check can be a few asserts; any
    other exception is the test's own and ends the wait.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + within_seconds
    while True:
        last = await _attempt(check)
        if last and not isinstance(last, AssertionError):
            return last
        if clock() >= deadline:
            what = message or getattr(check, "__name__", "condition")
            raise AssertionError(f"{what}: not within {within_seconds} s, last {last!r}")
        await asyncio.sleep(every_seconds)


async def _attempt(check: Callable[[], Any]) -> Any:
    try:
        value = check()
        return await value if inspect.isawaitable(value) else value
    except AssertionError as not_yet:
        return not_yet
