"""Streams per address on one instance, with a Redis that is away: what is counted and refused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import pytest

from scoreboard.connections.redis import Redis, RedisUnavailable
from scoreboard.errors import TooManyStreams
from scoreboard.limits import leases
from scoreboard.limits.leases import StreamLimiter
from scoreboard.operations.metrics import Metrics
from tests.eventually import eventually
from tests.samples import counted

A = [("a", 1)]


class AwayRedis:
    """Fails every call, once it is let to."""

    def __init__(self) -> None:
        self.asked = 0
        self.fails = asyncio.Event()
        self.fails.set()

    def script(self, lua: str) -> Callable[[Sequence[str], Sequence[Any]], Awaitable[Any]]:
        async def run(keys: Sequence[str], arguments: Sequence[Any]) -> Any:
            self.asked += 1
            await self.fails.wait()
            raise RedisUnavailable("away")

        return run


@pytest.fixture
async def redis() -> AwayRedis:
    return AwayRedis()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def streams(redis: AwayRedis, metrics: Metrics) -> StreamLimiter:
    return StreamLimiter(cast("Redis", redis), "here", "address", 2, metrics)


async def test_one_stream_too_many_is_refused_and_says_when_to_come_back(
    streams: StreamLimiter, metrics: Metrics
) -> None:
    await streams.enter(A)
    await streams.enter(A)

    with pytest.raises(TooManyStreams) as refused:
        await streams.enter(A)

    assert refused.value.retry_after_seconds == 10
    assert counted(metrics, "streams_refused_total", reason="address") == 1


async def test_a_refusal_takes_no_place(streams: StreamLimiter) -> None:
    await streams.enter(A)
    await streams.enter(A)
    for _ in range(10):
        with pytest.raises(TooManyStreams):
            await streams.enter(A)

    streams.leave(A)
    await streams.enter(A)


async def test_each_address_counts_for_itself(streams: StreamLimiter) -> None:
    for address in ("a", "a", "b", "b"):
        await streams.enter([(address, 1)])


async def test_of_many_at_once_as_many_as_may_get_in(streams: StreamLimiter) -> None:
    answers = await asyncio.gather(*(streams.enter(A) for _ in range(10)), return_exceptions=True)

    assert answers.count(None) == 2


async def test_a_client_that_leaves_while_it_is_counted_takes_no_place(
    streams: StreamLimiter, redis: AwayRedis
) -> None:
    redis.fails.clear()
    entering = asyncio.create_task(streams.enter(A))
    await eventually(lambda: redis.asked)

    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await entering
    redis.fails.set()

    await streams.enter(A)
    await streams.enter(A)


async def test_addresses_that_left_are_forgotten(streams: StreamLimiter) -> None:
    for number in range(100):
        await streams.enter([(f"address{number}", 1)])
        streams.leave([(f"address{number}", 1)])

    assert streams._open == {}


async def test_closed_streams_that_are_too_many_to_keep_are_counted(
    streams: StreamLimiter, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "_RELEASES_KEPT_MAX", 3)
    for address in ("a", "b", "c", "a", "d", "e"):
        await streams.enter([(address, 1)])
        streams.leave([(address, 1)])

    assert streams._released == {"a", "b", "c"}
    assert counted(metrics, "stream_releases_forgotten_total") == 2
