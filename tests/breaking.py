"""Every fault that the soak knows, by name: it breaks something for a while and heals it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import redis

from tests.broker import Broker
from tests.lines import Line
from tests.servers import PostgresServer, RabbitServer, RedisServer, ServerProcess
from tests.servers.scoreboard import ScoreboardServer


@dataclass
class Stage:
    """All that can break, and the instances that people play on."""

    postgres: PostgresServer
    redis: RedisServer
    rabbit: RabbitServer
    database_line: Line
    redis_line: Line
    amqp_line: Line
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


Fault = Callable[[Stage, float], Awaitable[None]]


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
    stage.database_line.proxy.drop_replies_after(lambda request: b"COMMIT" in request)
    await asyncio.sleep(seconds)


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
        old: dict[Any, Any] = client.hgetall("leaderboard")
        await asyncio.sleep(seconds)
        await asyncio.to_thread(stage.redis.restart)
        if old:
            client.hset("leaderboard", mapping=old)


async def _alarm(stage: Stage, seconds: float, *, resource: str) -> None:
    stage.broker.alarm(resource)
    await asyncio.sleep(seconds)
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


async def _start_again(stage: Stage, seconds: float) -> None:
    stage.mortal_serves = False
    await asyncio.sleep(seconds)
    await asyncio.to_thread(stage.mortal.start)
    stage.mortal_serves = True


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
    "redis full": _fill_redis,
    "redis older": _bring_an_older_board_back,
    "rabbit memory alarm": partial(_alarm, resource="memory"),
    "rabbit disk alarm": partial(_alarm, resource="disk"),
    "rabbit revoke": _revoke,
    **{
        f"rabbit delete {what}": partial(_delete, what=what)
        for what in ("queues", "bindings", "exchange")
    },
    "mortal kill": _kill_an_instance,
    "mortal replace": _replace_an_instance,
}


def draw(dice: random.Random) -> list[str]:
    """One fault, or two of different servers at once. An instance is replaced while all are there:
    a start needs PostgreSQL.
    """
    parts = dice.sample(sorted({name.split()[0] for name in FAULTS}), k=dice.choice((1, 1, 2)))
    if "mortal" in parts:
        parts = ["mortal"]
    return [dice.choice([name for name in FAULTS if name.startswith(part)]) for part in parts]
