"""Migrations 0010 and 0011: people play on meanwhile, and a run that ended is made good."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest

from scoreboard.connections.blocking import MigrationError
from scoreboard.database.migrations import migrate, roll_back
from tests.eventually import eventually
from tests.integration.one_board_release import OneBoardRelease, a_one_board_release
from tests.migrations.test_stairway import ALL, climb, schema
from tests.world import (
    add_actions,
    add_users,
    board_version,
    holding,
    ledger_sums,
    ranking,
    scores,
    sql,
)

BEFORE = ALL.index("0010.boards-and-seasons")
RUN = "import sys; from scoreboard.database.migrations import migrate; migrate(sys.argv[1])"
INDEX = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('idx_ledger_submitted_at')"
BUILDS = (
    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
    " AND wait_event_type = 'Lock' AND query LIKE 'CREATE INDEX CONCURRENTLY%'"
)

# As pg_dump does it: what it sees stays as it was.
BACKUP = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM ledger"


def begin_to_migrate(database_url: str) -> subprocess.Popen[bytes]:
    """In a process of its own, which can be killed."""
    return subprocess.Popen([sys.executable, "-c", RUN, database_url])


@pytest.fixture
async def earlier(empty_database_url: str) -> AsyncIterator[OneBoardRelease]:
    """An instance of the release before, on its own schema."""
    climb(empty_database_url, BEFORE)
    add_actions(empty_database_url, {f"a{n}": n + 1 for n in range(9)})
    async with a_one_board_release(empty_database_url) as earlier:
        yield earlier


async def plays(database_url: str, earlier: OneBoardRelease, user: str, action: str) -> None:
    version = board_version(database_url)
    assert await earlier.grant(user, action) is not None
    board = (version + 1, ranking(database_url))
    assert await earlier.board() == board
    assert board_version(database_url) == version + 1
    assert scores(database_url) == ledger_sums(database_url)


async def test_what_an_instance_of_the_release_before_prepared_goes_on_up_and_down(
    empty_database_url: str, earlier: OneBoardRelease
) -> None:
    """Its statements are planned anew, and keep what they mean."""
    users = add_users(empty_database_url, 11)
    for n, user in enumerate(users):
        await earlier.grant(user, f"a{n % 2}")
    await plays(empty_database_url, earlier, users[0], "a3")
    migrate(empty_database_url)
    await plays(empty_database_url, earlier, users[1], "a3")
    roll_back(empty_database_url, 2)
    await plays(empty_database_url, earlier, users[2], "a3")
    migrate(empty_database_url)
    await plays(empty_database_url, earlier, users[3], "a3")
    kept, actual = await earlier.tenth()
    assert kept == actual


async def test_boards_are_made_while_ledger_and_scores_are_written(
    empty_database_url: str, earlier: OneBoardRelease
) -> None:
    """Somebody is in the middle of a change of both, for as long as it takes."""
    first, second = add_users(empty_database_url, 2)
    await plays(empty_database_url, earlier, first, "a1")
    writing = (
        "UPDATE ledger SET submitted_at = submitted_at; UPDATE scores SET updated_at = updated_at"
    )
    with holding(empty_database_url, writing):
        climb(empty_database_url, BEFORE + 1)
        await plays(empty_database_url, earlier, second, "a1")


async def test_the_board_is_asked_for_no_longer_than_two_seconds(
    empty_database_url: str, earlier: OneBoardRelease
) -> None:
    """Every grant waits behind whoever waits to change it, and is granted then."""
    [user] = add_users(empty_database_url, 1)
    with holding(empty_database_url, "SELECT version FROM board FOR UPDATE"):
        migrating = asyncio.create_task(asyncio.to_thread(migrate, empty_database_url))
        with pytest.raises(MigrationError, match="run it again"):
            await migrating
    await plays(empty_database_url, earlier, user, "a1")
    assert migrate(empty_database_url) == ALL[BEFORE:]
    await plays(empty_database_url, earlier, user, "a2")


async def test_an_index_that_was_left_half_built_is_built_anew_while_people_play(
    empty_database_url: str, earlier: OneBoardRelease
) -> None:
    """A backup holds it up, and its run is killed."""
    users = add_users(empty_database_url, 2)
    await plays(empty_database_url, earlier, users[0], "a1")
    with holding(empty_database_url, BACKUP):
        run = begin_to_migrate(empty_database_url)
        try:
            await eventually(lambda: sql(empty_database_url, BUILDS), within_seconds=30.0)
            await plays(empty_database_url, earlier, users[1], "a1")
        finally:
            run.kill()
            run.wait()
        # Its session notices that nobody is there.
        await eventually(lambda: not sql(empty_database_url, BUILDS))
        assert sql(empty_database_url, INDEX) == [(False,)]
        await plays(empty_database_url, earlier, users[0], "a2")

    assert migrate(empty_database_url) == ALL[BEFORE + 1 :]

    assert sql(empty_database_url, INDEX) == [(True,)]
    complete = schema(empty_database_url)
    assert roll_back(empty_database_url, len(ALL) - BEFORE) == ALL[: BEFORE - 1 : -1]
    assert migrate(empty_database_url) == ALL[BEFORE:]
    assert schema(empty_database_url) == complete
    await plays(empty_database_url, earlier, users[1], "a2")
