"""Whoever changes entries, the triggers write down what moved: each of our ways to do so, and some
of others.
"""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg2
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
        await self.follow()
        assert [each.fences for each in self._process.ranks.all_held()] != before

    async def follow(self) -> None:
        """That all are what PostgreSQL counts, by the moves alone."""
        before = len(self._process.ranks.all_held())
        await self._process.ranks.turn()
        held = self._process.ranks.all_held()
        for each in held:
            assert is_level(each, self._database_url, each.ranking_id), each.ranking_id
        assert len(held) == before

    async def forgets(self) -> bool:
        """Whether all are forgotten, because their entries were replaced."""
        before = len(self._process.ranks.all_held())
        await self._process.ranks.turn()
        return self._process.ranks.all_held() == [] and self._process.lost("reset") == before

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


@pytest.mark.parametrize("table", ["scores", "season_entries"])
async def test_a_statement_that_moves_very_many_says_so_without_their_keys(
    users: list[str], database_url: str, table: str
) -> None:
    season = "" if table == "scores" else "2, "
    sql(
        database_url,
        f"ALTER TABLE {table} DISABLE TRIGGER ALL;"
        f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_added;"
        "DELETE FROM movements;"
        f"INSERT INTO {table} SELECT {season}gen_random_uuid(), 1, now()"
        " FROM generate_series(1, 200001)",
    )
    noted = sql(database_url, "SELECT ranking_id, removed, added FROM movements")
    assert all(row[1:] == (None, None) for row in noted)
    assert 0 < len(noted) < 10


# Of whoever has the password of a database: what PostgreSQL can do to entries in one statement.
STATEMENTS: Final = {
    "an entry is there already": """
        INSERT INTO scores (user_id, score, updated_at)
        SELECT user_id, 9, now() FROM users
        ON CONFLICT DO NOTHING
    """,
    "an entry takes the place of another": """
        INSERT INTO scores (user_id, score, updated_at)
        SELECT user_id, 9, now() FROM users
        ON CONFLICT (user_id) DO UPDATE SET score = scores.score + 7
    """,
    "a merge": """
        MERGE INTO scores
        USING (SELECT user_id, row_number() OVER (ORDER BY username) AS number FROM users) AS users
        ON scores.user_id = users.user_id
        WHEN MATCHED AND number <= 2 THEN DELETE
        WHEN MATCHED THEN UPDATE SET score = scores.score + number
        WHEN NOT MATCHED THEN INSERT (user_id, score, updated_at) VALUES (users.user_id, 4, now())
    """,
    "two changes in one statement": """
        WITH gone AS (
            DELETE FROM scores
            WHERE user_id IN (SELECT user_id FROM scores ORDER BY user_id LIMIT 2)
            RETURNING user_id
        ),
        others AS (
            UPDATE scores SET score = 70
            WHERE user_id = (SELECT max(user_id::text)::uuid FROM scores)
        )
        UPDATE season_entries SET score = 8 FROM gone WHERE season_entries.user_id = gone.user_id
    """,
    "a savepoint is rolled back": """
        DO $$
        BEGIN
            UPDATE scores SET score = 3;
            BEGIN
                UPDATE scores SET score = 1;
                DELETE FROM season_entries;
                RAISE EXCEPTION 'taken back';
            EXCEPTION WHEN raise_exception THEN
                UPDATE scores SET score = score + 1 WHERE user_id < gen_random_uuid();
            END;
        END
        $$
    """,
    "an entry becomes that of another user": """
        UPDATE scores SET user_id = (SELECT user_id FROM users WHERE username = 'late')
        WHERE user_id = (SELECT min(user_id::text)::uuid FROM scores)
    """,
    "entries go to another season": """
        DELETE FROM season_entries
        WHERE season_id = (SELECT season_id FROM seasons WHERE board_id = 'low');
        UPDATE season_entries
        SET season_id = (SELECT season_id FROM seasons WHERE board_id = 'low'), score = -score
        WHERE season_id = (SELECT min(season_id) FROM season_entries)
    """,
    "an entry changes twice": """
        UPDATE scores SET score = score + 1; UPDATE scores SET score = score - 1
    """,
    "moments are for ever": """
        UPDATE scores
        SET updated_at = CASE WHEN random() < 0.5 THEN 'infinity' ELSE '-infinity' END::timestamptz
    """,
    "scores are at the ends": """
        UPDATE scores SET score = CASE WHEN random() < 0.5 THEN 2147483647 ELSE -2147483648 END;
        UPDATE season_entries
        SET score = CASE WHEN random() < 0.5 THEN 9223372036854775807 ELSE -9223372036854775808 END
    """,
    "users go with all that is theirs": "DELETE FROM users WHERE username <> 'late'",
}


@pytest.mark.parametrize("what", STATEMENTS)
async def test_whatever_one_statement_does_to_entries_is_noted(
    watched: Watched, users: list[str], ledger: Ledger, database_url: str, what: str
) -> None:
    add_users(database_url, 1, prefix="late")
    sql(database_url, "UPDATE users SET username = 'late' WHERE username LIKE 'late%'")
    await ledger.grant([Submission(user, "run") for user in users[1:]])
    await watched.hold()

    sql(database_url, STATEMENTS[what])

    await watched.follow()


async def test_entries_that_are_copied_in_are_noted(
    watched: Watched, users: list[str], database_url: str
) -> None:
    await watched.hold()
    lines = "".join(f"{user}\t{n}\t2026-01-01\n" for n, user in enumerate(users))
    sql(database_url, "DELETE FROM scores")
    with closing(psycopg2.connect(database_url)) as session, session, session.cursor() as cursor:
        cursor.copy_from(io.StringIO(lines), "scores", columns=("user_id", "score", "updated_at"))

    await watched.look()


async def test_tables_that_are_emptied_along_with_users_are_counted_anew(
    watched: Watched, users: list[str], database_url: str
) -> None:
    assert users
    await watched.hold()

    sql(database_url, "TRUNCATE users CASCADE")

    assert await watched.forgets()
