"""Clocks that differ and clocks that are set: nothing of the service hangs on the time of day.

Versions order boards, PostgreSQL's clock dates grants and ends refresh tokens, Redis's counts rates
and leases, and every wait here goes by the monotonic clock. What is left to an instance's own time
of day is the life of an access token. libfaketime gives a process a time of day of its own.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.eventually import eventually
from tests.five_boards import end_season
from tests.load import Load, a_load
from tests.reckoning import a_game, everybody_turns, reckon
from tests.servers import ProgramsMissingError
from tests.servers.installation import FAKETIME, provide
from tests.servers.scoreboard import ScoreboardServer
from tests.world import sql

pytestmark = pytest.mark.timeout(120)

TEN_MINUTES = 600

StartAt = Callable[..., Awaitable[ScoreboardServer]]


class Clock:
    """The time of day of one process, so many seconds off ours."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set(0)

    def set(self, seconds: int) -> None:
        self._file.write_text(f"{seconds:+}\n")

    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(FAKETIME.path()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",  # so that a new time holds at once
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # nobody can set that one
        }


@pytest.fixture
async def start_at(database_url: str, redis_url: str, amqp_url: str) -> AsyncIterator[StartAt]:
    """Start an instance whose time of day is this clock's."""
    try:
        await asyncio.to_thread(provide, [FAKETIME])
    except ProgramsMissingError:
        pytest.skip("needs libfaketime: apt-get install libfaketime")
    async with AsyncExitStack() as stack:

        async def start_one(clock: Clock, **settings: Any) -> ScoreboardServer:
            server = ScoreboardServer(
                database_url, redis_url, amqp_url, environment=clock.environment(), **settings
            )
            stack.callback(server.destroy)
            await asyncio.to_thread(server.start)
            return server

        yield start_one


async def time_of_day(client: aiohttp.ClientSession, server: ScoreboardServer) -> float:
    async with client.get(f"{server.url}/healthz") as response:
        return parsedate_to_datetime(response.headers["Date"]).timestamp()


async def post(
    client: aiohttp.ClientSession, server: ScoreboardServer, path: str, token: str = "", **body: str
) -> dict[str, Any]:
    """The answer, which has to be 2xx."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with client.post(f"{server.url}{path}", json=body, headers=headers) as response:
        document: dict[str, Any] = await response.json()
        assert response.status < 300, document
        return document


async def test_two_instances_with_clocks_ten_minutes_apart_take_each_others_tokens_and_boards(
    start_at: StartAt, tmp_path: Path, database_url: str, redis_url: str
) -> None:
    ahead_by = Clock(tmp_path / "ahead")
    ahead_by.set(TEN_MINUTES)
    ahead, level = await start_at(ahead_by), await start_at(Clock(tmp_path / "level"))
    doors = [ahead.url, level.url]
    async with (
        aiohttp.ClientSession() as client,
        a_load(lambda: doors, a_game(database_url)) as load,
    ):
        apart = await time_of_day(client, ahead) - await time_of_day(client, level)
        assert abs(apart - TEN_MINUTES) < 60

        for here, there in ((ahead, level), (level, ahead)):
            await logs_in_here_and_plays_there(client, here, there, load, database_url)
        for seconds in (-TEN_MINUTES, 0):  # set back by twenty minutes, then forward by ten
            ahead_by.set(seconds)
            await everybody_turns(load, await end_season(database_url))
            await load.flows()

        await reckon(load, database_url, redis_url)
        assert load.refusals == []
        assert all(subscriber.streams == 1 for subscriber in load.subscribers)


async def logs_in_here_and_plays_there(
    client: aiohttp.ClientSession,
    here: ScoreboardServer,
    there: ScoreboardServer,
    load: Load,
    database_url: str,
) -> None:
    """Tokens of each are good at the other, and so are refresh tokens."""
    name = f"ada-{here.port}"
    account = {"username": name, "email": f"{name}@example.org", "password": "analytical engine"}
    tokens = await post(client, here, "/api/auth/register", **account)
    refreshed = await post(client, there, "/api/auth/refresh", refreshToken=tokens["refreshToken"])
    [(user,)] = sql(database_url, "SELECT user_id::text FROM users WHERE username = %s", (name,))
    for server, pair, action in ((there, tokens, "a0"), (here, refreshed, "a1")):
        granted = await post(client, server, "/api/actions", pair["accessToken"], actionId=action)
        load.sent.add((user, action))
        load.acknowledged[user, action] = granted["data"]


async def test_what_ended_before_and_what_came_after_is_told_apart_whatever_the_clocks_say(
    start_at: StartAt, tmp_path: Path
) -> None:
    """By an instance's time of day, a token of one that is ahead is younger than what ended it."""
    ahead_by = Clock(tmp_path / "ahead")
    ahead_by.set(TEN_MINUTES)
    ahead, level = await start_at(ahead_by), await start_at(Clock(tmp_path / "level"))
    account = {"username": "ada", "email": "ada@example.org", "password": "analytical engine"}
    async with aiohttp.ClientSession() as client:

        async def told(server: ScoreboardServer, token: str) -> str:
            headers = {"Authorization": f"Bearer {token}"}
            async with client.get(f"{server.url}/api/me", headers=headers) as response:
                return str((await response.json()).get("code", response.status))

        token = (await post(client, ahead, "/api/auth/register", **account))["accessToken"]
        for here, there in ((ahead, level), (level, ahead), (ahead, level)):
            await post(client, there, "/api/auth/logout-all", token)
            for server in (here, there):
                await eventually(functools.partial(told_to_go, told, server, token))
            token = (await post(client, here, "/api/auth/login", **account))["accessToken"]
            assert [await told(here, token), await told(there, token)] == ["200", "200"]


async def told_to_go(
    told: Callable[[ScoreboardServer, str], Awaitable[str]], server: ScoreboardServer, token: str
) -> bool:
    return await told(server, token) == "revoked_token"
