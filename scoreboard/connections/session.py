"""The border to PostgreSQL: every statement goes through here, and psycopg2's errors stop here.

A session is one connection, owned by one task at a time: whoever has it finds it broken, and
reopens it. Nothing is ever replayed: a statement runs once or raises.

An address may name several hosts. aiopg knows of one, so they are tried here, and only a server
that takes writes is taken (`connections.hosts`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal

import aiopg
import psycopg2
from psycopg2.extensions import TRANSACTION_STATUS_IDLE

from scoreboard.connections.cancellation import is_cancelled, raise_if_cancelled
from scoreboard.connections.hosts import CONNECT_SECONDS, Hosts
from scoreboard.errors import LedgerUnavailable

Row = tuple[Any, ...]
# Why a caller got no answer: no session was free in time, no connection could be made, or none a
# moment ago; the connection was lost or too slow; the transaction was rolled back.
Failure = Literal["no_session", "no_connection", "resting", "no_answer", "aborted"]

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


class TransactionAborted(LedgerUnavailable):
    """PostgreSQL rolled the transaction back (deadlock, lock timeout); it may be run again."""

    def __init__(self, sqlstate: str | None) -> None:
        super().__init__()
        self.sqlstate = sqlstate or ""

    def __str__(self) -> str:
        return self.sqlstate


class NotConnected(LedgerUnavailable):
    """No connection could be made, so nothing was sent."""


class Session:
    """One connection, used by one task at a time; it opens itself when it is needed.

    `dsns` has one for each host; the connection is always to the host that all sessions agree on.
    """

    def __init__(
        self,
        hosts: Hosts,
        dsns: Sequence[str],
        timeout_seconds: float,
        on_failure: Callable[[Failure], None] = lambda _: None,
    ) -> None:
        self._hosts = hosts
        self._dsns = dsns
        self._host = 0
        self._timeout_seconds = timeout_seconds
        self._on_failure = on_failure
        self._connection: _Connection | None = None
        self._pinned = False

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
        with _border(self._on_failure):
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

        Raises LedgerUnavailable when there is no answer in time: the outcome is then unknown and
        the connection is closed; StatementRefused and TransactionAborted when PostgreSQL answered
        so.
        """
        with _border(self._on_failure):
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
        """
        connection = self._connection
        if connection is not None:
            connection.notices.clear()
        await self.run("COMMIT")
        if connection is not None and connection.notices:
            self._on_failure("no_answer")
            raise LedgerUnavailable

    def settle(self) -> None:
        """Close the connection unless it is idle.

        Nobody may inherit a transaction still open, an answer still to come, or a broken line.
        """
        connection = self._connection
        if connection and (
            connection.closed
            or connection.raw.info.transaction_status != TRANSACTION_STATUS_IDLE
            or self._left_behind(connection)
        ):
            if not is_cancelled():  # else its user left, and the server is not to blame
                self._hosts.doubt(self._host)
            self.close()

    def close(self) -> None:
        """Drop the connection; the next statement opens a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            _discard(connection)

    async def _open(self) -> _Connection:
        if not self._pinned and self._host != self._hosts.present:
            self.close()  # another session found that the primary is elsewhere
        if self._connection is None or self._connection.closed:
            if self._pinned:
                raise LedgerUnavailable
            self._connection = None
            self._connection = await self._new()
        return self._connection

    async def _new(self) -> _Connection:
        """Connect to the first host that takes writes, beginning with the one that did last."""
        refusal: NotConnected | None = None
        for host in self._hosts.in_turn():
            try:
                connection = await self._connect_to(host)
            except NotConnected as error:
                refusal = refusal or error
                continue
            self._hosts.agree_on(host)
            self._host = host
            return connection
        raise refusal or NotConnected

    async def _connect_to(self, host: int) -> _Connection:
        seconds = max(CONNECT_SECONDS / len(self._dsns), _CONNECT_MIN_SECONDS)
        try:
            async with asyncio.timeout(seconds):
                connection = _Connection(
                    self._dsns[host], seconds, echo=False, enable_hstore=False, enable_json=False
                )
                await connection
        except (psycopg2.Error, OSError, TimeoutError, RuntimeError) as error:
            raise_if_cancelled()
            self._on_failure("no_connection")
            raise NotConnected from error
        if self._left_behind(connection):
            self._on_failure("no_connection")
            await connection.close()
            raise NotConnected from ConnectionError("none of these hosts takes writes")
        return connection

    def _left_behind(self, connection: aiopg.Connection) -> bool:
        """Whether this is a replica, or was the primary once. Of a single host whatever it can do
        is taken.
        """
        status = connection.raw.info.parameter_status
        return len(self._dsns) > 1 and any(status(sign) == "on" for sign in _READ_ONLY_SIGNS)


class _Connection(aiopg.Connection):
    """aiopg's, without two of its mistakes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """When a connection cannot be made, aiopg takes the reader off the loop and forgets the
        writer (issue 856). Under uvloop the next one with this file number then failed as well, and
        its socket stayed open: one at every second attempt, for as long as PostgreSQL was away.
        """
        self.prepared: set[str] = set()  # what the server keeps until this is closed
        try:
            super().__init__(*args, **kwargs)
        except RuntimeError:
            loop, number = asyncio.get_running_loop(), self.raw.fileno()
            loop.remove_reader(number)
            loop.remove_writer(number)
            loop.add_reader(number, self._ready, self._weakref)

    async def _poll(self, waiter: asyncio.Future[None], timeout: float) -> None:  # noqa: ASYNC109
        """Wait for an answer. aiopg makes a cancellation that nobody asked for of the server's
        statement_timeout (issue 537), and an error in the log.
        """
        self._ready(self._weakref)
        try:
            async with asyncio.timeout(timeout):
                await waiter
        except (asyncio.CancelledError, TimeoutError):
            await self.close()
            raise
        finally:
            self._waiter = None


def _discard(connection: aiopg.Connection) -> None:
    """Close it, and its socket whatever aiopg says: a broken one may break once more as it goes."""
    for end in (connection.close, connection.raw.close):
        with contextlib.suppress(Exception):
            end()


@contextlib.contextmanager
def _border(on_failure: Callable[[Failure], None]) -> Iterator[None]:
    """Turn what psycopg2 and aiopg raise into errors of ours."""
    try:
        yield
    except (
        psycopg2.extensions.TransactionRollbackError,
        psycopg2.errors.LockNotAvailable,
    ) as error:
        on_failure("aborted")
        raise TransactionAborted(error.pgcode) from error
    except (psycopg2.DataError, psycopg2.IntegrityError) as error:
        # Not `from error`: its text quotes the row that was refused, password hash and all, and
        # whoever logs the refusal would log its cause.
        raise StatementRefused(error.pgcode or "", error.diag.constraint_name) from None
    except ValueError as error:  # psycopg2 cannot send NUL characters or lone surrogates
        raise StatementRefused(_UNTRANSLATABLE, None) from error
    except (psycopg2.Error, OSError, TimeoutError, RuntimeError, AssertionError) as error:
        raise_if_cancelled()
        on_failure("no_answer")
        raise LedgerUnavailable from error
