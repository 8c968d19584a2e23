"""What operators hear of refusals: each in the log once a minute, the latest in `/readyz`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Final

_MINUTE_SECONDS: Final = 60.0
_REMEMBERED_MAX: Final = 50


class Reports:
    """Remembers what was logged when, and the latest refusal."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next: dict[str, float] = {}
        self._latest = (-math.inf, "")

    @property
    def recent(self) -> str:
        """What the latest refusal meant, "" if it is longer than a minute ago."""
        at, meaning = self._latest
        return meaning if self._clock() - at < _MINUTE_SECONDS else ""

    def remember(self, meaning: str) -> None:
        """This is the latest refusal."""
        self._latest = (self._clock(), meaning)

    def is_due(self, what: str) -> bool:
        """Whether to log this now: not within a minute of the last time, as far as remembered."""
        now = self._clock()
        if now < self._next.get(what, now):
            return False
        if len(self._next) >= _REMEMBERED_MAX:
            self._next.clear()
        self._next[what] = now + _MINUTE_SECONDS
        return True
