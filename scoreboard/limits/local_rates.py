"""The rate limits of one instance, in memory: what counts while Redis is away."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

from scoreboard.limits.checks import Check

_KEYS_MAX: Final = 100_000


class LocalRates:
    """Counts by the algorithm of the script (`rates`), for one instance.

    Past `keys_max` the least recently seen key is forgotten, and `on_forget` is called if that lost
    anything. A refused key is seen as well, so a client that keeps asking begins no new quota.
    """

    def __init__(
        self,
        on_forget: Callable[[], None],
        *,
        keys_max: int = _KEYS_MAX,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._clock_ns = clock_ns
        self._arrivals: OrderedDict[str, int] = OrderedDict()
        self._keys_max = keys_max
        self._on_forget = on_forget

    def __len__(self) -> int:
        """How many keys are kept."""
        return len(self._arrivals)

    def left_us(self, checks: Sequence[Check]) -> list[int]:
        """Count one request against all of its checks, or against none when one refuses. Returns
        what is left of each burst, in microseconds, as the script does.
        """
        now = self._clock_ns() // 1000
        arrivals = [self._present(check, now) + check.interval_us for check in checks]
        left = [
            check.burst_us - (arrival - now)
            for check, arrival in zip(checks, arrivals, strict=True)
        ]
        if min(left) >= 0:  # guard: without-redis-too
            for check, arrival in zip(checks, arrivals, strict=True):
                self._keep(check.redis_key, arrival, now)
        else:
            self._see([check.redis_key for check in checks])  # guard: being-refused-not
        return left

    def _present(self, check: Check, now: int) -> int:
        present = self._arrivals.get(check.redis_key, 0)
        # Otherwise it is over, or of a rate that was changed.
        return present if now <= present <= now + check.burst_us else now

    def _keep(self, key: str, arrival: int, now: int) -> None:
        self._arrivals[key] = arrival
        self._arrivals.move_to_end(key)
        if len(self._arrivals) > self._keys_max:
            _, forgotten = self._arrivals.popitem(last=False)
            if forgotten > now:  # else nothing was lost
                self._on_forget()

    def _see(self, keys: Sequence[str]) -> None:
        for key in keys:
            if key in self._arrivals:
                self._arrivals.move_to_end(key)
