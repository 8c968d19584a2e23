"""Brings a database to the schema of this version: numbered files in migrations/, by yoyo. They are
plain SQL, and Python where SQL cannot compute what is written.

Any number of processes may call `migrate` at once: a PostgreSQL advisory lock lets one work while
the others wait. The server never migrates by itself; it calls `pending` and refuses an older
schema.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any, Final

import psycopg2
import yoyo
from psycopg2.extensions import parse_dsn
from yoyo.backends.core.postgresql import PostgresqlBackend
from yoyo.connections import DatabaseURI
from yoyo.migrations import default_migration_table

from scoreboard.configuration import shipped
from scoreboard.connections import hosts
from scoreboard.connections.postgres import Postgres
from scoreboard.connections.session import NotConnected
from scoreboard.errors import LedgerUnavailable

# Any number will do, as long as nothing else in the database takes the same one.
ADVISORY_LOCK: Final = 0x5C0_4EB0A4D
_CONNECT_SECONDS: Final = 5
_ANSWER_SECONDS: Final = 5.0
# A change of a table waits for whoever reads it, a backup for example, and all that comes after
# waits behind it, every grant: so it does not wait for long.
_LOCK_SECONDS: Final = 2
_TURN_SECONDS: Final = 0.1


class MigrationError(Exception):
    """The database cannot be reached or a migration failed; the message says which and why."""


def migrate(database_url: str) -> list[str]:
    """Apply what is missing, oldest first, and return the identifiers of what was applied.

    Raises MigrationError; a migration that fails, or whose runner dies, leaves no trace (one that
    is not transactional: nothing that the next run would not make good); those before it stay
    applied.
    """
    _require_utf8(database_url)
    with _locked(database_url), _backend(database_url) as backend:
        missing = backend.to_apply(_shipped_migrations())
        # Whoever holds the advisory lock is alone, so a lock row is a crashed runner's.
        backend.break_lock()
        with backend.lock():
            for migration in missing:
                # Not yoyo's own `apply_one`: it writes the row in a transaction after this one.
                with _transaction(backend, migration):
                    migration.process_steps(backend, "apply")
                    backend.mark_one(migration)
        return [migration.id for migration in missing]


def roll_back(database_url: str, count: int = 1) -> list[str]:
    """Undo the newest `count` migrations and return their identifiers."""
    with _locked(database_url), _backend(database_url) as backend:
        newest = backend.to_rollback(_shipped_migrations())[:count]
        backend.break_lock()
        with backend.lock():
            for migration in newest:
                with _transaction(backend, migration):
                    migration.process_steps(backend, "rollback")
                    backend.unmark_one(migration)
        return [migration.id for migration in newest]


async def pending(database_url: str) -> list[str]:
    """Name the migrations that the database lacks, without changing anything.

    Whoever starts waits here, so there is a deadline, and whoever is told to end may cancel it.
    """
    try:
        applied = await _applied(database_url)
    except ValueError as error:
        raise MigrationError(str(error)) from error
    except LedgerUnavailable as error:
        problem = "reached" if isinstance(error, NotConnected) else "asked for its schema"
        why = str(error.__cause__ or error).strip() or "no answer in time"
        raise MigrationError(
            f"PostgreSQL at {hosts.place(database_url)} cannot be {problem}: {why}"
        ) from error
    return [migration.id for migration in _shipped_migrations() if migration.id not in applied]


async def _applied(database_url: str) -> set[str]:
    postgres = Postgres(
        database_url, sessions=1, timeout_seconds=_ANSWER_SECONDS, name="scoreboard.migrations"
    )
    try:
        [(exists,)] = await postgres.fetch("SELECT to_regclass('_yoyo_migration') IS NOT NULL")
        rows = await postgres.fetch("SELECT migration_id FROM _yoyo_migration") if exists else []
    finally:
        postgres.close()
    return {name for (name,) in rows}


def _require_utf8(database_url: str) -> None:
    """Refuse a database that cannot keep every name: a cluster made under the C locale, say."""
    with connected(database_url) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW server_encoding")
        [(encoding,)] = cursor.fetchall()
    if encoding != "UTF8":
        raise MigrationError(
            f"The database at {hosts.place(database_url)} has the encoding {encoding}, in which "
            "most names cannot be kept. Make one that has UTF8: "
            "createdb --encoding=UTF8 --template=template0 --locale=C scoreboard"
        )


def names() -> list[str]:
    """Name every migration of this version, oldest first."""
    return [migration.id for migration in _shipped_migrations()]


def _shipped_migrations() -> Any:
    return yoyo.read_migrations(str(shipped("migrations")))


def _transaction(backend: Any, migration: Any) -> Any:
    """One for the migration and the row that says it is applied, unless it says that it needs none
    (`CREATE INDEX CONCURRENTLY`).
    """
    migration.load()
    return backend.transaction() if migration.use_transactions else contextlib.nullcontext()


@contextlib.contextmanager
def connected(database_url: str) -> Iterator[Any]:
    """Lend a connection of psycopg2's own. Raises MigrationError."""
    try:
        dsn = hosts.primary_dsn(database_url, connect_timeout=_CONNECT_SECONDS)
    except ValueError as error:
        raise MigrationError(str(error)) from error
    try:
        connection = psycopg2.connect(dsn)
    except psycopg2.Error as error:
        raise MigrationError(
            f"PostgreSQL at {hosts.place(database_url)} cannot be reached: {error}".strip()
        ) from error
    connection.autocommit = True
    try:
        yield connection
    except psycopg2.errors.LockNotAvailable as error:
        raise MigrationError(
            f"Somebody has held a table for {_LOCK_SECONDS} s, a backup perhaps. Nothing was "
            "changed by this migration: run it again when that one is through."
        ) from error
    except psycopg2.Error as error:
        raise MigrationError(f"PostgreSQL refused: {error}".strip()) from error
    finally:
        connection.close()


@contextlib.contextmanager
def _locked(database_url: str) -> Iterator[None]:
    """Wait until nobody else migrates. The lock is asked for again and again, because whoever holds
    it may build an index while others write, and that waits for every older statement: also for
    one that waits for the lock.
    """
    with connected(database_url) as connection, connection.cursor() as cursor:
        while not _takes_lock(cursor):
            time.sleep(_TURN_SECONDS)
        yield  # the lock ends with the connection


def _takes_lock(cursor: Any) -> bool:
    cursor.execute("SELECT pg_try_advisory_lock(%s)", (ADVISORY_LOCK,))
    [(taken,)] = cursor.fetchall()
    return bool(taken)


@contextlib.contextmanager
def _backend(database_url: str) -> Iterator[Any]:
    # yoyo's own URL parser knows no socket directories, so it gets the parts as psycopg2 reads
    # them.
    arguments = parse_dsn(hosts.primary_dsn(database_url))
    patience = f"-c lock_timeout={_LOCK_SECONDS}s"
    arguments["options"] = f"{arguments.get('options', '')} {patience}".strip()
    name = arguments.pop("dbname", None)
    backend = PostgresqlBackend(
        DatabaseURI("postgresql", None, None, None, None, name, arguments), default_migration_table
    )
    backend.init_database()
    try:
        yield backend
    finally:
        backend.connection.close()
