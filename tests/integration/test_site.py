"""Who comes in, and who is on the way in at the end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
import uvloop
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from scoreboard.api.http import site
from scoreboard.api.http.listening import bound_sockets, listening_sockets

GET = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"


@pytest.mark.parametrize(
    "new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
def test_nobody_comes_in_after_the_end_who_was_on_the_way_in(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def end_while_they_come_in(clients: list[socket.socket]) -> list[bytes]:
        runner = web.AppRunner(web.Application(), shutdown_timeout=1)
        await runner.setup()
        server = runner.server
        assert server is not None
        place = site.Site(runner)
        place._make_protocol = lambda _: server()  # aiohttp's own, which knows no socket
        await place.start()
        place.attend(listening_sockets("127.0.0.1", 0))
        for client in clients:
            client.connect(runner.addresses[0])
            client.sendall(GET)
        for _ in range(100):
            if place._entering:
                break
            await asyncio.sleep(0)  # a turn of the loop, no more: they are in after one or two
        assert place._entering
        await place.stop()
        assert not place._entering  # so whoever ends those who are in, ends all
        await runner.cleanup()
        await asyncio.sleep(0.1)
        assert not server.connections
        return [await asyncio.to_thread(_read, client) for client in clients]

    with asyncio.Runner(loop_factory=new_loop) as runner, ExitStack() as stack:
        clients = [stack.enter_context(socket.socket()) for _ in range(site.AT_ONCE)]
        answers = runner.run(end_while_they_come_in(clients))
    assert all(answer == b"" or b" 404 " in answer for answer in answers)


@pytest.mark.parametrize(
    "new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_connection_holds_no_small_piece_back(
    host: str, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """The loop sets TCP_NODELAY, where a socket says that it is of TCP; `connection` does not."""

    async def accept_one(client: socket.socket) -> int:
        runner = web.AppRunner(web.Application(), shutdown_timeout=1)
        await runner.setup()
        entered: asyncio.Queue[socket.socket] = asyncio.Queue()

        def make_protocol(accepted: socket.socket) -> asyncio.Protocol:
            entered.put_nowait(accepted)
            return asyncio.Protocol()

        place = site.Site(runner)
        place._make_protocol = make_protocol
        await place.start()
        place.attend(listening_sockets(host, 0))
        client.connect(place.sockets[0].getsockname()[:2])
        accepted = await asyncio.wait_for(entered.get(), 10)
        await asyncio.sleep(0.01)  # a turn of the loop, in which it makes the transport
        no_delay = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        await runner.cleanup()
        return no_delay

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with asyncio.Runner(loop_factory=new_loop) as runner, socket.socket(family) as client:
        assert runner.run(accept_one(client)) != 0


async def test_a_defect_keeps_one_client_out_and_no_other(caplog: pytest.LogCaptureFixture) -> None:
    runner = web.AppRunner(web.Application(), shutdown_timeout=1)
    await runner.setup()
    server, place = runner.server, site.Site(runner)
    assert server is not None
    protocols: Iterator[RequestHandler | RuntimeError] = iter([RuntimeError(), server()])

    def make_protocol(_: socket.socket) -> RequestHandler:
        made = next(protocols)
        if isinstance(made, RuntimeError):
            raise made
        return made

    place._make_protocol = make_protocol
    await place.start()
    place.attend(bound_sockets("127.0.0.1", 0))
    place.sockets[0].listen()  # as a supervisor of an earlier release does
    assert place.sockets[0].getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
    with socket.socket() as first, socket.socket() as second:
        for client in (first, second):
            client.connect(runner.addresses[0])
            client.sendall(GET)
        assert await asyncio.to_thread(_read, first) == b""
        assert b" 404 " in await asyncio.to_thread(_read, second)
    await runner.cleanup()
    assert ["a client was not let in" in message for message in caplog.messages] == [True]


def _read(client: socket.socket) -> bytes:
    client.settimeout(5)
    try:
        return client.recv(100)
    except ConnectionError:
        return b""
