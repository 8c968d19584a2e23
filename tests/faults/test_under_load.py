"""The outage table while people play: each part fails in every way it has, and the load goes on.

They play on five boards, and a season of one of them ends in each of the outages. One load runs
through all faults of a part, and beside it servers that record results and moderate. Clients judge
every single answer (`tests/load.py`, `tests/trust_load.py`), and at the end everything is reckoned
up (`tests/reckoning.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import redis

from scoreboard import parts
from scoreboard.bus.broker import Pace
from tests.broker import Broker
from tests.eventually import eventually
from tests.five_boards import end_season
from tests.granting import commits
from tests.instances import Instance, Start
from tests.lines import Line
from tests.load import Load, a_load
from tests.reckoning import (
    MARGIN_SECONDS,
    PROMISED_SECONDS,
    a_game,
    cached_board,
    everybody_turns,
    reckon,
)
from tests.servers import PostgresServer, RabbitServer, RedisServer
from tests.trust_load import TrustLoad, a_trust_load
from tests.world import board_version

pytestmark = pytest.mark.timeout(180)


def unharmed(*instances: Instance) -> bool:
    """No background task of ours was ended by a fault of others."""
    tasks = ("hub", "relay", "bus", "streams", "health", "purge")
    return not any(
        instance.metric("task_crashes_total", task=task) for instance in instances for task in tasks
    )


@asynccontextmanager
async def paused(server: PostgresServer | RedisServer | RabbitServer) -> AsyncIterator[None]:
    """SIGSTOP: connections stay open, and nobody answers."""
    await asyncio.to_thread(server.pause)
    try:
        yield
    finally:
        server.resume()


@asynccontextmanager
async def cut(line: Line) -> AsyncIterator[None]:
    """As if the host was gone: resets, then refusals."""
    await line.proxy.cut()
    yield
    await line.proxy.heal()


@asynccontextmanager
async def swallowed(line: Line) -> AsyncIterator[None]:
    """A black hole: bytes vanish, nothing is refused."""
    line.proxy.black_hole()
    yield
    await line.proxy.heal()


async def nobody_hidden_is_shown(load: Load, trust: TrustLoad) -> None:
    """What servers send is answered, and whoever is hidden now is on no board in time."""
    await trust.flows()
    await trust.nobody_hidden_is_shown(load, within_seconds=PROMISED_SECONDS + MARGIN_SECONDS)


# --- PostgreSQL ---


async def test_postgresql_fails_in_every_way_under_load_and_nothing_acknowledged_is_lost(
    start: Start,
    database_url: str,
    redis_url: str,
    database_line: Line,
    postgres_under_fault: PostgresServer,
) -> None:
    # Redis is well, and has time to say so: see below.
    settings = {"database_timeout_seconds": 1.0, "redis_timeout_seconds": 1.5}
    instances = [await start(database_url=database_line.url, **settings) for _ in range(2)]
    async with (
        a_load(lambda: [each.url for each in instances], a_game(database_url)) as load,
        a_trust_load(load, database_url) as trust,
    ):
        for away in (cut(database_line), swallowed(database_line), paused(postgres_under_fault)):
            season = await end_season(database_url, after_seconds=0.3)
            async with away:
                await refuses_and_shows_the_board(load)
            await everybody_turns(load, season)
            await load.flows()
            await nobody_hidden_is_shown(load, trust)
        season = await end_season(database_url, after_seconds=0.3)
        await asyncio.to_thread(postgres_under_fault.restart)
        await everybody_turns(load, season)
        await load.flows()
        for number in range(1, 6):
            await loses_the_answer_to_a_commit(database_line, number)
        await load.flows()

        await reckon(load, database_url, redis_url, trust=trust)
        assert all(subscriber.streams == 1 for subscriber in load.subscribers)
        assert unharmed(*instances)


async def refuses_and_shows_the_board(load: Load) -> None:
    """Each submitter is told so, in a bounded time, and the board is read as ever."""
    refused = load.count(status=503)
    await eventually(lambda: load.count(status=503) >= refused + 6, within_seconds=20.0)
    await load.reading_goes_on()


async def loses_the_answer_to_a_commit(line: Line, number: int) -> None:
    """Committed, and nobody is told."""
    line.proxy.drop_replies_after(commits)
    await eventually(lambda: line.proxy.replies_dropped == number)


# --- Redis ---


async def test_redis_fails_in_every_way_under_load_and_no_submission_is_refused(
    start: Start,
    database_url: str,
    redis_url: str,
    redis_line: Line,
    redis_under_fault: RedisServer,
) -> None:
    # The 0.5 s that are shipped are no time for two instances, their clients and a proxy in one
    # process of a busy machine: they would be without Redis while it answers.
    settings = {"redis_url": redis_line.url, "redis_timeout_seconds": 1.5}
    instances = [await start(**settings) for _ in range(2)]
    async with (
        a_load(lambda: [each.url for each in instances], a_game(database_url)) as load,
        a_trust_load(load, database_url) as trust,
    ):
        for away in (
            cut(redis_line),
            swallowed(redis_line),
            paused(redis_under_fault),
            full(redis_url),
        ):
            async with away:
                await everybody_turns(load, await end_season(database_url))
                await load.flows()
                await nobody_hidden_is_shown(load, trust)
            await copy_catches_up(database_url, redis_url)
            await load.flows()
        await asyncio.to_thread(redis_under_fault.restart)  # empty
        await copy_catches_up(database_url, redis_url)
        await comes_back_with_an_older_board(redis_url, redis_under_fault)
        await copy_catches_up(database_url, redis_url)
        await load.flows()

        await reckon(load, database_url, redis_url, trust=trust)
        assert load.refusals == []
        assert all(subscriber.streams == 1 for subscriber in load.subscribers)
        assert unharmed(*instances)


@asynccontextmanager
async def full(redis_url: str) -> AsyncIterator[None]:
    """No room, and nothing may be evicted."""
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", "1")
        try:
            yield
        finally:
            client.config_set("maxmemory", "0")


async def comes_back_with_an_older_board(redis_url: str, server: RedisServer) -> None:
    with redis.Redis.from_url(redis_url) as client:
        old = client.hgetall("leaderboard")
        await asyncio.to_thread(server.restart)
        client.hset("leaderboard", mapping=old)


async def copy_catches_up(database_url: str, redis_url: str) -> None:
    """What the ledger holds now, the copy holds soon."""
    version = board_version(database_url)
    await eventually(
        lambda: cached_board(redis_url)[0] >= version,
        within_seconds=PROMISED_SECONDS + MARGIN_SECONDS,
    )


# --- RabbitMQ ---


# A connection that aio-pika gave up halfway closes itself in its `__del__`, in a task that may come
# after the end of the test's loop.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_rabbitmq_fails_in_every_way_under_load_and_no_subscriber_is_two_seconds_behind(
    start: Start,
    database_url: str,
    redis_url: str,
    amqp_url: str,
    amqp_line: Line,
    rabbit_under_fault: RabbitServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All play on the first instance, so the second one's subscribers live by the bus alone."""
    # What was deleted is missed within a second instead of five: nobody lives by that.
    monkeypatch.setattr(parts, "Pace", partial(Pace, assert_seconds=1.0))
    settings = {"amqp_url": amqp_line.url, "publish_timeout_seconds": 1.0}
    one, two = await start(**settings), await start(**settings)
    broker = Broker(rabbit_under_fault, amqp_url)
    async with (
        a_load(
            lambda: [one.url],
            a_game(database_url),
            stream_doors=lambda: [one.url, two.url],
        ) as load,
        a_trust_load(load, database_url) as trust,
    ):
        for away in (
            cut(amqp_line),
            swallowed(amqp_line),
            paused(rabbit_under_fault),
            alarmed(broker, "memory"),
            alarmed(broker, "disk"),
            revoked(broker),
        ):
            async with away:
                await everybody_turns(load, await end_season(database_url))
                await nobody_is_behind(load, database_url)
                await nobody_hidden_is_shown(load, trust)
            await heard_by_bus(two)
        for deletes in (
            broker.delete_queues,
            broker.delete_bindings,
            broker.delete_exchange,
            rabbit_under_fault.restart,
        ):
            await asyncio.to_thread(deletes)
            await nobody_is_behind(load, database_url)
            await heard_by_bus(two)

        await reckon(load, database_url, redis_url, [one.url, two.url], trust)
        assert load.refusals == []
        assert all(subscriber.streams == 1 for subscriber in load.subscribers)
        assert unharmed(one, two)


@asynccontextmanager
async def alarmed(broker: Broker, resource: str) -> AsyncIterator[None]:
    """The broker reads nothing more from whoever publishes."""
    broker.alarm(resource)
    try:
        yield
    finally:
        broker.clear_alarm(resource)


@asynccontextmanager
async def revoked(broker: Broker) -> AsyncIterator[None]:
    """Thrown out, and not let in again."""
    broker.revoke()
    try:
        yield
    finally:
        broker.permit()


async def nobody_is_behind(load: Load, database_url: str) -> None:
    """Twice in a row: what is committed now, everybody has within the promised time."""
    for _ in range(2):
        version = board_version(database_url)
        await load.everybody_has(version + 1, within_seconds=PROMISED_SECONDS + MARGIN_SECONDS)


async def heard_by_bus(instance: Instance) -> None:
    received = instance.metric("events_received_total")
    await eventually(
        lambda: instance.metric("events_received_total") > received, within_seconds=30.0
    )
