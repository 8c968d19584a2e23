"""Boards that keep the best: what is granted and recorded counts with the corrections of the user,
whatever comes first and whoever waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from scoreboard.connections.postgres import Postgres
from scoreboard.ledger.ledger import Ledger
from scoreboard.ledger.moderation import Moderation
from scoreboard.ledger.receipts import Result
from scoreboard.ledger.results import Results
from scoreboard.model import BoardId, Submission
from tests.eventually import eventually
from tests.integration.fall_world import ORDER
from tests.integration.ledger_world import a_ledger
from tests.world import add_actions, add_board, add_users, entries, holding, sql, waits_for_lock

BEST: Final = BoardId("best")
LOW: Final = BoardId("low")
BEGAN: Final = datetime.now(UTC) - timedelta(hours=1)


@pytest.fixture
async def ledger(database_url: str) -> AsyncIterator[Ledger]:
    async with a_ledger(database_url) as opened:
        add_board(database_url, BEST, (BEGAN, None), operator="best", value_min=-99, size=1)
        add_board(database_url, LOW, (BEGAN, None), operator="best", direction="low")
        add_actions(database_url, {"five": 5, "four": 4, "nine": 9})
        yield opened


async def _is_right(ledger: Ledger) -> bool:
    return await ledger.differences(BEST) == [] and await ledger.differences(LOW) == []


async def test_a_grant_to_somebody_who_was_corrected_counts_with_the_correction(
    ledger: Ledger, postgres: Postgres, database_url: str
) -> None:
    """The board is raised by what counts, not by what the points would be without it."""
    [ada, eve] = add_users(database_url, 2)
    moderation = Moderation(postgres)
    await ledger.grant([Submission(ada, "five"), Submission(eve, "four")])
    await moderation.correct(ada, BEST, -3, ORDER)
    await moderation.correct(ada, LOW, 3, ORDER)
    assert entries(database_url, BEST) == {ada: 2, eve: 4}

    settlement = await ledger.grant([Submission(ada, "four")])
    assert BEST not in settlement.boards
    assert entries(database_url, BEST) == {ada: 2, eve: 4}
    assert entries(database_url, LOW) == {ada: -7, eve: -4}
    settlement = await ledger.grant([Submission(ada, "nine")])
    assert [entry.score for entry in settlement.boards[BEST].entries] == [6]
    assert await _is_right(ledger)


async def test_a_grant_that_waits_for_a_correction_counts_with_it(
    ledger: Ledger, database_url: str
) -> None:
    """Its snapshot is older than the correction, which it hears of by the row of the user alone."""
    [ada] = add_users(database_url, 1)
    await ledger.grant([Submission(ada, "four")])
    audit = (
        "INSERT INTO audit (made_by, act, reason) VALUES ('operator:test', 'correct', 'a test')"
        " RETURNING audit_id"
    )
    correction = (
        f"SELECT FROM users WHERE user_id = '{ada}' FOR UPDATE;"
        f"WITH audited AS ({audit}) INSERT INTO corrections"
        " (user_id, season_id, points, made_at, audit_id)"
        f" SELECT '{ada}', season_id, -3, clock_timestamp(), audit_id"
        " FROM audited CROSS JOIN seasons WHERE board_id = 'best';"
        "UPDATE season_entries SET score = 1, updated_at = clock_timestamp() FROM seasons"
        " WHERE seasons.season_id = season_entries.season_id AND board_id = 'best';"
        f"UPDATE users SET corrected_at = now() WHERE user_id = '{ada}'"
    )
    with holding(database_url, "SELECT 1") as other:
        other.cursor().execute(correction)
        granting = asyncio.create_task(ledger.grant([Submission(ada, "nine")]))
        await eventually(lambda: granting.done() or waits_for_lock(database_url))
        other.commit()
    await granting

    assert entries(database_url, BEST) == {ada: 6}
    assert await _is_right(ledger)


async def test_a_first_result_and_a_grant_at_once_count_the_better_one_with_the_correction(
    ledger: Ledger, postgres: Postgres, database_url: str
) -> None:
    """Where there was a correction alone before, any first value counts. Neither sees the other's
    until it is committed.
    """
    [ada] = add_users(database_url, 1)
    await Moderation(postgres).correct(ada, BEST, 2, ORDER)
    ledger_row = (
        "INSERT INTO ledger (user_id, action_id, points_granted, submitted_at)"
        f" VALUES ('{ada}', 'nine', 9, clock_timestamp());"
        "UPDATE season_entries SET score = 11, updated_at = clock_timestamp() FROM seasons"
        " WHERE seasons.season_id = season_entries.season_id AND board_id = 'best'"
    )
    with holding(database_url, ledger_row) as grant:
        sent = [Result("arena", "first", ada, BEST, -7)]
        recording = asyncio.create_task(Results(postgres, postgres).record(sent))
        await eventually(lambda: recording.done() or waits_for_lock(database_url))
        grant.commit()
    await recording

    assert entries(database_url, BEST) == {ada: 11}
    assert await ledger.differences(BEST) == []
    assert sql(database_url, "SELECT count(*) FROM results") == [(1,)]
