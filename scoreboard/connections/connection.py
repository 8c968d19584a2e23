"""A connection of aiopg, without its mistakes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
from collections.abc import Mapping
from typing import Any, Final

import aiopg
import psycopg2
from psycopg2.extensions import POLL_OK, POLL_READ, POLL_WRITE

# What comes to a connection that nobody uses is a few messages. A socket that has more to read
# after so many looks is left to its next user's deadline.
_LOOKS_MAX: Final = 100


class Connection(aiopg.Connection):
    """One connection to PostgreSQL. `prepared` is what the server keeps until it is closed.

    What is mended has no public place in aiopg: `_ready` is what the loop calls, `_poll` waits for
    `_waiter`, and `_fileno` and `_writing` say what the loop looks at.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Begin to connect; to be awaited."""
        self.prepared: set[str] = set()
        self._is_up = False
        self._watched = (-1, select.poll())
        super().__init__(*args, **kwargs)
        self._socket = self._identity()

    async def ask(
        self, statement: str, parameters: Mapping[str, Any] | None, seconds: float
    ) -> list[tuple[Any, ...]]:
        """Run one text of SQL, and return the rows of its last statement. Raises what psycopg2
        does, and TimeoutError when there is no answer within so many seconds.

        aiopg's cursor does the same, and makes a dozen objects for it.
        """
        if self._waiter is not None:
            raise RuntimeError("a connection answers one statement at a time")
        self._waiter = waiter = asyncio.get_running_loop().create_future()
        with self.raw.cursor() as cursor:
            try:
                cursor.execute(statement, parameters)
            except BaseException:
                self._waiter = None
                raise
            await self._poll(waiter, seconds)
            return cursor.fetchall() if cursor.description else []

    def close(self) -> asyncio.Future[None]:
        """Close it. Once more does nothing: its file number may be another's by then."""
        closed = super().close()
        self._fileno = None
        return closed

    def catch_up(self) -> None:
        """Read what came while nobody used it, be it the end: nothing is sent after that."""
        for _ in range(_LOOKS_MAX):
            if self.closed or not self._has_more():
                return
            self._advance()

    @staticmethod
    def _ready(weak_self: Any) -> None:  # guard: outages-attempts-connect
        """Called by the loop when the socket can be used, and again while there is more to read:
        libpq sees the end of a session one call after its last words, and uvloop makes one call
        after a reset and no more, so that the task would wait out its deadline.
        """
        connection = weak_self()
        if connection is None:
            return
        connection._advance()
        waiter = connection._waiter
        # Where nobody waits, who uses it next looks first (`catch_up`).
        if waiter is None or waiter.done():
            return
        if connection._has_more():  # guard: resets-comes-behind
            # Behind who waits, and only then: an answer that came before the end still counts.
            asyncio.get_running_loop().call_soon(connection._ready, weak_self)

    def _advance(self) -> None:
        """Go on with what is under way. Each error reaches the task that waits; aiopg hands on only
        those of psycopg2, and its select() loses refusals where a process has 1024 files open.
        """
        if self._fileno is None:
            return
        try:
            state = self.raw.poll()
            if not self._is_up:
                self._follow()  # guard: resets-next-address
        except Exception as error:
            self._fail(error)
            return
        if state not in (POLL_OK, POLL_READ, POLL_WRITE):
            self._fail(psycopg2.OperationalError(f"poll() answered {state}"))
            return
        self._is_up = self._is_up or state == POLL_OK
        self._write_when_possible(state == POLL_WRITE)
        if state == POLL_OK and self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _has_more(self) -> bool:
        """Whether there is something to read, be it the end."""
        if self._fileno is None:
            return False
        watched, socket = self._watched
        if watched != self._fileno:
            socket = select.poll()  # not select(): it refuses files from 1024 on
            socket.register(self._fileno, select.POLLIN)
            self._watched = self._fileno, socket
        return bool(socket.poll(0))  # guard: resets-refusal-one

    def _fail(self, error: Exception) -> None:
        """Hand the error to the task that waits. libpq has closed the socket of a session that has
        ended, and the next file may get its number. (aiopg leaves the writer, issue 856: under
        uvloop the next connection with that number failed as well, and its socket stayed open.)
        """
        if self.closed or not self._is_up:
            self._forget_socket()
        else:
            self._write_when_possible(False)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)

    def _follow(self) -> None:
        """Watch the present socket: libpq tries each address of a name by one of its own, which may
        have the same number.
        """
        socket = self._identity()
        if socket != self._socket:
            self._forget_socket()
            self._socket, self._fileno = socket, socket[0]
            asyncio.get_running_loop().add_reader(self._fileno, self._ready, self._weakref)

    def _forget_socket(self) -> None:
        """Take a socket that libpq has closed off the loop."""
        if self._fileno is None:
            return
        loop, number = asyncio.get_running_loop(), self._fileno
        self._fileno, self._writing = None, False
        for forget in (loop.remove_reader, loop.remove_writer):
            with contextlib.suppress(OSError):  # the kernel has forgotten it already
                forget(number)

    def _identity(self) -> tuple[int, int]:
        number: int = self.raw.fileno()
        return number, os.fstat(number).st_ino

    def _write_when_possible(self, wanted: bool) -> None:
        if wanted == self._writing or self._fileno is None:
            return
        self._writing = wanted
        loop = asyncio.get_running_loop()
        if wanted:
            loop.add_writer(self._fileno, self._ready, self._weakref)
        else:
            loop.remove_writer(self._fileno)

    # guard: statement-timeout-not
    async def _poll(self, waiter: asyncio.Future[None], timeout: float) -> None:  # noqa: ASYNC109
        """Wait for an answer. aiopg makes a cancellation that nobody asked for of the server's
        statement_timeout (issue 537), and an error in the log.
        """
        self._advance()
        # Not `asyncio.timeout`, which makes more of it: this is asked for each statement.
        deadline = asyncio.get_running_loop().call_later(timeout, _expire, waiter)
        try:
            await waiter
        except (asyncio.CancelledError, TimeoutError):
            await self.close()
            raise
        finally:
            deadline.cancel()
            self._waiter = None


def _expire(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())


def discard(connection: Connection) -> None:
    """Close it, and its socket whatever aiopg says: a broken one may break once more as it goes."""
    for end in (connection.close, connection.raw.close):
        with contextlib.suppress(Exception):
            end()
