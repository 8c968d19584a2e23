"""Limits for floods: whoever was refused a moment ago costs as little as an answer can cost.

A limit that refuses goes on to refuse until the time that it gives. Until then Redis is not asked.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

from scoreboard.api.checks import Allowance, Check
from scoreboard.api.rates import RateLimiter

_KEPT_MAX: Final = 10_000  # past that, those refused the longest ago are asked for again


class Gate:
    """Asks the limiter, and remembers its refusals for this process."""

    def __init__(self, limiter: RateLimiter, clock: Callable[[], float] = time.monotonic) -> None:
        self._limiter = limiter
        self._clock = clock
        # When a refusal ends, by the key that Redis counts under; the latest refused come last.
        self._ends: OrderedDict[str, float] = OrderedDict()

    async def check(self, checks: Sequence[Check]) -> Allowance:
        """Count one request; the answer is the one that leaves the least. Raises Overloaded."""
        now = self._clock()
        if self._ends and (standing := self._standing(checks, now)) is not None:
            return standing
        allowance = await self._limiter.check(checks)
        if not allowance.allowed:
            self._remember(allowance, now)
        return allowance

    def _remember(self, refusal: Allowance, asked_at: float) -> None:
        key = refusal.check.redis_key
        self._ends[key] = asked_at - refusal.left_us / 1_000_000
        self._ends.move_to_end(key)
        if len(self._ends) > _KEPT_MAX:
            self._ends.popitem(last=False)

    def _standing(self, checks: Sequence[Check], now: float) -> Allowance | None:
        for check in checks:
            end = self._ends.get(check.redis_key)
            if end is None:
                continue
            if end > now:
                return Allowance(check, min(-1, round((now - end) * 1_000_000)))
            del self._ends[check.redis_key]
        return None
