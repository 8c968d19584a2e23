"""The border to PostgreSQL: every statement goes through here, and psycopg2's errors stop here.

A session is one connection, owned by one task at a time, which opens it anew where it is broken.
Nothing is replayed here: a statement runs once or raises. A statement that was not sent may go by
another connection, so each use begins with a look whether the connection has ended.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

import psycopg2
from psycopg2.extensions import TRANSACTION_STATUS_IDLE

from scoreboard.connections.cancellation import is_cancelled, raise_if_cancelled
from scoreboard.connections.connection import Connection, discard
from scoreboard.connections.refusals import PostgresRefused, constraint_refusing, refusal_of
from scoreboard.connections.server import Server
from scoreboard.errors import LedgerUnavailable

Row = tuple[Any, ...]
_UNTRANSLATABLE: Final = "22021"
_ABORTED: Final = (
    psycopg2.extensions.TransactionRollbackError,
    psycopg2.errors.LockNotAvailable,
)
_NO_ANSWER: Final = (psycopg2.Error, OSError, TimeoutError, RuntimeError, AssertionError)


class StatementRefused(Exception):
    """PostgreSQL understood the statement and refused the data: a constraint or a range."""

    def __init__(self, sqlstate: str, constraint: str | None) -> None:
        self.sqlstate = sqlstate
        self.constraint = constraint
        super().__init__(f"{sqlstate} {constraint or ''}".strip())


class ConstraintRefused(StatementRefused, PostgresRefused):
    """It refused the data by a constraint that our statements never break: it is another's."""

    def __init__(self, sqlstate: str, constraint: str | None, text: str) -> None:
        PostgresRefused.__init__(self, sqlstate, text)
        self.constraint = constraint


class TransactionAborted(LedgerUnavailable):
    """PostgreSQL rolled the transaction back (deadlock, lock timeout); it may be run again."""

    def __init__(self, sqlstate: str | None) -> None:
        super().__init__()
        self.sqlstate = sqlstate or ""

    def __str__(self) -> str:
        return self.sqlstate


class ConnectionLost(LedgerUnavailable):
    """The connection ended before the answer. A transaction whose COMMIT was not sent is rolled
    back, and what changes nothing may be asked again; of all else the outcome is unknown.
    """


class Session:
    """One connection, used by one task at a time; it opens itself when it is needed, always to the
    host that all sessions agree on.
    """

    def __init__(self, server: Server, timeout_seconds: float) -> None:
        self._server = server
        self._hosts = server.hosts
        self._host = 0
        self._timeout_seconds = timeout_seconds
        self._connection: Connection | None = None
        self._pinned = False
        # Whether what came to the connection was read just now, so that its next use need not.
        self._was_looked_at = False

    @property
    def is_open(self) -> bool:
        """Whether there is a connection, to the host that all agree on. It may end any moment."""
        is_here = self._host == self._hosts.present
        return is_here and self._connection is not None and not self._connection.closed

    @contextlib.contextmanager
    def pinned(self) -> Iterator[None]:
        """Within, a lost connection is an error: a new one knows nothing of the transaction, and
        has no lock of the session.
        """
        before, self._pinned = self._pinned, True
        try:
            yield
        finally:
            self._pinned = before

    async def connect(self) -> None:
        """Open the connection if there is none. Raises LedgerUnavailable."""
        try:
            await self._open()
        except Exception as error:
            self._raise_ours(error)
            raise
        self._was_looked_at = True

    async def run(
        self,
        statement: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        prepared: tuple[str, ...] = (),
    ) -> list[Row]:
        """Run one text of SQL (the last statement's rows are returned). `prepared` are what it
        relies on, each a PREPARE that a connection runs once.

        Raises LedgerUnavailable when there is no answer in time, and as ConnectionLost when there
        will be none: the outcome is then unknown and the connection is closed; StatementRefused,
        TransactionAborted and PostgresRefused when PostgreSQL answered so.
        """
        try:
            connection = await self._open()
            for each in prepared:
                if each not in connection.prepared:
                    await connection.ask(each, None, self._timeout_seconds)
                    connection.prepared.add(each)
            # guard: outages-wait-postgresql
            rows = await connection.ask(statement, parameters, self._timeout_seconds)
        except Exception as error:
            self._raise_ours(error)
            raise
        if not self._pinned and self._server.is_left_behind(connection):
            self._server.failed("no_answer")
            raise LedgerUnavailable  # what it answers may be of yesterday
        return rows

    async def run_and_commit(
        self,
        statement: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        prepared: tuple[str, ...] = (),
    ) -> list[Row]:
        """Run one text that ends in a commit: COMMIT itself, or a statement that is a transaction.

        Raises what `run` does, and LedgerUnavailable also when PostgreSQL commits with a warning:
        it did not wait for its synchronous replica (somebody cancelled that), so a promotion may
        lose it.
        """
        if self._connection is not None:
            self._connection.notices.clear()
        rows = await self.run(statement, parameters, prepared=prepared)
        if self._connection is not None and self._connection.notices:  # guard: commit-replica-not
            self._server.failed("no_answer")
            raise LedgerUnavailable
        return rows

    async def commit(self) -> None:
        """Run COMMIT. Raises what `run_and_commit` does, and never ConnectionLost: what was to be
        committed may be.
        """
        try:
            await self.run_and_commit("COMMIT")
        except ConnectionLost as lost:  # guard: commit-may-be
            raise LedgerUnavailable from lost

    async def roll_back(self) -> None:
        """Run ROLLBACK, unless what was refused came before BEGIN. Raises LedgerUnavailable."""
        connection = self._connection
        if connection is None or not _is_idle(connection):  # guard: nothing-rolled-back
            await self.run("ROLLBACK")

    def settle(self) -> None:
        """Close the connection unless it is idle.

        Nobody may inherit a transaction still open, an answer still to come, or a broken line.
        """
        connection, self._was_looked_at = self._connection, False
        if connection and (
            connection.closed or not _is_idle(connection) or self._server.is_left_behind(connection)
        ):
            if not is_cancelled():  # else its user left, and the server is not to blame
                self._hosts.doubt(self._host)  # guard: primary-commits-nothing
            self.close()

    def close(self) -> None:
        """Drop the connection; the next statement opens a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            discard(connection)

    async def _open(self) -> Connection:
        if not self._pinned and self._host != self._hosts.present:  # guard: all-sessions-follow
            self.close()  # another session found that the primary is elsewhere
        if self._connection is not None and not (self._pinned or self._was_looked_at):
            self._connection.catch_up()  # guard: resets-session-ended
        self._was_looked_at = False
        if self._connection is None or self._connection.closed:
            if self._pinned:  # guard: lost-connection-not
                raise ConnectionLost
            self.close()
            self._connection, self._host = await self._server.connect()
        return self._connection

    def _data_refused(self, error: psycopg2.Error) -> StatementRefused:
        sqlstate, constraint = error.pgcode or "", error.diag.constraint_name
        if text := constraint_refusing(error):  # guard: constraint-somebody-else
            return self._server.refused(ConstraintRefused(sqlstate, constraint, text))
        return StatementRefused(sqlstate, constraint)

    def _raise_ours(self, error: Exception) -> None:
        """Raise an error of ours in the place of one of psycopg2 or aiopg; nothing in the place of
        another. (Whoever raises what was handed over makes a circle of it and the frames.)
        """
        if isinstance(error, _ABORTED):
            self._server.failed("aborted")
            raise TransactionAborted(error.pgcode) from error
        if isinstance(error, (psycopg2.DataError, psycopg2.IntegrityError)):
            # Not `from error`: its text quotes the row that was refused, password hash and all, and
            # whoever logs the refusal would log its cause.
            raise self._data_refused(error) from None  # guard: refusal-not-bring
        if isinstance(error, ValueError):  # psycopg2 cannot send NUL characters or lone surrogates
            raise StatementRefused(_UNTRANSLATABLE, None) from error
        if not isinstance(error, _NO_ANSWER):
            return
        raise_if_cancelled()
        refusal = refusal_of(error)
        # guard: refusal-not-taken
        if refusal is not None:  # not `from error`: its text quotes the statement
            raise self._server.refused(refusal) from None
        self._server.failed("no_answer")
        connection = self._connection
        if isinstance(error, psycopg2.Error) and connection is not None and connection.closed:
            raise ConnectionLost from error
        raise LedgerUnavailable from error


def _is_idle(connection: Connection) -> bool:
    """Whether it is in no transaction, and no answer is still to come."""
    return bool(connection.raw.info.transaction_status == TRANSACTION_STATUS_IDLE)
