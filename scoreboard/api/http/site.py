"""Accepts the connections of clients, many in one turn of the loop.

uvloop accepts one of those that wait in each turn of its loop. A turn is as long as the requests in
it take, so a few hundred busy connections of one client, and as many that come and say nothing,
kept everybody else's new connection waiting for seconds.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine, Sequence
from functools import partial
from typing import Any, Final

import structlog
from aiohttp import web

from scoreboard.api.http.kernel import hand_down
from scoreboard.api.http.listening import BACKLOG, http_address
from scoreboard.operations.logs import Seldom

log = structlog.get_logger("scoreboard.http")

# Each takes about 0.1 ms, so all together are a small part of a turn that is busy.
AT_ONCE: Final = 64  # guard: turn-loop-lets
_PAUSE_SECONDS: Final = 0.05


class Site(web.BaseSite):
    """Accepts the clients that connect to the sockets that it attends, until it is stopped."""

    def __init__(self, runner: web.AppRunner) -> None:
        super().__init__(runner)
        self._make_protocol: Any = runner.server
        self._loop = asyncio.get_running_loop()
        self._seldom = Seldom()
        self._entering: set[asyncio.Future[Any]] = set()
        self.sockets: list[socket.socket] = []

    @property
    def name(self) -> str:
        """The addresses of its sockets."""
        return ", ".join(http_address(*one.getsockname()[:2]) for one in self.sockets)

    async def start(self) -> None:
        """Be ready to attend sockets."""
        await super().start()
        self._server = self  # type: ignore[assignment] # of which aiohttp uses `sockets` and `close`

    async def stop(self) -> None:
        """Close it, and wait for those that are on their way in; aiohttp ends those that are in."""
        await super().stop()
        if self._entering:
            await asyncio.wait(self._entering)  # guard: nobody-comes-after

    def attend(self, sockets: Sequence[socket.socket]) -> None:
        """Accept the clients of these sockets, which are ours from here on, and of no others."""
        for listening in self.sockets:
            self._loop.remove_reader(listening)
            listening.close()
        self.sockets = list(sockets)
        for listening in sockets:
            listening.setblocking(False)
            # A supervisor of an earlier release has not. (Who stands in its queue has no bounds.)
            hand_down(listening)
            self._loop.add_reader(listening, self._accept, listening)

    def close(self) -> None:
        """Accept those who wait, and nobody after them. The kernel would reset their connections
        with the socket, unless another process has it too.
        """
        for listening in self.sockets:
            for _ in range(BACKLOG // AT_ONCE):  # guard: stands-queue-end
                if not self._accept(listening):
                    break
        self.attend([])

    def _accept(self, listening: socket.socket) -> bool:
        """Accept some of the clients that wait. Returns whether there may be more."""
        for _ in range(AT_ONCE):
            try:
                connection, _ = listening.accept()
            except (BlockingIOError, InterruptedError):
                return False
            except ConnectionAbortedError:
                continue  # it has left again
            except OSError as error:
                self._pause(listening, error)
                return False
            self._let_in(connection)
        return True

    def _let_in(self, connection: socket.socket) -> None:
        """Hand a connection to the loop. A task would take longer for that than the loop does, so
        the coroutine is asked by hand: first for what it waits for.
        """
        connection.setblocking(False)
        make_protocol = partial(self._make_protocol, connection)
        entering = self._loop.connect_accepted_socket(make_protocol, connection)
        try:
            is_in: asyncio.Future[Any] = entering.send(None)
        except StopIteration:
            return  # it waits for nothing
        except Exception as error:
            self._keep_out(connection, error)
            return
        self._entering.add(is_in)
        is_in.add_done_callback(partial(self._end_entering, entering, connection))

    def _end_entering(
        self,
        entering: Coroutine[Any, Any, Any],
        connection: socket.socket,
        is_in: asyncio.Future[Any],
    ) -> None:
        self._entering.discard(is_in)
        try:
            entering.send(None)
        except StopIteration:
            pass  # which is how a coroutine returns
        except Exception as error:
            self._keep_out(connection, error)

    def _keep_out(self, connection: socket.socket, error: Exception) -> None:
        connection.close()
        if not isinstance(error, OSError):  # else it has left again
            # A defect of ours, which keeps nobody else out.
            what = {"message": "a client was not let in", "exception": error}
            self._loop.call_exception_handler(what)

    def _pause(self, listening: socket.socket, error: OSError) -> None:
        """Accept nobody for a moment: nearly always no file is left, and the loop would ask again
        at once.
        """
        if self._seldom.due("paused"):
            log.warning("scoreboard.http.nobody_let_in", error=error.strerror)
        self._loop.remove_reader(listening)
        self._loop.call_later(_PAUSE_SECONDS, self._resume, listening)

    def _resume(self, listening: socket.socket) -> None:
        if listening in self.sockets:
            self._loop.add_reader(listening, self._accept, listening)
