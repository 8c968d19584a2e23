"""What operators hear of refusals: each in the log once a minute, the latest in `/readyz`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

_LOG_AGAIN_SECONDS: Final = 60.0
_RECENT_SECONDS: Final = 60.0
_REMEMBERED_MAX: Final = 50


class Reports:
    """Remembers what was logged when, and the latest refusal."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next: dict[str, float] = {}
        self._latest: tuple[float, str] | None = None

    @property
    def recent(self) -> str:
        """What the latest refusal meant, "" if it is longer than a minute ago."""
        if self._latest is None or self._clock() - self._latest[0] >= _RECENT_SECONDS:
            return ""
        return self._latest[1]

    def remember(self, meaning: str) -> None:
        """This is the latest refusal."""
        self._latest = (self._clock(), meaning)

    def is_due(self, what: str) -> bool:
        """Whether to log this now: it was not within a minute, or too many others were since."""
        now = self._clock()
        if now < self._next.get(what, now):
            return False
        if len(self._next) >= _REMEMBERED_MAX:
            self._next.clear()
        self._next[what] = now + _LOG_AGAIN_SECONDS
        return True
