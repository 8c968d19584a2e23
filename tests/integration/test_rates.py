"""The rate limits on a real Redis: the script, several instances, round trips, the fallback."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import redis.asyncio
from hypothesis import given
from hypothesis import strategies as st

from scoreboard.api import rates
from scoreboard.api.rates import Check, LocalRates, RateLimiter
from scoreboard.connections.redis import Redis
from scoreboard.operations.metrics import Metrics
from scoreboard.settings import Rate
from tests.eventually import eventually
from tests.properties.strategies import examples
from tests.properties.strategies import rates as any_rate
from tests.proxy import TcpProxy
from tests.samples import counted

SECOND = 1_000_000
FIVE_AN_HOUR = Rate(5, 3600)
_numbers = itertools.count()


class CountedRedis(Redis):
    """Counts the calls of scripts."""

    calls = 0

    def script(self, lua: str) -> Callable[[Sequence[str], Sequence[Any]], Awaitable[Any]]:
        run = super().script(lua)

        async def counted_run(keys: Sequence[str], arguments: Sequence[Any]) -> Any:
            self.calls += 1
            return await run(keys, arguments)

        return counted_run


@asynccontextmanager
async def connected(url: str, timeout_seconds: float = 2.0) -> AsyncIterator[CountedRedis]:
    client = CountedRedis(url, timeout_seconds=timeout_seconds, name="test rates")
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def a_limiter(url: str, metrics: Metrics | None = None) -> AsyncIterator[RateLimiter]:
    async with connected(url) as client:
        limiter = RateLimiter(client, metrics or Metrics())
        try:
            yield limiter
        finally:
            await limiter.close()


def check(key: str = "somebody", rate: Rate = FIVE_AN_HOUR, name: str = "ip") -> Check:
    return Check(name, key, rate)


Script = Callable[[Sequence[str], Sequence[Any]], Awaitable[Any]]


class Clock:
    """Microseconds that pass when a test says so."""

    now_us = 1_700_000_000 * SECOND

    def monotonic_ns(self) -> int:
        return self.now_us * 1000


@pytest.fixture
async def script_on_clock(redis_url: str) -> AsyncIterator[Script]:
    """The script as it runs, but for the time, which comes last among the arguments."""
    lua = rates._GCRA.replace("redis.call('TIME')", "{ARGV[#ARGV - 1], ARGV[#ARGV]}")
    assert lua != rates._GCRA
    async with connected(redis_url) as client:
        yield client.script(lua)


def steps() -> st.SearchStrategy[list[tuple[int, list[int]]]]:
    """Pauses, and the keys that are then checked in one call; one may stand there twice."""
    return st.lists(
        st.tuples(st.integers(0, 1200 * SECOND), st.lists(st.integers(0, 2), min_size=1)),
        min_size=1,
    )


@examples(60)
@given(st.lists(any_rate(), min_size=3, max_size=3), steps())
async def test_the_script_answers_as_the_algorithm_in_memory_does(
    script_on_clock: Script, limits: list[Rate], steps: list[tuple[int, list[int]]]
) -> None:
    clock, local, prefix = Clock(), LocalRates(), next(_numbers)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(rates, "time", clock)
        for pause, keys in steps:
            clock.now_us += pause
            checks = [Check("ip", f"{prefix}:{key}", limits[key]) for key in keys]
            numbers = [n for each in checks for n in (each.interval_us, each.burst_us)]
            *left, version = await script_on_clock(
                [*(each.key for each in checks), "no board"],
                [*numbers, *divmod(clock.now_us, SECOND)],
            )
            assert version is None
            assert left == [local.left_us(each) for each in checks]


async def test_what_redis_keeps_of_a_limit_ends_by_itself(redis_url: str) -> None:
    async with a_limiter(redis_url) as limiter:
        await limiter.check([check(rate=Rate(6, 60))])

    async with redis.asyncio.Redis.from_url(redis_url) as admin:
        [key] = await admin.keys("*")
        assert key == b"limit:ip:somebody"
        assert 0 < await admin.pttl(key) <= 10_000


async def test_two_instances_share_one_limit(redis_url: str) -> None:
    async with a_limiter(redis_url) as one, a_limiter(redis_url) as two:
        answers = await asyncio.gather(
            *(limiter.check([check()]) for limiter in [one, two] for _ in range(10))
        )

    assert sum(answer.allowed for answer in answers) == 5


async def test_the_checks_of_one_moment_share_round_trips(redis_url: str) -> None:
    async with connected(redis_url, timeout_seconds=20.0) as client:  # a try again is a call, too
        limiter = RateLimiter(client, Metrics())
        await limiter.check([check("warm")])
        client.calls = 0

        answers = await asyncio.gather(
            *(
                limiter.check([check(f"user{n}"), check(f"user{n}", name="user")])
                for n in range(400)
            )
        )

    assert all(answer.allowed for answer in answers)
    assert client.calls <= 4  # 800 checks, 500 at most in one call


async def test_the_same_key_twice_in_one_round_trip_counts_twice(redis_url: str) -> None:
    async with a_limiter(redis_url) as limiter:
        answers = await asyncio.gather(*(limiter.check([check()]) for _ in range(8)))

    assert [answer.allowed for answer in answers] == [True] * 5 + [False] * 3


async def test_of_several_limits_the_one_that_leaves_least_answers(redis_url: str) -> None:
    wide, narrow = check(), check(rate=Rate(2, 3600), name="user")
    async with a_limiter(redis_url) as limiter:
        answers = [await limiter.check([wide, narrow]) for _ in range(3)]

    assert [answer.check.name for answer in answers] == ["user", "user", "user"]
    assert [answer.allowed for answer in answers] == [True, True, False]


async def test_when_several_limits_refuse_the_longest_wait_is_told(redis_url: str) -> None:
    """Else the client would come back after a second only to be refused by the other one."""
    short, long = check(rate=Rate(1, 60)), check(rate=Rate(1, 3600), name="user")
    async with a_limiter(redis_url) as limiter:
        await limiter.check([short, long])
        answer = await limiter.check([short, long])

    assert answer.check.name == "user"
    assert answer.retry_after_seconds > 60


async def test_while_redis_is_away_each_instance_counts_for_itself(redis_url: str) -> None:
    target = urlsplit(redis_url)
    metrics = Metrics()
    async with TcpProxy(target.hostname or "", target.port or 0) as proxy:
        url = urlunsplit(target._replace(netloc=f"127.0.0.1:{proxy.port}"))
        async with a_limiter(url, metrics) as limiter:
            assert (await limiter.check([check()])).remaining == 4
            await proxy.cut()

            answers = [await limiter.check([check()]) for _ in range(6)]
            assert [answer.allowed for answer in answers] == [True] * 5 + [False]
            assert counted(metrics, "rate_limit_checks_local_total") == 6

            await proxy.heal()

            async def is_shared_again() -> bool:
                before = counted(metrics, "rate_limit_checks_local_total")
                await limiter.check([check("another", Rate(1000, 60))])
                return counted(metrics, "rate_limit_checks_local_total") == before

            await eventually(is_shared_again)
            assert (await limiter.check([check()])).remaining == 3  # Redis remembers


async def test_a_redis_that_hangs_costs_one_wait_and_not_one_a_request(redis_url: str) -> None:
    """Without the rest after a failure each of these would wait for the deadline."""
    target = urlsplit(redis_url)
    async with TcpProxy(target.hostname or "", target.port or 0) as proxy:
        url = urlunsplit(target._replace(netloc=f"127.0.0.1:{proxy.port}"))
        async with connected(url, timeout_seconds=0.3) as client:
            limiter = RateLimiter(client, Metrics())
            await limiter.check([check()])
            generation = client.generation
            proxy.black_hole()

            for number in range(200):
                assert (await limiter.check([check(f"user{number}")])).allowed

            assert client.away
            # A wait that failed counts as one generation (a connection would count another).
            assert client.generation - generation <= 4


async def test_a_restarted_redis_learns_the_script_again(redis_url: str) -> None:
    async with a_limiter(redis_url) as limiter:
        await limiter.check([check()])
        async with redis.asyncio.Redis.from_url(redis_url) as admin:
            await admin.script_flush()

        assert (await limiter.check([check()])).remaining == 3


async def test_redis_and_not_the_instance_tells_the_time(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Instances whose clocks differ by a day count alike."""
    async with a_limiter(redis_url) as limiter:
        await limiter.check([check()])
        wrong = SimpleNamespace(monotonic_ns=lambda: time.monotonic_ns() + 86_400 * 10**9)
        monkeypatch.setattr(rates, "time", wrong)

        assert (await limiter.check([check()])).remaining == 3
