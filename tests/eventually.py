"""Waiting in tests: poll a condition with a deadline, never sleep and hope."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

LOOK_SECONDS = 0.02
# How many times as long a machine may take that is busy with something else.
STARVED = 5


async def eventually(
    check: Callable[[], Any],
    *,
    within_seconds: float = 10.0,
    every_seconds: float = LOOK_SECONDS,
    message: str = "",
) -> Any:
    """Call `check` until it answers something true, and answer that.

    The deadline is `within_seconds` of a machine that has time for us: one that is busy with
    something else gives us fewer looks in that time, and the missing ones are taken after it.

    An AssertionError inside `check` counts as "not yet", so that a check can be a few asserts; any
    other exception is the test's own and ends the wait.
    """
    clock = asyncio.get_running_loop().time
    start = clock()
    looks = 0
    enough = within_seconds / max(every_seconds, LOOK_SECONDS)
    while True:
        last = await _attempt(check)
        if last and not isinstance(last, AssertionError):
            return last
        looks += 1
        waited = clock() - start
        if waited >= within_seconds * (1 if looks >= enough else STARVED):
            what = message or getattr(check, "__name__", "condition")
            raise AssertionError(f"{what}: not within {within_seconds} s, last {last!r}")
        await asyncio.sleep(every_seconds)


async def _attempt(check: Callable[[], Any]) -> Any:
    try:
        value = check()
        return await value if inspect.isawaitable(value) else value
    except AssertionError as not_yet:
        return not_yet
