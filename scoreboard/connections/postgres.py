"""A few sessions of PostgreSQL, lent out in turn.

aiopg's own pool hands out dead connections after a server restart and wakes nobody when it should
(docs/decisions/0003). Here a session mends itself (`connections.session`), and who asks first is
served first.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

from scoreboard.connections.hosts import Hosts
from scoreboard.connections.refusals import ROW_GONE, PostgresRefused
from scoreboard.connections.session import Failure, NotConnected, Row, Session
from scoreboard.connections.session_settings import SessionSettings
from scoreboard.errors import LedgerUnavailable

_REST_SECONDS: Final = 0.5
# Whoever stops within a transaction (a suspended command, a lost host) gives its locks up after
# this.
_IDLE_IN_TRANSACTION_MAX_MS: Final = 10_000


class Postgres:
    """A fixed number of sessions; whoever finds none free waits in line, with a deadline.

    When a connection cannot be made, nobody tries again for a moment: those who wait then hear of
    it at once, where each would have waited out the same silence.

    `on_wait` is told how long each caller waited for a session, `on_failure` why one got no answer,
    `on_refusal` what PostgreSQL said where that was a refusal.
    """

    def __init__(
        self,
        url: str | Hosts,
        *,
        sessions: int,
        timeout_seconds: float,
        name: str,
        on_wait: Callable[[float], None] = lambda _: None,
        on_failure: Callable[[Failure], None] = lambda _: None,
        on_refusal: Callable[[PostgresRefused], None] = lambda _: None,
    ) -> None:
        """Prepare the sessions. Pools that are given the same `Hosts` look for the primary
        together. Raises ValueError on an address that cannot be read.
        """
        hosts = url if isinstance(url, Hosts) else Hosts(url)
        settings = SessionSettings.of(hosts.urls[0], _deadlines(timeout_seconds))
        self._timeout_seconds = timeout_seconds
        self._on_wait = on_wait
        self._on_failure = on_failure
        self._on_refusal = on_refusal
        self._waiting = 0
        self._resting_until = 0.0
        self._all = [
            Session(hosts, settings, name, timeout_seconds, on_failure, on_refusal)
            for _ in range(sessions)
        ]
        self._free = self._all.copy()
        # Not a queue: its `get` passes by whoever waits in it already, so that one task that asks
        # again and again would keep all others out until their deadlines.
        self._turns = asyncio.Semaphore(sessions)

    @property
    def waiting(self) -> int:
        """How many callers wait for a session, right now."""
        return self._waiting

    @property
    def idle(self) -> int:
        """How many sessions nobody uses, right now."""
        return len(self._free)

    @property
    def in_use(self) -> int:
        """How many sessions are lent, right now."""
        return len(self._all) - len(self._free)

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Lend a session. Raises LedgerUnavailable when none becomes free in time, and NotConnected
        for a moment after no connection could be made.
        """
        session = await self._take()
        try:
            yield session
        except NotConnected:
            self._resting_until = asyncio.get_running_loop().time() + _REST_SECONDS
            raise
        finally:
            session.settle()
            self._free.append(session)
            self._turns.release()

    async def _take(self) -> Session:
        self._raise_if_resting()
        await self._turn()
        try:
            self._raise_if_resting()  # since while this one was waiting
        except NotConnected:
            self._turns.release()
            raise
        return self._free.pop()

    async def _turn(self) -> None:
        """Wait in line, with a deadline."""
        started = time.perf_counter()
        self._waiting += 1
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._turns.acquire()
        except TimeoutError as error:
            self._on_failure("no_session")
            raise LedgerUnavailable from error
        finally:
            self._waiting -= 1
            self._on_wait(time.perf_counter() - started)

    def _raise_if_resting(self) -> None:
        if asyncio.get_running_loop().time() < self._resting_until:
            self._on_failure("resting")
            raise NotConnected

    async def fetch(self, statement: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """Run one statement that is a transaction by itself; a rolled back one may be asked again.

        Raises LedgerUnavailable, StatementRefused.
        """
        async with self.session() as session:
            return await session.run(statement, parameters)

    def lacks(self, table: str) -> PostgresRefused:
        """The refusal to raise where a table has no row that always has one: a statement that reads
        it finds nothing, and PostgreSQL does not call that an error.
        """
        return self.refused(PostgresRefused(ROW_GONE, f"the row of {table} is gone"))

    def refused(self, refusal: PostgresRefused) -> PostgresRefused:
        """Count and log a refusal that only its caller could tell from what a client causes."""
        self._on_failure("refused")
        self._on_refusal(refusal)
        return refusal

    def close(self) -> None:
        """Close every connection."""
        for session in self._all:
            session.close()


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
