"""PostgreSQL is silent: frozen or locked, its connections open, and nothing answers. Whoever has a
board at hand shows it at once, and says so where nobody can tell whether it is the newest.

What waits for the ledger is found out by the ledger's own deadline: until the first question was
given up, all must have been answered.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

import aiohttp
import psycopg2
import pytest
import redis

from scoreboard.parts import PARTS
from tests.eventually import eventually
from tests.instances import Instance, Start
from tests.lines import Line
from tests.servers import PostgresServer, RedisServer
from tests.world import add_actions, add_users, sql

NOBODY = "amqp://guest:guest@127.0.0.1:1/"


async def is_trusted(instance: Instance) -> bool:
    before = instance.metric("board_reads_from_ledger_total", reason="unconfirmed")
    await instance.board()
    return instance.metric("board_reads_from_ledger_total", reason="unconfirmed") == before


async def read(instance: Instance, **headers: str) -> aiohttp.ClientResponse:
    async with instance.client.get("/api/leaderboard", headers=headers) as response:
        await response.read()
        return response


async def readiness(instance: Instance) -> dict[str, Any]:
    async with instance.client.get("/readyz") as response:
        assert response.status == 200
        document: dict[str, Any] = await response.json()
        return document


async def parts_up(instance: Instance) -> dict[str, bool]:
    return {part["name"]: part["up"] for part in (await readiness(instance))["parts"]}


async def played(start: Start, database_url: str, **settings: Any) -> tuple[Instance, int]:
    """An instance that trusts its copy, and the version of its board."""
    instance = await start(**settings)
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 5})
    assert (await instance.submit(user, "run"))[0] == 200
    await eventually(lambda: is_trusted(instance))
    return instance, 2


async def test_an_instance_that_starts_asks_a_silent_ledger_again(
    start: Start, database_line: Line
) -> None:
    proxy = database_line.proxy
    proxy.black_hole_from(lambda sent: b"WITH kept AS" in sent and b"EXPLAIN" not in sent)
    starting = asyncio.ensure_future(
        start(database_url=database_line.url, database_timeout_seconds=0.5)
    )
    await eventually(lambda: proxy.swallows)
    asked = proxy.connections  # which are never closed while it is silent
    await eventually(lambda: proxy.connections > asked)  # the question was given up

    await proxy.heal()
    await starting


async def read_without_copy(
    client: redis.Redis, instance: Instance, **headers: str
) -> aiohttp.ClientResponse:
    """Delete the copy and read; once more where the relay's last round put it back, because the
    ledger had answered that one.
    """

    async def in_doubt() -> aiohttp.ClientResponse | None:
        client.delete("leaderboard")
        response = await read(instance, **headers)
        return response if "Age" in response.headers else None

    response: aiohttp.ClientResponse = await eventually(in_doubt)
    return response


@contextmanager
def frozen(server: PostgresServer) -> Iterator[None]:
    server.pause()
    try:
        yield
    finally:
        server.resume()


async def test_while_postgresql_is_frozen_board_stream_and_readiness_answer_at_once(
    start: Start, database_url: str, postgres_under_fault: PostgresServer
) -> None:
    instance, version = await played(start, database_url)
    failures = instance.metric("reconcile_failures_total")
    with frozen(postgres_under_fault):
        for _ in range(20):
            response = await read(instance)
            assert response.headers["ETag"] == f'"{version}"'
            assert "Age" not in response.headers  # it is the newest: Redis says so
        stream = await instance.open_stream()
        await stream.until(version)
        assert (await readiness(instance))["version"] == version
        assert instance.metric("reconcile_failures_total") == failures
        # Nothing of that changes when questions have been given up.
        await eventually(
            lambda: instance.metric("reconcile_failures_total") > failures, within_seconds=15.0
        )
        for _ in range(5):
            assert "Age" not in (await read(instance)).headers
    assert not stream.ended


@pytest.mark.parametrize("doubt", ["away", "missing", "unconfirmed"])
async def test_while_postgresql_is_frozen_and_redis_in_doubt_the_newest_board_comes_with_its_age(
    start: Start,
    database_url: str,
    redis_url: str,
    redis_line: Line,
    postgres_under_fault: PostgresServer,
    doubt: str,
) -> None:
    instance, version = await played(start, database_url, redis_url=redis_line.url)
    failures = instance.metric("reconcile_failures_total")
    with redis.Redis.from_url(redis_url) as client, frozen(postgres_under_fault):
        look: Callable[..., Awaitable[aiohttp.ClientResponse]] = read
        match doubt:
            case "away":
                await redis_line.proxy.cut()
            case "missing":
                look = partial(read_without_copy, client)
            case "unconfirmed":
                client.client_kill_filter(_type="normal", skipme=True)
        for _ in range(20):
            response = await look(instance)
            assert response.headers["ETag"] == f'"{version}"'
            assert int(response.headers["Age"]) >= 1
            assert response.headers["Cache-Control"] == "no-store"
        known = await look(instance, **{"If-None-Match": f'"{version}"'})
        assert (known.status, int(known.headers["Age"]) >= 1) == (304, True)
        assert instance.metric("reconcile_failures_total") == failures
        assert instance.metric("board_reads_in_doubt_total") >= 20
        await redis_line.proxy.heal()

    async def is_confirmed() -> bool:
        return "Age" not in (await read(instance)).headers

    await eventually(is_confirmed, within_seconds=10.0)
    await eventually(lambda: is_trusted(instance), within_seconds=10.0)


async def test_while_tables_are_locked_the_newest_board_comes_with_its_age(
    start: Start, database_url: str, redis_url: str
) -> None:
    instance, version = await played(start, database_url)
    failures = instance.metric("reconcile_failures_total")
    with closing(psycopg2.connect(database_url)) as ddl, redis.Redis.from_url(redis_url) as client:
        ddl.cursor().execute("LOCK TABLE board, scores, users IN ACCESS EXCLUSIVE MODE")
        for _ in range(20):
            response = await read_without_copy(client, instance)
            assert response.headers["ETag"] == f'"{version}"'
            assert int(response.headers["Age"]) >= 1
        assert instance.metric("reconcile_failures_total") == failures


async def test_while_postgresql_is_frozen_what_is_said_of_the_other_parts_is_not_old(
    start: Start, database_url: str, redis_line: Line, postgres_under_fault: PostgresServer
) -> None:
    instance, _ = await played(start, database_url, redis_url=redis_line.url)
    await eventually(lambda: _are_up(instance, postgresql=True, redis=True))
    with frozen(postgres_under_fault):
        await redis_line.proxy.cut()
        await eventually(lambda: _are_up(instance, redis=False))
        up = instance.app[PARTS].health
        assert up.state == "ready"
        await redis_line.proxy.heal()
        await eventually(lambda: _are_up(instance, redis=True))


async def _are_up(instance: Instance, **expected: bool) -> bool:
    up = await parts_up(instance)
    return all(up[name] is each for name, each in expected.items())


@pytest.mark.parametrize("fault", ["frozen", "restarted"])
async def test_promise_4_holds_while_redis_fails_and_rabbitmq_is_away(
    start: Start, database_url: str, redis_under_fault: RedisServer, fault: str
) -> None:
    """Then only the ledger tells one instance what another one has granted."""
    writer, reader = await start(amqp_url=NOBODY), await start(amqp_url=NOBODY)
    [user] = add_users(database_url, 1)
    sql(database_url, "INSERT INTO actions SELECT 'a' || n, 1 FROM generate_series(0, 1999) AS n")
    await eventually(lambda: is_trusted(reader))
    actions = iter(range(2000))

    async def play(changes: int) -> None:
        for _ in range(changes):
            status, document = await writer.submit(user, f"a{next(actions)}")
            assert status == 200
            [entry] = (await reader.board())["data"]
            assert entry["score"] >= document["data"]["score"]

    await play(20)
    if fault == "frozen":
        redis_under_fault.pause()
        await play(10)
        redis_under_fault.resume()
    else:
        restarting = threading.Thread(target=redis_under_fault.restart)
        restarting.start()
        while restarting.is_alive():
            await play(1)
    trusting = asyncio.create_task(_until_trusted(reader))
    while not trusting.done():
        await play(1)
    await trusting
    await play(20)


async def _until_trusted(instance: Instance) -> None:
    board, redis_client = instance.app[PARTS].board, instance.app[PARTS].limiter._redis
    await eventually(lambda: board._trust.holds(redis_client.generation), within_seconds=15.0)
