"""Brings a database to the schema of this version: numbered files in migrations/, by yoyo. They are
plain SQL, and Python where SQL cannot compute what is written.

Any number of processes may call `migrate` at once: a PostgreSQL advisory lock lets one work while
the others wait.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import yoyo
from psycopg2.extensions import parse_dsn
from yoyo.backends.core.postgresql import PostgresqlBackend
from yoyo.connections import DatabaseURI
from yoyo.migrations import default_migration_table

from scoreboard.configuration.sources import shipped
from scoreboard.connections import hosts
from scoreboard.connections.blocking import (
    LOCK_SECONDS,
    SESSION_NAME,
    DatabaseRefuses,
    MigrationError,
    UnfitDatabase,
    connected,
    session,
    settle,
)
from scoreboard.connections.hints import POSTGRES
from scoreboard.connections.postgres import Postgres
from scoreboard.connections.refusals import PostgresRefused
from scoreboard.connections.server import NotConnected, UnfitServer
from scoreboard.connections.session_settings import PUBLIC, SQL, query_naming, schema_named
from scoreboard.database import functions, schema
from scoreboard.errors import LedgerUnavailable

# Any number will do, as long as nothing else in the database takes the same one.
ADVISORY_LOCK: Final = 0x5C0_4EB0A4D
_ANSWER_SECONDS: Final = 5.0
_TURN_SECONDS: Final = 0.1
_HAS_MIGRATIONS: Final = "SELECT to_regclass('_yoyo_migration') IS NOT NULL"
# yoyo's table alone may be another program's.
_SCHEMAS_OF_OURS: Final = """
SELECT nspname
FROM pg_catalog.pg_class
JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind = 'r' AND relname IN ('_yoyo_migration', 'ledger', 'scores')
GROUP BY nspname
HAVING count(*) = 3
ORDER BY nspname
LIMIT 5
"""


def migrate(database_url: str) -> list[str]:
    """Apply what is missing, oldest first, and return the identifiers of what was applied; when no
    migration was missing, `functions.NAME` if functions were.

    Raises MigrationError; a migration that fails, or whose runner dies, leaves no trace (one that
    is not transactional: nothing that the next run would not make good); those before it stay
    applied.
    """
    with _locked(database_url) as cursor:
        done: list[str] = []
        if _to_apply(cursor, database_url):
            with _backend(database_url) as backend:
                done = _run(backend, backend.to_apply(_shipped_migrations()), "apply")
        made = functions.install(cursor)
        return done or made


def roll_back(database_url: str, count: int = 1) -> list[str]:
    """Undo the newest `count` migrations and return their identifiers. Raises MigrationError."""
    with _locked(database_url) as cursor, _backend(database_url) as backend:
        undone = _run(backend, backend.to_rollback(_shipped_migrations())[:count], "rollback")
        functions.uninstall(cursor)
        return undone


def _run(backend: Any, chosen: Sequence[Any], direction: str) -> list[str]:
    """Run each migration in one transaction with the row that says it is applied, unless it says
    that it needs none (`CREATE INDEX CONCURRENTLY`).
    """
    write_down = backend.mark_one if direction == "apply" else backend.unmark_one
    # Whoever holds the advisory lock is alone, so a lock row is a crashed runner's.
    backend.break_lock()
    with backend.lock():
        for migration in chosen:
            migration.load()
            in_one = migration.use_transactions
            # Not yoyo's own `apply_one`: it writes the row in a transaction after this one.
            # guard: migration-row-one
            with backend.transaction() if in_one else contextlib.nullcontext():
                migration.process_steps(backend, direction)
                write_down(migration)
    return [migration.id for migration in chosen]


async def pending(database_url: str) -> list[str]:
    """Name the migrations that the database lacks, without changing anything; when it lacks none,
    the functions (`functions.NAME`), if it lacks these.

    There is a deadline, and whoever is told to end may cancel it. Raises MigrationError.
    """
    async with open_session(database_url) as postgres:
        return await missing(postgres, await applied(postgres, database_url))


async def newer(database_url: str) -> list[str]:
    """Name the applied migrations that this version does not know, on the same terms."""
    async with open_session(database_url) as postgres:
        return unknown(await applied(postgres, database_url))


async def require_answer(database_url: str) -> None:
    """Return when PostgreSQL lets us in and answers. Raises MigrationError; UnfitDatabase where
    waiting does not help. Whoever starts waits here, so there is a deadline.
    """
    async with open_session(database_url) as postgres:
        await postgres.read("SELECT 1")


@contextlib.asynccontextmanager
async def open_session(
    database_url: str, connect_seconds: float = hosts.CONNECT_SECONDS
) -> AsyncIterator[Postgres]:
    """Lend a session to look at the schema with; connecting may take so long, all hosts together.
    Whatever fails within is a MigrationError: DatabaseRefuses, UnfitDatabase, or PostgreSQL is
    away.
    """
    place = hosts.place(database_url)
    try:
        asked = hosts.Hosts(database_url, connect_seconds)
        postgres = Postgres(asked, sessions=1, timeout_seconds=_ANSWER_SECONDS, name=SESSION_NAME)
    except ValueError as error:
        raise MigrationError(str(error)) from error
    try:
        yield postgres
    except UnfitServer as error:
        raise UnfitDatabase(f"PostgreSQL at {place} cannot be used: {error}") from error
    except PostgresRefused as error:
        raise DatabaseRefuses(f"PostgreSQL at {place} refuses: {error}. {error.to_do}") from error
    except LedgerUnavailable as error:
        problem = "reached" if isinstance(error, NotConnected) else "asked"
        why = str(error.__cause__ or error).strip() or "no answer in time"
        said = f"PostgreSQL at {place} cannot be {problem}: {why}"
        raise MigrationError(said, POSTGRES.to_do(why)) from error
    finally:
        await postgres.finish()


async def applied(postgres: Postgres, database_url: str) -> set[str]:
    """Name what is applied, by whatever version. Raises LedgerUnavailable, UnfitDatabase."""
    [(exists,)] = await postgres.read(_HAS_MIGRATIONS)
    if not exists:
        _require_our_schema(database_url, await postgres.read(_SCHEMAS_OF_OURS))
        return set()
    rows = await postgres.read("SELECT migration_id FROM _yoyo_migration")
    return {name for (name,) in rows}


async def missing(postgres: Postgres, done: set[str]) -> list[str]:
    """Name what `pending` does, where these migrations are applied. Raises LedgerUnavailable."""
    left = [name for name in names() if name not in done]
    if left:
        return left
    [(are_there,)] = await postgres.read(functions.ARE_THERE, functions.NAMES)
    return [] if are_there else [functions.NAME]


def _require_our_schema(database_url: str, others: Sequence[tuple[Any, ...]]) -> None:
    """Refuse to find nothing where an address without a schema used to find the tables in the
    role's own: a second, empty set of them would look as if all were lost.
    """
    if others and schema_named(database_url) is None:  # guard: tables-another-schema
        names = [str(name) for (name,) in others]
        raise UnfitDatabase(
            f"The database at {hosts.place(database_url)} has the tables in the schema "
            f"{' and in '.join(names)}, and none in {PUBLIC}. Name the schema in the address: "
            f"…{query_naming(names[0])}"
        )


def _to_apply(cursor: Any, database_url: str) -> list[str]:
    """Name what the database lacks, once it is sure that all of it can be applied, to what is ours.
    Raises UnfitDatabase.
    """
    begun = _is_true(cursor, _HAS_MIGRATIONS)
    rows = _read(cursor, "SELECT migration_id FROM _yoyo_migration") if begun else []
    done = {name for (name,) in rows}
    makes = shipped_makes()
    [row] = _read(cursor, SQL["read_server"], schema.parameters(database_url))
    place = schema.Place(*row)
    rows = _read(cursor, SQL["read_objects"], schema.parameters(database_url, makes))
    left = [name for name in makes if name not in done]
    problem = schema.objects_problem(place, makes, done, [schema.Object(*row) for row in rows])
    if not problem and left:
        problem = schema.place_problem(place)
    if problem:  # guard: migrate-looks-whose
        raise UnfitDatabase(
            f"The database at {hosts.place(database_url)} cannot be migrated: {problem} Nothing "
            "was changed."
        )
    return left


def _read(cursor: Any, statement: str, parameters: Any = None) -> Any:
    cursor.execute(statement, parameters)
    return cursor.fetchall()


def _is_true(cursor: Any, question: str, parameters: Any = None) -> bool:
    [(answer,)] = _read(cursor, question, parameters)
    return bool(answer)


def shipped_makes() -> dict[str, schema.Makes]:
    """What every migration of this version makes, oldest first."""
    return {
        migration.id: schema.Makes.of(Path(migration.path).read_text(encoding="utf-8"))
        for migration in _shipped_migrations()
    }


def unknown(applied: Iterable[str]) -> list[str]:
    """Those of them that this version does not know: a newer release's."""
    return sorted(set(applied) - set(names()))


def names() -> list[str]:
    """Name every migration of this version, oldest first."""
    return [migration.id for migration in _shipped_migrations()]


def _shipped_migrations() -> Any:
    return yoyo.read_migrations(str(shipped("migrations")))


@contextlib.contextmanager
def _locked(database_url: str) -> Iterator[Any]:
    """Wait until nobody else migrates, and lend a cursor.

    The lock is asked for again and again, because whoever holds it may build an index while others
    write, and that waits for every older statement: also for one that waits for the lock.
    """
    with connected(database_url) as connection, connection.cursor() as cursor:
        while not _is_true(cursor, "SELECT pg_try_advisory_lock(%s)", (ADVISORY_LOCK,)):
            time.sleep(_TURN_SECONDS)
        if not _is_true(cursor, _HAS_MIGRATIONS):
            _require_our_schema(database_url, _read(cursor, _SCHEMAS_OF_OURS))
        yield cursor  # the lock ends with the connection


@contextlib.contextmanager
def _backend(database_url: str) -> Iterator[Any]:
    settings, dsn = session(database_url, LOCK_SECONDS)  # guard: migration-not-queue
    # yoyo's own URL parser knows no socket directories, so it gets the parts as psycopg2 reads
    # them.
    arguments = parse_dsn(dsn)
    name = arguments.pop("dbname", None)
    backend = PostgresqlBackend(
        DatabaseURI("postgresql", None, None, None, None, name, arguments), default_migration_table
    )
    try:
        settle(backend.connection, settings, database_url)
        backend.init_database()
        yield backend
    finally:
        backend.connection.close()
