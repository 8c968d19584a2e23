"""Finds cancellations that drivers lose: a cancelled wait can come back as an error of the driver's
own, or, by the `asyncio.wait_for` of Python 3.11 (cpython issue 86296), as if nothing had happened.

A loop that goes on after either would never end, so each border asks here before it returns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable


def is_cancelled() -> bool:
    """Whether somebody has asked the current task to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def raise_if_cancelled() -> None:
    """Raise CancelledError when the current task was asked to end."""
    if is_cancelled():  # guard: lost-cancellation-still
        raise asyncio.CancelledError


async def unless_set(stop: asyncio.Event, work: Awaitable[object]) -> None:
    """Do this, or leave it as soon as `stop` is set."""
    task, stopped = asyncio.ensure_future(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([task, stopped], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
    finally:
        for each in (task, stopped):
            each.cancel()
        await asyncio.gather(task, stopped, return_exceptions=True)
