"""PostgreSQL with a streaming replica that is promoted: the address names both hosts.

Commits wait for the replica (`synchronous_standby_names`), or promise 1 ends with the primary.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from scoreboard.database.migrations import migrate
from scoreboard.errors import LedgerUnavailable
from scoreboard.ranks.keys import MAIN_RANKING
from tests.commands import command as run
from tests.eventually import eventually
from tests.five_boards import end_season
from tests.instances import Instance, Start, Stream
from tests.load import a_load
from tests.ranks_world import Process, a_process, add_scores, is_level
from tests.reckoning import MARGIN_SECONDS, PROMISED_SECONDS, a_game, everybody_turns, reckon
from tests.servers.installation import POSTGRES, provide
from tests.servers.postgres_replica import PostgresPair, command
from tests.world import add_actions, add_users, board_version, grants, ranking, sql

pytestmark = pytest.mark.timeout(120)

NAME = "games"


@pytest.fixture
def pair(request: pytest.FixtureRequest) -> Iterator[PostgresPair]:
    """A primary and its replica, with a migrated database; `synchronous` unless a test says no."""
    provide(POSTGRES)
    with PostgresPair(synchronous=getattr(request, "param", True)) as pair:
        command(pair.primary, f"CREATE DATABASE {NAME}")
        migrate(pair.url_of(NAME))
        yield pair


@pytest.fixture
def database_url(pair: PostgresPair) -> str:
    return pair.url_of(NAME)


@pytest.mark.parametrize("the_old_one", ["is killed", "takes no writes", "was left alive"])
async def test_a_promotion_under_load_loses_nothing_that_was_acknowledged(
    start: Start, pair: PostgresPair, redis_url: str, the_old_one: str
) -> None:
    """Left alive, without its replica, it answers every read and commits nothing: whoever writes
    notices, and takes those of its instance along that only read.
    """
    instances = [await start(database_timeout_seconds=2.0) for _ in range(2)]
    doors = [instance.url for instance in instances]
    if the_old_one != "was left alive":
        instances.append(await start(role="stream"))
    pairs = a_game(pair.primary.url_of(NAME))
    async with a_load(lambda: doors, pairs) as load:
        season = await end_season(pair.primary.url_of(NAME), after_seconds=0.5)
        if the_old_one == "is killed":
            await asyncio.to_thread(pair.primary.kill)
        elif the_old_one == "takes no writes":
            await asyncio.to_thread(forbid_writes, pair)
        await asyncio.to_thread(pair.promote)
        await load.flows()
        await everybody_turns(load, season)
        truth = pair.replica.url_of(NAME)
        await reckon(load, truth, redis_url)
        # Everybody reads from it as well.
        await eventually(lambda: {seen(one) for one in instances} == {board_version(truth)})


def seen(instance: Instance) -> int:
    """The version that this instance compared its copies with last."""
    return int(instance.metric("board_version", where="ledger", board="main"))


def forbid_writes(pair: PostgresPair) -> None:
    command(pair.primary, "ALTER SYSTEM SET default_transaction_read_only = on")
    command(pair.primary, "SELECT pg_reload_conf()")


async def test_a_commit_that_gave_up_waiting_for_the_replica_is_not_acknowledged(
    start: Start, pair: PostgresPair
) -> None:
    """It is committed on the primary alone, where PostgreSQL calls it a success with a warning."""
    one = await start()
    [user] = add_users(pair.primary.url_of(NAME), 1)
    add_actions(pair.primary.url_of(NAME), {"run": 5})
    pair.part()
    submission = asyncio.create_task(one.submit(user, "run"))
    cancel = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    await eventually(lambda: command(pair.primary, cancel) == [(True,)])

    status, document = await submission
    assert (status, document["code"]) == (503, "ledger_unavailable")
    assert grants(pair.primary.url_of(NAME)) == [(user, "run")]
    pair.promote()
    assert grants(pair.replica.url_of(NAME)) == []


@pytest.mark.parametrize("pair", [False], indirect=True, ids=["asynchronous"])
async def test_what_an_asynchronous_promotion_lost_is_overtaken_by_the_ledger(
    start: Start, pair: PostgresPair, redis_url: str
) -> None:
    """It is behind every copy; it is lifted above them, and they follow."""
    one, two = await start(), await start()
    ada, bob = add_users(pair.primary.url_of(NAME), 2)
    add_actions(pair.primary.url_of(NAME), {"run": 5, "swim": 7, "row": 9})
    stream = await two.open_stream()
    assert (await one.submit(ada, "run"))[0] == 200
    await eventually(lambda: grants(pair.replica.url_of(NAME)) == [(ada, "run")])
    pair.part()
    assert (await one.submit(ada, "swim"))[0] == 200
    assert (await one.submit(ada, "row"))[0] == 200
    await stream.until(4)

    pair.primary.kill()
    pair.promote()
    truth = pair.replica.url_of(NAME)
    assert board_version(truth) == 2
    await stream.until(5, within_seconds=PROMISED_SECONDS + MARGIN_SECONDS)
    assert shown_on(stream) == ranking(truth) == [(ada, 5)]
    await eventually(lambda: granted(one, bob, "run"))

    # It finds the primary though the first host of the address is dead.
    three = await start()
    await eventually(lambda: seen(three) == board_version(truth) > 5)
    await stream.until(board_version(truth), within_seconds=PROMISED_SECONDS + MARGIN_SECONDS)
    assert shown_on(stream) == ranking(truth) == [(ada, 5), (bob, 5)]
    assert stream.versions == sorted(set(stream.versions))
    environment = {"SCOREBOARD_DATABASE_URL": pair.url_of(NAME), "SCOREBOARD_REDIS_URL": redis_url}
    code, said = await run(environment, "board", "verify")
    assert (code, f"version {board_version(truth)}." in said) == (0, True), said


@pytest.mark.parametrize("pair", [False], indirect=True, ids=["asynchronous"])
async def test_ranks_that_were_counted_from_what_a_promotion_lost_are_counted_anew(
    pair: PostgresPair, database_url: str
) -> None:
    """The new primary gives the ids of what was lost to others."""
    old, truth = pair.primary.url_of(NAME), pair.replica.url_of(NAME)
    add_scores(old, 3000)
    await eventually(lambda: sql(truth, "SELECT count(*) FROM scores") == [(3000,)])
    async with a_process(truth, "standby") as standby, a_process(database_url) as process:
        await process.load()
        assert standby.ranks.held(MAIN_RANKING) is None
        await standby.ranks.load_next()
        assert standby.ranks.held(MAIN_RANKING) is None
        pair.part()
        for _ in range(20):
            sql(old, "UPDATE scores SET score = score + 10 WHERE random() < 0.5")
        await process.ranks.turn()
        held = await process.load()
        pair.primary.kill()
        pair.promote()
        sql(truth, "UPDATE scores SET score = score + 10 WHERE random() < 0.5")
        seen = "SELECT bool_and(pg_visible_in_snapshot(xid, %s::pg_snapshot)) FROM movements"
        assert sql(truth, seen, (held.snapshot,)) == [(True,)]

        await eventually(lambda: taken(process))
        assert process.lost("server") == 1
        assert is_level(await process.load(), truth)
        assert is_level(await standby.load(), truth)


async def taken(process: Process) -> bool:
    """Whether a turn was taken."""
    try:
        await process.ranks.turn()
    except LedgerUnavailable:
        return False
    return True


def shown_on(stream: Stream) -> list[tuple[str, int]]:
    return [(entry["userId"], entry["score"]) for entry in stream.boards[-1].data["topUsers"]]


async def granted(instance: Instance, user: str, action: str) -> bool:
    """Whether it is, now or by an attempt before that got no answer."""
    status, document = await instance.submit(user, action)
    return status == 200 or document["code"] == "already_granted"
