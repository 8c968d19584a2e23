"""Rate limits, shared by all instances through Redis.

GCRA (generic cell rate algorithm, ITU-T I.371): a key holds one time, the theoretical arrival time
of the next request; no windows, no counters to reset. A request passes all of its checks, or uses
up none of them. The requests of one moment share one call of one script (docs/decisions/0006).
While Redis is away each instance counts for itself, so limits are then per instance, never gone.

The same call reads a field of a hash, where a request wants one: most reads of a board then need no
call of their own (docs/decisions/0013).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, groupby
from typing import Any, Final

from scoreboard.connections.coalescing import Coalescer
from scoreboard.connections.redis import Redis, RedisUnavailable
from scoreboard.connections.redis_words import short_word
from scoreboard.limits.checks import Allowance, Check, HashField, Seen, tightest_of
from scoreboard.limits.local_rates import LocalRates
from scoreboard.limits.refusals import StandingRefusals
from scoreboard.operations.metrics import Metrics

_WAITING_MAX: Final = 20_000
_BATCH_MAX: Final = 500
_FIELD_CHARS_MAX: Final = 16  # as long as the largest version
# Times have 16 digits until the year 2286. No more than one character beyond this is looked at: to
# copy a text of 200 MB, or to read it as a number, would stop Redis for everybody.
_TIME_CHARS_MAX: Final = 20

# KEYS: one per check, then one per hash of which a field is read. ARGV: the number of these hashes,
# and of each the name of its field; then for each row of requests that have the same rates how many
# they are, how many checks each of them has, and of each check the emission interval and the
# burst's length, both in microseconds. Answers, per check, the
# time that is left of the burst: below zero, the request is refused and this long (less the burst)
# is to be waited. Then the fields, and how many keys held something else than a time: those count
# as absent, and are taken away. A key that may not be read is not absent: the script fails, and
# each instance counts for itself. Time is Redis's own, so instances need not agree on it.
# guard: garbage-under-key
# guard: number-redis-too
# guard: text-many-megabytes
# guard: version-many-megabytes
# guard: limit-redis-not
_GCRA: Final = f"""
local call, pcall, ceil = redis.call, redis.pcall, math.ceil
local time = call('TIME')
local now = time[1] * 1000000 + time[2]
local left, arrivals, malformed = {{}}, {{}}, 0
local fields = tonumber(ARGV[1])
local checks = #KEYS - fields
local first, argument = 1, 2 + fields
while first <= checks do
    local requests, each = ARGV[argument], ARGV[argument + 1]
    for _ = 1, requests do
        local last, allowed, rate = first + each - 1, true, argument
        for i = first, last do
            rate = rate + 2
            local interval, burst = ARGV[rate], ARGV[rate + 1]
            local value = pcall('GETRANGE', KEYS[i], '0', '{_TIME_CHARS_MAX}')
            local present = #value <= {_TIME_CHARS_MAX} and tonumber(value)
            if not present and value ~= '' then
                if value.err and not string.find(value.err, 'WRONGTYPE') then return value end
                call('UNLINK', KEYS[i])
                malformed = malformed + 1
            end
            -- Over. Or further ahead than the burst: the rate was changed since, or the clock set
            -- back. (`not`, because nothing can be said of a NaN.)
            if not present or not (present >= now and present <= now + burst) then present = now end
            arrivals[i] = present + interval
            left[i] = burst - (arrivals[i] - now)
            allowed = allowed and left[i] >= 0
        end
        for i = first, allowed and last or 0 do
            local ahead = ceil((arrivals[i] - now) / 1000)
            call('SET', KEYS[i], string.format('%.0f', arrivals[i]), 'PX', ahead)
        end
        first = last + 1
    end
    argument = argument + 2 + 2 * each
end
for f = 1, fields do
    local key, name = KEYS[checks + f], ARGV[1 + f]
    local value = pcall('HSTRLEN', key, name)
    if type(value) == 'number' and value <= {_FIELD_CHARS_MAX} then
        value = pcall('HGET', key, name)
    end
    left[checks + f] = type(value) == 'string' and value
end
left[#KEYS + 1] = malformed
return left
"""  # guard: request-one-limit


# The checks of one request, and the field to be read beside them. (A class would cost 0.5 µs.)
_Request = tuple[Sequence[Check], HashField | None]


class RateLimiter:
    """Answers checks, many in one round trip; what was refused a moment ago needs none."""

    def __init__(self, redis: Redis, metrics: Metrics) -> None:
        self._redis = redis
        # guard: counts-not-asked
        self._script = redis.script(_GCRA, repeatable=False)  # it would charge twice
        self._refusals = StandingRefusals()
        self._local = LocalRates(metrics.limit_keys_forgotten.inc)
        self._metrics = metrics
        self._requests: Coalescer[_Request, Allowance] = Coalescer(
            self._ask,
            batch_max=_BATCH_MAX,
            waiting_max=_WAITING_MAX,
            on_overload=metrics.overloads.labels("rate_limits").inc,
        )

    async def check(self, checks: Sequence[Check], *, also: HashField | None = None) -> Allowance:
        """Count one request against all of these checks, or against none when one of them refuses;
        they have different keys. Returns the answer that leaves the least, with what Redis had in
        the field `also` at that moment.

        Raises Overloaded when too many wait.
        """
        # guard: redis-not-asked
        return self._refusals.of(checks) or await self._requests.join((checks, also))

    async def close(self) -> None:
        """Finish the checks under way."""
        await self._requests.close()

    async def _ask(self, requests: Sequence[_Request]) -> list[Allowance | Exception]:
        answer = await self._left_in_redis(requests)
        left, seen = answer or (self._left_here(requests), {})
        answers = iter(left)
        allowances: list[Allowance | Exception] = []
        for checks, also in requests:
            beside = None if also is None else seen.get(also)
            allowance = tightest_of(checks, answers, beside)
            # Remembered here, because the client may have hung up, and comes again. Our own counts
            # are not asked any more once Redis is back, so what they refuse is not kept.
            if answer is not None and not allowance.allowed:
                self._refusals.remember(allowance)  # guard: refusal-remembered-though
            allowances.append(allowance)
        return allowances

    async def _left_in_redis(
        self, requests: Sequence[_Request]
    ) -> tuple[list[int], dict[HashField, Seen]] | None:
        """What is left of each check, and each field that is wanted; None if Redis does not say."""
        fields = list({also: None for _, also in requests if also is not None})
        keys, arguments = _words(requests, fields)
        try:
            answer = await self._script.of_words(keys, arguments)
            left, values, malformed = _parsed(answer, len(keys) - len(fields), len(fields))
        except RedisUnavailable:
            return None
        except ValueError:
            self._redis.note_malformed("answer")
            return None
        if malformed:
            self._redis.note_malformed("limit", malformed)
        seen = [Seen(value, self._redis.generation) for value in values]
        return left, dict(zip(fields, seen, strict=True))

    def _left_here(self, requests: Sequence[_Request]) -> list[int]:
        self._metrics.limits_local.inc(sum(len(checks) for checks, _ in requests))
        # guard: limits-go-without
        return [us for checks, _ in requests for us in self._local.left_us(checks)]


def _words(
    requests: Sequence[_Request], fields: Sequence[HashField]
) -> tuple[list[bytes], list[bytes]]:
    """The keys and arguments of the script, as words that are sent."""
    keys = [check.key_word for checks, _ in requests for check in checks]
    arguments = [short_word(len(fields)), *(short_word(field.name) for field in fields)]
    rates = ([check.rate_words for check in checks] for checks, _ in requests)
    for of_each, row in groupby(rates):
        arguments += (short_word(sum(1 for _ in row)), short_word(len(of_each)), *chain(*of_each))
    return [*keys, *(short_word(field.key) for field in fields)], arguments


def _parsed(answer: Any, checks: int, fields: int) -> tuple[list[int], list[bytes | None], int]:
    """Take the script's answer apart: what is left of each check, the fields, how many keys were
    malformed. Raises ValueError when it is not one of its answers.
    """
    if not isinstance(answer, list) or len(answer) != checks + fields + 1:
        raise ValueError
    *left, malformed = answer
    left, values = left[:checks], left[checks:]
    if not all(isinstance(number, int) for number in (*left, malformed)):
        raise ValueError
    return left, [value if isinstance(value, bytes) else None for value in values], malformed
