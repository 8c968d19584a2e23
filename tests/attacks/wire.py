"""A bare socket, for what no well-behaved client would send."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from tests.instances import Instance

WITHIN_SECONDS = 10.0


@dataclass(frozen=True)
class Reply:
    """An answer as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes


class Wire:
    """One connection to an instance."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        """Send these bytes and nothing else."""
        self.writer.write(data)
        await self.writer.drain()

    async def reply(self, within_seconds: float = WITHIN_SECONDS) -> Reply:
        """Read one answer. Raises EOFError when the instance closed the connection instead."""
        async with asyncio.timeout(within_seconds):
            try:
                head = await self.reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError) as end:
                raise EOFError from end
            first, *lines = head.decode("latin-1").splitlines()
            headers = {
                name.lower(): value.strip()
                for name, _, value in (line.partition(":") for line in lines if line)
            }
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return Reply(int(first.split()[1]), headers, body)

    async def rest(self, within_seconds: float = WITHIN_SECONDS) -> bytes:
        """Read until the instance closes the connection. Raises TimeoutError if it does not."""
        received = b""
        async with asyncio.timeout(within_seconds):
            with suppress(ConnectionError):
                while chunk := await self.reader.read(65_536):
                    received += chunk
        return received


@asynccontextmanager
async def connected(
    instance: Instance, receive_buffer: int | None = None, address: str = ""
) -> AsyncIterator[Wire]:
    """Connect to the instance; a small `receive_buffer` makes a client that takes little, an
    `address` (of the loopback network) another client.
    """
    host, port = instance.url.removeprefix("http://").split(":")
    peer = socket.socket()
    peer.setblocking(False)
    if receive_buffer is not None:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    if address:
        peer.bind((address, 0))
    await asyncio.get_running_loop().sock_connect(peer, (host, int(port)))
    reader, writer = await asyncio.open_connection(sock=peer, limit=1 << 16)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def exchange(instance: Instance, data: bytes) -> list[Reply]:
    """Send these bytes on a connection of their own; every answer until the instance closes it.

    The last request has to ask for that end, or be one that the instance closes for.
    """
    async with connected(instance) as wire:
        await wire.send(data)
        replies = []
        with suppress(EOFError):
            while True:
                replies.append(await wire.reply())
        return replies
