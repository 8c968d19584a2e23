"""A connection of psycopg2's own, which blocks: for `migrate`, and for whoever looks whether it can
be made before there is anything to connect a part to.

What goes wrong comes out in sentences for operators.
"""

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
# A change of a table waits for whoever reads it, a backup for example, and all that comes after
# waits behind it, every grant: so it does not wait for long.
LOCK_SECONDS: Final = 2
_CONNECT_SECONDS: Final = 5
# Who was suspended in the middle of a migration gives its locks up after this.
_SUSPENDED_SECONDS: Final = 60


class MigrationError(Exception):
    """The database cannot be reached or a migration failed; the message says which and why. `to_do`
    says what mends it where the message does not.
    """

    def __init__(self, message: str, to_do: str = "") -> None:
        super().__init__(message)
        self.to_do = to_do


class DatabaseRefuses(MigrationError):
    """It answered, and refused: a password, a right, room; an operator has to mend that."""


class UnfitDatabase(MigrationError):
    """It was reached, and is not as this service needs it; no waiting helps."""


@contextlib.contextmanager
def connected(database_url: str) -> Iterator[Any]:
    """Lend one that waits for locks for ever. What PostgreSQL refuses is a MigrationError."""
    with _refused(database_url):
        settings, dsn = session(database_url, lock_seconds=0)
        connection = _opened(dsn, database_url)
        connection.autocommit = True
        try:
            settle(connection, settings, database_url)
            yield connection
        finally:
            connection.close()


def session(database_url: str, lock_seconds: int) -> tuple[SessionSettings, str]:
    """How such a session is set, and its address with what can be set there; it waits for a lock
    for so long (0: for ever). Raises MigrationError on an address that cannot be read.
    """
    deadlines = {
        "statement_timeout": 0,  # an index on many millions takes its time
        "lock_timeout": lock_seconds * 1000,
        "idle_in_transaction_session_timeout": _SUSPENDED_SECONDS * 1000,
        "client_connection_check_interval": 500,
    }
    try:
        settings = SessionSettings.of(database_url, deadlines)
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
    """Set what is left to set, and look whether all of it is so. Raises UnfitDatabase."""
    with connection.cursor() as cursor:
        cursor.execute(*settings.reading(connection.info.server_version))
        problems = settings.problems(cursor.fetchall())
    if problems:
        raise UnfitDatabase(
            f"PostgreSQL at {hosts.place(database_url)} cannot be used: {' '.join(problems)}"
        )


@contextlib.contextmanager
def _refused(database_url: str) -> Iterator[None]:
    """Say what PostgreSQL refused, and what to do about it."""
    try:
        yield
    except psycopg2.errors.LockNotAvailable as error:
        raise MigrationError(
            f"Somebody has held a table for {LOCK_SECONDS} s, a backup perhaps. Nothing was "
            "changed by this migration: run it again when that one is through."
        ) from error
    except psycopg2.errors.InsufficientPrivilege as error:
        raise DatabaseRefuses(
            f"PostgreSQL at {hosts.place(database_url)} refused: {_one_line(error)}. Migrate as "
            "the role that owns the tables."
        ) from error
    except psycopg2.Error as error:
        refusal = refusal_of(error)
        to_do = f" {refusal.to_do}" if refusal else ""
        raise DatabaseRefuses(
            f"PostgreSQL at {hosts.place(database_url)} refused: {_one_line(error)}.{to_do}"
        ) from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
