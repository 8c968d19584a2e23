"""The reckoning after a fault: what was acknowledged is there once, and every copy is the truth."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import suppress

import aiohttp
import redis

from scoreboard.model import Board
from tests.eventually import eventually
from tests.load import Load, Pair
from tests.world import add_users, board_version, grants, ledger_sums, ranking, scores, sql

# Every subscriber holds the final board within this, after the last change or after a fault heals.
PROMISED_SECONDS = 2.0
# What a loaded machine of two cores, which runs the clients and the servers too, may add: measured
# here were 0.2 s alone and 0.9 s beside three other test runs.
MARGIN_SECONDS = 2.0
_BLOCK = 600


def a_game(
    database_url: str, *, users: int = 40, actions: int = 600, seed: int | None = None
) -> Iterator[Pair]:
    """Register users, fill the catalogue, and answer every submission there is to make, in an order
    that changes the board often.
    """
    ids = add_users(database_url, users)
    sql(
        database_url,
        "INSERT INTO actions (action_id, points)"
        " SELECT 'a' || n, 1 + n %% 7 FROM generate_series(0, %s) AS n",
        (actions - 1,),
    )
    return _pairs(ids, actions, random.Random(seed))


def _pairs(users: list[str], actions: int, dice: random.Random) -> Iterator[Pair]:
    """All of them once, shuffled in blocks, so that a long game needs no long list."""
    for first in range(0, actions, _BLOCK):
        block = range(first, min(first + _BLOCK, actions))
        pairs = [(user, f"a{n}") for user in users for n in block]
        dice.shuffle(pairs)
        yield from pairs


async def reckon(
    load: Load, database_url: str, redis_url: str, doors: Sequence[str] | None = None
) -> None:
    """Let the load finish, then compare: its record with the ledger, and every copy with the
    truth.
    """
    await load.finish()
    version = board_version(database_url)
    await load.everybody_has(version, within_seconds=PROMISED_SECONDS + MARGIN_SECONDS)

    granted = grants(database_url)
    assert len(granted) == len(set(granted))
    assert set(load.acknowledged) <= set(granted)  # nothing acknowledged is lost
    assert set(granted) <= load.sent  # and nothing is there that nobody sent
    assert set(granted) == set(load.acknowledged)  # whoever asked until the end knows it all
    assert scores(database_url) == ledger_sums(database_url)

    truth = ranking(database_url)
    for subscriber in load.subscribers:
        assert [(entry["userId"], entry["score"]) for entry in subscriber.board] == truth
        assert not subscriber.went_back()
    await eventually(lambda: cached_board(redis_url) == (version, truth), within_seconds=5.0)
    for door in load.doors if doors is None else doors:
        assert await shown_by(door) == (version, truth)
        assert await diverged(door) == 0  # no sound board was taken for one of another history


def cached_board(redis_url: str) -> tuple[int, list[tuple[str, int]]]:
    """The version and the entries of Redis's copy; -1 when it has none or is away."""
    with suppress(redis.RedisError), redis.Redis.from_url(redis_url) as client:
        version, text = client.hmget("leaderboard", "version", "board")
        if version is not None and text is not None:
            entries = Board.from_json(text).entries
            return int(version), [(entry.user_id, entry.score) for entry in entries]
    return -1, []


async def shown_by(door: str) -> tuple[int, list[tuple[str, int]]]:
    """The version and the entries that GET /api/leaderboard answers."""
    async with aiohttp.ClientSession() as client, client.get(f"{door}/api/leaderboard") as response:
        document = await response.json()
        entries = [(entry["userId"], entry["score"]) for entry in document["data"]]
        return document["version"], entries


async def diverged(door: str) -> float:
    """How often this instance found a board shown of which the ledger knew nothing."""
    async with aiohttp.ClientSession() as client, client.get(f"{door}/metrics") as response:
        lines = (await response.text()).splitlines()
    counts = [line for line in lines if line.startswith("scoreboard_divergences_total{")]
    assert counts
    return sum(float(line.rpartition(" ")[2]) for line in counts)
