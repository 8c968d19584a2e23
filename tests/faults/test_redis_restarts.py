"""Redis restarts, or drops its connections, while RabbitMQ is away and people play.

The instances are processes of their own, and tell each other nothing but by way of Redis.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.own_writes import OwnWrites, own_writes
from tests.servers import RedisServer
from tests.servers.redis import ask
from tests.servers.scoreboard import ScoreboardServer
from tests.world import add_users, sql

pytestmark = pytest.mark.timeout(180)

NOBODY_LISTENS = "amqp://guest:guest@127.0.0.1:1/"
WRITERS = 6


@pytest.fixture
async def servers(
    database_url: str, redis_under_fault: RedisServer, redis_url: str
) -> AsyncIterator[list[ScoreboardServer]]:
    """Three instances without a bus between them."""
    servers = [
        ScoreboardServer(
            database_url, redis_url, NOBODY_LISTENS, redis_timeout_seconds=2.0, log_level="info"
        )
        for _ in range(3)
    ]
    with ThreadPoolExecutor() as pool:
        try:
            list(pool.map(ScoreboardServer.start, servers))
            yield servers
        finally:
            list(pool.map(ScoreboardServer.destroy, servers))


@pytest.fixture
async def writes(database_url: str, servers: list[ScoreboardServer]) -> AsyncIterator[OwnWrites]:
    users = add_users(database_url, WRITERS)
    sql(
        database_url,
        "INSERT INTO actions (action_id, points)"
        " SELECT 'a' || n, 1 FROM generate_series(1, 20000) AS n",
    )
    actions = [f"a{n}" for n in range(1, 20001)]
    async with own_writes([server.url for server in servers], users, actions) as found:
        yield found


async def test_after_a_200_every_instance_shows_it_whatever_happens_to_redis(
    writes: OwnWrites, redis_under_fault: RedisServer
) -> None:
    server, dump = redis_under_fault, redis_under_fault.directory / "dump.rdb"
    for _ in range(3):
        dump.unlink(missing_ok=True)
        await asyncio.to_thread(server.restart)  # empty
        await writes.flow(150)
        await asyncio.to_thread(ask, server, "SAVE")
        await writes.flow(20)
        await asyncio.to_thread(server.kill)
        await writes.flow(20)
        await asyncio.to_thread(server.start)  # from its disk, with the board of a while ago
        await writes.flow(150)
    for _ in range(10):
        await asyncio.to_thread(ask, server, "CLIENT", "KILL", "TYPE", "normal")
        await writes.flow(10)
    await asyncio.to_thread(ask, server, "CONFIG", "SET", "maxmemory", "1")
    await writes.flow(30)
    await asyncio.to_thread(ask, server, "CONFIG", "SET", "maxmemory", "0")
    await writes.flow(30)
    await asyncio.to_thread(server.pause)  # for longer than anybody waits
    await writes.flow(30)
    server.resume()
    await writes.flow(60)
