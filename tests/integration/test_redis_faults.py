"""What a call to Redis does when its connection ends, when Redis refuses, and when we are wrong."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from typing import Any

import pytest
import redis
from structlog.testing import capture_logs

from scoreboard.configuration.kinds import Rate
from scoreboard.connections.redis import Redis, RedisUnavailable
from scoreboard.copies.copy import RedisCopy
from scoreboard.limits.checks import Check
from scoreboard.limits.rates import RateLimiter
from scoreboard.operations.metrics import Metrics
from tests.eventually import eventually
from tests.lines import a_line
from tests.samples import a_board
from tests.servers import RedisServer
from tests.servers.redis import ask

BUSY = "local n = 0 for i = 1, 3e5 do n = n + i end return n"
PATIENT = 10.0


class Told:
    """What a client tells of its calls."""

    def __init__(self) -> None:
        self.failures: Counter[str] = Counter()
        self.repeats = 0
        self.changes = 0

    def repeat(self) -> None:
        self.repeats += 1

    def change(self) -> None:
        self.changes += 1


@asynccontextmanager
async def client_of(
    url: str, timeout_seconds: float = PATIENT, **options: Any
) -> AsyncIterator[tuple[Redis, Told]]:
    told = Told()
    client = Redis(
        url,
        timeout_seconds=timeout_seconds,
        name="test",
        on_failure=lambda reason: told.failures.update([reason]),
        on_repeat=told.repeat,
        on_change=told.change,
        **options,
    )
    try:
        yield client, told
    finally:
        await client.close()


async def open_connections(client: Redis, count: int) -> None:
    """Have so many, all of them idle."""
    busy = client.script(BUSY)
    await asyncio.gather(*(busy([], []) for _ in range(count)))
    assert client.pool.idle >= count - 1


# --- connections that have ended ---


async def test_calls_go_on_when_all_connections_were_closed_and_nobody_has_seen_it(
    redis_url: str, redis_under_fault: RedisServer
) -> None:
    """Without a second try each of these calls would fail, and the first one stop all others."""
    async with client_of(redis_url) as (client, told):
        await open_connections(client, 4)
        for _ in range(5):
            ask(redis_under_fault, "CLIENT", "KILL", "TYPE", "normal")  # in this turn of the loop
            await asyncio.gather(*(client.ping() for _ in range(4)))

    assert told.failures == {}
    assert told.repeats > 0
    assert told.changes == 0


async def test_the_end_of_an_idle_connection_is_seen_before_it_is_used(
    redis_url: str, redis_under_fault: RedisServer
) -> None:
    """redis-py looks for it unless maintenance notifications are on."""
    async with client_of(redis_url) as (client, told):
        await open_connections(client, 4)
        ask(redis_under_fault, "CLIENT", "KILL", "TYPE", "normal")
        await asyncio.sleep(0.1)  # the ends arrive
        await asyncio.gather(*(client.ping() for _ in range(4)))

    assert (told.failures, told.repeats) == ({}, 0)


async def test_one_connection_that_is_lost_without_a_word_costs_one_wait_and_not_one_each(
    redis_url: str,
) -> None:
    """As behind a firewall that was restarted: each other one would cost the deadline as well."""
    deadline_seconds = 2.0
    async with a_line(redis_url) as line, client_of(line.url, deadline_seconds) as (client, told):
        await open_connections(client, 4)
        line.proxy.forget()
        calls = []
        for _ in range(2):  # the later one hears of it when all is well again
            calls.append(asyncio.ensure_future(client.ping()))
            await asyncio.sleep(0.2)
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(answer) for answer in answers] == [RedisUnavailable] * 2
        known_at = time.monotonic()
        await eventually(lambda: not client.away)
        assert (
            time.monotonic() - known_at < deadline_seconds
        )  # a look waited for none of the others
        told.failures.clear()

        await asyncio.gather(*(client.ping() for _ in range(4)))

    assert told.failures == {}
    assert told.changes == 2


async def test_what_counts_is_not_asked_twice_and_is_no_outage(redis_url: str) -> None:
    """Redis has counted, and its answer was lost: asked again it would count once more."""
    metrics = Metrics()
    check = Check("ip", "somebody", Rate(5, 3600))
    async with a_line(redis_url) as line, client_of(line.url) as (client, told):
        limiter = RateLimiter(client, metrics)
        assert (await limiter.check([check])).remaining == 4

        line.proxy.drop_replies_after(lambda request: b"EVALSHA" in request)
        await limiter.check([check])
        assert told.failures == {"ended": 1}
        assert not client.away

        assert (await limiter.check([check])).remaining == 2


async def test_a_board_whose_answer_was_lost_is_stored_by_a_second_try(redis_url: str) -> None:
    async with a_line(redis_url) as line, client_of(line.url) as (client, told):
        copy = RedisCopy(client, None)
        await copy.store(a_board(3))
        line.proxy.drop_replies_after(lambda request: b"EVALSHA" in request)

        await copy.store(a_board(4))

        found = await copy.read()
    assert found.board == a_board(4)
    assert (told.failures, told.repeats) == ({}, 1)


async def test_two_tries_share_one_deadline(redis_url: str) -> None:
    """The first one ends late, and nobody answers the second one."""
    async with a_line(redis_url) as line, client_of(line.url, 1.0) as (client, told):
        await client.ping()
        line.proxy.black_hole()
        call = asyncio.ensure_future(client.ping())
        longer_than_one = asyncio.ensure_future(asyncio.sleep(1.5))
        await asyncio.sleep(0.7)
        for connection in line.proxy._connections:
            connection.abort()
        await asyncio.wait([call, longer_than_one], return_when=asyncio.FIRST_COMPLETED)

        assert not longer_than_one.done()
        with pytest.raises(RedisUnavailable):
            await call
        longer_than_one.cancel()
    assert told.repeats == 1


# --- away, and back ---


async def test_its_return_is_found_though_nobody_asks(
    redis_url: str, redis_under_fault: RedisServer
) -> None:
    async with client_of(redis_url) as (client, told):
        await client.ping()
        redis_under_fault.kill()
        with pytest.raises(RedisUnavailable):
            await client.ping()
        assert client.away

        await asyncio.to_thread(redis_under_fault.start)

        await eventually(lambda: not client.away)
        assert told.changes == 2


async def test_what_is_urgent_is_tried_while_redis_is_away_and_finds_it_first(
    redis_url: str, redis_under_fault: RedisServer
) -> None:
    """Others may have reached it already, and trust what it holds."""
    async with client_of(redis_url, pause_min_seconds=3600.0) as (client, _):
        copy = RedisCopy(client, None)
        redis_under_fault.kill()
        with pytest.raises(RedisUnavailable):
            await copy.read()
        await asyncio.to_thread(redis_under_fault.start)
        with pytest.raises(RedisUnavailable):
            await copy.read()

        await copy.store(a_board(3))

        assert not client.away
        assert (await copy.read()).board == a_board(3)


async def test_whoever_answers_as_no_redis_does_is_away(unused_tcp_port: int) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            await reader.read(100)
            writer.write(answer)
            await writer.drain()
        writer.close()

    for answer in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"+OK\r\n", b":1\r\n", b"*-1\r\n", b""):
        server = await asyncio.start_server(serve, "127.0.0.1", unused_tcp_port)
        async with server, client_of(f"redis://127.0.0.1:{unused_tcp_port}") as (client, told):
            with pytest.raises(RedisUnavailable):
                await client.ping()
            assert client.away
            assert told.failures == {"no_answer": 1}, answer


# --- refusals, and defects ---


async def test_a_right_that_is_missing_is_told_and_stops_nothing_else(
    redis_url: str, redis_under_fault: RedisServer
) -> None:
    login = ("on", ">secret", "~*", "+@all", "-hset")
    ask(redis_under_fault, "ACL", "SETUSER", "half", *login)
    url = redis_url.replace("redis://", "redis://half:secret@")
    with capture_logs() as logs:
        async with client_of(url) as (client, told):
            copy = RedisCopy(client, None)
            for version in (3, 4):
                with pytest.raises(RedisUnavailable):
                    await copy.store(a_board(version))
                assert (await copy.read()).board is None
            assert client.refused == "a right is missing"
    ask(redis_under_fault, "ACL", "DELUSER", "half")

    assert told.failures == {"refused": 2}
    assert told.changes == 0
    [line] = [line for line in logs if line["event"] == "scoreboard.redis.refused"]
    assert line["to_do"].startswith("Give its user these commands")


async def test_a_password_that_was_changed_is_told_and_a_mended_one_found(
    redis_url: str, redis_under_fault: RedisServer
) -> None:
    ask(redis_under_fault, "ACL", "SETUSER", "one", "on", ">old", "~*", "+@all")
    url = redis_url.replace("redis://", "redis://one:old@")
    with capture_logs() as logs:
        async with client_of(url) as (client, told):
            await client.ping()
            ask(redis_under_fault, "ACL", "SETUSER", "one", "resetpass", ">new")
            ask(redis_under_fault, "CLIENT", "KILL", "TYPE", "normal")
            with pytest.raises(RedisUnavailable):
                await client.ping()
            assert client.away
            assert client.refused == "it does not let this user in"

            ask(redis_under_fault, "ACL", "SETUSER", "one", ">old")
            await eventually(lambda: not client.away)
    ask(redis_under_fault, "ACL", "DELUSER", "one")

    assert told.failures == {"no_answer": 1}
    assert [line["event"] for line in logs] == [
        "scoreboard.redis.refused",
        "scoreboard.redis.away",
        "scoreboard.redis.back",
    ]


@pytest.mark.parametrize(
    ("setting", "value", "before", "meaning"),
    [
        ("maxmemory", "1", "0", "its memory is full"),
        ("min-replicas-to-write", "1", "0", "too few replicas follow it"),
    ],
)
async def test_a_redis_that_takes_no_writes_is_up_and_says_why(
    redis_url: str,
    redis_under_fault: RedisServer,
    setting: str,
    value: str,
    before: str,
    meaning: str,
) -> None:
    ask(redis_under_fault, "CONFIG", "SET", setting, value)
    try:
        async with client_of(redis_url) as (client, told):
            await client.ping()
            generation = client.generation
            with pytest.raises(RedisUnavailable):
                await RedisCopy(client, None).store(a_board(3))
            await client.ping()
            assert client.refused == meaning
            # What it did not take from us it did not take from others either.
            assert client.generation > generation
    finally:
        ask(redis_under_fault, "CONFIG", "SET", setting, before)
    assert (told.failures, told.changes) == ({"refused": 1}, 0)


async def test_a_primary_that_became_a_replica_is_looked_for_anew_and_told(
    redis_url: str, redis_under_fault: RedisServer
) -> None:
    """A name may lead to the new primary by now, and an old connection to the old one."""
    async with client_of(redis_url) as (client, told):
        store = client.script("return redis.call('SET', KEYS[1], 'x')")
        await store(["key"], [])
        ask(redis_under_fault, "REPLICAOF", "127.0.0.1", "1")
        try:
            with pytest.raises(RedisUnavailable):
                await store(["key"], [])
            with pytest.raises(RedisUnavailable):
                await store(["key"], [])
        finally:
            ask(redis_under_fault, "REPLICAOF", "NO", "ONE")
        await store(["key"], [])
        assert client.refused == "it is a replica"

    # Once a second: one that stays a replica does not cost two connections a call.
    assert (told.failures, told.repeats) == ({"refused": 2}, 1)


async def test_a_mistake_of_ours_is_logged_with_its_traceback_and_is_no_outage(
    redis_url: str,
) -> None:
    with capture_logs() as logs:
        async with client_of(redis_url) as (client, told):
            for lua, arguments in (("return nil + 1", []), ("return 1", [object()])):
                with pytest.raises(RedisUnavailable):
                    await client.script(lua)([], arguments)
            with pytest.raises(RedisUnavailable):
                await client.script("return nil + 1")([], [])
            await client.ping()
            assert client.refused == ""

    assert told.failures == {"defect": 3}
    assert told.changes == 0
    assert [line["event"] for line in logs] == ["scoreboard.redis.defect"] * 2
    assert all(line["exc_info"] for line in logs)


# --- which connections are new ---


async def test_a_pool_that_grows_makes_nobody_doubt_what_redis_holds(
    redis_url: str, redis_under_fault: RedisServer
) -> None:
    """What is made beside others, and leads to the same process of Redis, has lost nothing."""
    async with client_of(redis_url) as (client, _):
        await client.ping()
        before = client.generation
        await open_connections(client, 4)
        assert client.generation == before

        ask(redis_under_fault, "CLIENT", "KILL", "TYPE", "normal")
        await asyncio.sleep(0.1)  # the ends arrive, so no call fails
        await client.ping()
        assert client.generation > before

        await asyncio.to_thread(redis_under_fault.restart)
        await asyncio.sleep(0.1)
        before = client.generation
        await client.ping()
        assert client.generation > before


async def test_one_more_connection_to_another_redis_than_the_others_is_a_new_one(
    redis_url: str, redis_under_fault: RedisServer
) -> None:
    """As when an address moves to another server, and what leads to the first one hangs."""
    other = RedisServer()
    try:
        await asyncio.to_thread(other.start)
        async with a_line(redis_url) as line, client_of(line.url) as (client, _):
            await open_connections(client, 3)
            line.proxy.forget()
            hanging = [asyncio.ensure_future(client.ping()) for _ in range(client.pool.idle)]
            await eventually(lambda: client.pool.idle == 0)
            line.proxy.target = ("127.0.0.1", other.port)
            before = client.generation

            await client.ping()

            assert client.generation == before + 1
            for call in hanging:
                call.cancel()
            await asyncio.gather(*hanging, return_exceptions=True)
    finally:
        other.destroy()


async def test_where_redis_does_not_say_which_process_it_is_each_connection_is_a_new_one(
    redis_url: str, redis_under_fault: RedisServer
) -> None:
    ask(redis_under_fault, "ACL", "SETUSER", "mute", "on", ">secret", "~*", "+@all", "-info")
    try:
        async with client_of(redis_url.replace("redis://", "redis://mute:secret@")) as (client, _):
            await client.ping()
            before = client.generation
            await open_connections(client, 4)
            assert client.generation == before + 3
    finally:
        ask(redis_under_fault, "ACL", "DELUSER", "mute")


async def test_more_calls_than_connections_wait_for_one_and_whoever_leaves_takes_none_along(
    redis_url: str,
) -> None:
    async with client_of(redis_url) as (client, told):
        say = client.script(BUSY.replace("return n", "return ARGV[1]"))
        calls = [asyncio.ensure_future(say([], [n])) for n in range(40)]
        await eventually(lambda: client.pool.in_use == 8)
        for call in calls[::2]:  # some that are under way, and some that wait
            call.cancel()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert answers[1::2] == [b"%d" % n for n in range(1, 40, 2)]
        assert (client.pool.in_use, client.pool.idle) == (0, 8)
        assert await asyncio.gather(*(say([], [n]) for n in range(9))) == [
            b"%d" % n for n in range(9)
        ]
        assert (client.pool.in_use, client.pool.idle) == (0, 8)
    assert told.failures == {}


async def test_an_address_with_what_nobody_knows_is_told_each_time(redis_url: str) -> None:
    """And takes none of the connections with it, or the ninth call would wait for one."""
    async with client_of(f"{redis_url}?colour=red") as (client, told):
        for _ in range(12):
            with pytest.raises(RedisUnavailable, match="colour"):
                await client.ping()
    assert told.failures == {"defect": 12}


async def test_an_address_may_say_how_many_connections_there_are(redis_url: str) -> None:
    async with client_of(f"{redis_url}?max_connections=2&timeout=3") as (client, _):
        busy = client.script(BUSY)
        await asyncio.gather(*(busy([], []) for _ in range(6)))
        assert client.pool.idle == 2


async def test_every_connection_is_used_in_its_turn(
    redis_url: str, redis_under_fault: RedisServer
) -> None:
    """Else a server closes those that are idle, and the next busy moment finds them ended."""
    async with client_of(redis_url) as (client, _):
        await open_connections(client, 4)
        for _ in range(4):
            await client.ping()
        with closing(redis.Redis.from_url(redis_url)) as onlooker:
            latest = [one["cmd"] for one in onlooker.client_list()]
        assert latest.count("ping") == client.pool.idle == 4
