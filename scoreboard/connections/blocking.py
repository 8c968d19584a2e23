"""Connects by psycopg2 alone, which blocks, for `migrate`. Errors are sentences for operators."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Final

import psycopg2

from scoreboard.connections import hosts
from scoreboard.connections.hints import POSTGRES
from scoreboard.connections.refusals import refusal_of, refusal_to_connect
from scoreboard.connections.session_settings import SessionSettings

SESSION_NAME: Final = "scoreboard.migrations"
# A change of a table waits for its readers, a backup for example, and every later grant waits
# behind it: so it does not wait for long.
LOCK_SECONDS: Final = 2
_CONNECT_SECONDS: Final = 5
# A migration that was suspended gives its locks up after this.
_SUSPENDED_SECONDS: Final = 60


class MigrationError(Exception):
    """The database cannot be reached, or a migration failed; the message says which and why, and
    `to_do` says what mends it where the message does not.
    """

    def __init__(self, message: str, to_do: str = "") -> None:
        super().__init__(message)
        self.to_do = to_do


class DatabaseRefuses(MigrationError):
    """PostgreSQL refused: a password, a right or room is missing. An operator has to mend that."""


class UnfitDatabase(MigrationError):
    """The database is not as this service needs it; waiting does not help."""


@contextlib.contextmanager
def connected(database_url: str) -> Iterator[Any]:
    """Lend a connection that waits for locks for ever. Raises MigrationError, also for what fails
    within.
    """
    settings, dsn = session(database_url, lock_seconds=0)
    connection = _opened(dsn, database_url)
    try:
        connection.autocommit = True
        settle(connection, settings, database_url)
        yield connection
    except psycopg2.errors.LockNotAvailable as error:
        raise MigrationError(
            f"Somebody has held a table for {LOCK_SECONDS} s, a backup perhaps. Nothing was "
            "changed by this migration: run it again when that one is through."
        ) from error
    except psycopg2.Error as error:
        refusal = refusal_of(error)
        to_do = refusal.to_do if refusal else ""
        if isinstance(error, psycopg2.errors.InsufficientPrivilege):
            to_do = "Migrate as the role that owns the tables."
        said = f"PostgreSQL at {hosts.place(database_url)} refused: {_one_line(error)}. {to_do}"
        raise DatabaseRefuses(said.rstrip()) from error
    finally:
        connection.close()


def session(database_url: str, lock_seconds: int) -> tuple[SessionSettings, str]:
    """The settings of a session that waits for a lock for so long (0: for ever), and the DSN that
    sets them. Raises MigrationError on an address that cannot be read.
    """
    deadlines = {
        "statement_timeout": 0,  # an index on many millions takes its time
        "lock_timeout": lock_seconds * 1000,
        "idle_in_transaction_session_timeout": _SUSPENDED_SECONDS * 1000,
        "client_connection_check_interval": 500,
    }
    try:
        settings = SessionSettings(database_url, deadlines)
        return settings, settings.dsn(hosts.primary(database_url), SESSION_NAME, _CONNECT_SECONDS)
    except ValueError as error:
        raise MigrationError(str(error)) from error


def _opened(dsn: str, database_url: str) -> Any:
    try:
        return psycopg2.connect(dsn)
    except (psycopg2.Error, UnicodeDecodeError) as error:
        place, refusal = hosts.place(database_url), refusal_to_connect(error)
        if refusal is not None:
            said = f"PostgreSQL at {place} refuses: {refusal}. {refusal.to_do}"
            raise DatabaseRefuses(said) from error
        why = _one_line(error)
        said = f"PostgreSQL at {place} cannot be reached: {why}. {POSTGRES.to_do(why)}"
        raise MigrationError(said) from error


def settle(connection: Any, settings: SessionSettings, database_url: str) -> None:
    """Set what the DSN could not set, and read all back. Raises UnfitDatabase."""
    with connection.cursor() as cursor:
        cursor.execute(*settings.reading(connection.info.server_version))
        problems = settings.problems(cursor.fetchall())
    if problems:
        raise UnfitDatabase(
            f"PostgreSQL at {hosts.place(database_url)} cannot be used: {' '.join(problems)}"
        )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
