"""One client's trial: the board changes, the line is cut, falls silent, and the server leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, fields
from typing import Any, Final
from urllib.parse import urlsplit

from tests.clients.client import Client, Heard, Told
from tests.clients.pages import ORIGIN
from tests.eventually import eventually
from tests.instances import Instance, starting_instances
from tests.proxy import TcpProxy
from tests.world import add_actions, add_users

YES, NO = "yes", "no"
_CHANGES_MAX: Final = 1000
# A browser, or a Java program that is compiled first.
_BEGIN_SECONDS: Final = 30.0
_CHANGE_SECONDS: Final = 5.0
_OUTAGE_SECONDS: Final = 1.5
# Of a client that waits for twice as long after each failure.
_BACK_SECONDS: Final = 20.0
SETTINGS: Final[dict[str, Any]] = {
    "heartbeat_seconds": 0.5,
    "reconnect_min_seconds": 0.3,
    "reconnect_max_seconds": 0.6,
    "allowed_write_origins": [ORIGIN],
}


@dataclass(frozen=True, slots=True)
class Row:
    """What came of a client's trial; each member is a column of the table."""

    version: str
    follows: str  # the board as it is
    changes: str  # and as it becomes
    comes_back: str  # after a cut of some seconds: by itself, by its program's loop, not
    token: str  # sends the header of a token
    closing: str  # shows the event by which the server says why it ends a stream
    heartbeats: str  # shows comments to the program
    silence: str  # notices that a line is dead that nobody closed


COLUMNS: Final = tuple(each.name for each in fields(Row))


class World:
    """The servers' addresses, an instance that all clients follow, and users who score."""

    def __init__(self, database_url: str, redis_url: str, amqp_url: str, instance: Instance):
        self.urls = (database_url, redis_url, amqp_url)
        self.instance = instance
        self._users = iter(add_users(database_url, _CHANGES_MAX))
        self._changes = 0

    async def change(self) -> int:
        """Change the board; answers its version then. Each time somebody comes out first: a score
        below the ten would change nothing.
        """
        before = (await self.instance.board())["version"]
        self._changes += 1
        status, answer = await self.instance.submit(self.a_user(), f"run-{self._changes}")
        assert status == 200, answer
        after = int((await self.instance.board())["version"])
        assert after > before
        return after

    def a_user(self) -> str:
        return next(self._users)


@asynccontextmanager
async def a_world(database_url: str, redis_url: str, amqp_url: str) -> AsyncIterator[World]:
    """On these servers, with a migrated database that nobody else uses."""
    add_actions(database_url, {f"run-{points}": points for points in range(1, _CHANGES_MAX)})
    async with starting_instances(database_url, redis_url, amqp_url, **SETTINGS) as start:
        yield World(database_url, redis_url, amqp_url, await start())


async def tried(client: Client, world: World) -> Row:
    """Try a client. Raises NotHereError."""
    version = await client.version()
    row = dict.fromkeys(COLUMNS, NO) | {"version": version}
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(TcpProxy(*_address(world.instance)))
        url = f"http://127.0.0.1:{proxy.port}/api/leaderboard/stream"
        heard = await stack.enter_async_context(client.following(Told(url)))
        row["follows"] = await _judged(lambda: heard.version >= 0, _BEGIN_SECONDS)
        if row["follows"] == YES:
            row |= await _on_the_line(client, world, proxy, heard)
    row |= await _till_the_end(client, world)
    return Row(**row)


async def _on_the_line(
    client: Client, world: World, proxy: TcpProxy, heard: Heard
) -> dict[str, str]:
    changed = await world.change()
    row = {
        "changes": await _judged(lambda: heard.version >= changed, _CHANGE_SECONDS),
        "heartbeats": await _judged(lambda: heard.comments > 0, 2.0),
    }
    await proxy.cut()
    await asyncio.sleep(_OUTAGE_SECONDS)
    changed = await world.change()
    await proxy.heal()
    came_back = await _judged(lambda: heard.version >= changed, _BACK_SECONDS)
    row["comes_back"] = client.comes_back if came_back == YES else NO
    if came_back == YES:
        proxy.forget()
        changed = await world.change()
        row["silence"] = await _judged(lambda: heard.version >= changed, 10.0)
    return row


async def _till_the_end(client: Client, world: World) -> dict[str, str]:
    """With a token, on an instance that ends."""
    async with AsyncExitStack() as stack:
        start = await stack.enter_async_context(starting_instances(*world.urls, **SETTINGS))
        instance = await start(instance="ends")
        told = Told(f"{instance.url}/api/leaderboard/stream")
        if client.sends_token:
            told = Told(f"{instance.url}/api/me/stream", instance.token(world.a_user()))
        async with client.following(told) as heard:
            opened = await _judged(lambda: "connected" in heard.names, _BEGIN_SECONDS)
            await stack.aclose()
            closing = await _judged(lambda: "closing" in heard.names, _CHANGE_SECONDS)
    return {"token": opened if client.sends_token else NO, "closing": closing}


async def _judged(condition: Callable[[], bool], within_seconds: float) -> str:
    try:
        await eventually(condition, within_seconds=within_seconds)
    except AssertionError:
        return NO
    return YES


def _address(instance: Instance) -> tuple[str, int]:
    found = urlsplit(instance.url)
    return found.hostname or "", found.port or 80
