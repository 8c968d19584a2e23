"""Where an instance listens; who comes in, and who is on the way in at the end."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack
from typing import Any

import pytest
import uvloop
from aiohttp import web

from scoreboard.api import site

ADDRESSES = [(socket.AF_INET6, "::1"), (socket.AF_INET, "127.0.0.1")]
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
        place = site.Site(runner, "127.0.0.1", 0)
        await place.start()
        server, entrance = runner.server, place._entrance
        assert server is not None
        assert entrance is not None
        for client in clients:
            client.connect(runner.addresses[0])
            client.sendall(GET)
        for _ in range(100):
            if entrance._entering:
                break
            await asyncio.sleep(0)  # a turn of the loop, no more: they are in after two
        assert entrance._entering
        await runner.cleanup()
        assert not entrance._entering
        await asyncio.sleep(0.1)
        assert not server.connections
        return [await asyncio.to_thread(_read, client) for client in clients]

    with asyncio.Runner(loop_factory=new_loop) as runner, ExitStack() as stack:
        clients = [stack.enter_context(socket.socket()) for _ in range(site.AT_ONCE)]
        answers = runner.run(end_while_they_come_in(clients))
    assert all(answer == b"" or b" 404 " in answer for answer in answers)


@pytest.mark.parametrize(
    ("host", "families"), [("", {socket.AF_INET}), ("127.0.0.1", {socket.AF_INET}), ("::1", None)]
)
async def test_a_machine_without_ipv6_is_listened_on_by_ipv4(
    monkeypatch: pytest.MonkeyPatch, host: str, families: set[int] | None
) -> None:
    """Also where a name has addresses of both kinds. Where none is left it is an error."""
    create = socket.create_server

    def without_ipv6(address: Any, *, family: int, **options: Any) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return create(address, family=family, **options)

    found = [(family, 0, 0, "", (at, 0)) for family, at in ADDRESSES if host in ("", at)]

    async def addresses_of(*_: Any, **__: Any) -> list[Any]:
        return found

    monkeypatch.setattr(socket, "create_server", without_ipv6)
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", addresses_of)
    runner = web.AppRunner(web.Application())
    async with AsyncExitStack() as stack:
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        place = site.Site(runner, host, 0)
        if families is None:
            with pytest.raises(OSError, match="not supported"):
                await place.start()
            return
        await place.start()
        assert place._entrance is not None
        assert {one.family for one in place._entrance.sockets} == families


def _read(client: socket.socket) -> bytes:
    client.settimeout(5)
    try:
        return client.recv(100)
    except ConnectionError:
        return b""
