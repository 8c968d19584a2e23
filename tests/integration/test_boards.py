"""The boards that an instance knows, on a real PostgreSQL and Redis: which there are, which copies
are compared, and what a crowd that asks for others costs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scoreboard.copies.boards import ASKED_EVERY_SECONDS, FOLLOWED_SECONDS
from scoreboard.errors import LedgerUnavailable, UnknownBoard
from scoreboard.ledger.ledger import Versions
from scoreboard.model import MAIN, Board, BoardId, Submission
from tests.integration.board_world import Instance, an_instance, version_in
from tests.samples import counted
from tests.world import add_actions, add_board, add_users, sql

WEEKLY, DAILY = BoardId("weekly"), BoardId("daily")
DAY = timedelta(days=1)


@pytest.fixture
async def one(redis_url: str, database_url: str) -> AsyncIterator[Instance]:
    async with an_instance(redis_url, database_url) as instance:
        yield instance


def add(database_url: str, *board_ids: BoardId) -> None:
    now = datetime.now(UTC)
    for board_id in board_ids:
        add_board(database_url, board_id, (now - DAY, now + DAY))


async def grant(instance: Instance, database_url: str) -> dict[BoardId, Board]:
    """Change every board, and tell nobody."""
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 10})
    return (await instance.ledger.grant([Submission(user, "run")])).boards


async def read(instance: Instance, board_id: BoardId) -> Board:
    return (await (await instance.boards.of(board_id)).read()).board


async def test_a_board_that_streams_show_is_read_though_nobody_read_it_before(
    redis_url: str, database_url: str
) -> None:
    """PostgreSQL goes away before the first read, and Redis was never given the board."""
    add(database_url, WEEKLY)
    shown: dict[BoardId, Board] = {}
    async with an_instance(redis_url, database_url, shown=shown.get) as one:
        await one.reconcile()
        shown[WEEKLY] = await one.ledger.board(WEEKLY)
        await one.boards.find(WEEKLY)
        one.ledger.board = silent  # type: ignore[method-assign]

        reading = await (await one.boards.of(WEEKLY)).read()

    assert reading.board == shown[WEEKLY]
    assert reading.age_seconds is not None


async def test_a_board_that_the_relay_heard_of_meanwhile_is_found_though_the_question_failed(
    one: Instance, database_url: str
) -> None:
    await one.reconcile()
    with pytest.raises(UnknownBoard):
        await one.boards.find(DAILY)  # the next question waits a moment now
    asking = asyncio.create_task(one.boards.find(WEEKLY))
    add(database_url, WEEKLY)
    await one.reconcile()
    one.ledger.versions = unheard  # type: ignore[method-assign]

    assert (await asking).definition.board_id == WEEKLY
    with pytest.raises(LedgerUnavailable):
        await one.boards.find(DAILY)


async def unheard() -> Versions:
    raise LedgerUnavailable


async def silent(board_id: BoardId = MAIN) -> Board:
    raise LedgerUnavailable


# --- which boards there are


async def test_a_board_that_was_added_a_moment_ago_is_found(
    one: Instance, database_url: str
) -> None:
    await one.reconcile()
    assert [each.definition.board_id for each in one.boards.all()] == [MAIN]
    add(database_url, WEEKLY)

    assert (await one.boards.find(WEEKLY)).definition.title == "Weekly"
    assert (await read(one, WEEKLY)).board_id == WEEKLY
    assert [each.definition.board_id for each in one.boards.all()] == [MAIN, WEEKLY]


async def test_a_crowd_that_asks_for_boards_that_are_not_there_shares_few_questions(
    one: Instance, database_url: str
) -> None:
    """However many ids a stranger makes up, and nothing of them is remembered."""
    await one.reconcile()
    asked = one.ledger.asked
    began = asyncio.get_running_loop().time()
    answers: list[Any] = []
    for crowd in range(5):
        answers += await asyncio.gather(
            *(one.boards.find(f"no-{crowd}-{number}") for number in range(400)),
            *(one.boards.find(text) for text in ("", "../x", "x" * 51, "É", "\uff11")),
            return_exceptions=True,
        )
    late = asyncio.create_task(one.boards.find(WEEKLY))
    add(database_url, WEEKLY)
    assert (await late).definition.board_id == WEEKLY
    took = asyncio.get_running_loop().time() - began

    assert all(isinstance(answer, UnknownBoard) for answer in answers)
    assert one.ledger.asked - asked <= took / ASKED_EVERY_SECONDS + 2
    assert took >= 5 * ASKED_EVERY_SECONDS * 0.9
    assert len(one.boards._copies) == 1


async def test_what_an_operator_changes_and_takes_away_is_known_by_the_next_look(
    one: Instance, database_url: str, admin: Any
) -> None:
    add(database_url, WEEKLY, DAILY)
    await one.reconcile()
    assert (await read(one, WEEKLY)).version == 1
    assert await admin.exists("leaderboard:weekly")
    sql(
        database_url,
        "UPDATE boards SET title = 'Hall', defined_at = clock_timestamp() WHERE board_id = 'daily'",
    )
    sql(database_url, "UPDATE boards SET season_id = NULL WHERE board_id = 'weekly'")
    sql(database_url, "DELETE FROM boards WHERE board_id = 'weekly'")
    await one.reconcile()

    assert [each.definition.title for each in one.boards.all()] == ["All time", "Hall"]
    assert not await admin.exists("leaderboard:weekly")
    with pytest.raises(UnknownBoard):
        await read(one, WEEKLY)


async def test_the_season_that_a_definition_shows_is_as_of_the_last_look(
    one: Instance, database_url: str
) -> None:
    now = datetime.now(UTC)
    add_board(database_url, WEEKLY, (now - DAY, now - DAY / 2), (now - DAY / 2, now + DAY))
    await one.reconcile()
    before = (await one.boards.find(WEEKLY)).season
    assert await one.ledger.turn()
    await one.reconcile()
    after = (await one.boards.find(WEEKLY)).season

    assert before is not None
    assert after is not None
    assert (before.number, after.number, after.state) == (1, 2, "running")


# --- which copies are compared


async def test_a_copy_of_any_board_is_trusted_once_compared_and_then_costs_the_ledger_nothing(
    one: Instance, database_url: str
) -> None:
    add(database_url, WEEKLY)
    await read(one, WEEKLY)
    await one.reconcile()
    reads = one.ledger.reads
    for _ in range(20):
        await read(one, WEEKLY)
    await one.reconcile()
    assert one.ledger.reads == reads

    mended = counted(one.metrics, "catch_ups_total", copy="redis")
    boards = await grant(one, database_url)  # of which nobody is told
    await one.reconcile()
    assert await read(one, WEEKLY) == boards[WEEKLY]
    assert counted(one.metrics, "catch_ups_total", copy="redis") == mended + 2


async def test_a_copy_that_nobody_reads_is_not_compared_and_not_trusted_before_it_is(
    one: Instance, database_url: str
) -> None:
    """What was committed meanwhile may never have been told to anybody."""
    add(database_url, WEEKLY)
    await read(one, WEEKLY)
    await one.reconcile()
    copy = await one.boards.of(WEEKLY)
    copy.read_at -= 2 * FOLLOWED_SECONDS
    await one.reconcile()
    assert one.boards.followed() == [MAIN]
    boards = await grant(one, database_url)

    assert await read(one, WEEKLY) == boards[WEEKLY]
    assert set(one.boards.followed()) == {MAIN, WEEKLY}
    copy.read_at -= 2 * FOLLOWED_SECONDS
    copy.used_at -= 2 * FOLLOWED_SECONDS
    await one.reconcile()
    assert one.boards._copies.keys() == {MAIN}


async def test_copies_are_as_many_as_they_may_be_and_main_stays(
    redis_url: str, database_url: str
) -> None:
    board_ids = [BoardId(f"board-{number}") for number in range(5)]
    add(database_url, *board_ids)
    async with an_instance(redis_url, database_url, copies_max=3) as one:
        for board_id in board_ids:
            assert (await read(one, board_id)).board_id == board_id
            assert len(one.boards._copies) <= 3
        await one.reconcile()
        assert one.boards._copies.keys() == {MAIN, *board_ids[-2:]}
        assert counted(one.metrics, "copies_forgotten_total") == 3


async def test_many_boards_are_looked_at_in_one_call_and_stored_in_one(
    one: Instance, database_url: str, admin: Any, redis_url: str
) -> None:
    board_ids = [BoardId(f"board-{number}") for number in range(20)]
    add(database_url, *board_ids)
    for board_id in board_ids:
        await read(one, board_id)
    await one.reconcile()

    async def calls() -> int:
        return int((await admin.info("commandstats"))["cmdstat_evalsha"]["calls"])

    before = await calls()
    await one.reconcile()
    assert await calls() - before == 1
    boards = await grant(one, database_url)
    before = await calls()
    assert await one.boards.store(list(boards.values()))
    assert await calls() - before == 1
    assert len(boards) == 21
    assert await version_in(admin) == boards[MAIN].version
    async with an_instance(redis_url, database_url) as two:
        for board_id in board_ids:
            assert await read(two, board_id) == boards[board_id]
