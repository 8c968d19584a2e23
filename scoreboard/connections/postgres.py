"""A few sessions of PostgreSQL, lent out in turn.

aiopg's own pool hands out dead connections after a server restart and wakes nobody when it should
(docs/decisions/0003). Here a session mends itself (`connections.session`), and who asks first is
served first (`connections.lending`).

A statement runs in a task of its own (docs/decisions/0029). Whoever leaves while it is under way
leaves no broken connection behind; it keeps its session until it is answered, so no more of them
are under way than there are sessions. Whoever leaves before it has begun is not asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any, Final, TypeVar

from scoreboard.connections.hosts import Hosts
from scoreboard.connections.lending import REST_SECONDS, Lending
from scoreboard.connections.refusals import ROW_GONE, PostgresRefused
from scoreboard.connections.server import Failure, NotConnected, Server
from scoreboard.connections.session import ConnectionLost, Row, Session

# Whoever stops within a transaction (a suspended command, a lost host) gives its locks up after
# this.
_IDLE_IN_TRANSACTION_MAX_MS: Final = 10_000


Result = TypeVar("Result")


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
        self._running: set[asyncio.Task[None]] = set()

    @property
    def waiting(self) -> int:
        """How many callers wait for a session, right now."""
        return self._lending.waiting

    @property
    def idle(self) -> int:
        """How many sessions nobody uses, right now."""
        return self._lending.idle

    @property
    def in_use(self) -> int:
        """How many sessions are lent, right now."""
        return len(self._lending.sessions) - self._lending.idle

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Lend a session that is open. Raises LedgerUnavailable when none becomes free in time, and
        NotConnected when no connection can be made, or could be a moment ago, and none is open.

        Whoever leaves within closes its connection: a transaction ends with who began it.
        """
        session = await self._lend(self._connected)
        with self._giving_back(session):
            yield session

    async def fetch(self, statement: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """Run one statement that is a transaction by itself; a rolled back one may be asked again.

        Raises LedgerUnavailable, StatementRefused.
        """
        return await self._lend(
            lambda session: self._answered(session, statement, parameters, repeats=False)
        )

    async def read(self, statement: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """Run one statement that changes nothing. When the connection is lost before the answer, it
        is asked once more, by a new one. Raises LedgerUnavailable.
        """
        return await self._lend(
            lambda session: self._answered(session, statement, parameters, repeats=True)
        )

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

    async def _answered(
        self,
        session: Session,
        statement: str,
        parameters: Mapping[str, Any] | None,
        *,
        repeats: bool,
    ) -> list[Row]:
        """Run it in a task of its own, and wait for that."""
        answer: asyncio.Future[list[Row]] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(
            self._run(answer, session, statement, parameters, repeats=repeats)
        )
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        task.add_done_callback(lambda _: answer.cancel())  # if it was ended before it could answer
        try:
            return await answer
        except asyncio.CancelledError:
            self._on_abandoned()
            raise  # guard: hanging-up-costs

    async def _run(
        self,
        answer: asyncio.Future[list[Row]],
        session: Session,
        statement: str,
        parameters: Mapping[str, Any] | None,
        *,
        repeats: bool,
    ) -> None:
        """Run it unless the caller has left before, and answer unless it has left since."""
        rows: list[Row] = []
        try:
            with self._giving_back(session):
                await session.connect()
                if answer.done():  # guard: nothing-asked-left
                    return
                try:
                    rows = await session.run(statement, parameters)
                except ConnectionLost:
                    # guard: resets-may-changed
                    if not repeats:  # guard: resets-read-asked
                        raise
                    rows = await session.run(statement, parameters)
        except Exception as error:
            if not answer.done():
                answer.set_exception(error)
                answer.exception()  # else it is logged where the caller leaves in this very turn
        else:
            if not answer.done():
                answer.set_result(rows)

    @contextlib.contextmanager
    def _giving_back(self, session: Session) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self._give_back(session, error)
            raise
        self._give_back(session)

    def _give_back(self, session: Session, error: BaseException | None = None) -> None:
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
    """In ms. The server gives up a little before we do; client_connection_check_interval ends a
    query whose client is gone, so that it frees its locks.
    """
    milliseconds = int(timeout_seconds * 1000)
    return {
        "statement_timeout": int(milliseconds * 0.9),
        "lock_timeout": int(milliseconds * 0.8),
        "idle_in_transaction_session_timeout": min(milliseconds * 2, _IDLE_IN_TRANSACTION_MAX_MS),
        "client_connection_check_interval": 500,
    }
