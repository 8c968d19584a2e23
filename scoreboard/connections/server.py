"""Connects sessions to PostgreSQL, and tells the pool's callbacks of each failure and refusal.

An address may name several hosts. aiopg knows only one, so they are tried here, and only a server
that takes writes is used (`connections.hosts`).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from typing import Final, Literal, TypeVar

import psycopg2

from scoreboard.connections.cancellation import raise_if_cancelled
from scoreboard.connections.connection import Connection, discard
from scoreboard.connections.hosts import Hosts
from scoreboard.connections.refusals import PostgresRefused, refusal_to_connect
from scoreboard.connections.session_settings import SessionSettings
from scoreboard.errors import LedgerUnavailable

Refusal = TypeVar("Refusal", bound=PostgresRefused)
# Why a caller got no answer: no session was free in time; no connection could be made, now or a
# moment ago; the connection was lost or too slow; the transaction was rolled back; PostgreSQL
# refused.
Failure = Literal["no_session", "no_connection", "resting", "no_answer", "aborted", "refused"]

# What a server reports of itself (from PostgreSQL 14 on), at the start and at each change.
_READ_ONLY_SIGNS: Final = ("in_hot_standby", "default_transaction_read_only")


class NotConnected(LedgerUnavailable):
    """No connection could be made, so nothing was sent."""


class NotAdmitted(NotConnected, PostgresRefused):
    """PostgreSQL answered the attempt to connect, and refused; so nothing was sent."""


class UnfitServer(NotAdmitted):
    """A setting that sessions rely on cannot be set, and no waiting mends that."""


class Server:
    """Where the sessions of one pool connect to. `deadlines` are settings of them, in ms.

    `failed` is told why a caller got no answer, `on_refusal` what PostgreSQL said where that was a
    refusal. Raises ValueError on an address that cannot be read.
    """

    def __init__(
        self,
        hosts: Hosts,
        deadlines: Mapping[str, int],
        name: str,
        on_failure: Callable[[Failure], None],
        on_refusal: Callable[[PostgresRefused], None],
    ) -> None:
        self.hosts: Final = hosts
        self.failed: Final = on_failure
        self._settings = SessionSettings(hosts.urls[0], deadlines)
        whole_seconds = math.ceil(hosts.seconds_each)  # libpq knows no other
        self._dsns = [self._settings.dsn(url, name, whole_seconds) for url in hosts.urls]
        self._on_refusal = on_refusal

    async def connect(self) -> tuple[Connection, int]:
        """Connect to the first host that takes writes, and number it. Raises NotConnected."""
        refusal: NotConnected | None = None
        for host in self.hosts.in_turn():  # guard: every-host-postgresql
            try:
                connection = await self._connect_to(host)
            except NotConnected as error:
                if refusal is None or isinstance(error, NotAdmitted):  # which says more
                    refusal = error
            else:
                self.hosts.present = host
                return connection, host
        raise refusal or NotConnected

    def is_left_behind(self, connection: Connection) -> bool:
        """Whether this leads to a replica. Of a single host whatever it can do is taken."""
        status = connection.raw.info.parameter_status
        # guard: server-takes-no
        return len(self._dsns) > 1 and any(status(sign) == "on" for sign in _READ_ONLY_SIGNS)

    def refused(self, refusal: Refusal) -> Refusal:
        """Count and log a refusal, and answer it."""
        self.failed("refused")
        self._on_refusal(refusal)
        return refusal

    async def _connect_to(self, host: int) -> Connection:
        seconds = self.hosts.seconds_each
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
            if (refusal := refusal_to_connect(error)) is not None:
                raise self.refused(NotAdmitted(refusal.sqlstate, refusal.text)) from error
            self.failed("no_connection")
            raise NotConnected from error
        if self.is_left_behind(connection):
            self.failed("no_connection")
            await connection.close()
            raise NotConnected from ConnectionError("none of these hosts takes writes")
        if problems:  # guard: set-read-back
            await connection.close()
            raise self.refused(UnfitServer("", " ".join(problems)))
        connection.notices.clear()  # guard: warning-is-no-answers
        return connection

    async def _problems(self, connection: Connection, seconds: float) -> list[str]:
        """Set and read back the settings; answer what is wrong. One round trip a connection."""
        statement, names = self._settings.reading(connection.raw.info.server_version)
        async with connection.cursor() as cursor:
            await cursor.execute(statement, names, timeout=seconds)
            return self._settings.problems(await cursor.fetchall())
