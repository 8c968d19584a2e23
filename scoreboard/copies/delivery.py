"""Brings to Redis what somebody is about to be told of: until it is there, or until every other
instance knows that Redis may lack it.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

from scoreboard.connections.redis import Redis, RedisUnavailable
from scoreboard.connections.redis_presence import REST_SECONDS
from scoreboard.copies.copy import RedisCopy

# Redis has it; it refused that, and has no older one any more; it has neither taken nor lost one.
Outcome = Literal["taken", "older_gone", "failed"]


def noticed_after(reconcile_seconds: float, redis_timeout_seconds: float) -> float:
    """After how many seconds every instance has noticed that Redis is away, or lacks a board: its
    next comparison was due, and asked a Redis that hung, or rested.
    """
    return reconcile_seconds + max(redis_timeout_seconds, REST_SECONDS)


class Delivery:
    """Tries again while Redis has only just gone, perhaps for us alone: others trust what lies
    there. After `noticed_seconds` they have lost Redis as well, or have compared their copies.

    A Redis that is there and does not take it (its memory is full, a right is missing) must not
    show what is older, and loses that. Where it refuses that as well, it refuses to count requests
    for limits too, and an instance that was refused trusts no copy.
    """

    def __init__(self, redis: Redis, noticed_seconds: float) -> None:
        self._redis = redis
        self._noticed_seconds = noticed_seconds

    async def of(
        self, give: Callable[[], Awaitable[object]], versions: Sequence[tuple[RedisCopy, int]]
    ) -> Outcome:
        """Say what became of what `give` puts there, which is about these versions of copies. It
        raises RedisUnavailable.
        """
        presence, until = self._redis.presence, time.monotonic() + self._noticed_seconds
        while True:
            began = time.monotonic()
            outcome = await self._try(give, versions)
            if outcome != "failed":
                return outcome
            if presence.away:  # guard: redis-only-just
                # guard: without-redis-long
                noticed_at = presence.away_since + self._noticed_seconds
                await presence.until_back(min(until, noticed_at))
            is_back = not presence.away and presence.back_at >= began
            if not is_back or time.monotonic() >= until:
                return "failed"

    async def _try(
        self, give: Callable[[], Awaitable[object]], versions: Sequence[tuple[RedisCopy, int]]
    ) -> Outcome:
        try:
            await give()
        except RedisUnavailable:
            if self._redis.away:  # guard: redis-refuses-board
                return "failed"
            return await self._taken_away(versions)
        return "taken"

    async def _taken_away(self, versions: Sequence[tuple[RedisCopy, int]]) -> Outcome:
        outcome: Outcome = "older_gone"
        for copy, version in versions:
            try:
                await copy.drop(older_than=version)  # guard: newer-board-stays
            except RedisUnavailable:
                outcome = "failed"
        return outcome
