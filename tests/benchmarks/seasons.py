"""What boards and seasons cost, each beside `main` alone in the same run.

Grants, of which each counts on three boards more; subscribers that are spread over twenty boards
instead of one; and the turn of a hundred seasons in one moment, while people play.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from redis import Redis

from scoreboard.connections.postgres import Postgres
from scoreboard.ledger.definitions import Definitions
from scoreboard.ledger.ledger import Ledger
from scoreboard.model import BoardId
from scoreboard.seasons.definition import Definition
from scoreboard.seasons.periods import Period
from tests.benchmarks.processes import Service, Stage
from tests.benchmarks.streams import Delivery, a_service
from tests.benchmarks.streams import deliveries as measure_deliveries
from tests.benchmarks.world import a_world, settle_down
from tests.benchmarks.wrk import Load, Submitting

MAIN_ALONE = "Scoreboard, main alone"
WITH_SEASONS = "Scoreboard, main, daily, weekly, monthly"
SUBSCRIBERS = 2_000
FOLLOWED = 20  # boards, among which the subscribers are divided
TURNING = 100  # boards whose seasons end in one moment
_COUNTING = 20  # of these, how many count an action: as many as there may be
_ACTIONS_OF_TURNING = 5_000  # of which each board lists a fifth, as many as one may
_CONNECTIONS = 16
_BEFORE_TURN_SECONDS = 40.0  # until boards are added, all is started, warm and under load
_LOAD_SECONDS = 5  # before the turn, and after it
_DATABASES_OF_REDIS = {
    name: n
    for n, name in enumerate(
        ("alone", "seasons", "followed", "turn", "bare", "bare_seasons", "ranks"), 1
    )
}


@dataclass(frozen=True)
class Turn:
    """The turn of so many seasons in one moment. Grants are those of the seconds around it."""

    boards: int
    grants_per_second: float
    p50_ms: float
    p99_ms: float
    worst_ms: float
    refused: int
    switched_ms: float  # from the moment until an instance lists the new season of every board


@contextmanager
def a_stage(
    stage: Stage, name: str, users: int, boards: Sequence[Definition] = ()
) -> Iterator[Stage]:
    """The same servers with a filled database that has these boards beside `main`, and with a
    database of Redis and a virtual host of RabbitMQ that belong to it.
    """
    redis_url = f"{stage.redis.url.rpartition('/')[0]}/{_DATABASES_OF_REDIS[name]}"
    with a_world(stage.postgres, name, users) as url, closing(Redis.from_url(redis_url)) as redis:
        if boards:
            asyncio.run(_add(url, boards))
            settle_down(url)
        amqp_url = stage.rabbit.add_vhost(name)
        yield replace(stage, database_url=url, redis_url=redis_url, amqp_url=amqp_url)
        stage.rabbit.delete_vhost(name)
        redis.flushdb()


def running() -> list[Definition]:
    """A board of today, of this week and of this month."""
    periods: dict[str, Period] = {"daily": "day", "weekly": "week", "monthly": "month"}
    return [
        Definition(BoardId(name), name.title(), period=period) for name, period in periods.items()
    ]


def followed() -> list[Definition]:
    """Boards that every action changes at once."""
    return [Definition(BoardId(f"board{n}"), f"Board {n}") for n in range(FOLLOWED)]


def turning(at: datetime) -> list[Definition]:
    """Boards whose seasons end, and begin, at this moment; each action counts on a fifth."""
    a_day = timedelta(days=1)
    apart = TURNING // _COUNTING
    return [
        Definition(
            BoardId(f"board{number}"),
            f"Board {number}",
            counts="listed",
            actions=tuple(f"a{n}" for n in range(number % apart, _ACTIONS_OF_TURNING, apart)),
            period="dates",
            seasons=((at - a_day, at), (at, at + a_day)),
        )
        for number in range(TURNING)
    ]


def turn(stage: Stage, users: int, tokens: Sequence[str], directory: Path) -> Turn:
    """Submit before, during and after the moment. Raises RuntimeError when a board has not turned
    ten seconds later, or differs from the ledger.
    """
    with a_stage(stage, "turn", users) as own:
        at = datetime.now(UTC) + timedelta(seconds=_BEFORE_TURN_SECONDS)
        asyncio.run(_add(own.database_url, turning(at)))
        submitting = Submitting(tokens, directory)
        with Service(own) as service:
            submitting.run(service.url, _CONNECTIONS, 1)
            time.sleep(max(0.0, at.timestamp() - _LOAD_SECONDS - time.time()))
            loads: list[Load] = []
            playing = threading.Thread(
                target=lambda: loads.append(
                    submitting.run(service.url, _CONNECTIONS, 2 * _LOAD_SECONDS)
                )
            )
            playing.start()
            switched = _switched(service, at)
            playing.join()
        compare(own, [board.board_id for board in turning(at)][::10])
    [load] = loads
    return Turn(
        TURNING,
        load.per_second,
        load.p50_ms,
        load.p99_ms,
        load.worst_ms,
        load.errors,
        switched * 1_000,
    )


def _switched(service: Service, at: datetime) -> float:
    """Seconds from the moment until every board is listed with its second season."""
    time.sleep(max(0.0, at.timestamp() - time.time()))
    while (passed := time.time() - at.timestamp()) < 10:
        with urllib.request.urlopen(f"{service.url}/api/boards?limit=1000") as answer:
            boards = json.load(answer)["data"]
        if sum((board["season"] or {}).get("number") == 2 for board in boards) == TURNING:
            return passed
        time.sleep(0.02)
    raise RuntimeError("ten seconds after the end of their seasons, boards have not turned")


def deliveries(
    stage: Stage, token: str, actions: Iterator[int], boards: Sequence[Definition], seconds: float
) -> Delivery:
    """Deliver to subscribers who are spread over these boards, or who all follow `main`. `actions`
    are the player's next ones.
    """
    board_ids: list[str] = [board.board_id for board in boards] or ["-"]
    with a_service(stage, token, actions, instances=1, push_interval_seconds=0) as sender:
        found = measure_deliveries(sender, SUBSCRIBERS, seconds, board_ids)
    return replace(found, program=f"Scoreboard, {len(board_ids)} board{'s' * bool(boards)}")


def compare(stage: Stage, board_ids: Sequence[BoardId]) -> None:
    """Compare these boards with the ledger. Raises RuntimeError when they differ."""
    if found := asyncio.run(_differences(stage.database_url, board_ids)):
        raise RuntimeError(f"boards differ from the ledger: {found}")


async def _add(database_url: str, boards: Sequence[Definition]) -> None:
    postgres = Postgres(database_url, sessions=1, timeout_seconds=3_600, name="benchmarks")
    try:
        await Definitions(postgres).add(boards)
    finally:
        postgres.close()


async def _differences(database_url: str, board_ids: Sequence[BoardId]) -> list[str]:
    postgres = Postgres(database_url, sessions=1, timeout_seconds=3_600, name="benchmarks")
    ledger = Ledger(postgres, postgres)
    try:
        return [found for board in board_ids for found in await ledger.differences(board)]
    finally:
        postgres.close()
