"""What the measured databases hold: users with a long-tailed spread of scores, and actions.

Ids follow from numbers, so that load generators need no list: user n is md5('user<n>') read as a
UUID, which spreads them over the index as random ids would.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg2

from scoreboard.database.migrations import migrate
from scoreboard.ledger.queries import SQL
from tests.servers import PostgresServer
from tests.world import sql

ACTIONS = 10_000
# Triggers that note what moves in rankings, with their tables.
NOTING_TRIGGERS = tuple(
    (table, f"{table}_{event}")
    for table in ("scores", "season_entries")
    for event in ("added", "changed", "removed", "emptied")
)
# Of everything at once they would write one row of gigabytes.
NOTES_NOTHING = ";".join(
    f"ALTER TABLE {table} DISABLE TRIGGER {name}" for table, name in NOTING_TRIGGERS
)
NOTES_AGAIN = ";".join(
    f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}" for table, name in NOTING_TRIGGERS
)
_TOP = 20  # so many of the measured users stand at the top of the board


def user_id(number: int) -> str:
    """The id of user `number`, from 1."""
    return str(uuid.UUID(hashlib.md5(b"user%d" % number).hexdigest()))


def measured_users(count: int, users: int) -> list[str]:
    """The users who submit: those at the top, and others from all over the ranking.

    Of 5,000 users 20 stand at the top, so one submission in 250 changes the board.
    """
    step = max(1, (users - _TOP) // (count - _TOP))
    return [user_id(n) for n in [*range(1, _TOP + 1), *range(_TOP + 1, users + 1, step)][:count]]


@contextmanager
def a_world(server: PostgresServer, name: str, users: int) -> Iterator[str]:
    """A migrated database with `users` users, dropped at the end."""
    url = server.url_of(name)
    administer(server, f"CREATE DATABASE {name}")
    try:
        migrate(url)
        fill(url, users)
        yield url
    finally:
        administer(server, f"DROP DATABASE {name} WITH (FORCE)")


def fill(url: str, users: int) -> None:
    """Add users with one ledger row each; scores fall with the number as 1,000,000 / n. Scores lie
    in the table as ids do: who stands beside somebody does not lie beside them.
    """
    # One family for each that submits: a for wrk, p for pgbench, t for the player at the top.
    sql(
        url,
        f"""
        INSERT INTO actions (action_id, points) VALUES ('seed', 1);
        INSERT INTO actions (action_id, points)
        SELECT family || n, 5
        FROM generate_series(0, {ACTIONS - 1}) AS n, (VALUES ('a'), ('p'), ('t')) AS f (family)
        """,
    )
    # Indexes and foreign keys are kept up row by row otherwise, which takes hours at 10 million.
    # Primary keys stay: others refer to them, and rows that come in their order cost them little.
    indexes = sql(
        url,
        "SELECT indexname, indexdef FROM pg_indexes WHERE indexname LIKE 'idx%' AND tablename IN "
        "('users', 'scores', 'ledger')",
    )
    unique = sql(
        url,
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE contype = 'u' AND conrelid IN ('users'::regclass, 'ledger'::regclass)",
    )
    sql(
        url,
        f"""
        SET session_replication_role = replica;
        SET maintenance_work_mem = '2GB';
        SET work_mem = '1GB';
        {NOTES_NOTHING};
        DROP INDEX {", ".join(name for name, _ in indexes)};
        {";".join(f"ALTER TABLE {table} DROP CONSTRAINT {name}" for table, name, _ in unique)};
        INSERT INTO users (user_id, username, username_key, email, password_hash)
        SELECT md5('user' || n)::uuid, 'player' || n, 'player' || n,
               'player' || n || '@example.org', '-'
        FROM generate_series(1, {users}) AS n
        ORDER BY 1;
        INSERT INTO ledger (user_id, action_id, points_granted, submitted_at)
        SELECT md5('user' || n)::uuid, 'seed', 1000000 / n + 1, clock_timestamp()
        FROM generate_series(1, {users}) AS n;
        INSERT INTO scores (user_id, score, updated_at)
        SELECT user_id, points_granted, submitted_at FROM ledger ORDER BY user_id;
        {
            ";".join(
                f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}"
                for table, name, definition in unique
            )
        };
        {";".join(definition for _, definition in indexes)};
        {NOTES_AGAIN};
        """,
    )
    sql(url, SQL["renew_boards"], {"board_ids": ["main"], "above": 0, "leap": None})
    settle_down(url)


def settle_down(url: str) -> None:
    """Bring statistics up to date and write everything out, so that no background work is left
    that one measurement would pay for and the next would not.
    """
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        connection.cursor().execute("VACUUM ANALYZE")
        connection.cursor().execute("CHECKPOINT")


def ledger_rows(url: str) -> int:
    """How many grants the ledger holds."""
    return int(sql(url, "SELECT count(*) FROM ledger")[0][0])


def administer(server: PostgresServer, statement: str) -> None:
    """Run a statement outside any transaction, on the server's own database."""
    with closing(psycopg2.connect(server.url)) as connection:
        connection.autocommit = True
        connection.cursor().execute(statement)
