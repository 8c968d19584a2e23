"""The border to PostgreSQL: every statement goes through here, and psycopg2's errors stop here.

A session is one connection, owned by one task at a time: whoever has it finds it broken, and
reopens it. Nothing is ever replayed here: a statement runs once or raises. What was not sent may be
sent by another connection, so whether a connection has ended is looked at before it is used.

An address may name several hosts. aiopg knows of one, so they are tried here, and only a server
that takes writes is taken (`connections.hosts`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, TypeVar

import psycopg2
from psycopg2.extensions import TRANSACTION_STATUS_IDLE

from scoreboard.connections.cancellation import is_cancelled, raise_if_cancelled
from scoreboard.connections.connection import Connection, discard
from scoreboard.connections.hosts import CONNECT_SECONDS, Hosts
from scoreboard.connections.refusals import (
    PostgresRefused,
    constraint_refusing,
    refusal_of,
    refusal_to_connect,
)
from scoreboard.connections.session_settings import SessionSettings
from scoreboard.errors import LedgerUnavailable

Row = tuple[Any, ...]
Refusal = TypeVar("Refusal", bound=PostgresRefused)
# Why a caller got no answer: no session was free in time, no connection could be made, or none a
# moment ago; the connection was lost or too slow; the transaction was rolled back; it answered, and
# refused.
Failure = Literal["no_session", "no_connection", "resting", "no_answer", "aborted", "refused"]

_CONNECT_MIN_SECONDS: Final = 1.0
_UNTRANSLATABLE: Final = "22021"
# What a server reports of itself (from PostgreSQL 14 on), at the start and at each change.
_READ_ONLY_SIGNS: Final = ("in_hot_standby", "default_transaction_read_only")


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
    """The connection ended before the answer. A transaction that was under way is rolled back, and
    what changes nothing may be asked again; of all else the outcome is unknown.
    """


class NotConnected(LedgerUnavailable):
    """No connection could be made, so nothing was sent."""


class NotAdmitted(NotConnected, PostgresRefused):
    """PostgreSQL answered the attempt to connect, and refused; so nothing was sent."""


class UnfitServer(NotAdmitted):
    """A setting that sessions rely on cannot be set; the message says which, and what to do. No
    waiting mends that.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("", " ".join(problems))


class Session:
    """One connection, used by one task at a time; it opens itself when it is needed, always to the
    host that all sessions agree on.
    """

    def __init__(
        self,
        hosts: Hosts,
        settings: SessionSettings,
        name: str,
        timeout_seconds: float,
        on_failure: Callable[[Failure], None],
        on_refusal: Callable[[PostgresRefused], None],
    ) -> None:
        self._hosts = hosts
        self._settings = settings
        self._dsns = [settings.dsn(url, name, CONNECT_SECONDS) for url in hosts.urls]
        self._host = 0
        self._timeout_seconds = timeout_seconds
        self._on_failure = on_failure
        self._on_refusal = on_refusal
        self._connection: Connection | None = None
        self._pinned = False

    @property
    def is_open(self) -> bool:
        """Whether there is a connection, to the host that all agree on. It may end any moment."""
        connection = self._connection
        return (
            connection is not None and not connection.closed and self._host == self._hosts.present
        )

    @contextlib.contextmanager
    def pinned(self) -> Iterator[None]:
        """Within, a lost connection is an error: a new one would know nothing of the
        transaction.
        """
        self._pinned = True
        try:
            yield
        finally:
            self._pinned = False

    async def connect(self) -> None:
        """Open the connection if there is none. Raises LedgerUnavailable."""
        with self._border():
            await self._open()

    async def run(
        self,
        statement: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        prepared: str | None = None,
    ) -> list[Row]:
        """Run one text of SQL (the last statement's rows are returned). `prepared` is a PREPARE
        that it relies on, and that a connection runs once.

        Raises LedgerUnavailable when there is no answer in time, and as ConnectionLost when there
        will be none: the outcome is then unknown and the connection is closed; StatementRefused,
        TransactionAborted and PostgresRefused when PostgreSQL answered so.
        """
        with self._border():
            connection = await self._open()
            async with connection.cursor() as cursor:
                if prepared is not None and prepared not in connection.prepared:
                    await cursor.execute(prepared, timeout=self._timeout_seconds)
                    connection.prepared.add(prepared)
                await cursor.execute(statement, parameters, timeout=self._timeout_seconds)
                rows = await cursor.fetchall() if cursor.description else []
        if not self._pinned and self._left_behind(connection):
            self._on_failure("no_answer")
            raise LedgerUnavailable  # what it answers may be of yesterday
        return rows

    async def commit(self) -> None:
        """Run COMMIT. Raises LedgerUnavailable also when PostgreSQL commits with a warning: it did
        not wait for its synchronous replica (somebody cancelled that), so a promotion may lose it.
        Never ConnectionLost: what was to be committed may be.
        """
        connection = self._connection
        if connection is not None:
            connection.notices.clear()
        try:
            await self.run("COMMIT")
        except ConnectionLost as lost:
            raise LedgerUnavailable from lost
        if connection is not None and connection.notices:
            self._on_failure("no_answer")
            raise LedgerUnavailable

    async def roll_back(self) -> None:
        """Run ROLLBACK, unless what was refused came before BEGIN: a PREPARE, or what could not
        even be sent. Raises LedgerUnavailable.
        """
        connection = self._connection
        if connection is None or not _is_idle(connection):
            await self.run("ROLLBACK")

    def settle(self) -> None:
        """Close the connection unless it is idle.

        Nobody may inherit a transaction still open, an answer still to come, or a broken line.
        """
        connection = self._connection
        if connection and (
            connection.closed or not _is_idle(connection) or self._left_behind(connection)
        ):
            if not is_cancelled():  # else its user left, and the server is not to blame
                self._hosts.doubt(self._host)
            self.close()

    def close(self) -> None:
        """Drop the connection; the next statement opens a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            discard(connection)

    async def _open(self) -> Connection:
        if not self._pinned and self._host != self._hosts.present:
            self.close()  # another session found that the primary is elsewhere
        if self._connection is not None and not self._pinned:
            self._connection.catch_up()
        if self._connection is None or self._connection.closed:
            if self._pinned:
                raise ConnectionLost
            self.close()
            self._connection = await self._new()
        return self._connection

    async def _new(self) -> Connection:
        """Connect to the first host that takes writes, beginning with the one that did last."""
        refusal: NotConnected | None = None
        for host in self._hosts.in_turn():
            try:
                connection = await self._connect_to(host)
            except NotConnected as error:  # of several the one that says more
                if refusal is None or isinstance(error, NotAdmitted):
                    refusal = error
                continue
            self._hosts.agree_on(host)
            self._host = host
            return connection
        raise refusal or NotConnected

    async def _connect_to(self, host: int) -> Connection:
        seconds = max(CONNECT_SECONDS / len(self._dsns), _CONNECT_MIN_SECONDS)
        connection: Connection | None = None
        try:
            async with asyncio.timeout(seconds):
                connection = Connection(
                    self._dsns[host], seconds, echo=False, enable_hstore=False, enable_json=False
                )
                await connection
                problems = await self._problems(connection, seconds)
        # ValueError: a message in another encoding than UTF-8, of a server that speaks no English.
        except (psycopg2.Error, OSError, TimeoutError, RuntimeError, ValueError) as error:
            if connection is not None:
                discard(connection)
            raise_if_cancelled()
            raise self._not_connected(error) from error
        if self._left_behind(connection):
            self._on_failure("no_connection")
            await connection.close()
            raise NotConnected from ConnectionError("none of these hosts takes writes")
        if problems:
            await connection.close()
            raise self._refused(UnfitServer(problems))
        return connection

    async def _problems(self, connection: Connection, seconds: float) -> list[str]:
        """What of the settings did not come to be. One round trip a connection."""
        statement, names = self._settings.reading(connection.raw.info.server_version)
        async with connection.cursor() as cursor:
            await cursor.execute(statement, names, timeout=seconds)
            return self._settings.problems(await cursor.fetchall())

    def _not_connected(self, error: Exception) -> NotConnected:
        refusal = refusal_to_connect(error)
        if refusal is not None:
            return self._refused(NotAdmitted(refusal.sqlstate, refusal.text))
        self._on_failure("no_connection")
        return NotConnected()

    def _refused(self, refusal: Refusal) -> Refusal:
        self._on_failure("refused")
        self._on_refusal(refusal)
        return refusal

    def _data_refused(self, error: psycopg2.Error) -> StatementRefused:
        sqlstate, constraint = error.pgcode or "", error.diag.constraint_name
        if text := constraint_refusing(error):
            return self._refused(ConstraintRefused(sqlstate, constraint, text))
        return StatementRefused(sqlstate, constraint)

    def _left_behind(self, connection: Connection) -> bool:
        """Whether this is a replica, or was the primary once. Of a single host whatever it can do
        is taken.
        """
        status = connection.raw.info.parameter_status
        return len(self._dsns) > 1 and any(status(sign) == "on" for sign in _READ_ONLY_SIGNS)

    @contextlib.contextmanager
    def _border(self) -> Iterator[None]:
        """Turn what psycopg2 and aiopg raise into errors of ours."""
        try:
            yield
        except (
            psycopg2.extensions.TransactionRollbackError,
            psycopg2.errors.LockNotAvailable,
        ) as error:
            self._on_failure("aborted")
            raise TransactionAborted(error.pgcode) from error
        except (psycopg2.DataError, psycopg2.IntegrityError) as error:
            # Not `from error`: its text quotes the row that was refused, password hash and all, and
            # whoever logs the refusal would log its cause.
            raise self._data_refused(error) from None
        except ValueError as error:  # psycopg2 cannot send NUL characters or lone surrogates
            raise StatementRefused(_UNTRANSLATABLE, None) from error
        except (psycopg2.Error, OSError, TimeoutError, RuntimeError, AssertionError) as error:
            raise_if_cancelled()
            refusal = refusal_of(error)
            if refusal is not None:  # not `from error`: its text quotes the statement
                raise self._refused(refusal) from None
            self._on_failure("no_answer")
            if isinstance(error, psycopg2.Error) and self._has_lost():
                raise ConnectionLost from error
            raise LedgerUnavailable from error

    def _has_lost(self) -> bool:
        return self._connection is not None and self._connection.closed


def _is_idle(connection: Connection) -> bool:
    """Whether it is in no transaction, and no answer is still to come."""
    return bool(connection.raw.info.transaction_status == TRANSACTION_STATUS_IDLE)
