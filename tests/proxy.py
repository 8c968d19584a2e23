"""A TCP proxy that stands between the service and a server and breaks the line on command."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from enum import Enum
from typing import Self

from tests.servers.ports import ReservedPort

_CHUNK_BYTES = 65_536


class _Line(Enum):
    WHOLE = "bytes pass"
    CUT = "nobody gets in"
    BLACK_HOLE = "bytes vanish"


class TcpProxy:
    """Forwards 127.0.0.1:`port` to the target until told otherwise."""

    def __init__(self, target_host: str, target_port: int) -> None:
        self.target = (target_host, target_port)
        # Reserved, because it has to be there again after a cut.
        self._reserved = ReservedPort()
        self._listener: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._drop_after: Callable[[bytes], bool] | None = None
        self._vanish_from: Callable[[bytes], bool] | None = None
        self.line = _Line.WHOLE
        self.delay_seconds = 0.0
        self.replies_dropped = 0

    @property
    def port(self) -> int:
        """The port that clients connect to; it never changes."""
        return self._reserved.number

    @property
    def connections(self) -> int:
        """How many clients are connected now."""
        return len(self._connections)

    @property
    def swallows(self) -> bool:
        """Whether it is a black hole now."""
        return self.line is _Line.BLACK_HOLE

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cut()
        self._reserved.release()

    async def cut(self) -> None:
        """Close every connection and refuse new ones, like a server that has died."""
        self.line = _Line.CUT
        listener, self._listener = self._listener, None
        if listener is not None:
            # A connection that asyncio has just accepted gets its protocol in the next turn of the
            # loop; without a listener by then it would be left open.
            await asyncio.sleep(0)
            listener.close()
        await _end(self._connections)
        if listener is not None:
            await listener.wait_closed()

    def black_hole(self) -> None:
        """Accept and keep connections, swallow all bytes: a server nobody hears of any more."""
        self.line = _Line.BLACK_HOLE

    def black_hole_from(self, predicate: Callable[[bytes], bool]) -> None:
        """Become a black hole with the first client bytes that `predicate` accepts: they vanish
        too. So a process can be had that stands right before what these bytes would have done.
        """
        self._vanish_from = predicate

    async def heal(self) -> None:
        """Forward again, without delay. A connection that has lost bytes is closed, not resumed."""
        self.line = _Line.WHOLE
        self.delay_seconds = 0.0
        self._drop_after = self._vanish_from = None
        await _end(each for each in self._connections if each.lost_bytes)
        if self._listener is None:
            await self._listen()

    def forget(self) -> None:
        """Swallow what comes over the connections of now, for good, and serve new ones: a firewall
        that has lost its table.
        """
        for connection in self._connections:
            connection.lost_bytes = connection.is_forgotten = True

    def delay(self, seconds: float) -> None:
        """Hold every chunk of bytes back for so long, each way."""
        self.delay_seconds = seconds

    def drop_replies_after(self, predicate: Callable[[bytes], bool]) -> None:
        """Lose the reply to the first client bytes that `predicate` accepts, once.

        Those bytes still reach the server. Its answer is the proof that it has acted on them; then
        the connection is closed instead of passing the answer on. So a test can have a COMMIT that
        has certainly happened and a client that does not know.
        """
        self._drop_after = predicate

    def notice(self, request: bytes) -> None:
        """Look at client bytes before they are forwarded."""
        if self._vanish_from is not None and self._vanish_from(request):
            self._vanish_from = None
            self.black_hole()

    def takes_reply(self, request: bytes) -> bool:
        """Say whether the reply to these client bytes is the one to lose."""
        if self._drop_after is None or not self._drop_after(request):
            return False
        self._drop_after = None
        return True

    async def _listen(self) -> None:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(self, reader, writer)
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            connection.abort()
            self._connections.discard(connection)


class _Connection:
    """One client's line: two pumps, one each way."""

    def __init__(
        self, proxy: TcpProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._proxy = proxy
        self._client_reader, self._client_writer = reader, writer
        self._writers = [writer]
        self._reply_is_lost = False
        self.task = asyncio.current_task()
        self.lost_bytes = False
        self.is_forgotten = False

    async def run(self) -> None:
        """Pump until both ends have closed or the line is cut."""
        with suppress(OSError):
            if self._proxy.line is _Line.BLACK_HOLE:
                await self._swallow()
                return
            server_reader, server_writer = await asyncio.open_connection(*self._proxy.target)
            self._writers.append(server_writer)
            if self._proxy.line is _Line.CUT:
                return
            await asyncio.gather(
                self._pump(self._client_reader, server_writer, self._note_request),
                self._pump(server_reader, self._client_writer, self._note_reply),
            )

    def abort(self) -> None:
        """Close both ends at once, unsent bytes and all; `run` then comes to its end."""
        for writer in self._writers:
            writer.transport.abort()

    async def _swallow(self) -> None:
        self.lost_bytes = True
        while await self._client_reader.read(_CHUNK_BYTES):
            pass

    async def _pump(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        note: Callable[[bytes], None],
    ) -> None:
        while chunk := await source.read(_CHUNK_BYTES):
            await asyncio.sleep(self._proxy.delay_seconds)
            note(chunk)
            if self._proxy.line is _Line.BLACK_HOLE or self.is_forgotten:
                self.lost_bytes = True
            else:
                sink.write(chunk)
                await sink.drain()
        if self._proxy.line is _Line.WHOLE and sink.can_write_eof():
            sink.write_eof()

    def _note_request(self, chunk: bytes) -> None:
        self._proxy.notice(chunk)
        self._reply_is_lost = self._reply_is_lost or self._proxy.takes_reply(chunk)

    def _note_reply(self, chunk: bytes) -> None:
        if self._reply_is_lost:
            self._proxy.replies_dropped += 1
            self.abort()
            raise ConnectionResetError(f"{len(chunk)} bytes of reply dropped")


async def _end(connections: Iterable[_Connection]) -> None:
    ending = list(connections)
    for connection in ending:
        connection.abort()
    if tasks := {each.task for each in ending if each.task is not None}:
        await asyncio.wait(tasks)
