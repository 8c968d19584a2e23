"""Whether Redis is away: a call that failed says so, and a ping in the background finds its return.

So a Redis that hangs costs one wait, and not one a request.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import time
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Final

import structlog

from scoreboard.connections.cancellation import raise_if_cancelled
from scoreboard.connections.redis_answers import RedisReports, failing_of

log = structlog.get_logger("scoreboard.redis")

# Between two looks whether it is back. Where nobody listens, a look costs next to nothing.
PAUSE_MIN_SECONDS: Final = 0.01
_PAUSE_MAX_SECONDS: Final = 0.25
# A server that is silent again so soon answers pings alone, and is left alone for longer. One that
# refuses again so soon does so on new connections too.
SOON_SECONDS: Final = 1.0
REST_SECONDS: Final = 0.5
# A try that took this part of the deadline was a wait.
_WAIT: Final = 0.2


class Presence:
    """`away`: nobody was reached, by a call or a ping since `away_since`; it was last back at
    `back_at` (both monotonic). `is_silent`: the latest try waited.
    """

    def __init__(
        self,
        ping: Callable[[], Awaitable[object]],
        timeout_seconds: float,
        reports: RedisReports,
        on_change: Callable[[], None],
        pause_min_seconds: float,
    ) -> None:
        self.away = False
        self.is_silent = False
        self._ping = ping
        self._timeout_seconds = timeout_seconds
        self._reports = reports
        self._on_change = on_change
        self._pause_min_seconds = pause_min_seconds
        self.away_since = self.back_at = -math.inf
        self._back = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None

    async def until_back(self, at_most_until: float) -> None:
        """Wait until Redis is back, or until then (monotonic)."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(at_most_until - time.monotonic()):
                await self._back.wait()

    def note_try(self, began: float) -> None:
        """Keep whether this try was a wait: nobody is made to wait for the next one."""
        self.is_silent = time.monotonic() - began > self._timeout_seconds * _WAIT

    def be_away(self, error: Exception) -> None:
        """Nobody was reached. Log the change, not every failure; and look until Redis is back."""
        if self.away:
            return
        self.away, self.away_since = True, time.monotonic()
        self._back.clear()
        log.warning("scoreboard.redis.away", error=str(error) or type(error).__name__)
        self.keep_looking()
        self._on_change()

    def be_back(self) -> None:
        """It answered."""
        if not self.away:
            return
        self.away, self.back_at = False, time.monotonic()
        self._back.set()
        log.info("scoreboard.redis.back")
        self._on_change()

    def keep_looking(self) -> None:
        """Look, unless somebody does."""
        if self._looking is None or self._looking.done():  # guard: somebody-looks-whether
            # In a context of its own: it works for all, not for the one who came first.
            self._looking = asyncio.create_task(self._look(), context=Context())

    async def close(self) -> None:
        """Look no longer."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def _look(self) -> None:
        """Ask until there was an answer, be it a refusal."""
        was_back = time.monotonic() - self.back_at < SOON_SECONDS
        pause = REST_SECONDS if was_back and self.is_silent else self._pause_min_seconds
        while True:
            await asyncio.sleep(pause * random.uniform(0.8, 1.0))  # noqa: S311 - no secret
            if not self.away:
                return
            began = time.monotonic()
            try:
                async with asyncio.timeout(self._timeout_seconds):
                    await self._ping()
            except Exception as error:
                raise_if_cancelled()
                self._reports.note(error)
                if failing_of(error) == "refused":
                    self.be_back()
            else:
                self.be_back()
            self.note_try(began)
            pause = min(2 * pause, _PAUSE_MAX_SECONDS)
