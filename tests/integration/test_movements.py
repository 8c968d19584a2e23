"""Whoever changes entries, the triggers write down what moved: each of our ways to do so, and some
of others.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from scoreboard.connections.postgres import Postgres
from scoreboard.ledger.definitions import Definitions
from scoreboard.ledger.ledger import Ledger
from scoreboard.ledger.moderation import Moderation
from scoreboard.ledger.receipts import Result
from scoreboard.ledger.results import Results
from scoreboard.model import MAIN, BoardId, Submission
from scoreboard.ranks.keys import MAIN_RANKING, RankingId
from scoreboard.seasons.definition import Definition
from tests.integration.fall_world import ORDER
from tests.ranks_world import Process, a_process, is_level
from tests.world import add_actions, add_board, add_users, put_back, sql

HOUR: Final = timedelta(hours=1)
DAILY: Final = BoardId("daily")
LOW: Final = BoardId("low")
USERS: Final = 6


class Watched:
    """A process that holds every ranking from the start, and looks after each change."""

    def __init__(self, process: Process, database_url: str) -> None:
        self._process = process
        self._database_url = database_url

    async def hold(self) -> None:
        """Hold the rankings of all seasons that there are now."""
        for ranking_id in self._rankings():
            await self._process.load(ranking_id)

    async def look(self) -> None:
        """That all are what PostgreSQL counts, and something has moved, by the moves alone."""
        before = [each.fences for each in self._process.ranks.all_held()]
        await self._process.ranks.turn()
        held = self._process.ranks.all_held()
        assert [each.fences for each in held] != before
        for each in held:
            assert is_level(each, self._database_url, each.ranking_id), each.ranking_id
        assert len(held) == len(before)

    def _rankings(self) -> list[RankingId]:
        rows = sql(self._database_url, "SELECT season_id FROM seasons WHERE board_id <> 'main'")
        return [MAIN_RANKING, *(RankingId(season_id) for (season_id,) in rows)]


@pytest.fixture
async def watched(database_url: str) -> AsyncIterator[Watched]:
    async with a_process(database_url) as process:
        yield Watched(process, database_url)


@pytest.fixture
async def users(ledger: Ledger, database_url: str) -> list[str]:
    """Some users, of whom all were granted something in a season that is over by now."""
    users = add_users(database_url, USERS)
    add_actions(database_url, {"run": 50, "jump": 20, "old": 3})
    now = datetime.now(UTC)
    add_board(database_url, DAILY, (now - HOUR, now + HOUR), (now + HOUR, now + 2 * HOUR))
    await ledger.grant([Submission(user, "old") for user in users])
    put_back(database_url, DAILY, HOUR)
    await ledger.turn()
    add_board(database_url, LOW, (now, now + HOUR), operator="best", direction="low")
    return users


async def test_what_grants_results_and_moderation_move_is_noted(
    watched: Watched, users: list[str], ledger: Ledger, postgres: Postgres, database_url: str
) -> None:
    moderation, results = Moderation(postgres), Results(postgres, postgres)
    await watched.hold()
    await ledger.grant([Submission(user, "run") for user in users])
    await watched.look()
    sent = [Result("arena", f"r{n}", user, LOW, n) for n, user in enumerate(users)]
    await results.record(sent)
    await watched.look()
    for act in (
        lambda: moderation.correct(users[0], DAILY, 7, ORDER, season=1),
        lambda: moderation.correct(users[0], MAIN, 7, ORDER),
        lambda: moderation.revoke_grant(users[1], "run", ORDER),
        lambda: moderation.revoke_result("arena", "r1", ORDER),
        lambda: moderation.hide(users[2], ORDER),
        lambda: moderation.show(users[2], ORDER),
        lambda: moderation.ban(users[3], ORDER),
        lambda: moderation.unban(users[3], ORDER),
        lambda: moderation.erase(users[4], ORDER),
        lambda: ledger.remove_users([users[5]]),
    ):
        await act()
        await watched.look()


async def test_what_operators_and_the_hours_move_is_noted(
    watched: Watched,
    users: list[str],
    ledger: Ledger,
    definitions: Definitions,
    database_url: str,
) -> None:
    await ledger.grant([Submission(user, "run") for user in users])
    await watched.hold()
    sql(database_url, "UPDATE scores SET score = 1")
    await watched.look()
    await ledger.rebuild()
    await watched.look()
    sql(database_url, "UPDATE season_entries SET score = 1")
    await watched.look()
    await ledger.rebuild(board_id=DAILY)
    await watched.look()
    sql(database_url, "UPDATE boards SET keep_full_seconds = 0")
    put_back(database_url, DAILY, HOUR)
    await ledger.turn()
    assert await definitions.purge() > 0
    await watched.look()
    sql(database_url, "DELETE FROM users WHERE user_id = %s", (users[0],))
    await watched.look()


async def test_the_entries_of_a_board_that_is_added_are_noted(
    watched: Watched, users: list[str], definitions: Definitions, database_url: str
) -> None:
    await definitions.add([Definition(BoardId("late"), "Late", period="none")])
    noted = "SELECT octet_length(added) / 32 FROM movements JOIN seasons"
    rows = sql(database_url, f"{noted} ON season_id = ranking_id WHERE board_id = 'late'")
    entries = "SELECT count(*) FROM season_entries JOIN seasons USING (season_id)"
    assert sum(count for (count,) in rows) == USERS
    assert sql(database_url, f"{entries} WHERE board_id = 'late'") == [(USERS,)]
