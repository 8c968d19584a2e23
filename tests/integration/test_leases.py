"""Streams per address on a real Redis, over two instances."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import redis.asyncio

from scoreboard.api import leases
from scoreboard.api.leases import StreamLimiter
from scoreboard.connections.redis import Redis, RedisUnavailable
from scoreboard.errors import TooManyStreams
from scoreboard.operations.metrics import Metrics
from tests.eventually import eventually

LIMIT = 3


@pytest.fixture(autouse=True)
def short_release(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "_RELEASE_SECONDS", 0.02)


@asynccontextmanager
async def an_instance(
    redis_url: str, name: str, *, alive: bool = True
) -> AsyncIterator[StreamLimiter]:
    """One instance's limiter; one that is not alive never renews nor writes down."""
    client = Redis(redis_url, timeout_seconds=2.0, name=name)
    limiter = StreamLimiter(client, name, "address", LIMIT, Metrics())
    running = asyncio.create_task(limiter.run() if alive else asyncio.sleep(0))
    try:
        yield limiter
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await limiter.close()
        await client.close()


async def gets_in(limiter: StreamLimiter, address: str = "a") -> bool:
    try:
        await limiter.enter(address)
    except TooManyStreams:
        return False
    return True


async def held(redis_url: str, address: str = "a") -> dict[bytes, bytes]:
    """What Redis holds of an address: by instance, `count:expiry`."""
    async with redis.asyncio.Redis.from_url(redis_url) as admin:
        fields: Any = await admin.hgetall(f"streams:address:{address}")
        return dict(fields)


async def test_an_address_holds_so_many_streams_over_all_instances(redis_url: str) -> None:
    async with an_instance(redis_url, "one") as one, an_instance(redis_url, "two") as two:
        assert [await gets_in(one), await gets_in(two), await gets_in(one)] == [True] * 3

        assert not await gets_in(one)
        assert not await gets_in(two)
        assert await gets_in(two, "another")


async def test_of_many_at_once_on_two_instances_as_many_as_may_get_in(redis_url: str) -> None:
    async with an_instance(redis_url, "one") as one, an_instance(redis_url, "two") as two:
        answers = await asyncio.gather(
            *(gets_in(limiter) for _ in range(10) for limiter in (one, two))
        )

    assert sum(answers) == LIMIT


async def test_a_stream_that_closes_makes_room_on_the_other_instance(redis_url: str) -> None:
    async with an_instance(redis_url, "one") as one, an_instance(redis_url, "two") as two:
        for _ in range(LIMIT):
            await one.enter("a")
        assert not await gets_in(two)

        one.leave("a")

        await eventually(lambda: gets_in(two))
        assert not await gets_in(two)


async def test_the_last_stream_to_close_leaves_nothing_behind(redis_url: str) -> None:
    async with an_instance(redis_url, "one") as one:
        await one.enter("a")
        assert set(await held(redis_url)) == {b"one"}
        one.leave("a")

        async def is_empty() -> bool:
            return not await held(redis_url)

        await eventually(is_empty)


async def test_a_refusal_never_takes_a_place_from_who_has_one(redis_url: str) -> None:
    async with an_instance(redis_url, "one") as one, an_instance(redis_url, "two") as two:
        for _ in range(LIMIT):
            await one.enter("a")
        for _ in range(20):
            assert not await gets_in(two)

        async def only_the_three_are_held() -> bool:
            # One that is being refused may be counted for a moment.
            present = await held(redis_url)
            return set(present) == {b"one"} and present[b"one"].startswith(b"3:")

        await eventually(only_the_three_are_held)


async def test_what_a_killed_instance_held_ends_with_its_lease(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "_LEASE_SECONDS", 1)
    async with (
        an_instance(redis_url, "killed", alive=False) as killed,
        an_instance(redis_url, "two") as two,
    ):
        for _ in range(LIMIT):
            await killed.enter("a")
        assert not await gets_in(two)

        await eventually(lambda: gets_in(two), within_seconds=10)


async def test_an_instance_that_ends_in_order_gives_its_places_up(redis_url: str) -> None:
    """Else whoever it served finds its places still taken on the next instance, for a minute."""
    async with (
        an_instance(redis_url, "one", alive=False) as one,
        an_instance(redis_url, "two") as two,
    ):
        for _ in range(LIMIT):
            await one.enter("a")
        one.leave("a")
        assert not await gets_in(two)
        await one.close()

        for _ in range(LIMIT):
            assert await gets_in(two)
    assert await held(redis_url) == {}


async def test_a_release_that_redis_did_not_take_is_told_when_it_is_back(redis_url: str) -> None:
    async with an_instance(redis_url, "one") as one, an_instance(redis_url, "two") as two:
        await one.enter("a")
        script, failures = one._script, 0

        async def away(keys: Sequence[str], arguments: Sequence[Any]) -> Any:
            nonlocal failures
            failures += 1
            raise RedisUnavailable

        one._script = away
        one.leave("a")
        await eventually(lambda: failures >= 2)  # told of nothing, and tried again
        one._script = script

        async def is_empty() -> bool:
            return await held(redis_url) == {}

        await eventually(is_empty)
        await two.enter("a")


async def test_a_living_instance_renews_its_lease(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the renewal its streams would be forgotten while they are open."""
    monkeypatch.setattr(leases, "_LEASE_SECONDS", 2)
    async with an_instance(redis_url, "one") as one:
        for _ in range(LIMIT):
            await one.enter("a")
        entered = await held(redis_url)

        async def is_renewed_past_its_first_end() -> bool:
            present = await held(redis_url)
            assert present, "the lease ended while its streams were open"
            return int(present[b"one"].split(b":")[1]) > int(entered[b"one"].split(b":")[1]) + 1

        await eventually(is_renewed_past_its_first_end, within_seconds=10)
        assert (await held(redis_url))[b"one"].startswith(b"3:")


async def test_releases_share_round_trips(redis_url: str) -> None:
    """Thousands of clients leave at once when a load balancer in front of them restarts."""
    client = Redis(redis_url, timeout_seconds=2.0, name="one")
    batches: list[int] = []
    script = client.script

    def counting(lua: str) -> object:
        run = script(lua)

        async def counted(keys: list[str], arguments: list[object]) -> object:
            batches.append(len(keys))
            return await run(keys, arguments)

        return counted

    client.script = counting  # type: ignore[method-assign,assignment]
    limiter = StreamLimiter(client, "one", "address", LIMIT, Metrics())
    await asyncio.gather(*(limiter.enter(f"address{n}") for n in range(300)))
    batches.clear()
    for number in range(300):
        limiter.leave(f"address{number}")

    running = asyncio.create_task(limiter.run())
    await eventually(lambda: sum(batches) == 300)
    running.cancel()
    await limiter.close()
    await client.close()

    assert len(batches) == 1
