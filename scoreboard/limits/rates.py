"""Rate limits, shared by all instances through Redis.

GCRA (generic cell rate algorithm, ITU-T I.371): a key holds one time, the theoretical arrival time
of the next request; no windows, no counters to reset. A request passes all of its checks, or uses
up none of them. The requests of one moment share one call of one script (docs/decisions/0006).
While Redis is away each instance counts for itself, so limits are then per instance, never gone.

The same call brings the version of the board's copy along, so that most reads of the board need no
call of their own (docs/decisions/0013).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from scoreboard.connections.coalescing import Coalescer
from scoreboard.connections.redis import Redis, RedisUnavailable
from scoreboard.copies.copy import KEY as BOARD_KEY
from scoreboard.limits.checks import Allowance, Check, tightest
from scoreboard.limits.local_rates import LocalRates
from scoreboard.limits.refusals import StandingRefusals
from scoreboard.model import Board
from scoreboard.operations.metrics import Metrics

_WAITING_MAX: Final = 20_000
_BATCH_MAX: Final = 500
_VERSION_CHARS_MAX: Final = 16
# Times have 16 digits until the year 2286. No more than one character beyond this is looked at: to
# copy a text of 200 MB, or to read it as a number, would stop Redis for everybody.
_TIME_CHARS_MAX: Final = 20

# KEYS: one per check, then the board's copy. ARGV: for each request the number of its checks, then
# for each of these the emission interval and the burst's length, both in microseconds. Answers, per
# check, the time that is left of the burst: below zero, the request is refused and this long (less
# the burst) is to be waited. Then the copy's version, and how many keys held something else than a
# time: those count as absent, and are taken away. A key that may not be read is not absent: the
# script fails, and each instance counts for itself. Time is Redis's own, so instances need not
# agree on it.
_GCRA: Final = f"""
local call, pcall, ceil = redis.call, redis.pcall, math.ceil
local time = call('TIME')
local now = time[1] * 1000000 + time[2]
local left, arrivals, malformed = {{}}, {{}}, 0
local first, argument = 1, 1
while first < #KEYS do
    local last, allowed = first + ARGV[argument] - 1, true
    for i = first, last do
        local interval, burst = ARGV[argument + 1], ARGV[argument + 2]
        local value = pcall('GETRANGE', KEYS[i], '0', '{_TIME_CHARS_MAX}')
        local present = #value <= {_TIME_CHARS_MAX} and tonumber(value)
        if not present and value ~= '' then
            if value.err and not string.find(value.err, 'WRONGTYPE') then return value end
            call('UNLINK', KEYS[i])
            malformed = malformed + 1
        end
        -- Over. Or further ahead than the burst: the rate was changed since, or the clock set back.
        -- (`not`, because nothing can be said of a NaN.)
        if not present or not (present >= now and present <= now + burst) then present = now end
        arrivals[i] = present + interval
        left[i] = burst - (arrivals[i] - now)
        allowed = allowed and left[i] >= 0
        argument = argument + 2
    end
    for i = first, allowed and last or 0 do
        local ahead = ceil((arrivals[i] - now) / 1000)
        call('SET', KEYS[i], string.format('%.0f', arrivals[i]), 'PX', ahead)
    end
    first, argument = last + 1, argument + 1
end
local version = pcall('HSTRLEN', KEYS[#KEYS], 'version')
if type(version) == 'number' and version <= {_VERSION_CHARS_MAX} then
    version = pcall('HGET', KEYS[#KEYS], 'version')
end
left[#KEYS] = type(version) == 'string' and version
left[#KEYS + 1] = malformed
return left
"""


class RateLimiter:
    """Answers checks, many in one round trip, and those that were refused a moment ago without
    one. `vouch` is asked once a round trip: it takes the version of the board's copy and says which
    board that is, if it can be sure.
    """

    def __init__(
        self,
        redis: Redis,
        metrics: Metrics,
        vouch: Callable[[bytes | None], Board | None] = lambda _: None,
    ) -> None:
        self._redis = redis
        self._script = redis.script(_GCRA, repeatable=False)  # it would charge twice
        self._vouch = vouch
        self._refusals = StandingRefusals()
        self._local = LocalRates(on_forget=metrics.limit_keys_forgotten.inc)
        self._metrics = metrics
        self._requests: Coalescer[Sequence[Check], Allowance] = Coalescer(
            self._ask,
            batch_max=_BATCH_MAX,
            waiting_max=_WAITING_MAX,
            on_overload=metrics.overloads.labels("rate_limits").inc,
        )

    async def check(self, checks: Sequence[Check]) -> Allowance:
        """Count one request against all of these checks, or against none when one of them refuses;
        they have different keys. Returns the answer that leaves the least.

        Raises Overloaded when too many wait.
        """
        return self.refusal_of(checks) or await self._requests.join(checks)

    def refusal_of(self, checks: Sequence[Check]) -> Allowance | None:
        """Say whether a request with these checks is refused, as far as that is known already."""
        return self._refusals.of(checks)

    async def close(self) -> None:
        """Finish the checks under way."""
        await self._requests.close()

    async def _ask(self, requests: Sequence[Sequence[Check]]) -> list[Allowance | Exception]:
        answer = await self._left_in_redis(requests)
        left, board = answer or (self._left_here(requests), None)
        answers = iter(left)
        allowances: list[Allowance | Exception] = []
        for checks in requests:
            allowance = tightest([Allowance(check, next(answers), board) for check in checks])
            # Now, because who asked may have hung up, to come again. A count of our own is no
            # longer asked once Redis is back, so what it refuses is not kept.
            if answer is not None and not allowance.allowed:
                self._refusals.remember(allowance)
            allowances.append(allowance)
        return allowances

    async def _left_in_redis(
        self, requests: Sequence[Sequence[Check]]
    ) -> tuple[list[int], Board | None] | None:
        """What is left of each check, and the board that Redis holds, if that is known; None if it
        does not say.
        """
        keys = [check.redis_key for checks in requests for check in checks]
        arguments: list[bytes | int] = []
        for checks in requests:
            arguments.append(len(checks))
            for check in checks:
                arguments += check.arguments
        try:
            answer = await self._script([*keys, BOARD_KEY], arguments)
            left, version, malformed = _parsed(answer, len(keys))
        except RedisUnavailable:
            pass
        except ValueError:
            self._redis.note_malformed("answer")
        else:
            if malformed:
                self._redis.note_malformed("limit", malformed)
            return left, self._vouch(version)
        return None

    def _left_here(self, requests: Sequence[Sequence[Check]]) -> list[int]:
        self._metrics.limits_local.inc(sum(map(len, requests)))
        return [us for checks in requests for us in self._local.left_us(checks)]


def _parsed(answer: Any, checks: int) -> tuple[list[int], bytes | None, int]:
    """Take the script's answer apart. Raises ValueError when it is not one of its answers."""
    if not isinstance(answer, list) or len(answer) != checks + 2:
        raise ValueError
    *left, version, malformed = answer
    if not all(isinstance(number, int) for number in (*left, malformed)):
        raise ValueError
    return left, version if isinstance(version, bytes) else None, malformed
