"""Clocks that differ and clocks that are set: nothing of the service hangs on the time of day.

Versions order boards, PostgreSQL's clock dates grants and ends refresh tokens, Redis's counts rates
and leases, and every wait here goes by the monotonic clock. What is left to an instance's own time
of day is the life of an access token. libfaketime gives a process a time of day of its own.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from scoreboard.database.migrations import migrate
from scoreboard.model import BoardId, Submission
from tests.eventually import eventually
from tests.five_boards import end_season
from tests.integration.ledger_world import a_ledger
from tests.load import Load, a_load
from tests.reckoning import a_game, everybody_turns, reckon
from tests.season_reckoning import reckon_seasons
from tests.servers import PostgresServer, ProgramsMissingError
from tests.servers.installation import FAKETIME, provide
from tests.servers.scoreboard import ScoreboardServer
from tests.world import (
    add_actions,
    add_board,
    add_boards_of_every_kind,
    add_users,
    entries,
    ledger_sums,
    scores,
    sql,
)

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
async def faketime() -> None:
    try:
        await asyncio.to_thread(provide, [FAKETIME])
    except ProgramsMissingError:
        pytest.skip("needs libfaketime: apt-get install libfaketime")


@pytest.fixture
async def start_at(
    faketime: None, database_url: str, redis_url: str, amqp_url: str
) -> AsyncIterator[StartAt]:
    """Start an instance whose time of day is this clock's."""
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
    game = a_game(database_url)
    ends = [datetime.now(UTC) + timedelta(seconds=n) for n in range(60)]
    add_boards_of_every_kind(database_url, *itertools.pairwise(ends), (ends[-1], None), listed="a3")
    async with aiohttp.ClientSession() as client, a_load(lambda: doors, game) as load:
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


@pytest.fixture
def set_postgres(faketime: None) -> Iterator[tuple[Clock, PostgresServer]]:
    """A PostgreSQL whose clock can be set. It runs as somebody else, who has to read the file."""
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).chmod(0o644)
        clock = Clock(Path(file.name))
        server = PostgresServer(environment=clock.environment())
        yield clock, server
        server.destroy()


async def test_while_postgresqls_clock_is_set_back_grants_count_in_the_season_that_began(
    set_postgres: tuple[Clock, PostgresServer],
) -> None:
    """Seasons turned while it ran eleven minutes ahead. What comes until it is there again counts
    in those that began then, whichever operator a board has; then grants go by the clock again.
    """
    clock, server = set_postgres
    await asyncio.to_thread(server.start)
    await asyncio.to_thread(migrate, server.url)
    await plays_while_the_clock_is_set(clock, server.url)


async def plays_while_the_clock_is_set(clock: Clock, database_url: str) -> None:
    users = add_users(database_url, 4)
    add_actions(database_url, {f"a{n}": n + 1 for n in range(8)})
    moments = [datetime.now(UTC) + timedelta(seconds=n * TEN_MINUTES) for n in (-1, 1, 3, 5)]
    kinds = add_boards_of_every_kind(database_url, *itertools.pairwise(moments), listed="a3")
    add_board(database_url, "late", (moments[0], moments[1] + timedelta(seconds=90)))
    sequence = iter(range(8))
    async with a_ledger(database_url) as ledger:

        async def grant_to_all() -> None:
            action = f"a{next(sequence)}"
            await ledger.grant([Submission(user, action) for user in users])

        await grant_to_all()
        clock.set(TEN_MINUTES + 60)
        await grant_to_all()
        assert len(await ledger.turn()) == len(kinds)
        clock.set(-60)
        await grant_to_all()
        clock.set(2 * TEN_MINUTES)
        await grant_to_all()
        await ledger.turn()
        clock.set(0)
        await grant_to_all()
        assert await ledger.turn() == []

        assert reckon_seasons(database_url) == len(kinds) + 1
        assert entries(database_url, "sum", 1) == dict.fromkeys(users, 1)
        assert entries(database_url, "sum", 2) == dict.fromkeys(users, 2 + 3 + 4 + 5)
        assert entries(database_url, "late") == dict.fromkeys(users, 1 + 2 + 3)
        assert scores(database_url) == ledger_sums(database_url)
        for kind in kinds:
            assert await ledger.differences(BoardId(kind)) == []
        board = await ledger.board(BoardId("sum"))
        assert board.season is not None
        assert (board.season.number, board.season.state) == (2, "running")
