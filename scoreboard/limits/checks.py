"""What is asked of the rate limits, and what they answer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple

from multidict import istr

from scoreboard.configuration.kinds import Rate
from scoreboard.connections.redis_words import word

# Case folded once, not with every answer.
_LIMIT: Final = istr("RateLimit-Limit")
_REMAINING: Final = istr("RateLimit-Remaining")
_RESET: Final = istr("RateLimit-Reset")
_POLICY: Final = istr("RateLimit-Policy")

_CHECKS_MAX: Final = 20_000  # as many users and networks as are worth 400 bytes each


@dataclass(frozen=True, slots=True)
class Check:
    """One question: may `key` do one more thing at this rate? Made by `check_of`, because the same
    client asks again, and to find a check takes less time than to make it.
    """

    name: str
    key: str
    rate: Rate
    # Microseconds that one request uses up.
    interval_us: int = field(init=False, repr=False, compare=False)
    # Microseconds that may be used up at once: the whole period's requests.
    burst_us: int = field(init=False, repr=False, compare=False)
    redis_key: str = field(init=False, repr=False, compare=False)
    # What the script takes, as words that are sent: the key; interval and burst.
    key_word: bytes = field(init=False, repr=False, compare=False)
    rate_words: tuple[bytes, bytes] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        interval_us = max(1, self.rate.seconds * 1_000_000 // self.rate.count)
        burst_us = interval_us * self.rate.count
        object.__setattr__(self, "interval_us", interval_us)
        object.__setattr__(self, "burst_us", burst_us)
        object.__setattr__(self, "redis_key", f"limit:{self.name}:{self.key}")
        object.__setattr__(self, "key_word", word(self.redis_key))
        object.__setattr__(self, "rate_words", (word(interval_us), word(burst_us)))


check_of = lru_cache(maxsize=_CHECKS_MAX)(Check)


class HashField(NamedTuple):
    """A field of a hash in Redis."""

    key: str
    name: str


class Seen(NamedTuple):
    """What a hash had in a field: None for nothing, for no hash and for a text that is too long.
    `generation` is that of Redis' connections when it answered (`connections.redis`).
    """

    value: bytes | None
    generation: int


class Allowance(NamedTuple):
    """The answer to a check. `left_us` is what is left of the burst, in microseconds; below zero it
    is a refusal. `seen` was read beside it, if that was asked for and Redis answered.
    """

    check: Check
    left_us: int
    seen: Seen | None = None

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
        # Rounded up, by way of rounding what is below zero down.
        return -((max(0, self.left_us) - self.check.burst_us) // 1_000_000)

    @property
    def retry_after_seconds(self) -> int:
        """When one more may pass; at least 1, because Retry-After has no fractions."""
        return max(1, math.ceil(-self.left_us / 1_000_000))

    def headers(self) -> dict[str, str]:
        """The RateLimit fields (draft-ietf-httpapi-ratelimit-headers-03); also Retry-After, on
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


def tightest(allowances: Sequence[Allowance]) -> Allowance:
    """Choose the answer that leaves the least; of refusals the one that lasts longest."""
    return min(allowances, key=lambda one: _rank(one.check, one.left_us))


def tightest_of(checks: Sequence[Check], left_us: Iterator[int], seen: Seen | None) -> Allowance:
    """The tightest of the answers to these checks, made without the others: `left_us` has what is
    left of each.
    """
    least, of_least, check_of_least = next(left_us), None, checks[0]
    for check in checks[1:]:
        of_least = of_least or _rank(check_of_least, least)
        left = next(left_us)
        if (rank := _rank(check, left)) < of_least:
            least, of_least, check_of_least = left, rank, check
    return Allowance(check_of_least, least, seen)


def _rank(check: Check, left_us: int) -> tuple[bool, int, int]:
    """What answers are compared by: whether it passes, how many more may follow, what is left."""
    return left_us >= 0, max(0, left_us // check.interval_us), left_us
