"""Everybody's place while people play, and while each server, and an instance, fails in turn.

Parts of a ranking have some eight entries here, so that forty players cross fences all the time.
"""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from scoreboard.ranks import fences, load, parts, turn
from tests.faults.test_under_load import cut, paused, swallowed
from tests.instances import Start
from tests.lines import Line
from tests.load import a_load
from tests.places_load import a_places_load
from tests.reckoning import MARGIN_SECONDS, PROMISED_SECONDS, a_game, reckon
from tests.servers import PostgresServer, RabbitServer, RedisServer
from tests.servers.scoreboard import ScoreboardServer
from tests.trust_load import a_trust_load

PART = 8


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (fences, load, parts):
        monkeypatch.setattr(module, "PART", PART)
    for module in (fences, parts, turn):
        monkeypatch.setattr(module, "PART_MAX", 2 * PART)
    monkeypatch.setattr(fences, "_PART_MIN", PART // 4)


@pytest.mark.timeout(240)
@pytest.mark.usefixtures("small_parts")
# See test_under_load.py: a connection that aio-pika gave up halfway closes itself when it can.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_whatever_fails_no_place_contradicts_another_and_all_are_right_in_the_end(
    start: Start,
    database_url: str,
    redis_url: str,
    amqp_url: str,
    database_line: Line,
    redis_line: Line,
    postgres_under_fault: PostgresServer,
    redis_under_fault: RedisServer,
    rabbit_under_fault: RabbitServer,
) -> None:
    # The lines of all three lead through this process, which is busy: whoever gave Redis up sooner
    # would be without it alone.
    settings: dict[str, Any] = {
        "database_url": database_line.url,
        "redis_url": redis_line.url,
        "amqp_url": amqp_url,
        "database_timeout_seconds": 1.0,
        "redis_timeout_seconds": 1.5,
    }
    instances = [await start(**settings) for _ in range(2)]
    mortal = ScoreboardServer(**settings)
    await asyncio.to_thread(mortal.start)
    doors = [*(each.url for each in instances), mortal.url]
    try:
        async with (
            a_load(lambda: doors, a_game(database_url), stay_seconds=20.0) as players,
            a_trust_load(players, database_url) as trust,
            a_places_load(players, database_url) as places,
        ):
            for away in (
                cut(database_line),
                swallowed(database_line),
                paused(postgres_under_fault),
                cut(redis_line),
                paused(redis_under_fault),
            ):
                async with away:
                    await players.reading_goes_on()
                await players.flows()
                await places.flows()
            for breaks in (
                postgres_under_fault.restart,
                lambda: kill_a_session(database_url),
                redis_under_fault.restart,
                rabbit_under_fault.restart,
            ):
                await asyncio.to_thread(breaks)
                await players.flows(within_seconds=40.0)
                await places.flows()
            doors.remove(mortal.url)
            await asyncio.to_thread(mortal.kill)
            await players.flows()

            await reckon(players, database_url, redis_url, trust=trust)
            await places.agree(doors, within_seconds=PROMISED_SECONDS + MARGIN_SECONDS)
            for instance in instances:
                assert instance.metric("rank_moves_total") > 0
                assert instance.metric("rankings_lost_total", why="wrong") == 0
                assert instance.metric("rankings_lost_total", why="server") >= 2
                assert instance.metric("task_crashes_total", task="ranks") == 0
    finally:
        await asyncio.to_thread(mortal.destroy)


def kill_a_session(database_url: str) -> None:
    """All sessions end with it, and PostgreSQL recovers by itself."""
    with closing(psycopg2.connect(database_url)) as session:
        os.kill(session.get_backend_pid(), signal.SIGKILL)
