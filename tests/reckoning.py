"""The reckoning after a fault: what was acknowledged is there once, and every copy is the truth."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress

import aiohttp
import redis

from scoreboard import board_json
from scoreboard.audit.chain import verify
from scoreboard.connections.postgres import Postgres
from tests.eventually import eventually
from tests.five_boards import OTHERS, SPRINT, Shown, add_boards, shown_by_ledger
from tests.load import TOP, Load, Pair
from tests.season_reckoning import reckon_seasons
from tests.subscriber import path_of
from tests.trust_load import TrustLoad
from tests.trust_reckoning import Auditor
from tests.world import add_users, board_version, grants, ledger_sums, ranking, scores, sql

# Every subscriber holds the final board within this, after the last change or after a fault heals.
PROMISED_SECONDS = 2.0
# What a loaded machine of two cores, which runs the clients and the servers too, may add: measured
# here were 0.2 s alone and 0.9 s beside three other test runs.
MARGIN_SECONDS = 2.0
_BLOCK = 600


def a_game(
    database_url: str,
    *,
    users: int = 40,
    actions: int = 600,
    seed: int | None = None,
    season_seconds: float | None = None,
) -> Iterator[Pair]:
    """Register users, fill the catalogue, and answer every submission there is to make, in an order
    that changes the boards often: five of them, of which one has seasons of so many seconds, or
    else until `end_season`.
    """
    ids = add_users(database_url, users)
    sql(
        database_url,
        "INSERT INTO actions (action_id, points)"
        " SELECT 'a' || n, 1 + n %% 7 FROM generate_series(0, %s) AS n",
        (actions - 1,),
    )
    add_boards(database_url, season_seconds=season_seconds)
    return _pairs(ids, actions, random.Random(seed))


def _pairs(users: list[str], actions: int, dice: random.Random) -> Iterator[Pair]:
    """All of them once, shuffled in blocks, so that a long game needs no long list."""
    for first in range(0, actions, _BLOCK):
        block = range(first, min(first + _BLOCK, actions))
        pairs = [(user, f"a{n}") for user in users for n in block]
        dice.shuffle(pairs)
        yield from pairs


async def reckon(
    load: Load,
    database_url: str,
    redis_url: str,
    doors: Sequence[str] | None = None,
    trust: TrustLoad | None = None,
) -> None:
    """Let the loads finish, then compare: their record with the ledger, and every copy with the
    truth.
    """
    if trust is not None:
        await trust.finish()
    await load.finish()
    version = board_version(database_url)
    await load.everybody_has(version, within_seconds=PROMISED_SECONDS + MARGIN_SECONDS)

    theirs = set(trust.users) if trust else set()
    granted = [pair for pair in grants(database_url) if pair[0] not in theirs]
    assert len(granted) == len(set(granted))
    assert set(load.acknowledged) <= set(granted)  # nothing acknowledged is lost
    assert set(granted) <= load.sent  # and nothing is there that nobody sent
    assert set(granted) == set(load.acknowledged)  # whoever asked until the end knows it all
    sums = ledger_sums(database_url)
    for user, score in scores(database_url).items():
        assert user in theirs or score == sums[user]
    Auditor(database_url, keeps_finals=True).look()
    if trust is not None:
        await _reckon_trust(trust, database_url)

    truth = ranking(database_url)
    for subscriber in load.subscribers:
        assert [(entry["userId"], entry["score"]) for entry in subscriber.board] == truth
        assert not subscriber.went_back()
    await eventually(lambda: cached_board(redis_url) == (version, truth), within_seconds=5.0)
    doors = load.doors if doors is None else doors
    for door in doors:
        assert await shown_by(door) == (version, truth)
    if load.others:
        await _reckon_others(load, database_url, redis_url, doors, theirs)
    for door in doors:
        assert await diverged(door) == 0  # no sound board was taken for one of another history


async def _reckon_trust(trust: TrustLoad, database_url: str) -> None:
    """What servers were answered is what is there, each once; the audit's chain is whole."""
    theirs = [pair for pair in grants(database_url) if pair[0] in trust.users]
    assert len(theirs) == len(set(theirs))
    assert set(theirs) == trust.granted
    kept = sql(
        database_url, "SELECT receipt, user_id::text, board_id, value FROM results ORDER BY 1"
    )
    assert kept == sorted(
        (receipt, said["userId"], said["boardId"], said["value"])
        for receipt, said in trust.recorded.items()
    )
    acts = sql(
        database_url,
        "SELECT request_id, act, user_id::text FROM audit WHERE made_by = %s ORDER BY 1",
        (trust.key_id,),
    )
    assert acts == sorted((request, *said) for request, said in trust.done.items())
    postgres = Postgres(database_url, sessions=1, timeout_seconds=10.0, name="test.audit")
    try:
        verified = await verify(postgres)
    finally:
        postgres.close()
    assert (verified.problem, verified.rows) == ("", len(acts))
    hidden = "SELECT user_id::text FROM users WHERE num_nonnulls(hidden_at, banned_at) > 0"
    assert {user for (user,) in sql(database_url, hidden)} == trust.hidden


async def everybody_turns(load: Load, season: int) -> None:
    """Return when this season of `sprint` is on every stream: it began, or whoever could tell came
    back, a moment ago.
    """
    await load.everybody_shows(SPRINT, season, within_seconds=PROMISED_SECONDS + MARGIN_SECONDS)


async def _reckon_others(
    load: Load, database_url: str, redis_url: str, doors: Sequence[str], theirs: Collection[str]
) -> None:
    """Every copy of the other boards is what the ledger's rows make of their seasons; so is what
    was told of each season that ended.
    """
    for board_id in OTHERS:

        async def is_everywhere(board_id: str = board_id) -> bool:
            truth = shown_by_ledger(database_url, board_id)
            shown = [await other_shown_by(door, board_id) for door in doors]
            for subscriber in load.others:
                if subscriber.board_id == board_id:
                    entries = [(entry["userId"], entry["score"]) for entry in subscriber.board]
                    shown.append(Shown(subscriber.version, subscriber.season, entries))
            in_redis = cached_board(redis_url, f"leaderboard:{board_id}")
            assert in_redis == (truth.version, truth.entries), (board_id, in_redis, truth)
            assert shown == [truth] * len(shown), (board_id, shown, truth)
            return shown_by_ledger(database_url, board_id) == truth

        await eventually(is_everywhere, within_seconds=PROMISED_SECONDS + MARGIN_SECONDS)
    reckon_seasons(database_url, theirs)
    finals = {
        (board_id, number): final[:TOP]
        for board_id, number, final in sql(
            database_url, "SELECT board_id, number, final FROM seasons WHERE final IS NOT NULL"
        )
    }
    for subscriber in load.others:
        assert not subscriber.went_back()
        for number, final in subscriber.finals.items():
            assert subscriber.is_alike(final, finals[subscriber.board_id, number])


async def other_shown_by(door: str, board_id: str) -> Shown:
    """What an instance answers of another board than `main`."""
    async with aiohttp.ClientSession() as client, client.get(door + path_of(board_id)) as response:
        document = await response.json()
        entries = [(entry["userId"], entry["score"]) for entry in document["data"]]
        return Shown(document["version"], document["season"]["number"], entries)


def cached_board(redis_url: str, key: str = "leaderboard") -> tuple[int, list[tuple[str, int]]]:
    """The version and the entries of Redis's copy; -1 when it has none or is away."""
    with suppress(redis.RedisError), redis.Redis.from_url(redis_url) as client:
        version, text = client.hmget(key, "version", "board")
        if version is not None and text is not None:
            entries = board_json.decode(text).entries
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
