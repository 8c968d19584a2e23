"""How many streams a network or a user holds open, counted over all instances through Redis.

Each instance keeps a lease per holder, with its own count. A stream has one holder, or several: it
opens when all of them have room, and is counted under all of them or none. Opening one asks once,
closing one is written down within a second, and both share round trips. While Redis is away each
instance counts its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from scoreboard.connections.coalescing import Coalescer
from scoreboard.connections.redis import Redis, RedisUnavailable
from scoreboard.errors import Overloaded, ShuttingDown, TooManyStreams
from scoreboard.operations.metrics import Metrics

_WAITING_MAX: Final = 20_000
_BATCH_MAX: Final = 500
# Far more than instances that serve one holder; a hash with more fields is not ours.
_INSTANCES_MAX: Final = 4096
# A count and a time have 20 digits at most. What is longer is not ours, and takes long to read.
_LEASE_CHARS_MAX: Final = 32
# So many leases of instances with long names take less. To copy a hash of 200 MB would stop Redis
# for everybody.
_HASH_BYTES_MAX: Final = 2**20

# KEYS: one hash per holder. ARGV: this instance and the lease in seconds; how many streams this
# instance has of each holder; then, for each stream that is to open, the number of its holders, and
# of each of these its place among KEYS and its limit. A field per instance holds "count:expiry", so
# what a killed instance held is forgotten when its lease ends. Writes down what this instance has
# of every key. Answers 1 per stream that may open, 0 per one that may not; then how many keys and
# fields were not ours: they are deleted.
# guard: streams-redis-not
# guard: hash-many-megabytes
# guard: count-streams-too
# guard: stream-refused-never
_LEASE: Final = f"""
local now = tonumber(redis.call('TIME')[1])
local instance, lease = ARGV[1], tonumber(ARGV[2])
local mine, others, malformed = {{}}, {{}}, 0
for k, key in ipairs(KEYS) do
    mine[k], others[k] = tonumber(ARGV[2 + k]), 0
    local size = redis.pcall('HLEN', key)
    -- What may not be read is not for us to delete.
    if type(size) ~= 'number' and not string.find(size.err, 'WRONGTYPE') then return size end
    local is_ours = type(size) == 'number' and size <= {_INSTANCES_MAX}
    if is_ours and size > 0 then
        -- Its size in memory, of all fields. (No number where that may not be asked.)
        local bytes = redis.pcall('MEMORY', 'USAGE', key, 'SAMPLES', 0)
        is_ours = type(bytes) ~= 'number' or bytes <= {_HASH_BYTES_MAX}
    end
    if not is_ours then
        redis.call('UNLINK', key)
        size, malformed = 0, malformed + 1
    end
    local fields = size > 0 and redis.call('HGETALL', key) or {{}}
    for f = 1, #fields, 2 do
        local value = fields[f + 1]
        local count, expiry
        if #value <= {_LEASE_CHARS_MAX} then
            count, expiry = string.match(value, '^(%d+):(%d+)$')
        end
        if count == nil then malformed = malformed + 1 end
        -- Further ahead than a lease: not ours, or the clock was set back.
        if count == nil or tonumber(expiry) < now or tonumber(expiry) > now + lease then
            redis.call('HDEL', key, fields[f])
        elseif fields[f] ~= instance then
            others[k] = others[k] + tonumber(count)
        end
    end
end
local answers, argument = {{}}, 3 + #KEYS
while ARGV[argument] do
    local last, may = argument + 2 * ARGV[argument], 1
    for a = argument + 1, last, 2 do
        local k = tonumber(ARGV[a])
        if others[k] + mine[k] >= tonumber(ARGV[a + 1]) then may = 0 end
    end
    if may == 1 then
        for a = argument + 1, last, 2 do
            local k = tonumber(ARGV[a])
            mine[k] = mine[k] + 1
        end
    end
    answers[#answers + 1], argument = may, last + 1
end
for k, key in ipairs(KEYS) do
    if mine[k] == 0 then
        redis.call('HDEL', key, instance)
    else
        redis.call('HSET', key, instance, mine[k] .. ':' .. (now + lease))
        redis.call('EXPIRE', key, lease)
    end
end
answers[#answers + 1] = malformed
return answers
"""  # guard: garbage-under-key-streams
_LEASE_SECONDS: Final = 60
_RELEASE_SECONDS: Final = 1
# While Redis is away; what comes on top ends with its lease, and is counted.
_RELEASES_KEPT_MAX: Final = 100_000

Holder = Literal["address", "user"]


@dataclass(slots=True, eq=False)
class _Asked:
    """A question to Redis: may one more stream open under these holders, within their limits?
    Without limits it only writes down how many there are.
    """

    holders: tuple[str, ...]
    limits: tuple[int, ...] = ()
    counted: bool = False
    left: bool = False  # the client was gone before its stream was counted


class StreamLimiter:
    """Counts open streams per holder over all instances. A new one is refused; none is ever
    evicted. `limit` is what one client may hold.
    """

    def __init__(
        self, redis: Redis, instance: str, kind: Holder, limit: int, metrics: Metrics
    ) -> None:
        self._redis = redis
        self._script = redis.script(_LEASE)
        self._instance = instance
        self._kind: Final = kind
        self._limit = limit
        self._metrics = metrics
        self._open: dict[str, int] = {}
        self._count = 0
        self._released: set[str] = set()
        self._leases: Coalescer[_Asked, bool] = Coalescer(
            self._ask,
            batch_max=_BATCH_MAX,
            waiting_max=_WAITING_MAX,
            on_overload=metrics.overloads.labels("streams").inc,
        )

    def __len__(self) -> int:
        """How many streams of this instance are open or on their way in."""
        return self._count

    async def enter(self, holders: Sequence[tuple[str, int]]) -> None:
        """Count a stream under all of these holders; each has a share, which is how many times
        `limit` it may hold. Raises Overloaded, and TooManyStreams: then it counts under none.
        """
        entering = _Asked(
            tuple(holder for holder, _ in holders),
            tuple(self._limit * share for _, share in holders),
        )
        self._count += 1
        try:
            allowed = await self._leases.join(entering)
        except BaseException:
            entering.left = True
            self._count -= 1
            if entering.counted:
                self._count_out(entering.holders)
            raise
        if not allowed:
            self._count -= 1
            self._metrics.streams_refused.labels(self._kind).inc()
            raise TooManyStreams

    def leave(self, holders: Sequence[tuple[str, int]]) -> None:
        """Take one stream off; `run` tells the other instances within a second."""
        self._count -= 1
        self._count_out([holder for holder, _ in holders])

    async def run(self) -> None:
        """Write releases down and renew leases until cancelled."""
        renewed = time.monotonic()
        while True:
            await asyncio.sleep(_RELEASE_SECONDS)
            if time.monotonic() - renewed > _LEASE_SECONDS / 3:
                renewed = time.monotonic()
                self._released.update(self._open)
            await self._write_down()

    async def close(self) -> None:
        """Give all places up: the clients of an instance that ends open their streams elsewhere."""
        self._released.update(self._open)
        self._open.clear()
        await self._write_down()  # guard: instance-ends-gives
        await self._leases.close()

    async def _write_down(self) -> None:
        """Tell the other instances what was released, a batch at a time; the rest next time when
        Redis does not take it.
        """
        released = list(self._released)
        for start in range(0, len(released), _BATCH_MAX):
            batch = tuple(released[start : start + _BATCH_MAX])
            self._released.difference_update(batch)  # later ones are for the next time
            taken = False
            try:
                with contextlib.suppress(Overloaded, ShuttingDown):
                    taken = await self._leases.join(_Asked(batch))
            finally:
                if not taken:
                    self._released.update(batch)  # guard: releases-wait-redis
            if not taken:
                return

    async def _ask(self, asked: Sequence[_Asked]) -> list[bool | Exception]:
        """Ask Redis for all of them, or decide here while it is away. What is allowed is counted
        at once: the next batch may begin before the callers of this one wake up.
        """
        answers = await self._ask_redis(asked)
        allowed: list[bool | Exception] = []
        for place, one in enumerate(asked):
            allowed.append(self._has_room(one) if answers is None else answers[place] == 1)
            if allowed[-1]:
                self._count_in(one)
        return allowed

    async def _ask_redis(self, asked: Sequence[_Asked]) -> list[int] | None:
        """Ask the script. Without an answer (None) nothing was written down."""
        places: dict[str, int] = {}
        for one in asked:
            for holder in one.holders:
                places.setdefault(holder, len(places) + 1)
        counts = [self._open.get(holder, 0) for holder in places]
        wanted = [number for one in asked for number in _wanted(one, places)]
        keys = [f"streams:{self._kind}:{holder}" for holder in places]
        arguments = [self._instance, _LEASE_SECONDS, *counts, *wanted]
        try:
            *answers, malformed = _numbers(await self._script(keys, arguments), len(asked) + 1)
        except RedisUnavailable:
            return None
        except ValueError:
            self._redis.note_malformed("answer")
            return None
        if malformed:
            self._redis.note_malformed("streams", malformed)
        return answers

    def _has_room(self, one: _Asked) -> bool:
        return bool(one.limits) and all(
            self._open.get(holder, 0) < limit
            for holder, limit in zip(one.holders, one.limits, strict=True)
        )

    def _count_in(self, one: _Asked) -> None:
        if not one.limits:
            return
        if one.left:  # while Redis was asked, which has counted it
            self._release(one.holders)
            return
        one.counted = True
        for holder in one.holders:
            self._open[holder] = self._open.get(holder, 0) + 1

    def _count_out(self, holders: Sequence[str]) -> None:
        for holder in holders:
            left = self._open.get(holder, 0) - 1
            if left > 0:
                self._open[holder] = left
            else:
                self._open.pop(holder, None)
        self._release(holders)

    def _release(self, holders: Sequence[str]) -> None:
        for holder in holders:
            if len(self._released) < _RELEASES_KEPT_MAX:
                self._released.add(holder)
            elif holder not in self._released:
                self._metrics.stream_releases_forgotten.inc()


def _wanted(one: _Asked, places: Mapping[str, int]) -> Iterator[int]:
    """What the script takes of one stream; nothing of one whose client is gone already."""
    limits = () if one.left else one.limits
    yield len(limits)
    for holder, limit in zip(one.holders, limits, strict=False):  # without limits, nothing is asked
        yield from (places[holder], limit)


def _numbers(answer: Any, count: int) -> list[int]:
    """Check the script's answer. Raises ValueError when it is not one of its answers."""
    if not isinstance(answer, list) or len(answer) != count:
        raise ValueError
    if not all(isinstance(number, int) for number in answer):
        raise ValueError
    return answer
