"""A connection of aiopg, without two of its mistakes."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import aiopg


class Connection(aiopg.Connection):
    """One connection to PostgreSQL. `prepared` is what the server keeps until it is closed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """When a connection cannot be made, aiopg takes the reader off the loop and forgets the
        writer (issue 856). Under uvloop the next one with this file number then failed as well, and
        its socket stayed open: one at every second attempt, for as long as PostgreSQL was away.
        """
        self.prepared: set[str] = set()
        try:
            super().__init__(*args, **kwargs)
        except RuntimeError:
            loop, number = asyncio.get_running_loop(), self.raw.fileno()
            loop.remove_reader(number)
            loop.remove_writer(number)
            loop.add_reader(number, self._ready, self._weakref)

    async def _poll(self, waiter: asyncio.Future[None], timeout: float) -> None:  # noqa: ASYNC109
        """Wait for an answer. aiopg makes a cancellation that nobody asked for of the server's
        statement_timeout (issue 537), and an error in the log.
        """
        self._ready(self._weakref)
        try:
            async with asyncio.timeout(timeout):
                await waiter
        except (asyncio.CancelledError, TimeoutError):
            await self.close()
            raise
        finally:
            self._waiter = None


def discard(connection: Connection) -> None:
    """Close it, and its socket whatever aiopg says: a broken one may break once more as it goes."""
    for end in (connection.close, connection.raw.close):
        with contextlib.suppress(Exception):
            end()
