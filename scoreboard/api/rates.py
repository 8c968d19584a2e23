"""Rate limits, shared by all instances through Redis.

GCRA (generic cell rate algorithm, ITU-T I.371): a key holds one time, the theoretical arrival time
of the next request; no windows, no counters to reset. The checks that requests make at the same
moment share one call of one script (docs/decisions/0006). While Redis is away each instance counts
for itself, so limits are then per instance, never gone.

The same call brings the version of the board's copy along, so that most reads of the board need no
call of their own (docs/decisions/0013).
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from multidict import istr

from scoreboard.connections.coalescing import Coalescer
from scoreboard.connections.redis import Redis, RedisUnavailable
from scoreboard.operations.metrics import Metrics
from scoreboard.scoring.board import KEY as BOARD_KEY
from scoreboard.scoring.model import Board
from scoreboard.settings import Rate

# Case folded once, not with every answer.
_LIMIT: Final = istr("RateLimit-Limit")
_REMAINING: Final = istr("RateLimit-Remaining")
_RESET: Final = istr("RateLimit-Reset")
_POLICY: Final = istr("RateLimit-Policy")

_WAITING_MAX: Final = 20_000
_BATCH_MAX: Final = 500
_LOCAL_KEYS_MAX: Final = 100_000
_CHECKS_MAX: Final = 20_000  # as many users and addresses as are worth 400 bytes each

# KEYS: one per check, then the board's copy. ARGV: the emission interval and the burst's length,
# both in microseconds, per check. Answers, per check, the time that is left of the burst: below
# zero, the request is refused and this long (less the burst) is to be waited; then the copy's
# version. Time is Redis's own, so instances need not agree on it.
_GCRA: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local left = {}
for i = 1, #KEYS - 1 do
    local key = KEYS[i]
    local interval, burst = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
    local present = tonumber(redis.call('GET', key) or '0')
    -- Further ahead than the burst: the rate was changed since, or the clock set back.
    if present < now or present > now + burst then present = now end
    local arrival = present + interval
    left[i] = burst - (arrival - now)
    if left[i] >= 0 then
        redis.call('SET', key, string.format('%.0f', arrival), 'PX', math.ceil((arrival - now) /
        1000))
    end
end
local version = redis.pcall('HGET', KEYS[#KEYS], 'version')
left[#KEYS] = type(version) == 'string' and version
return left
"""


@dataclass(frozen=True, slots=True)
class Check:
    """One question: may `key` do one more thing at this rate? Made by `check_of`, for whoever asks
    once asks again, and working this out takes longer than finding it.
    """

    name: str
    key: str
    rate: Rate
    # Microseconds that one request uses up.
    interval_us: int = field(init=False, repr=False, compare=False)
    # Microseconds that may be used up at once: the whole period's requests.
    burst_us: int = field(init=False, repr=False, compare=False)
    # What the script takes.
    redis_key: str = field(init=False, repr=False, compare=False)
    arguments: tuple[bytes, bytes] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        interval_us = max(1, self.rate.seconds * 1_000_000 // self.rate.count)
        burst_us = interval_us * self.rate.count
        object.__setattr__(self, "interval_us", interval_us)
        object.__setattr__(self, "burst_us", burst_us)
        object.__setattr__(self, "redis_key", f"limit:{self.name}:{self.key}")
        object.__setattr__(self, "arguments", (b"%d" % interval_us, b"%d" % burst_us))


check_of = lru_cache(maxsize=_CHECKS_MAX)(Check)


@dataclass(frozen=True, slots=True)
class Allowance:
    """The answer, in the terms of the RateLimit header fields; `board` is the one that Redis held
    when it answered, if that is known to be so.
    """

    check: Check
    left_us: int
    board: Board | None = None

    @property
    def allowed(self) -> bool:
        """Whether the request may pass."""
        return self.left_us >= 0

    @property
    def remaining(self) -> int:
        """How many more may follow at once."""
        return max(0, self.left_us // self.check.interval_us)

    @property
    def reset_seconds(self) -> int:
        """When the whole quota is there again."""
        return math.ceil((self.check.burst_us - max(0, self.left_us)) / 1_000_000)

    @property
    def retry_after_seconds(self) -> int:
        """When one more may pass; at least 1, for Retry-After has no fractions."""
        return max(1, math.ceil(-self.left_us / 1_000_000))

    def headers(self) -> dict[str, str]:
        """The RateLimit fields (draft-ietf-httpapi-ratelimit-headers, -03), and Retry-After on
        refusal.
        """
        rate = self.check.rate
        fields: dict[str, str] = {
            _LIMIT: str(rate.count),
            _REMAINING: str(self.remaining),
            _RESET: str(self.reset_seconds),
            _POLICY: f"{rate.count};w={rate.seconds}",
        }
        return fields if self.allowed else fields | {"Retry-After": str(self.retry_after_seconds)}


class RateLimiter:
    """Answers checks, many in one round trip. `vouch` is asked once a round trip: it takes the
    version of the board's copy and says which board that is, if it can be sure.
    """

    def __init__(
        self,
        redis: Redis,
        metrics: Metrics,
        vouch: Callable[[bytes | None], Board | None] = lambda _: None,
    ) -> None:
        self._script = redis.script(_GCRA)
        self._vouch = vouch
        self._local = LocalRates(on_forget=metrics.limit_keys_forgotten.inc)
        self._metrics = metrics
        self._checks: Coalescer[Sequence[Check], Allowance] = Coalescer(
            self._ask_redis,
            batch_max=_BATCH_MAX,
            waiting_max=_WAITING_MAX,
            on_overload=metrics.overloads.labels("rate_limits").inc,
        )

    async def check(self, checks: Sequence[Check]) -> Allowance:
        """Count one request against each check, and return the answer that leaves the least.

        Raises Overloaded when too many wait.
        """
        return await self._checks.join(checks)

    async def close(self) -> None:
        """Finish the checks under way."""
        await self._checks.close()

    async def _ask_redis(self, requests: Sequence[Sequence[Check]]) -> list[Allowance | Exception]:
        checks = [check for request in requests for check in request]
        answers = iter(await self._answers(checks))
        return [_tightest([next(answers) for _ in request]) for request in requests]

    async def _answers(self, checks: Sequence[Check]) -> list[Allowance]:
        keys = [check.redis_key for check in checks]
        arguments = [number for check in checks for number in check.arguments]
        board = None
        try:
            *left, version = await self._script([*keys, BOARD_KEY], arguments)
            board = self._vouch(version)
        except RedisUnavailable:
            self._metrics.limits_local.inc(len(checks))
            left = [self._local.left_us(check) for check in checks]
        return [Allowance(check, us, board) for check, us in zip(checks, left, strict=True)]


def _tightest(answers: Sequence[Allowance]) -> Allowance:
    if len(answers) == 1:
        return answers[0]
    return min(answers, key=lambda answer: (answer.allowed, answer.remaining, answer.left_us))


class LocalRates:
    """The same algorithm in memory, for one instance; the least recently seen keys are forgotten
    first.
    """

    def __init__(
        self, keys_max: int = _LOCAL_KEYS_MAX, *, on_forget: Callable[[], None] = lambda: None
    ) -> None:
        self._arrivals: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._keys_max = keys_max
        self._on_forget = on_forget

    def left_us(self, check: Check) -> int:
        """Count one request; the answer is that of the script."""
        now = time.monotonic_ns() // 1000
        key = (check.name, check.key)
        present = self._arrivals.get(key, 0)
        if not now <= present <= now + check.burst_us:  # over, or of a rate that was changed
            present = now
        arrival = present + check.interval_us
        left = check.burst_us - (arrival - now)
        if left >= 0:
            self._arrivals[key] = arrival
            self._arrivals.move_to_end(key)
            if len(self._arrivals) > self._keys_max:
                self._arrivals.popitem(last=False)
                self._on_forget()
        return left
