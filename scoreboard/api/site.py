"""Where connections come in.

uvloop takes one of those that wait in each turn of its loop. A turn is as long as the requests in
it take, so a few hundred busy connections of one client, and as many that come and say nothing,
kept everybody else's new connection waiting for seconds. Here a turn takes many.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Any, Final

import structlog
from aiohttp import web

from scoreboard.operations.logs import Seldom

log = structlog.get_logger("scoreboard.http")

# Each takes about 0.1 ms, so all together are a small part of a turn that is busy.
AT_ONCE: Final = 64
BACKLOG: Final = 4096
_REST_SECONDS: Final = 0.05


class Site(web.BaseSite):
    """Listens on each address that a host's name has, of those kinds that this machine has.
    `reuse_port`: shares the port with other processes that say so too.
    """

    def __init__(
        self, runner: web.AppRunner, host: str, port: int, *, reuse_port: bool = False
    ) -> None:
        super().__init__(runner)
        self._host = host
        self._port = port
        self._reuse_port = reuse_port
        self._entrance: _Server | None = None

    @property
    def name(self) -> str:
        """The address that was asked for."""
        return f"http://{self._host}:{self._port}"

    async def start(self) -> None:
        """Listen, and let in who comes. Raises OSError."""
        await super().start()
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(
            self._host or None, self._port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        make_protocol: Any = self._runner.server
        self._entrance = server = _Server(make_protocol)
        self._server = server  # type: ignore[assignment] # of which aiohttp uses these two members
        refusal: OSError | None = None
        for family, _, _, _, address in dict.fromkeys(found):
            try:
                listening = socket.create_server(
                    address, family=family, backlog=BACKLOG, reuse_port=self._reuse_port
                )
            except OSError as error:
                if error.errno != errno.EAFNOSUPPORT:
                    raise
                refusal = error  # a machine without IPv6, whose names may have such addresses yet
            else:
                server.listen(listening)
        if refusal is not None and not server.sockets:
            raise refusal

    async def stop(self) -> None:
        """Let nobody in any more. Who was on the way in is in: aiohttp ends those it knows of."""
        await super().stop()
        if self._entrance is not None:
            await self._entrance.wait_closed()


class _Server:
    """Lets connections in until it is closed."""

    def __init__(self, make_protocol: Callable[[], asyncio.Protocol]) -> None:
        self._make_protocol = make_protocol
        self._loop = asyncio.get_running_loop()
        self._seldom = Seldom()
        self._entering: set[asyncio.Task[None]] = set()
        self.sockets: list[socket.socket] = []

    def listen(self, listening: socket.socket) -> None:
        """Let in who comes by this socket, which is ours from here on."""
        listening.setblocking(False)
        self.sockets.append(listening)
        self._loop.add_reader(listening, self._accept, listening)

    def close(self) -> None:
        """Let nobody in any more."""
        for listening in self.sockets:
            self._loop.remove_reader(listening)
            listening.close()
        self.sockets.clear()

    async def wait_closed(self) -> None:
        """Wait for those that were on their way in."""
        if self._entering:
            await asyncio.wait(self._entering)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(AT_ONCE):
            try:
                connection, _ = listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionAbortedError:
                continue  # it has left again
            except OSError as error:
                self._rest(listening, error)
                return
            task = self._loop.create_task(self._let_in(connection))
            self._entering.add(task)
            task.add_done_callback(self._entering.discard)

    async def _let_in(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        try:
            await self._loop.connect_accepted_socket(self._make_protocol, connection)
        except OSError:
            connection.close()  # it has left again

    def _rest(self, listening: socket.socket, error: OSError) -> None:
        """There is no file left, nearly always, and the loop would ask again at once: wait until
        one may be.
        """
        if self._seldom.due("resting"):
            log.warning("scoreboard.http.nobody_let_in", error=error.strerror)
        self._loop.remove_reader(listening)
        self._loop.call_later(_REST_SECONDS, self._go_on, listening)

    def _go_on(self, listening: socket.socket) -> None:
        if listening in self.sockets:
            self._loop.add_reader(listening, self._accept, listening)
