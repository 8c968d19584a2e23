"""A way to a server on which sessions are reset in the middle, as a server does that ends one: its
last words and the reset are there at once, before the client has looked.

Not in `tests.proxy`: a transport of asyncio closes its socket a turn of the loop later.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final
from urllib.parse import urlsplit, urlunsplit

_CHUNK_BYTES: Final = 65_536
_AT_ONCE: Final = struct.pack("ii", 1, 0)  # SO_LINGER: what is unsent is dropped, and no FIN


class Resetting:
    """Forwards to a server until told otherwise; give `url` to who is tested."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        login, at, _ = parts.netloc.rpartition("@")
        place = f"{login}{at}127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = urlunsplit(parts._replace(netloc=place))
        self._is_due: Callable[[bytes], bool] = lambda _: False
        self._last_words = b""
        self._after = False

    def reset_at(
        self, is_due: Callable[[bytes], bool], last_words: bytes = b"", *, after: bool = False
    ) -> None:
        """Answer the first bytes of a client that `is_due` accepts with these words and a reset,
        once. The server never sees them; or does, and `after` its answer, which nobody gets.
        """
        self._is_due, self._last_words, self._after = is_due, last_words, after

    async def serve(self) -> None:
        """Forward until cancelled."""
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as carrying:
            with self._listener:
                while True:
                    client, _ = await loop.sock_accept(self._listener)
                    carrying.create_task(self._carry(client))

    async def _carry(self, client: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with client, socket.socket() as server:
            server.setblocking(False)
            await loop.sock_connect(server, self._target)
            answers = asyncio.create_task(_pump(server, client))
            try:
                while chunk := await loop.sock_recv(client, _CHUNK_BYTES):
                    if self._is_due(chunk):
                        self._is_due = lambda _: False
                        answers.cancel()
                        await asyncio.gather(answers, return_exceptions=True)
                        if self._after:
                            await loop.sock_sendall(server, chunk)
                            await loop.sock_recv(server, _CHUNK_BYTES)
                        self._reset(client)
                        return
                    await loop.sock_sendall(server, chunk)
            except ConnectionError:
                pass
            finally:
                answers.cancel()
                await asyncio.gather(answers, return_exceptions=True)

    def _reset(self, client: socket.socket) -> None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        client.send(self._last_words)
        client.close()


async def _pump(source: socket.socket, sink: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    with suppress(ConnectionError):
        while chunk := await loop.sock_recv(source, _CHUNK_BYTES):
            await loop.sock_sendall(sink, chunk)
        sink.shutdown(socket.SHUT_WR)


@asynccontextmanager
async def resetting(url: str) -> AsyncIterator[Resetting]:
    """Lend such a way to the server at this address."""
    line = Resetting(url)
    serving = asyncio.create_task(line.serve())
    try:
        yield line
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
