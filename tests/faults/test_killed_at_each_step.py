"""An instance is killed at each step of a submission. Whatever was committed, everybody sees it
within 2 s; whatever was not, is granted when it is submitted again.

The instance is a real process, and its lines to the three servers stop it where it is to die: a
line becomes a black hole with the very bytes of that step.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass

import aiohttp
import orjson
import pytest

from scoreboard.parts import PARTS
from tests.eventually import eventually
from tests.game_server import GameServer
from tests.granting import are_paused, commits, paused_grants
from tests.instances import Instance, Start
from tests.lines import Line
from tests.reckoning import MARGIN_SECONDS, PROMISED_SECONDS, cached_board
from tests.servers.process import running
from tests.servers.scoreboard import ScoreboardServer
from tests.world import add_actions, add_users, board_version, grants, ledger_sums, scores, sql

pytestmark = pytest.mark.timeout(120)


@dataclass(frozen=True)
class Lines:
    """What the mortal instance is connected by."""

    database: Line
    redis: Line
    amqp: Line


@pytest.fixture
def lines(database_line: Line, redis_line: Line, amqp_line: Line) -> Lines:
    return Lines(database_line, redis_line, amqp_line)


@pytest.fixture
async def mortal(lines: Lines) -> AsyncIterator[ScoreboardServer]:
    """It waits for whoever does not answer, and does not mend what it lost by comparing."""
    server = ScoreboardServer(
        lines.database.url,
        lines.redis.url,
        lines.amqp.url,
        redis_timeout_seconds=60.0,
        database_timeout_seconds=60.0,
        publish_timeout_seconds=60.0,
        reconcile_seconds=600.0,
    )
    async with running(server):
        yield server


@pytest.fixture
async def game_server(start: Start) -> GameServer:
    """One that talks to another instance, with a key that is there when the mortal one starts."""
    return await GameServer.of(await start())


def has_board(request: bytes) -> bool:
    return b'"topUsers"' in request


@dataclass(frozen=True)
class Step:
    """How the instance is stopped at a step, and what has happened by then."""

    name: str
    stop: Callable[[Lines], None]
    committed: bool = True
    in_redis: bool = False
    on_the_bus: bool = False


def nobody_is_told(lines: Lines) -> None:
    lines.redis.proxy.black_hole_from(has_board)
    lines.amqp.proxy.black_hole_from(has_board)


def committed_without_an_answer(lines: Lines) -> None:
    lines.database.proxy.drop_replies_after(commits)
    nobody_is_told(lines)


STEPS = (
    Step(
        "before COMMIT",
        lambda lines: lines.database.proxy.black_hole_from(commits),
        committed=False,
    ),
    Step("between COMMIT and its answer", committed_without_an_answer),
    Step("after COMMIT, before anybody is told", nobody_is_told),
    Step(
        "after the copy, before the bus",
        lambda lines: lines.amqp.proxy.black_hole_from(has_board),
        in_redis=True,
    ),
    Step(
        "after the bus, before the copy",
        lambda lines: lines.redis.proxy.black_hole_from(has_board),
        on_the_bus=True,
    ),
)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
async def test_an_instance_killed_at_each_step_of_a_submission_leaves_nothing_half_done(
    start: Start,
    mortal: ScoreboardServer,
    lines: Lines,
    database_url: str,
    redis_url: str,
    step: Step,
) -> None:
    other = await start()
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 5})
    stream = await other.open_stream()
    await stream.until(1)
    await eventually(lambda: other.app[PARTS].bus.connected)
    step.stop(lines)

    submitting = asyncio.create_task(_submit(other, mortal, user))
    await eventually(lambda: _is_reached(step, lines, database_url, redis_url, other))
    await asyncio.to_thread(mortal.kill)
    await submitting
    for line in (lines.database, lines.redis, lines.amqp):
        await line.proxy.heal()  # the servers hear that the process is gone, as from its kernel

    version = 2 if step.committed else 1
    assert board_version(database_url) == version
    await stream.until(version, within_seconds=PROMISED_SECONDS + MARGIN_SECONDS)
    assert (await other.board())["version"] == version
    status, document = await other.submit(user, "run")
    answer = (400, "already_granted") if step.committed else (200, None)
    assert (status, document.get("code")) == answer
    await stream.until(2)
    await eventually(lambda: cached_board(redis_url)[0] == 2)
    assert grants(database_url) == [(user, "run")]
    assert scores(database_url) == ledger_sums(database_url) == {user: 5}


async def test_an_instance_killed_in_the_statement_that_grants_leaves_nothing_of_it(
    start: Start, mortal: ScoreboardServer, database_url: str
) -> None:
    """Its rows are written and not committed. PostgreSQL sees that nobody waits for the answer."""
    other = await start()
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 5})
    with paused_grants(database_url, user) as go_on:
        submitting = asyncio.create_task(_submit(other, mortal, user))
        await eventually(lambda: are_paused(database_url))
        await asyncio.to_thread(mortal.kill)
        await submitting
        await eventually(lambda: not are_paused(database_url))
        go_on()

    assert grants(database_url) == []
    assert board_version(database_url) == 1
    status, _ = await other.submit(user, "run")
    assert status == 200
    assert scores(database_url) == ledger_sums(database_url) == {user: 5}


@pytest.mark.parametrize("step", STEPS[:2], ids=lambda step: step.name)
async def test_results_of_an_instance_that_was_killed_count_once_when_they_are_sent_again(
    game_server: GameServer, mortal: ScoreboardServer, lines: Lines, database_url: str, step: Step
) -> None:
    server, other = game_server, game_server.instance
    [user] = add_users(database_url, 1)
    body = {
        "results": [
            {"receipt": f"r{n}", "userId": user, "boardId": "main", "value": n} for n in (5, 7)
        ]
    }
    raw = orjson.dumps(body)
    step.stop(lines)

    async def send() -> None:
        headers = server.headers("POST", "/api/results", raw)
        with suppress(aiohttp.ClientError):
            async with other.client.post(
                f"{mortal.url}/api/results", data=raw, headers=headers
            ) as response:
                await response.read()

    sending = asyncio.create_task(send())
    committed = "SELECT count(*) FROM results"
    await eventually(
        lambda: (
            sql(database_url, committed) == [(2,)]
            if step.committed
            else lines.database.proxy.swallows
        )
    )
    await asyncio.to_thread(mortal.kill)
    await sending
    for line in (lines.database, lines.redis, lines.amqp):
        await line.proxy.heal()

    status, document = await server.send("POST", "/api/results", body)
    assert status == 200
    word = "repeated" if step.committed else "recorded"
    assert [each["verdict"] for each in document["data"]] == [word] * 2
    assert scores(database_url) == {user: 12}
    [entry] = (await other.board())["data"]
    assert entry["score"] == 12


async def _submit(client: Instance, mortal: ScoreboardServer, user: str) -> None:
    """What it answers does not matter here: it may be dead before, or have lost its own server."""
    with suppress(aiohttp.ClientError):
        async with client.client.post(
            f"{mortal.url}/api/actions", json={"actionId": "run"}, headers=client.bearer(user)
        ) as response:
            await response.read()


def _is_reached(
    step: Step, lines: Lines, database_url: str, redis_url: str, other: Instance
) -> bool:
    if not step.committed:
        return lines.database.proxy.swallows
    return (
        bool(grants(database_url))
        and (not step.in_redis or cached_board(redis_url)[0] == 2)
        and (not step.on_the_bus or other.metric("events_received_total") > 0)
    )
