"""How many streams an address or a user holds open, counted over all instances through Redis.

Each instance keeps a lease per holder, with its own count. Opening a stream asks once, closing one
is written down within a second, and both share round trips. While Redis is away each instance
counts its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from scoreboard.connections.coalescing import Coalescer
from scoreboard.connections.redis import Redis, RedisUnavailable
from scoreboard.errors import TooManyStreams
from scoreboard.operations.metrics import Metrics

_WAITING_MAX: Final = 20_000
_BATCH_MAX: Final = 500

# KEYS: one hash per holder. ARGV: this instance and the lease in seconds; then, per holder, this
# instance's count after the change and the limit (0: none). A field per instance holds
# "count:expiry", so what a killed instance held is forgotten when its lease ends. Answers 1 per
# holder that may, 0 per one that may not.
_LEASE: Final = """
local now = tonumber(redis.call('TIME')[1])
local instance, lease = ARGV[1], tonumber(ARGV[2])
local answers = {}
for i, key in ipairs(KEYS) do
    local mine, limit = tonumber(ARGV[2 * i + 1]), tonumber(ARGV[2 * i + 2])
    local others = 0
    local fields = redis.call('HGETALL', key)
    for f = 1, #fields, 2 do
        local count, expiry = string.match(fields[f + 1], '^(%d+):(%d+)$')
        if count == nil or tonumber(expiry) < now then
            redis.call('HDEL', key, fields[f])
        elseif fields[f] ~= instance then
            others = others + tonumber(count)
        end
    end
    answers[i] = 0
    if limit == 0 or others + mine <= limit then
        answers[i] = 1
        if mine == 0 then
            redis.call('HDEL', key, instance)
        else
            redis.call('HSET', key, instance, mine .. ':' .. (now + lease))
            redis.call('EXPIRE', key, lease)
        end
    end
end
return answers
"""
_LEASE_SECONDS: Final = 60
_RELEASE_SECONDS: Final = 1
# While Redis is away; what comes on top ends with its lease, and is counted.
_RELEASES_KEPT_MAX: Final = 100_000

Holder = Literal["address", "user"]


@dataclass(frozen=True, slots=True)
class _Lease:
    """This instance's streams of one holder; `limit` 0 only writes the count down."""

    holder: str
    count: int
    limit: int = 0


class StreamLimiter:
    """Counts open streams per holder over all instances. A new one is refused; none is ever
    evicted.
    """

    def __init__(
        self, redis: Redis, instance: str, kind: Holder, limit: int, metrics: Metrics
    ) -> None:
        self._script = redis.script(_LEASE)
        self._instance = instance
        self._kind: Final = kind
        self._limit = limit
        self._metrics = metrics
        self._open: dict[str, int] = {}
        self._count = 0
        self._released: set[str] = set()
        self._leases: Coalescer[_Lease, bool] = Coalescer(
            self._ask_redis,
            batch_max=_BATCH_MAX,
            waiting_max=_WAITING_MAX,
            on_overload=metrics.overloads.labels("streams").inc,
        )

    def __len__(self) -> int:
        """How many streams of this instance are open or on their way in."""
        return self._count

    async def enter(self, holder: str) -> None:
        """Count a stream of this holder. Raises TooManyStreams, Overloaded."""
        self._count += 1
        self._open[holder] = count = self._open.get(holder, 0) + 1
        try:
            allowed = await self._leases.join(_Lease(holder, count, self._limit))
        except BaseException:
            self.leave(holder)
            raise
        if not allowed:
            self.leave(holder)
            self._metrics.streams_refused.labels(self._kind).inc()
            raise TooManyStreams

    def leave(self, holder: str) -> None:
        """Take one stream off; `run` tells the other instances within a second."""
        self._count -= 1
        left = self._open.get(holder, 0) - 1
        if left > 0:
            self._open[holder] = left
        else:
            self._open.pop(holder, None)
        if len(self._released) < _RELEASES_KEPT_MAX:
            self._released.add(holder)
        elif holder not in self._released:
            self._metrics.stream_releases_forgotten.inc()

    async def run(self) -> None:
        """Write releases down and renew leases until cancelled."""
        renewed = time.monotonic()
        while True:
            await asyncio.sleep(_RELEASE_SECONDS)
            if time.monotonic() - renewed > _LEASE_SECONDS / 3:
                renewed = time.monotonic()
                self._released.update(self._open)
            await self._write_down()

    async def _write_down(self) -> None:
        """Tell the other instances what was released, a batch at a time; the rest next time when
        Redis does not take it.
        """
        released = list(self._released)
        for start in range(0, len(released), _BATCH_MAX):
            batch = released[start : start + _BATCH_MAX]
            self._released.difference_update(batch)  # who leaves meanwhile is for the next time
            leases = [_Lease(holder, self._open.get(holder, 0)) for holder in batch]
            if not all(await asyncio.gather(*map(self._leases.join, leases))):
                self._released.update(batch)
                return

    async def close(self) -> None:
        """Give all places up: the clients of an instance that ends open their streams elsewhere."""
        self._released.update(self._open)
        self._open.clear()
        await self._write_down()
        await self._leases.close()

    async def _ask_redis(self, leases: Sequence[_Lease]) -> list[bool | Exception]:
        numbers = [number for lease in leases for number in (lease.count, lease.limit)]
        keys = [f"streams:{self._kind}:{lease.holder}" for lease in leases]
        try:
            answers = await self._script(keys, [self._instance, _LEASE_SECONDS, *numbers])
        except RedisUnavailable:  # then each instance counts its own, and nothing is written down
            return [lease.limit > 0 and lease.count <= lease.limit for lease in leases]
        return [bool(answer) for answer in answers]
