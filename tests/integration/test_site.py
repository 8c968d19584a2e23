"""Who comes in, and who is on the way in at the end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import ExitStack

import pytest
import uvloop
from aiohttp import web

from scoreboard.api.http import site
from scoreboard.api.http.listening import listening_sockets

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


def _read(client: socket.socket) -> bytes:
    client.settimeout(5)
    try:
        return client.recv(100)
    except ConnectionError:
        return b""
