"""Drivers lose cancellations: a cancelled wait can come back as an error of the driver's own, or,
where it uses the `asyncio.wait_for` of Python 3.11 (cpython issue 86296), as if nothing had
happened.

A loop that goes on after either would never end, so each border asks here before it returns.
"""

from __future__ import annotations

import asyncio


def is_cancelled() -> bool:
    """Whether somebody has asked the current task to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def raise_if_cancelled() -> None:
    """Raise CancelledError when the current task was asked to end."""
    if is_cancelled():
        raise asyncio.CancelledError
