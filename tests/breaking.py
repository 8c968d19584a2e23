"""Every fault that the soak knows, by name: it breaks something for a while and heals it."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import redis

from scoreboard.ledger.queries import SEASONS_LOCK
from tests.broker import Broker
from tests.eventually import eventually
from tests.granting import commits
from tests.lines import Line
from tests.servers import PostgresServer, RabbitServer, RedisServer, ServerProcess
from tests.servers.scoreboard import ScoreboardServer
from tests.world import sql

WORKERS = 2
_AGAIN_SECONDS = 0.01
_PATIENCE_SECONDS = 60.0


@dataclass
class Stage:
    """All that can break, and the instances that people play on."""

    postgres: PostgresServer
    redis: RedisServer
    rabbit: RabbitServer
    database_line: Line
    redis_line: Line
    amqp_line: Line
    database_url: str
    redis_url: str
    amqp_url: str
    lasting: tuple[str, ...]
    steady: ScoreboardServer
    mortal: ScoreboardServer
    mortal_serves: bool = True
    broker: Broker = field(init=False)

    def __post_init__(self) -> None:
        self.broker = Broker(self.rabbit, self.amqp_url)

    def doors(self) -> list[str]:
        """Where clients are sent: as a balancer would, not to one that is known to be away."""
        return [*self.lasting, self.mortal.url] if self.mortal_serves else list(self.lasting)

    def line(self, name: str) -> Line:
        """A line by the name of its server."""
        found: Line = getattr(self, f"{name}_line")
        return found


Fault = Callable[[Stage, float], Coroutine[Any, Any, None]]


# Lines.


async def _cut(stage: Stage, seconds: float, *, line: str) -> None:
    await stage.line(line).proxy.cut()
    await asyncio.sleep(seconds)
    await stage.line(line).proxy.heal()


async def _swallow(stage: Stage, seconds: float, *, line: str) -> None:
    stage.line(line).proxy.black_hole()
    await asyncio.sleep(seconds)
    await stage.line(line).proxy.heal()


async def _slow(stage: Stage, seconds: float, *, line: str) -> None:
    stage.line(line).proxy.delay(0.05)
    await asyncio.sleep(seconds)
    await stage.line(line).proxy.heal()


async def _lose_the_answer_to_a_commit(stage: Stage, seconds: float) -> None:
    stage.database_line.proxy.drop_replies_after(commits)
    await asyncio.sleep(seconds)


# Sessions: the servers are well, and end what is connected.


async def _again_and_again(seconds: float, end: Callable[[], object]) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        await asyncio.to_thread(end)
        await asyncio.sleep(_AGAIN_SECONDS)


async def _end_sessions(stage: Stage, seconds: float) -> None:
    statement = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await _again_and_again(seconds, lambda: sql(stage.database_url, statement))


async def _end_clients_of_redis(stage: Stage, seconds: float) -> None:
    with redis.Redis.from_url(stage.redis_url) as client:
        await _again_and_again(seconds, lambda: client.client_kill_filter(_type="normal"))


async def _close_connections_of_rabbit(stage: Stage, _: float) -> None:
    stage.broker.close_connections()


async def _lock(stage: Stage, seconds: float, *, table: str) -> None:
    """As somebody's ALTER TABLE does it."""
    statement = f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep({seconds})"
    await asyncio.to_thread(sql, stage.database_url, statement)


async def _hold_turns_up(stage: Stage, seconds: float) -> None:
    """As a grant does that takes long: a turn of seasons waits for it, and grants for the turn."""
    statement = f"SELECT pg_advisory_xact_lock_shared({SEASONS_LOCK}), pg_sleep({seconds})"
    await asyncio.to_thread(sql, stage.database_url, statement)


async def _hang_up(stage: Stage, seconds: float) -> None:
    """People ask what only PostgreSQL knows, and do not wait for the answer."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for door in stage.lasting:
            address = urlsplit(door)
            _, writer = await asyncio.open_connection(address.hostname, address.port)
            writer.write(b"GET /api/actions?limit=1000 HTTP/1.1\r\nHost: scoreboard\r\n\r\n")
            await asyncio.sleep(random.uniform(0, 0.005))
            writer.transport.abort()


# Servers.


async def _freeze(stage: Stage, seconds: float, *, server: str) -> None:
    frozen: ServerProcess = getattr(stage, server)
    await asyncio.to_thread(frozen.pause)
    await asyncio.sleep(seconds)
    frozen.resume()


async def _restart(stage: Stage, _: float, *, server: str) -> None:
    restarted: ServerProcess = getattr(stage, server)
    await asyncio.to_thread(restarted.restart)


async def _fill_redis(stage: Stage, seconds: float) -> None:
    with redis.Redis.from_url(stage.redis_url) as client:
        client.config_set("maxmemory", "1")
        await asyncio.sleep(seconds)
        client.config_set("maxmemory", "0")


async def _bring_an_older_board_back(stage: Stage, seconds: float) -> None:
    with redis.Redis.from_url(stage.redis_url) as client:
        old: dict[Any, Any] = {key: client.hgetall(key) for key in client.scan_iter("leaderboard*")}
        await asyncio.sleep(seconds)
        await asyncio.to_thread(stage.redis.restart)
        for key, fields in old.items():
            client.hset(key, mapping=fields)


async def _alarm(stage: Stage, seconds: float, *, resource: str) -> None:
    """A broker that takes nothing is not up, all the while."""
    stage.broker.alarm(resource)
    await eventually(lambda: _say(stage, "rabbitmq", up=False), within_seconds=_PATIENCE_SECONDS)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert await _say(stage, "rabbitmq", up=False), "up, though it takes nothing"
        await asyncio.sleep(_AGAIN_SECONDS)
    stage.broker.clear_alarm(resource)


async def _revoke(stage: Stage, seconds: float) -> None:
    stage.broker.revoke()
    await asyncio.sleep(seconds)
    stage.broker.permit()


async def _delete(stage: Stage, _: float, *, what: str) -> None:
    getattr(stage.broker, f"delete_{what}")()


# Instances.


async def _kill_an_instance(stage: Stage, seconds: float) -> None:
    await asyncio.to_thread(stage.mortal.kill)
    await _start_again(stage, seconds)


async def _replace_an_instance(stage: Stage, seconds: float) -> None:
    stage.mortal_serves = False
    await asyncio.to_thread(stage.mortal.leave, 30.0)
    await _start_again(stage, seconds)


async def _kill_a_worker(stage: Stage, _: float) -> None:
    victim = random.choice(sorted(stage.mortal.workers()))
    os.kill(victim, signal.SIGKILL)
    await eventually(
        lambda: victim not in stage.mortal.workers() and len(stage.mortal.workers()) == WORKERS,
        within_seconds=_PATIENCE_SECONDS,
    )


async def _renew(stage: Stage, _: float) -> None:
    """SIGHUP replaces every worker, and somebody who is ready answers all the while."""
    before = stage.mortal.workers()
    async with _always_ready(stage.mortal.url):
        stage.mortal.renew()
        await eventually(
            lambda: not stage.mortal.workers() & before and len(stage.mortal.workers()) == WORKERS,
            within_seconds=_PATIENCE_SECONDS,
        )


async def _renew_while(stage: Stage, seconds: float, *, fault: Fault) -> None:
    """SIGHUP in the middle of something else: who has a board goes on until its successor has."""
    async with _always_ready(stage.mortal.url):
        during = asyncio.create_task(fault(stage, seconds))
        await asyncio.sleep(_AGAIN_SECONDS)
        stage.mortal.renew()
        await during
        await eventually(
            lambda: len(stage.mortal.workers()) == WORKERS, within_seconds=_PATIENCE_SECONDS
        )


async def _kill_a_worker_in_a_renewal(stage: Stage, seconds: float) -> None:
    stage.mortal.renew()
    await asyncio.sleep(seconds)
    await _kill_a_worker(stage, seconds)


@asynccontextmanager
async def _always_ready(door: str) -> AsyncIterator[None]:
    """Ask on one new connection after the other; each answer says that it is ready."""

    async def ask() -> None:
        while True:
            async with aiohttp.ClientSession() as client, client.get(f"{door}/readyz") as response:
                assert response.status == 200, await response.text()
            await asyncio.sleep(_AGAIN_SECONDS)

    asking = asyncio.create_task(ask())
    try:
        yield
    finally:
        asking.cancel()
        ends = await asyncio.gather(asking, return_exceptions=True)
    assert isinstance(ends[0], asyncio.CancelledError), ends[0]


async def _start_again(stage: Stage, seconds: float) -> None:
    stage.mortal_serves = False
    await asyncio.sleep(seconds)
    await asyncio.to_thread(stage.mortal.start)
    stage.mortal_serves = True


# Two that belong together.


async def _restart_redis_without_rabbit(stage: Stage, seconds: float) -> None:
    """Nobody tells the others of a board, and the copy is empty."""
    await stage.amqp_line.proxy.cut()
    await asyncio.to_thread(stage.redis.restart)
    await asyncio.sleep(seconds)
    await stage.amqp_line.proxy.heal()


async def _say(stage: Stage, name: str, *, up: bool) -> bool:
    return all(parts[name] is up for parts in [await parts_of(door) for door in stage.lasting])


async def parts_of(door: str) -> dict[str, bool]:
    """Which servers this instance says are up."""
    async with aiohttp.ClientSession() as client, client.get(f"{door}/readyz") as response:
        return {part["name"]: part["up"] for part in (await response.json())["parts"]}


FAULTS: dict[str, Fault] = {
    **{
        f"{name} {how.__name__[1:]}": partial(how, line=line)
        for name, line in (("postgres", "database"), ("redis", "redis"), ("rabbit", "amqp"))
        for how in (_cut, _swallow, _slow)
    },
    **{
        f"{server} freeze": partial(_freeze, server=server)
        for server in ("postgres", "redis", "rabbit", "mortal")
    },
    **{
        f"{server} restart": partial(_restart, server=server)
        for server in ("postgres", "redis", "rabbit")
    },
    "postgres lose the answer to a commit": _lose_the_answer_to_a_commit,
    "postgres end sessions": _end_sessions,
    **{
        f"postgres lock {table}": partial(_lock, table=table)
        for table in (
            "users",
            "scores",
            "ledger",
            "boards",
            "seasons",
            "season_entries",
            "actions",
        )
    },
    "postgres hold turns of seasons up": _hold_turns_up,
    "redis full": _fill_redis,
    "redis older": _bring_an_older_board_back,
    "redis end clients": _end_clients_of_redis,
    "rabbit memory alarm": partial(_alarm, resource="memory"),
    "rabbit disk alarm": partial(_alarm, resource="disk"),
    "rabbit revoke": _revoke,
    "rabbit close connections": _close_connections_of_rabbit,
    **{
        f"rabbit delete {what}": partial(_delete, what=what)
        for what in ("queues", "bindings", "exchange")
    },
    "people hang up": _hang_up,
    "mortal kill": _kill_an_instance,
    "mortal kill a worker": _kill_a_worker,
    "mortal replace": _replace_an_instance,
    "mortal renew": _renew,
    "mortal renew while postgres is frozen": partial(
        _renew_while, fault=partial(_freeze, server="postgres")
    ),
    **{
        f"mortal renew while {table} is locked": partial(
            _renew_while, fault=partial(_lock, table=table)
        )
        for table in ("boards", "scores")
    },
    "mortal kill a worker of those that are renewed": _kill_a_worker_in_a_renewal,
    "together redis restart without rabbit": _restart_redis_without_rabbit,
}
# A start needs PostgreSQL; and what is called together is all that is away then.
_ALONE = {"mortal", "together"}


def draw(dice: random.Random, word: str = "") -> list[str]:
    """One fault, or two of different servers at once; those of an instance come alone. Only those
    with this word in their names.
    """
    names = [name for name in FAULTS if word in name]
    parts = sorted({name.split()[0] for name in names})
    drawn = dice.sample(parts, k=min(dice.choice((1, 1, 2)), len(parts)))
    drawn = [part for part in drawn if part in _ALONE][:1] or drawn
    return [dice.choice([name for name in names if name.startswith(part)]) for part in drawn]
