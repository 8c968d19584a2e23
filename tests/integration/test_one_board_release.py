"""Beside instances of the release that knows one board: they grant, and everybody shows the same.

They are there while ours replace them, after the migration, and if we are taken back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from scoreboard.ledger.ledger import Ledger
from scoreboard.model import Board, BoardId, Submission
from scoreboard.ranks.keys import MAIN_RANKING
from tests.integration.one_board_release import OneBoardRelease, a_one_board_release
from tests.ranks_world import a_process, is_level
from tests.world import (
    add_actions,
    add_board,
    add_users,
    board_version,
    entries,
    grants,
    ledger_sums,
    ranking,
    scores,
    sql,
)

WEEKLY = BoardId("weekly")
HOUR = timedelta(hours=1)


@pytest.fixture
async def earlier(database_url: str) -> AsyncIterator[OneBoardRelease]:
    async with a_one_board_release(database_url) as earlier:
        yield earlier


def listed(board: Board) -> tuple[int, list[tuple[str, int]]]:
    return board.version, [(entry.user_id, entry.score) for entry in board.entries]


async def test_grants_of_both_releases_raise_one_version_and_neither_loses_any(
    earlier: OneBoardRelease, ledger: Ledger, database_url: str
) -> None:
    """They lock in one order, so they wait for one another and never in a circle."""
    users = add_users(database_url, 14)
    add_actions(database_url, {f"a{n}": n + 1 for n in range(12)})
    now = datetime.now(UTC)
    add_board(database_url, "weekly", (now - HOUR, now + HOUR))

    async def by_the_earlier() -> list[int | None]:
        return [await earlier.grant(user, f"a{n}") for n in range(7) for user in users]

    async def by_ours() -> None:
        for n in range(5, 12):
            await ledger.grant([Submission(user, f"a{n}") for user in users])

    await asyncio.gather(by_the_earlier(), by_ours())

    assert len(grants(database_url)) == 14 * 12
    assert scores(database_url) == ledger_sums(database_url)
    assert await ledger.differences() == []
    kept, actual = await earlier.tenth()
    assert kept == actual
    truth = (board_version(database_url), ranking(database_url))
    assert await earlier.board() == listed(await ledger.board()) == truth
    assert await earlier.version() == await ledger.version() == truth[0]


async def test_either_release_may_lift_and_renew_the_board(
    earlier: OneBoardRelease, ledger: Ledger, database_url: str
) -> None:
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 5})
    await ledger.grant([Submission(user, "run")])
    await earlier.lift(40)
    assert (await ledger.board()).version == 41
    await ledger.lift(50)
    await earlier.renew()
    assert listed(await ledger.board()) == await earlier.board() == (52, [(user, 5)])


async def test_what_the_earlier_release_grants_counts_on_main_alone_until_a_board_is_rebuilt(
    earlier: OneBoardRelease, ledger: Ledger, database_url: str
) -> None:
    """Therefore boards are added after its last instance has ended."""
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 5, "swim": 7})
    now = datetime.now(UTC)
    add_board(database_url, "weekly", (now - HOUR, now + HOUR))
    await ledger.grant([Submission(user, "run")])
    await earlier.grant(user, "swim")
    assert entries(database_url, "weekly") == {user: 5}
    assert await ledger.differences(WEEKLY) != []

    corrected, board = await ledger.rebuild(board_id=WEEKLY)

    assert corrected == 1
    assert [(entry.user_id, entry.score) for entry in board.entries] == [(user, 12)]
    assert entries(database_url, "weekly") == {user: 12}
    assert await ledger.differences(WEEKLY) == []
    assert await ledger.differences() == []


async def test_the_earlier_release_never_touches_another_board(
    earlier: OneBoardRelease, database_url: str
) -> None:
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 5})
    now = datetime.now(UTC)
    add_board(database_url, "weekly", (now - HOUR, now + HOUR))
    others = "SELECT * FROM boards WHERE board_id <> 'main'"
    before = sql(database_url, others)
    assert await earlier.grant(user, "run") == 5
    assert await earlier.grant(user, "run") is None
    await earlier.renew()
    assert sql(database_url, others) == before
    assert await earlier.board() == (board_version(database_url), [(user, 5)])


async def test_what_the_earlier_release_moves_is_noted(
    earlier: OneBoardRelease, database_url: str
) -> None:
    """Whoever counts ranks beside it misses nothing, and counts no part anew."""
    users = add_users(database_url, 5)
    add_actions(database_url, {"run": 5, "swim": 7})
    async with a_process(database_url) as process:
        await process.load()
        for user in users:
            await earlier.grant(user, "run")
        await earlier.grant(users[4], "swim")
        await earlier.renew()
        await process.ranks.turn()

        assert process.lost("wrong") == process.lost("reset") == 0
        assert is_level(process.ranks.held(MAIN_RANKING), database_url)
        assert process.loads("scan") == 1
