"""Bounds how long the head of a connection's first request may take, with one timer for all of
them: a timer of its own is set and taken away for nearly every client that comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import takewhile
from typing import Final, Protocol

# From the connection's start to the end of the first request's head. aiohttp would wait as long as
# for the next request of a client that is known already. Browsers open a connection in advance and
# do not mind losing it.
HEAD_SECONDS: Final = 15.0
# At the end: a client that connected so short a time ago may have a request on its way.
_MOMENT_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 0.01
# Those who came within so short a time are ended together.
_RING_SECONDS: Final = 0.05


class Newcomer(Protocol):
    """A connection that somebody has just opened."""

    @property
    def has_asked(self) -> bool:
        """Whether the head of a request has come."""

    def force_close(self) -> None:
        """Close it."""


class Newcomers:
    """Keeps those who came within `HEAD_SECONDS` and are still there, whether they have asked or
    not.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._came: dict[Newcomer, float] = {}  # when, by the loop's clock, in that order
        self._timer: asyncio.TimerHandle | None = None

    def enter(self, one: Newcomer) -> None:
        """Give one its time from now on."""
        self._came[one] = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(HEAD_SECONDS, self._ring)

    def leave(self, one: Newcomer) -> None:
        """Forget one that has left, if it is here."""
        self._came.pop(one, None)

    async def hear(self) -> None:
        """Wait a moment for the first request of each that has just come. (To look costs requests
        nothing; an event would.)
        """
        while self._are_awaited():  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_SECONDS)

    def close(self) -> None:
        """End nobody any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _are_awaited(self) -> bool:
        since = self._loop.time() - _MOMENT_SECONDS
        return any(came > since and not one.has_asked for one, came in self._came.items())

    def _ring(self) -> None:
        self._timer = None
        try:
            for one in list(self._late()):
                del self._came[one]
                if not one.has_asked:
                    one.force_close()
        finally:  # a defect in the end of one keeps no other one
            if self._came:
                left = next(iter(self._came.values())) + HEAD_SECONDS - self._loop.time()
                self._timer = self._loop.call_later(max(left, _RING_SECONDS), self._ring)

    def _late(self) -> Iterator[Newcomer]:
        until = self._loop.time() - HEAD_SECONDS
        return (one for one, _ in takewhile(lambda each: each[1] <= until, self._came.items()))
