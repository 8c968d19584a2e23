"""Runs statements by a few sessions of PostgreSQL, which are lent to one caller after the other.

aiopg's own pool hands out dead connections after a server restart and wakes nobody when it should
(docs/decisions/0003). Here a session mends itself (`connections.session`), and who asks first is
served first (`connections.lending`). A statement runs in a task of its own and keeps its session
until it is answered, so that a caller who leaves costs no connection (docs/decisions/0029).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar

from scoreboard.connections.hosts import Hosts
from scoreboard.connections.lending import REST_SECONDS, Lending
from scoreboard.connections.refusals import ROW_GONE, PostgresRefused
from scoreboard.connections.server import Failure, NotConnected, Server
from scoreboard.connections.session import ConnectionLost, Row, Session

Result = TypeVar("Result")


class _Lent:
    """A session that is in use; in the end it is given back, with the error that ended its use."""

    def __init__(
        self, session: Session, give_back: Callable[[Session, BaseException | None], None]
    ) -> None:
        self._session = session
        self._give_back = give_back

    def __enter__(self) -> Session:
        return self._session

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._give_back(self._session, error)


class Postgres:
    """A fixed number of sessions; whoever finds none free waits in line, with a deadline.

    `on_wait` is told how long each caller waited for a session, `on_failure` why one got no answer,
    `on_refusal` what PostgreSQL said where that was a refusal, `on_abandoned` of each caller that
    left before its answer.
    """

    def __init__(  # noqa: PLR0913 - half of them are callbacks
        self,
        url: str | Hosts,
        *,
        sessions: int,
        timeout_seconds: float,
        name: str,
        on_wait: Callable[[float], None] = lambda _: None,
        on_failure: Callable[[Failure], None] = lambda _: None,
        on_refusal: Callable[[PostgresRefused], None] = lambda _: None,
        on_abandoned: Callable[[], None] = lambda: None,
        rest_seconds: float = REST_SECONDS,
    ) -> None:
        """Prepare the sessions. Pools that are given the same `Hosts` look for the primary
        together. Raises ValueError on an address that cannot be read.
        """
        hosts = url if isinstance(url, Hosts) else Hosts(url)
        self._server = Server(hosts, _deadlines(timeout_seconds), name, on_failure, on_refusal)
        made = [Session(self._server, timeout_seconds) for _ in range(sessions)]
        self._lending = Lending(made, on_wait, on_failure, rest_seconds)
        self._timeout_seconds = timeout_seconds
        self._on_abandoned = on_abandoned
        self._running: set[asyncio.Task[list[Row]]] = set()

    @property
    def waiting(self) -> int:
        """How many callers wait for a session, right now."""
        return len(self._lending.line)

    @property
    def idle(self) -> int:
        """How many sessions nobody uses, right now."""
        return len(self._lending.free)

    @property
    def in_use(self) -> int:
        """How many sessions are lent, right now."""
        return len(self._lending.sessions) - self.idle

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Lend a session that is open. Raises LedgerUnavailable when none becomes free in time, and
        NotConnected when no connection can be made, or could be a moment ago, and none is open.

        Whoever leaves within closes its connection: a transaction ends with who began it.
        """
        with _Lent(await self._lend(self._connected), self._give_back) as session:
            yield session

    async def fetch(self, statement: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """Run one statement that is a transaction by itself; a rolled back one may be asked again.

        Raises LedgerUnavailable, StatementRefused.
        """
        # guard: resets-may-changed
        return await self._ask(lambda session: session.run(statement, parameters))

    async def read(
        self,
        statement: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        prepared: tuple[str, ...] = (),
    ) -> list[Row]:
        """Run one statement that changes nothing; `prepared` is as in `Session.run`. When the
        connection is lost before the answer, it is asked once more, by a new one. Raises
        LedgerUnavailable.
        """

        async def run(session: Session) -> list[Row]:
            try:
                return await session.run(statement, parameters, prepared=prepared)
            except ConnectionLost:
                # guard: resets-read-asked
                return await session.run(statement, parameters, prepared=prepared)

        return await self._ask(run)

    async def _lend(self, use: Callable[[Session], Awaitable[Result]]) -> Result:
        """Use a session; while it cannot connect, so that nothing was sent, an open one."""
        until = asyncio.get_running_loop().time() + self._timeout_seconds
        while True:
            session = await self._lending.take(until)
            try:
                return await use(session)
            except NotConnected:
                if not self._lending.has_open:  # guard: not-connect-goes
                    raise

    async def _connected(self, session: Session) -> Session:
        try:
            await session.connect()
        except BaseException as error:
            self._give_back(session, error)
            raise
        return session

    async def _ask(self, run: Callable[[Session], Awaitable[list[Row]]]) -> list[Row]:
        return await self._lend(lambda session: self._answered(session, run))

    async def _answered(
        self, session: Session, run: Callable[[Session], Awaitable[list[Row]]]
    ) -> list[Row]:
        """Run it in a task of its own, unless the caller leaves before it begins."""
        has_left = False

        async def connect_and_run() -> list[Row]:
            with _Lent(session, self._give_back):
                await session.connect()
                if has_left:  # guard: nothing-asked-left
                    return []
                return await run(session)

        task = asyncio.create_task(connect_and_run())
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        # Not `shield`: where the caller leaves, it logs what the statement fails with.
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        try:
            await asyncio.wait([task])
            return task.result()
        except asyncio.CancelledError:
            has_left = True
            self._on_abandoned()
            raise  # guard: hanging-up-costs

    def _give_back(self, session: Session, error: BaseException | None) -> None:
        if isinstance(error, NotConnected):
            self._lending.rest()
        session.settle()  # guard: nobody-inherits-open
        self._lending.give_back(session)

    def lacks(self, table: str) -> PostgresRefused:
        """The refusal to raise where a table has no row that always has one: a statement that reads
        it finds nothing, and PostgreSQL does not call that an error.
        """
        return self.refused(PostgresRefused(ROW_GONE, f"the row of {table} is gone"))

    def refused(self, refusal: PostgresRefused) -> PostgresRefused:
        """Count and log a refusal that only its caller could tell from what a client causes."""
        return self._server.refused(refusal)

    def close(self) -> None:
        """Close every connection, and end what is under way."""
        self._lending.rouse()
        for task in self._running:
            task.cancel()  # guard: ends-pool-ends
        for session in self._lending.sessions:
            session.close()

    async def finish(self) -> None:
        """The same, and return when it has ended."""
        self.close()
        await asyncio.gather(*self._running, return_exceptions=True)


def _deadlines(timeout_seconds: float) -> dict[str, int]:
    """In ms. The server gives up a little before we do. Locks are freed of a client that is gone
    (client_connection_check_interval), or stopped within a transaction, as a suspended command is.
    """
    milliseconds = int(timeout_seconds * 1000)
    return {
        "statement_timeout": int(milliseconds * 0.9),
        "lock_timeout": int(milliseconds * 0.8),
        "idle_in_transaction_session_timeout": min(milliseconds * 2, 10_000),
        "client_connection_check_interval": 500,
    }
