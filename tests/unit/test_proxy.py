"""The fault proxy does to a connection what fault tests rely on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.eventually import eventually
from tests.proxy import TcpProxy


class Echo:
    """A server that answers every line with itself and remembers it."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.port = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                self.heard.append(line)
                writer.write(line)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    echo = Echo()
    server = await asyncio.start_server(echo.answer, "127.0.0.1", 0)
    echo.port = server.sockets[0].getsockname()[1]
    yield echo
    server.close()


@pytest.fixture
async def proxy(echo: Echo) -> AsyncIterator[TcpProxy]:
    async with TcpProxy("127.0.0.1", echo.port) as proxy:
        yield proxy


class Client:
    """One connection through the proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def say(self, line: bytes) -> None:
        self._writer.write(line)
        await self._writer.drain()

    async def hear(self) -> bytes:
        return await asyncio.wait_for(self._reader.readline(), 5)

    async def ask(self, line: bytes) -> bytes:
        await self.say(line)
        return await self.hear()

    def hang_up(self) -> None:
        self._writer.write_eof()


@asynccontextmanager
async def connected(proxy: TcpProxy) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()


async def test_bytes_pass_both_ways(proxy: TcpProxy) -> None:
    async with connected(proxy) as client:
        assert await client.ask(b"one\n") == b"one\n"
        assert await client.ask(b"two\n") == b"two\n"


async def test_a_closed_client_ends_its_connection(proxy: TcpProxy) -> None:
    async with connected(proxy) as client:
        await client.ask(b"one\n")
        client.hang_up()
        assert await client.hear() == b""
        await eventually(lambda: proxy.connections == 0)


async def test_a_cut_closes_connections_and_refuses_new_ones(proxy: TcpProxy) -> None:
    async with connected(proxy) as client:
        await client.ask(b"one\n")
        await proxy.cut()
        assert await client.hear() == b""
    assert proxy.connections == 0
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", proxy.port)


async def test_a_cut_line_heals_on_the_same_port(proxy: TcpProxy) -> None:
    port = proxy.port
    await proxy.cut()
    await proxy.heal()
    assert proxy.port == port
    async with connected(proxy) as client:
        assert await client.ask(b"again\n") == b"again\n"


async def test_a_black_hole_keeps_the_connection_and_answers_nothing(
    proxy: TcpProxy, echo: Echo
) -> None:
    async with connected(proxy) as client:
        await client.ask(b"before\n")
        proxy.black_hole()
        await client.say(b"lost\n")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.hear(), 0.2)
        assert proxy.connections == 1
    assert echo.heard == [b"before\n"]


async def test_a_black_hole_accepts_new_connections_and_answers_nothing(
    proxy: TcpProxy, echo: Echo
) -> None:
    proxy.black_hole()
    async with connected(proxy) as client:
        await client.say(b"lost\n")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.hear(), 0.2)
    assert echo.heard == []


async def test_a_black_hole_from_some_bytes_on_swallows_those_too(
    proxy: TcpProxy, echo: Echo
) -> None:
    proxy.black_hole_from(lambda request: b"COMMIT" in request)
    async with connected(proxy) as client:
        assert await client.ask(b"INSERT\n") == b"INSERT\n"
        await client.say(b"COMMIT\n")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.hear(), 0.2)
    assert echo.heard == [b"INSERT\n"]


async def test_healing_closes_connections_that_lost_bytes_and_keeps_the_others(
    proxy: TcpProxy,
) -> None:
    async with connected(proxy) as talking, connected(proxy) as silent:
        await talking.ask(b"one\n")
        await silent.ask(b"two\n")
        proxy.black_hole()
        await talking.say(b"lost\n")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(talking.hear(), 0.1)
        await proxy.heal()
        assert await talking.hear() == b""
        assert await silent.ask(b"three\n") == b"three\n"


async def test_a_delay_holds_bytes_back_each_way(proxy: TcpProxy) -> None:
    clock = asyncio.get_running_loop().time
    async with connected(proxy) as client:
        proxy.delay(0.1)
        start = clock()
        await client.ask(b"slow\n")
        assert clock() - start >= 0.2


async def test_a_dropped_reply_is_lost_after_the_server_has_acted(
    proxy: TcpProxy, echo: Echo
) -> None:
    proxy.drop_replies_after(lambda request: b"COMMIT" in request)
    async with connected(proxy) as client:
        assert await client.ask(b"INSERT\n") == b"INSERT\n"
        assert await client.ask(b"COMMIT\n") == b""
    assert echo.heard == [b"INSERT\n", b"COMMIT\n"]
    assert proxy.replies_dropped == 1


async def test_only_one_reply_is_dropped(proxy: TcpProxy) -> None:
    proxy.drop_replies_after(lambda request: b"COMMIT" in request)
    async with connected(proxy) as first:
        assert await first.ask(b"COMMIT\n") == b""
    async with connected(proxy) as second:
        assert await second.ask(b"COMMIT\n") == b"COMMIT\n"


async def test_a_target_that_is_away_closes_the_client() -> None:
    async with TcpProxy("127.0.0.1", 1) as proxy, connected(proxy) as client:
        assert await client.hear() == b""
