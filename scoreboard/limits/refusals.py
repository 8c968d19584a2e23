"""The refusals that still stand. Redis is not asked for these, so a flood costs next to nothing.

A limit that refuses goes on refusing until the time that it gives.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

from scoreboard.limits.checks import Allowance, Check

_KEPT_MAX: Final = 10_000  # past that, those refused the longest ago are asked for again


class StandingRefusals:
    """The refusals of this process that have not ended yet."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # When a refusal ends, by the key that Redis counts under; the latest refused come last.
        self._ends: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._ends)

    def remember(self, refusal: Allowance) -> None:
        """Keep a refusal until it ends."""
        key = refusal.check.redis_key
        self._ends[key] = self._clock() - refusal.left_us / 1_000_000
        self._ends.move_to_end(key)
        if len(self._ends) > _KEPT_MAX:
            self._ends.popitem(last=False)

    def of(self, checks: Sequence[Check]) -> Allowance | None:
        """The refusal that one of these checks meets now; None where Redis has to be asked."""
        if not self._ends:
            return None
        now = self._clock()
        for check in checks:
            end = self._ends.get(check.redis_key)
            if end is None:
                continue
            if end > now:
                return Allowance(check, min(-1, round((now - end) * 1_000_000)))
            del self._ends[check.redis_key]
        return None
