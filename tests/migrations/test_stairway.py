"""Each migration up, down and up again; several runners at once; the seed's names at the end."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg2
import pytest

from scoreboard.connections.blocking import MigrationError, UnfitDatabase
from scoreboard.database import migrations
from scoreboard.database.migrations import migrate, pending, roll_back
from scoreboard.ledger.queries import RANKING
from tests.world import add_board, sql

Row = tuple[object, ...]

ALL = [migration.id for migration in migrations._shipped_migrations()]

# What the seed document names (docs/decisions/0002); later migrations may add, never rename.
SEED = {
    "users": {
        "user_id": "uuid",
        "username": "character varying(50)",
        "email": "character varying(255)",
        "password_hash": "character varying(255)",
        "created_at": "timestamp with time zone",
        "updated_at": "timestamp with time zone",
    },
    "scores": {
        "user_id": "uuid",
        "score": "integer",
        "updated_at": "timestamp with time zone",
    },
    "actions": {
        "action_id": "character varying(100)",
        "points": "integer",
        "created_at": "timestamp with time zone",
    },
    "ledger": {
        "ledger_id": "bigint",
        "user_id": "uuid",
        "action_id": "character varying(100)",
        "points_granted": "integer",
        "submitted_at": "timestamp with time zone",
    },
}


def columns(database_url: str) -> list[Row]:
    """Table, column, type, not null, default."""
    return sql(
        database_url,
        """
        SELECT relname, attname, format_type(atttypid, atttypmod), attnotnull,
               pg_get_expr(adbin, adrelid)
        FROM pg_attribute
        JOIN pg_class ON pg_class.oid = attrelid AND relkind = 'r'
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped
          AND relname NOT LIKE '%%yoyo%%'
        ORDER BY relname, attname
        """,
    )


def schema(database_url: str) -> dict[str, list[Row]]:
    """All that a migration may make, as PostgreSQL describes it."""
    return {
        "columns": columns(database_url),
        "constraints": sql(
            database_url,
            """
            SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
            FROM pg_constraint
            WHERE connamespace = 'public'::regnamespace
              AND conrelid::regclass::text NOT LIKE '%%yoyo%%'
            ORDER BY 1, 2
            """,
        ),
        "indexes": sql(
            database_url,
            """
            SELECT tablename, indexname, indexdef FROM pg_indexes
            WHERE schemaname = 'public' AND tablename NOT LIKE '%%yoyo%%'
            ORDER BY 1, 2
            """,
        ),
        "functions and triggers": sql(
            database_url,
            """
            SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace
            UNION ALL SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
            ORDER BY 1, 2
            """,
        ),
    }


def climb(database_url: str, count: int) -> None:
    """Apply the first `count` migrations only."""
    with migrations._locked(database_url), migrations._backend(database_url) as backend:
        missing = backend.to_apply(migrations._shipped_migrations())
        wanted = [each for each in missing if each.id in ALL[:count]]
        with backend.lock():
            backend.apply_migrations(type(missing)(wanted))


@pytest.mark.parametrize("migration", ALL)
def test_each_migration_goes_up_down_and_up_again(empty_database_url: str, migration: str) -> None:
    number = ALL.index(migration)
    climb(empty_database_url, number)
    before = schema(empty_database_url)
    climb(empty_database_url, number + 1)
    after = schema(empty_database_url)
    assert after != before

    assert roll_back(empty_database_url) == [migration]
    assert schema(empty_database_url) == before

    climb(empty_database_url, number + 1)
    assert schema(empty_database_url) == after


def test_all_the_way_down_and_up_again_ends_in_the_same_schema(empty_database_url: str) -> None:
    nothing = schema(empty_database_url)
    assert migrate(empty_database_url) == ALL
    complete = schema(empty_database_url)

    assert roll_back(empty_database_url, len(ALL)) == ALL[::-1]
    assert schema(empty_database_url) == nothing

    assert migrate(empty_database_url) == ALL
    assert schema(empty_database_url) == complete


def test_what_was_played_under_the_seeds_schema_is_ranked_after_the_climb(
    empty_database_url: str,
) -> None:
    """Rows without a time get one, and the board begins with the tenth score of the day."""
    climb(empty_database_url, 1)
    sql(
        empty_database_url,
        """
        WITH player AS (
            INSERT INTO users (username, email, password_hash)
            SELECT 'player' || n, 'player' || n, '-' FROM generate_series(1, 12) AS n
            RETURNING user_id, username
        )
        INSERT INTO scores SELECT user_id, substr(username, 7)::integer, NULL FROM player
        """,
    )

    migrate(empty_database_url)

    assert sql(empty_database_url, "SELECT version, tenth_score FROM board") == [(1, 3)]
    assert sql(empty_database_url, "SELECT 1 FROM scores WHERE updated_at IS NULL") == []


@pytest.mark.parametrize(
    ("version", "after"),
    [(7, 7), (2**53 - 1, 2**53 - 1), (2**53, 4), (2**63 - 1, 4), (-1, 4)],
)
def test_a_version_that_clients_refuse_for_ever_comes_down(
    empty_database_url: str, version: int, after: int
) -> None:
    climb(empty_database_url, ALL.index("0008.exact-version"))
    sql(
        empty_database_url,
        """
        WITH player AS (
            INSERT INTO users (username, email, password_hash) VALUES ('ada', 'ada', '-')
            RETURNING user_id
        ),
        action AS (
            INSERT INTO actions (action_id, points)
            SELECT 'a' || n, n FROM generate_series(1, 3) AS n
            RETURNING action_id, points
        )
        INSERT INTO ledger (user_id, action_id, points_granted)
        SELECT user_id, action_id, points FROM player, action
        """,
    )
    sql(empty_database_url, "UPDATE board SET version = %s", (version,))

    migrate(empty_database_url)

    assert sql(empty_database_url, "SELECT version FROM board") == [(after,)]
    with pytest.raises(psycopg2.errors.CheckViolation):
        sql(empty_database_url, "UPDATE board SET version = 9007199254740992")


def test_migrating_again_changes_nothing(database_url: str) -> None:
    assert migrate(database_url) == []


def test_several_runners_at_once_apply_each_migration_once(empty_database_url: str) -> None:
    """Without the advisory lock they trip over each other's tables."""
    module = "scoreboard.database.migrations"
    command = f"import sys; from {module} import migrate; print(*migrate(sys.argv[1]))"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", command, empty_database_url], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    with ThreadPoolExecutor(4) as threads:
        in_threads = list(threads.map(migrate, [empty_database_url] * 4))
    outputs = [process.communicate(timeout=30)[0].split() for process in processes]

    assert [process.returncode for process in processes] == [0, 0]
    assert sorted(name for applied in [*in_threads, *outputs] for name in applied) == ALL
    assert asyncio.run(pending(empty_database_url)) == []


DIES_BEFORE_ITS_ROW = """
import os, sys
from yoyo.backends.base import DatabaseBackend
from scoreboard.database.migrations import migrate
DatabaseBackend.mark_one = lambda *_, **__: os._exit(9)
migrate(sys.argv[1])
"""


def test_a_runner_that_dies_before_it_wrote_down_a_migration_leaves_nothing_of_it(
    empty_database_url: str,
) -> None:
    """Else the next run makes the tables once more, and stops at the first."""
    dying = [sys.executable, "-c", DIES_BEFORE_ITS_ROW, empty_database_url]
    assert subprocess.run(dying, timeout=30, check=False).returncode == 9

    assert migrate(empty_database_url) == ALL


CRASHED = "INSERT INTO yoyo_lock (locked, ctime, pid) VALUES (1, now(), 4711)"


def test_the_lock_row_of_a_crashed_runner_does_not_block_a_migration(
    empty_database_url: str,
) -> None:
    climb(empty_database_url, 2)
    sql(empty_database_url, CRASHED)

    assert migrate(empty_database_url) == ALL[2:]


def test_the_lock_row_of_a_crashed_runner_does_not_block_a_roll_back(database_url: str) -> None:
    sql(database_url, CRASHED)

    assert roll_back(database_url) == ALL[-1:]


def test_pending_names_what_a_database_lacks_and_changes_nothing(empty_database_url: str) -> None:
    assert asyncio.run(pending(empty_database_url)) == ALL
    assert sql(empty_database_url, "SELECT 1 FROM pg_tables WHERE schemaname = 'public'") == []

    climb(empty_database_url, 2)
    assert asyncio.run(pending(empty_database_url)) == ALL[2:]

    migrate(empty_database_url)
    assert asyncio.run(pending(empty_database_url)) == []


def test_a_newer_schema_is_not_missing_anything(database_url: str) -> None:
    """The next version migrates first and replaces the instances one by one after."""
    sql(
        database_url,
        "INSERT INTO _yoyo_migration (migration_hash, migration_id, applied_at_utc)"
        " VALUES ('x', '9999.of-the-next-version', now())",
    )

    assert asyncio.run(pending(database_url)) == []
    assert migrate(database_url) == []


def test_a_database_that_cannot_be_reached_is_named_without_its_password() -> None:
    address = "postgresql://somebody:a-password@127.0.0.1:1/scoreboard"
    for run in (migrate, roll_back, lambda url: asyncio.run(pending(url))):
        with pytest.raises(MigrationError, match=r"127\.0\.0\.1:1/scoreboard") as failed:
            run(address)
        assert "a-password" not in str(failed.value)


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_that_cannot_keep_every_name_is_refused(
    empty_database_url: str, encoding: str
) -> None:
    """As initdb makes one under the C locale: the first accent in a name would be an error 500."""
    name = f"{empty_database_url.rpartition('/')[2]}_{encoding.lower()}"
    with closing(psycopg2.connect(empty_database_url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(
            f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0"
        )
        url = f"{empty_database_url.rpartition('/')[0]}/{name}"
        try:
            for attempt in (migrate, lambda url: asyncio.run(pending(url))):
                with pytest.raises(UnfitDatabase, match=f"encoding {encoding}.*--encoding=UTF8"):
                    attempt(url)
        finally:
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_the_tables_columns_and_types_of_the_seed_are_there(database_url: str) -> None:
    found = {(table, column): kind for table, column, kind, *_ in columns(database_url)}

    for table, members in SEED.items():
        assert {column: found[table, column] for column in members} == members


def test_the_keys_and_constraints_of_the_seed_are_there(database_url: str) -> None:
    present = {(table, text) for table, _, text in schema(database_url)["constraints"]}
    names = {name for _, name, _ in schema(database_url)["constraints"]}

    assert present >= {
        ("users", "PRIMARY KEY (user_id)"),
        ("users", "UNIQUE (username)"),
        ("users", "UNIQUE (email)"),
        ("scores", "PRIMARY KEY (user_id)"),
        ("scores", "FOREIGN KEY (user_id) REFERENCES users(user_id) ON DELETE CASCADE"),
        ("actions", "PRIMARY KEY (action_id)"),
        ("ledger", "PRIMARY KEY (ledger_id)"),
        ("ledger", "UNIQUE (user_id, action_id)"),
        ("ledger", "FOREIGN KEY (user_id) REFERENCES users(user_id) ON DELETE CASCADE"),
        ("ledger", "FOREIGN KEY (action_id) REFERENCES actions(action_id) ON DELETE RESTRICT"),
    }
    assert "unique_user_action" in names


@pytest.mark.parametrize(
    ("table", "leading_columns"),
    [
        ("users", "email"),
        ("users", "username"),
        ("scores", "score DESC"),
        ("ledger", "user_id"),
        ("ledger", "action_id"),
        ("ledger", "user_id, action_id"),
    ],
)
def test_every_index_of_the_seed_has_one_that_serves_its_queries(
    database_url: str, table: str, leading_columns: str
) -> None:
    definitions = [
        str(definition)
        for of_table, _, definition in schema(database_url)["indexes"]
        if of_table == table
    ]

    assert any(f"({leading_columns}" in definition for definition in definitions)


def test_the_ranking_index_keeps_the_seeds_name(database_url: str) -> None:
    names = [name for _, name, _ in schema(database_url)["indexes"]]

    assert "idx_scores_score_desc" in names
    assert "idx_ledger_action_id" in names


def test_the_ranking_index_has_the_order_of_the_ranking_rule(database_url: str) -> None:
    [definition] = [
        str(definition)
        for _, name, definition in schema(database_url)["indexes"]
        if name == "idx_scores_score_desc"
    ]

    assert f"({RANKING.replace('ranked.', '')})" in definition


def test_there_is_one_row_for_each_board_and_never_a_second(database_url: str) -> None:
    with pytest.raises(psycopg2.errors.IntegrityError):
        add_board(database_url, "main")


def test_points_are_positive_so_that_scores_never_fall_by_a_grant(database_url: str) -> None:
    with pytest.raises(psycopg2.errors.CheckViolation):
        sql(database_url, "INSERT INTO actions (action_id, points) VALUES ('free', 0)")
