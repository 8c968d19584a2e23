"""Migration 0006: everybody gets a key, and nobody is lost or held up, also by a run that ended."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from scoreboard.connections.blocking import MigrationError
from scoreboard.database import migrations
from scoreboard.database.migrations import migrate, roll_back
from tests.eventually import eventually
from tests.migrations.test_stairway import ALL, climb, schema
from tests.world import add_actions, holding, sql

BEFORE = ALL.index("0006.account-keys")
FOUND = "SELECT username, username_key, email, email_given FROM users ORDER BY created_at, user_id"


def register(database_url: str, *users: tuple[str, str]) -> list[str]:
    """Register users as the version before does, one after another; returns their ids."""
    statement = (
        "INSERT INTO users (username, email, password_hash, created_at) "
        "VALUES (%s, %s, '!', clock_timestamp()) RETURNING user_id::text"
    )
    return [sql(database_url, statement, user)[0][0] for user in users]


def test_everybody_gets_a_key_and_who_was_first_keeps_a_name_that_two_have(
    empty_database_url: str,
) -> None:
    climb(empty_database_url, BEFORE)
    ids = register(
        empty_database_url,
        ("Strasse", "ada@example.org"),
        ("Straße", "bob@münchen.example"),
        ("STRAßE_2", '"quoted one"@example.org'),
        ("strasse_2", "bob@xn--mnchen-3ya.example"),
        ("\u1160\u1160", "jürgen@münchen.example"),
    )
    sql(
        empty_database_url, "UPDATE users SET created_at = NULL WHERE user_id = %s::uuid", (ids[4],)
    )

    assert migrate(empty_database_url)[0] == "0006.account-keys"

    assert sql(empty_database_url, FOUND) == [
        ("Strasse", "strasse", "ada@example.org", None),
        # The other form of this mailbox is somebody else's, so both stay as they were.
        ("Straße", f"strasse {ids[1]}", "bob@münchen.example", None),
        ("STRAßE_2", "strasse_2", '"quoted one"@example.org', None),
        ("strasse_2", f"strasse_2 {ids[3]}", "bob@xn--mnchen-3ya.example", None),
        (
            "\u1160\u1160",
            f" {ids[4]}",
            "jürgen@xn--mnchen-3ya.example",
            "jürgen@münchen.example",
        ),
    ]


def test_a_name_and_its_key_in_ten_thousand_rows(empty_database_url: str) -> None:
    """More than a batch, and in it users who registered in the same moment, or at no moment."""
    climb(empty_database_url, BEFORE)
    sql(
        empty_database_url,
        """
        INSERT INTO users (username, email, password_hash, created_at)
        SELECT 'Player' || n, 'player' || n || '@example.org', '!',
               CASE WHEN n % 5 > 0 THEN now() - make_interval(secs => n % 7) END
        FROM generate_series(1, 10000) AS n
        """,
    )
    migrate(empty_database_url)
    assert sql(
        empty_database_url,
        "SELECT count(*), count(*) FILTER (WHERE username_key = lower(username)) FROM users",
    ) == [(10_000, 10_000)]


ENDS_AFTER = """
import os, sys
from yoyo.migrations import Transactionless
from scoreboard.database.migrations import migrate
taken, apply = 0, Transactionless.apply
def apply_and_end(step, *arguments, **keywords):
    global taken
    apply(step, *arguments, **keywords)
    taken += 1
    if taken == int(sys.argv[2]):
        os._exit(9)
Transactionless.apply = apply_and_end
migrate(sys.argv[1])
"""


STEPS = 10  # the last one gives the keys


def end_after(database_url: str, steps: int) -> None:
    """Run so many steps, and end as a process does that is killed."""
    command = [sys.executable, "-c", ENDS_AFTER, database_url, str(steps)]
    assert subprocess.run(command, timeout=60, check=False).returncode == 9


def test_a_run_that_ended_after_any_step_is_made_good_by_the_next(empty_database_url: str) -> None:
    climb(empty_database_url, BEFORE)
    register(empty_database_url, ("Jürgen", "jürgen@example.org"))
    for steps in (1, 4, 6, 10):
        command = [sys.executable, "-c", ENDS_AFTER, empty_database_url, str(steps)]
        assert subprocess.run(command, timeout=60, check=False).returncode == 9
        assert (
            sql(
                empty_database_url,
                "SELECT 1 FROM _yoyo_migration WHERE migration_id = '0006.account-keys'",
            )
            == []
        )
    # As a server that was stopped in the midst of the work leaves it.
    sql(
        empty_database_url,
        "UPDATE pg_index SET indisvalid = FALSE "
        "WHERE indexrelid = 'idx_users_username_key'::regclass",
    )

    assert migrate(empty_database_url) == ALL[BEFORE:]

    assert sql(empty_database_url, FOUND)[0][1] == "jürgen"
    assert sql(empty_database_url, "SELECT 1 FROM pg_index WHERE NOT indisvalid") == []
    complete = schema(empty_database_url)
    roll_back(empty_database_url, len(ALL) - BEFORE)
    migrate(empty_database_url)
    assert schema(empty_database_url) == complete


async def test_grants_and_registrations_go_on_while_it_waits_for_a_row(
    empty_database_url: str,
) -> None:
    """The batch holds rows meanwhile, though not against the foreign key of a grant, and it gives
    them back after two seconds to ask for them again.
    """
    climb(empty_database_url, BEFORE)
    end_after(empty_database_url, STEPS - 1)
    first, second = register(
        empty_database_url, ("Jürgen", "j@example.org"), ("Anna", "a@example.org")
    )
    add_actions(empty_database_url, {"run": 5})
    password_change = f"SELECT 1 FROM users WHERE user_id = '{second}' FOR UPDATE"
    with holding(empty_database_url, password_change) as somebody:
        giving = asyncio.create_task(asyncio.to_thread(give_keys, empty_database_url))
        began = await eventually(lambda: waiting_since(empty_database_url))
        sql(
            empty_database_url,
            "SET lock_timeout = '1s'; "
            "INSERT INTO ledger (user_id, action_id, points_granted, submitted_at) "
            "VALUES (%s::uuid, 'run', 5, now())",
            (first,),
        )
        [third] = register(empty_database_url, ("Late", "late@example.org"))
        await eventually(lambda: waiting_since(empty_database_url) > began)
        somebody.rollback()
        await giving
    found = dict(sql(empty_database_url, "SELECT user_id::text, username_key FROM users"))
    assert found == {first: "jürgen", second: "anna", third: "late"}


def give_keys(database_url: str) -> None:
    """The last step alone, on a connection as `migrate` makes it."""
    migration = migrations._shipped_migrations()[BEFORE]
    migration.load()
    with migrations._backend(database_url) as backend:
        migration.module.give_keys(backend.connection)


def waiting_since(database_url: str) -> list[tuple[object, ...]]:
    """When the transaction began that waits for the row."""
    return sql(
        database_url,
        "SELECT xact_start FROM pg_stat_activity WHERE datname = current_database() "
        "AND wait_event_type = 'Lock' AND query LIKE '%FOR NO KEY UPDATE%'",
    )


def test_the_table_is_asked_for_no_longer_than_two_seconds(empty_database_url: str) -> None:
    """Whoever waits to change a table holds up all who come after."""
    climb(empty_database_url, BEFORE)
    with (
        holding(empty_database_url, "LOCK TABLE users IN ACCESS SHARE MODE"),
        pytest.raises(MigrationError, match="run it again"),
    ):
        migrate(empty_database_url)
    assert migrate(empty_database_url) == ALL[BEFORE:]
