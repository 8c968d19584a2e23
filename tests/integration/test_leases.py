"""Streams per address on a real Redis, over two instances."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import redis.asyncio
from structlog.testing import capture_logs

from scoreboard.connections.redis import Redis, RedisUnavailable
from scoreboard.errors import TooManyStreams
from scoreboard.limits import leases
from scoreboard.limits.leases import StreamLimiter
from scoreboard.operations.metrics import Metrics
from tests.eventually import eventually

LIMIT = 3
A = [("a", 1)]


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


async def gets_in(limiter: StreamLimiter, *holders: tuple[str, int]) -> bool:
    try:
        await limiter.enter(holders or A)
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
        assert await gets_in(two, ("another", 1))


async def test_of_many_at_once_on_two_instances_as_many_as_may_get_in(redis_url: str) -> None:
    async with an_instance(redis_url, "one") as one, an_instance(redis_url, "two") as two:
        answers = await asyncio.gather(
            *(gets_in(limiter) for _ in range(10) for limiter in (one, two))
        )

    assert sum(answers) == LIMIT


async def test_a_stream_that_closes_makes_room_on_the_other_instance(redis_url: str) -> None:
    async with an_instance(redis_url, "one") as one, an_instance(redis_url, "two") as two:
        for _ in range(LIMIT):
            await one.enter(A)
        assert not await gets_in(two)

        one.leave(A)

        await eventually(lambda: gets_in(two))
        assert not await gets_in(two)


async def test_the_last_stream_to_close_leaves_nothing_behind(redis_url: str) -> None:
    async with an_instance(redis_url, "one") as one:
        await one.enter(A)
        assert set(await held(redis_url)) == {b"one"}
        one.leave(A)

        async def is_empty() -> bool:
            return not await held(redis_url)

        await eventually(is_empty)


async def test_a_refusal_never_takes_a_place_from_who_has_one(redis_url: str) -> None:
    async with an_instance(redis_url, "one") as one, an_instance(redis_url, "two") as two:
        for _ in range(LIMIT):
            await one.enter(A)
        for _ in range(20):
            assert not await gets_in(two)

        present = await held(redis_url)
        assert set(present) == {b"one"}
        assert present[b"one"].startswith(b"3:")


# Several holders: the networks that one address is in


async def test_a_stream_needs_room_under_each_of_its_holders(redis_url: str) -> None:
    async with an_instance(redis_url, "one") as one, an_instance(redis_url, "two") as two:
        household = [[(f"/64 number {n}", 1), ("/56", 2)] for n in range(10)]
        answers = [await gets_in(limiter, *h) for h in household for limiter in (one, two)]

        assert sum(answers) == 2 * LIMIT
        assert not await gets_in(two, ("a new /64", 1), ("/56", 2))
        assert await gets_in(two, ("a new /64", 1), ("another /56", 2))


async def test_a_stream_that_one_holder_refuses_takes_no_place_of_the_others(
    redis_url: str,
) -> None:
    """Also not for a moment: who floods a full network would keep its neighbours out."""
    async with an_instance(redis_url, "one") as one:
        for _ in range(LIMIT):
            assert await gets_in(one, ("full", 1), ("wide", 2))

        flood = [gets_in(one, ("full", 1), ("wide", 2)) for _ in range(20)]
        neighbours = [gets_in(one, ("neighbour", 1), ("wide", 2)) for _ in range(LIMIT)]
        answers = await asyncio.gather(*flood, *neighbours)

        assert answers == [False] * 20 + [True] * LIMIT
        assert (await held(redis_url, "wide"))[b"one"].startswith(b"6:")
        assert (await held(redis_url, "full"))[b"one"].startswith(b"3:")


async def test_a_client_that_leaves_while_redis_counts_it_leaves_no_count(redis_url: str) -> None:
    async with an_instance(redis_url, "one") as one:
        for leaves_after in range(12):
            entering = asyncio.create_task(one.enter([("a", 1), ("wide", 2)]))
            for _ in range(leaves_after):
                await asyncio.sleep(0)
            entering.cancel()
            [outcome] = await asyncio.gather(entering, return_exceptions=True)
            if outcome is None:  # it was in already
                one.leave([("a", 1), ("wide", 2)])

        async def nothing_is_held() -> bool:
            return not await held(redis_url) and not await held(redis_url, "wide")

        await eventually(nothing_is_held)
        assert len(one) == 0


# What others have put into Redis


async def test_a_lease_of_another_type_is_deleted_and_costs_nobody_anything(
    redis_url: str,
) -> None:
    async with (
        redis.asyncio.Redis.from_url(redis_url) as admin,
        an_instance(redis_url, "one") as one,
        an_instance(redis_url, "two") as two,
    ):
        await admin.set("streams:address:text", "text")
        await admin.lpush("streams:address:list", "a")
        with capture_logs() as logs:
            found = await asyncio.gather(
                *(gets_in(one, (address, 1)) for address in ("text", "list", "neighbour"))
            )
        assert found == [True] * 3
        assert not one._redis.away
        for _ in range(LIMIT - 1):
            assert await gets_in(two, ("text", 1))
        assert not await gets_in(two, ("text", 1))
    assert [line["what"] for line in logs if line["event"] == "scoreboard.redis.malformed"] == [
        "streams"
    ]


@pytest.mark.parametrize(
    "field", ["", "text", "9:", ":9", "-9:9999999999", "9:9999999999", "9" * 400 + ":1e9", "9:0"]
)
async def test_a_count_that_is_none_keeps_nobody_out(redis_url: str, field: str) -> None:
    """A lease that ends later than any that we write is not ours either."""
    async with (
        redis.asyncio.Redis.from_url(redis_url) as admin,
        an_instance(redis_url, "one") as one,
    ):
        await admin.hset("streams:address:a", "somebody", field)
        assert [await gets_in(one) for _ in range(LIMIT + 1)] == [True] * LIMIT + [False]
        assert set(await held(redis_url)) == {b"one"}


async def test_a_count_that_is_far_too_long_is_not_read(redis_url: str) -> None:
    """Reading a number of megabytes would stop Redis for everybody."""
    async with (
        redis.asyncio.Redis.from_url(redis_url) as admin,
        an_instance(redis_url, "one") as one,
    ):
        long = "0" * 400 + f"{LIMIT}:{int(time.time()) + 30}"
        await admin.hset("streams:address:a", "somebody", long)
        assert await gets_in(one)
        assert set(await held(redis_url)) == {b"one"}


async def test_a_hash_that_is_far_too_large_is_not_read(redis_url: str) -> None:
    async with (
        redis.asyncio.Redis.from_url(redis_url) as admin,
        an_instance(redis_url, "one") as one,
    ):
        far = str(int(time.time()) + 30)
        await admin.hset("streams:address:a", mapping={f"i{n}": f"1:{far}" for n in range(5000)})
        assert await gets_in(one)
        assert set(await held(redis_url)) == {b"one"}


@pytest.mark.parametrize(("field", "value"), [("somebody", "0" * 2**21), ("x" * 2**21, "1:1")])
async def test_a_hash_of_few_fields_and_many_megabytes_is_not_read(
    redis_url: str, field: str, value: str
) -> None:
    """Redis would copy all of it first, and answer nobody meanwhile."""
    async with (
        redis.asyncio.Redis.from_url(redis_url) as admin,
        an_instance(redis_url, "one", alive=False) as one,
    ):
        await admin.hset("streams:address:a", field, value)
        await admin.config_resetstat()
        assert await gets_in(one)
        statistics: Any = await admin.info("commandstats")
        assert "cmdstat_hgetall" not in statistics
        assert set(await held(redis_url)) == {b"one"}


async def test_leases_that_redis_does_not_let_us_read_are_not_deleted(redis_url: str) -> None:
    async with redis.asyncio.Redis.from_url(redis_url) as admin:
        await admin.acl_setuser(
            "blind", enabled=True, passwords=["+hush"], keys="*", commands=["+@all", "-hlen"]
        )
        await admin.hset("streams:address:a", "two", f"{LIMIT}:{int(time.time()) + 30}")
        parts = urlsplit(redis_url)
        url = urlunsplit(parts._replace(netloc=f"blind:hush@{parts.netloc}"))
        try:
            async with an_instance(url, "one", alive=False) as one:
                assert await gets_in(one)
        finally:
            await admin.acl_deluser("blind")
    assert set(await held(redis_url)) == {b"two"}


@pytest.mark.parametrize("answer", [None, b"text", [], [1], [1, 0, 0], [b"1", 0]])
async def test_an_answer_that_the_script_cannot_have_given_is_counted_without(
    redis_url: str, answer: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with an_instance(redis_url, "one", alive=False) as one:

        async def answers(*_: object) -> object:
            return answer

        with monkeypatch.context() as patched:
            patched.setattr(one, "_script", answers)
            assert [await gets_in(one) for _ in range(LIMIT + 1)] == [True] * LIMIT + [False]


async def test_releases_that_find_no_room_to_wait_are_tried_again(redis_url: str) -> None:
    async with an_instance(redis_url, "one", alive=False) as one:
        await one.enter(A)
        one.leave(A)
        one._leases._waiting_max = 0

        await one._write_down()
        assert one._released == {"a"}
        one._leases._waiting_max = 1

        await one._write_down()
        assert await held(redis_url) == {}


async def test_what_a_killed_instance_held_ends_with_its_lease(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "_LEASE_SECONDS", 1)
    async with (
        an_instance(redis_url, "killed", alive=False) as killed,
        an_instance(redis_url, "two") as two,
    ):
        for _ in range(LIMIT):
            await killed.enter(A)
        assert not await gets_in(two)

        await eventually(lambda: gets_in(two), within_seconds=10)


async def test_an_instance_that_ends_in_order_gives_its_places_up(redis_url: str) -> None:
    """Else whoever it served finds its places still taken on the next instance, for a minute."""
    async with (
        an_instance(redis_url, "one", alive=False) as one,
        an_instance(redis_url, "two") as two,
    ):
        for _ in range(LIMIT):
            await one.enter(A)
        one.leave(A)
        assert not await gets_in(two)
        await one.close()

        for _ in range(LIMIT):
            assert await gets_in(two)
    assert await held(redis_url) == {}


async def test_a_release_that_redis_did_not_take_is_told_when_it_is_back(redis_url: str) -> None:
    async with an_instance(redis_url, "one") as one, an_instance(redis_url, "two") as two:
        await one.enter(A)
        script, failures = one._script, 0

        async def away(keys: Sequence[str], arguments: Sequence[Any]) -> Any:
            nonlocal failures
            failures += 1
            raise RedisUnavailable

        one._script = away  # type: ignore[assignment]
        one.leave(A)
        await eventually(lambda: failures >= 2)  # told of nothing, and tried again
        one._script = script

        async def is_empty() -> bool:
            return await held(redis_url) == {}

        await eventually(is_empty)
        await two.enter(A)


async def test_a_living_instance_renews_its_lease(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the renewal its streams would be forgotten while they are open."""
    monkeypatch.setattr(leases, "_LEASE_SECONDS", 2)
    async with an_instance(redis_url, "one") as one:
        for _ in range(LIMIT):
            await one.enter(A)
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
    await asyncio.gather(*(limiter.enter([(f"address{n}", 1)]) for n in range(300)))
    batches.clear()
    for number in range(300):
        limiter.leave([(f"address{number}", 1)])

    running = asyncio.create_task(limiter.run())
    await eventually(lambda: sum(batches) == 300)
    running.cancel()
    await limiter.close()
    await client.close()

    assert len(batches) == 1
