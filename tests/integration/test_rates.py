"""The rate limits on a real Redis: the script, several instances, round trips, the fallback."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import redis.asyncio
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from scoreboard.configuration.kinds import Rate
from scoreboard.connections.redis import Redis, RedisUnavailable, Script
from scoreboard.connections.redis_words import word
from scoreboard.limits import local_rates, rates
from scoreboard.limits.checks import Check, HashField
from scoreboard.limits.local_rates import LocalRates
from scoreboard.limits.rates import RateLimiter
from scoreboard.operations.metrics import Metrics
from tests.eventually import eventually
from tests.properties.strategies import examples
from tests.properties.strategies import rates as any_rate
from tests.proxy import TcpProxy
from tests.samples import counted

SECOND = 1_000_000
FIVE_AN_HOUR = Rate(5, 3600)
_numbers = itertools.count()


class CountedRedis(Redis):
    """Counts the calls."""

    calls = 0

    async def ask(self, *arguments: Any, **options: Any) -> Any:
        self.calls += 1
        return await super().ask(*arguments, **options)


@asynccontextmanager
async def connected(
    url: str, timeout_seconds: float = 2.0, metrics: Metrics | None = None
) -> AsyncIterator[CountedRedis]:
    malformed = (metrics or Metrics()).redis_malformed
    client = CountedRedis(
        url,
        timeout_seconds=timeout_seconds,
        name="test rates",
        on_malformed=lambda what, values: malformed.labels(what).inc(values),
    )
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


class Clock:
    """Microseconds that pass when a test says so."""

    now_us = 1_700_000_000 * SECOND

    def monotonic_ns(self) -> int:
        return self.now_us * 1000


@pytest.fixture
async def script_on_clock(redis_url: str) -> AsyncIterator[Script]:
    """The script as it runs, but for the time, which comes last among the arguments."""
    lua = rates._GCRA.replace("call('TIME')", "{ARGV[#ARGV - 1], ARGV[#ARGV]}")
    assert lua != rates._GCRA
    async with connected(redis_url) as client:
        yield client.script(lua)


Requests = list[list[int]]


def steps() -> st.SearchStrategy[list[tuple[int, Requests]]]:
    """Pauses, and the requests that are then checked in one call: the keys of each."""
    keys = st.lists(st.integers(0, 2), min_size=1, unique=True)
    return st.lists(
        st.tuples(st.integers(0, 1200 * SECOND), st.lists(keys, min_size=1)), min_size=1
    )


@examples(60)
@given(st.lists(any_rate(), min_size=3, max_size=3), steps())
async def test_the_script_answers_as_the_algorithm_in_memory_does(
    script_on_clock: Script, limits: list[Rate], steps: list[tuple[int, Requests]]
) -> None:
    clock, prefix = Clock(), next(_numbers)
    local = LocalRates(lambda: None, clock_ns=clock.monotonic_ns)
    for pause, requests in steps:
        clock.now_us += pause
        asked = [[Check("ip", f"{prefix}:{k}", limits[k]) for k in keys] for keys in requests]
        keys, arguments = rates._words([(checks, None) for checks in asked], [])
        now = [word(number) for number in divmod(clock.now_us, SECOND)]
        *left, malformed = await script_on_clock.of_words(keys, [*arguments, *now])
        assert malformed == 0
        assert left == [us for checks in asked for us in local.left_us(checks)]


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


async def test_a_request_that_one_limit_refuses_uses_up_nothing_of_the_others(
    redis_url: str,
) -> None:
    """Else a neighbour behind the same address, or oneself, would pay for what was never done."""
    wide, narrow = check(rate=Rate(100, 3600)), check(rate=Rate(2, 3600), name="user")
    async with a_limiter(redis_url) as limiter:
        await asyncio.gather(*(limiter.check([wide, narrow]) for _ in range(20)))
        await limiter.check([narrow, wide])  # in whatever order

        assert (await limiter.check([wide])).remaining == 97
        assert not (await limiter.check([narrow])).allowed


async def test_the_requests_of_one_call_are_decided_one_after_the_other(redis_url: str) -> None:
    """The refused one leaves its share of the address to the next, within the same call."""
    address = check(rate=Rate(2, 3600))
    used_up, other = check(rate=Rate(1, 3600), name="user"), check("other", name="user")
    async with connected(redis_url) as client:
        limiter = RateLimiter(client, Metrics())
        await limiter.check([used_up])
        client.calls = 0
        answers = await asyncio.gather(
            limiter.check([address, used_up]),
            limiter.check([address, other]),
            limiter.check([address, other]),
            limiter.check([address, other]),
        )

    assert [answer.allowed for answer in answers] == [False, True, True, False]
    assert client.calls == 1


async def test_a_field_is_read_beside_for_whoever_wants_it_and_for_nobody_else(
    redis_url: str,
) -> None:
    async with connected(redis_url) as client, redis.asyncio.Redis.from_url(redis_url) as admin:
        await admin.hset("one", "version", "7")
        await admin.hset("two", mapping={"version": "8", "size": "9" * 17})
        limiter = RateLimiter(client, Metrics())
        await limiter.check([check("warm")])
        client.calls = 0
        wanted = [
            None,
            HashField("one", "version"),
            HashField("two", "version"),
            HashField("one", "version"),
            HashField("two", "size"),
            HashField("three", "version"),
        ]
        answers = await asyncio.gather(
            *(limiter.check([check(), check(name="user")], also=field) for field in wanted)
        )

    seen = [answer.seen and answer.seen.value for answer in answers]
    assert seen == [None, b"7", b"8", b"7", None, None]
    assert [answer.allowed for answer in answers] == [True] * 5 + [False]
    assert client.calls == 1


# What others have put into Redis


async def put_garbage(admin: redis.asyncio.Redis, key: str, number: int) -> None:
    """Something under this key that is no time, each number something else."""
    match number:
        case 0:
            await admin.hset(key, "a", "b")
        case 1:
            await admin.lpush(key, "a")
        case 2:
            await admin.xadd(key, {"a": "b"})
        case _:
            text = [
                "",
                "text",
                "nan",
                "-nan",
                "inf",
                "-inf",
                "1e400",
                "-1",
                "0x7f",
                "9" * 400,
                LONG_TIME,
            ]
            await admin.set(key, text[number - 3])


# Half an hour ahead, behind more digits than any number has that we write.
LONG_TIME = "0" * 400 + str((int(time.time()) + 1800) * SECOND)
GARBAGE = 14


async def test_garbage_under_one_key_counts_as_nothing_and_is_replaced(redis_url: str) -> None:
    metrics = Metrics()
    async with (
        redis.asyncio.Redis.from_url(redis_url) as admin,
        connected(redis_url, metrics=metrics) as client,
    ):
        limiter = RateLimiter(client, metrics)
        for number in range(GARBAGE):
            await put_garbage(admin, f"limit:ip:garbage{number}", number)
        with capture_logs() as logs:
            questions = [check(f"garbage{number}") for number in range(GARBAGE)]
            questions.append(check("neighbour"))
            first = await asyncio.gather(*(limiter.check([each]) for each in questions))
            second = await asyncio.gather(*(limiter.check([each]) for each in questions))

        assert [answer.remaining for answer in first] == [4] * len(questions)
        assert [answer.remaining for answer in second] == [3] * len(questions)
        assert not client.away
        assert counted(metrics, "rate_limit_checks_local_total") == 0
        assert counted(metrics, "redis_malformed_total", what="limit") == 6
        told = [line for line in logs if line["event"] == "scoreboard.redis.malformed"]
        assert [line["what"] for line in told] == ["limit"]


async def seconds_in(admin: redis.asyncio.Redis, command: str) -> float:
    """How long this Redis has been busy with a command, scripts' calls of it included."""
    statistics: Any = await admin.info("commandstats")
    found: dict[str, Any] = statistics.get(f"cmdstat_{command}", {"usec": 0})
    return float(found["usec"]) / SECOND


async def test_a_text_of_many_megabytes_under_one_key_does_not_stop_redis(redis_url: str) -> None:
    """Compared with who reads it. (To replace it takes time as well, once.)"""
    async with redis.asyncio.Redis.from_url(redis_url) as admin, a_limiter(redis_url) as limiter:
        await limiter.check([check("neighbour")])
        await admin.setrange("limit:ip:garbage", 64_000_000, "x")
        reading = -await seconds_in(admin, "get")
        assert len(await admin.get("limit:ip:garbage") or b"") > 64_000_000
        reading += await seconds_in(admin, "get")

        before = await seconds_in(admin, "evalsha") - await seconds_in(admin, "set")
        answer = await limiter.check([check("garbage")])
        after = await seconds_in(admin, "evalsha") - await seconds_in(admin, "set")

        assert answer.remaining == 4
        assert after - before < reading / 3
        assert await admin.strlen("limit:ip:garbage") < 20


async def test_limits_that_redis_does_not_let_us_read_are_counted_without(redis_url: str) -> None:
    """They are not absent: else nobody would ever be refused."""
    async with redis.asyncio.Redis.from_url(redis_url) as admin:
        await admin.acl_setuser(
            "blind", enabled=True, passwords=["+hush"], keys="*", commands=["+@all", "-getrange"]
        )
        parts = urlsplit(redis_url)
        url = urlunsplit(parts._replace(netloc=f"blind:hush@{parts.netloc}"))
        try:
            async with a_limiter(url, metrics := Metrics()) as limiter:
                answers = [await limiter.check([check("anybody")]) for _ in range(6)]
        finally:
            await admin.acl_deluser("blind")

    assert [answer.allowed for answer in answers] == [True] * 5 + [False]
    assert counted(metrics, "rate_limit_checks_local_total") == 6


@pytest.mark.parametrize("answer", [None, 1, b"text", [], [1], [1, 2, 3, 4], [b"1", None, 0]])
async def test_an_answer_that_the_script_cannot_have_given_is_counted_without(
    redis_url: str, answer: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = Metrics()
    async with connected(redis_url, metrics=metrics) as client:
        limiter = RateLimiter(client, metrics)

        async def answers(*_: object) -> object:
            return answer

        monkeypatch.setattr(limiter._script, "of_words", answers)
        found = [await limiter.check([check()]) for _ in range(6)]

    assert [each.allowed for each in found] == [True] * 5 + [False]
    assert counted(metrics, "rate_limit_checks_local_total") == 6
    assert counted(metrics, "redis_malformed_total", what="answer") == 6


async def test_a_key_of_another_type_is_no_reason_to_leave_redis_alone(redis_url: str) -> None:
    """Whoever asks about that key does without. All others go on."""
    metrics = Metrics()
    async with (
        redis.asyncio.Redis.from_url(redis_url) as admin,
        connected(redis_url, metrics=metrics) as client,
    ):
        await admin.set("leaderboard", "no hash")
        with pytest.raises(RedisUnavailable):
            await client.script("return redis.call('HGET', KEYS[1], 'version')")(
                ["leaderboard"], []
            )
        limiter = RateLimiter(client, metrics)

        assert (await limiter.check([check()])).remaining == 4
        assert not client.away
    assert counted(metrics, "rate_limit_checks_local_total") == 0
    assert counted(metrics, "redis_malformed_total", what="type") == 1


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
        monkeypatch.setattr(local_rates, "time", wrong)

        assert (await limiter.check([check()])).remaining == 3


async def test_a_refusal_is_remembered_though_who_asked_has_left(redis_url: str) -> None:
    """Whoever hangs up before the answer must not make each request cost a call."""
    once = check(rate=Rate(1, 3600))
    async with connected(redis_url) as client:
        limiter = RateLimiter(client, Metrics())
        assert (await limiter.check([once])).allowed
        asking = asyncio.create_task(limiter.check([once]))
        await asyncio.sleep(0)
        asking.cancel()
        await limiter.close()
        assert asking.cancelled()
        assert client.calls == 2
        assert limiter._refusals.of([once]) is not None
        assert not (await limiter.check([once])).allowed
        assert client.calls == 2
