"""Limits for floods: whoever was refused a moment ago costs as little as an answer can cost.

A limit that refuses goes on to refuse until the time that it gives. Until then nobody is asked,
neither Redis nor who the token speaks for. Later, an address that was refused within the last
minute is counted before a token is verified that was not verified before, which takes 100 µs of
processor time. For everybody else address and user are counted in one call, both or neither.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

from scoreboard.api.checks import Allowance, Check, tightest
from scoreboard.api.rates import RateLimiter

_KEPT_MAX: Final = 10_000  # past that, those refused the longest ago are asked for again
_LATELY_SECONDS: Final = 60.0


class Gate:
    """Asks the limiter, and remembers its refusals for this process."""

    def __init__(self, limiter: RateLimiter, clock: Callable[[], float] = time.monotonic) -> None:
        self._limiter = limiter
        self._clock = clock
        # When a refusal ends, by the key that Redis counts under; the latest refused come last.
        self._ends: OrderedDict[str, float] = OrderedDict()

    async def check(
        self,
        address: Sequence[Check],
        user: Callable[[], Sequence[Check]],
        has_new_token: Callable[[], bool],
    ) -> Allowance:
        """Count one request of an address, and of the user that `user` finds out, if it comes to
        that; the answer is the one that leaves the least. `has_new_token` says whether finding out
        takes time. Raises Overloaded.
        """
        now = self._clock()
        if self._ends:
            if (standing := self._standing(address, now)) is not None:
                return standing
            if self._were_refused_lately(address, now) and has_new_token():
                return await self._one_by_one(address, user)
        # As `_ask`, which as a coroutine of its own would cost every request half a microsecond.
        allowance = await self._limiter.check([*address, *user()])
        if not allowance.allowed:
            self._remember(allowance, now)
        return allowance

    async def _one_by_one(
        self, address: Sequence[Check], user: Callable[[], Sequence[Check]]
    ) -> Allowance:
        first = await self._ask(address, self._clock())
        if not first.allowed or not (further := user()):
            return first
        return tightest([first, await self._ask(further, self._clock())])

    async def _ask(self, checks: Sequence[Check], now: float) -> Allowance:
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
            if end is not None and end > now:
                return Allowance(check, min(-1, round((now - end) * 1_000_000)))
        return None

    def _were_refused_lately(self, checks: Sequence[Check], now: float) -> bool:
        while self._ends and next(iter(self._ends.values())) < now - _LATELY_SECONDS:
            self._ends.popitem(last=False)
        return any(check.redis_key in self._ends for check in checks)
