"""Subscribers that do not take what they are sent: each costs a bounded memory, delays nobody, and
is cut off and counted.
"""

from __future__ import annotations

import asyncio
import ctypes
import re
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.eventually import eventually
from tests.instances import Start
from tests.load import a_load
from tests.reckoning import a_game, reckon
from tests.servers.process import running
from tests.servers.scoreboard import ScoreboardServer

pytestmark = pytest.mark.timeout(120)

STALLED, DRIPPING, VANISHED = 60, 20, 20
# The kernel gives up after twice this: until then the boards must have filled what it holds.
STUCK_AFTER_SECONDS = 10.0
_STREAM = b"GET /api/leaderboard/stream HTTP/1.1\r\nHost: test\r\n\r\n"
_SO_ATTACH_FILTER = 26


@pytest.fixture
async def server(
    database_url: str, redis_url: str, amqp_url: str
) -> AsyncIterator[ScoreboardServer]:
    server = ScoreboardServer(
        database_url,
        redis_url,
        amqp_url,
        push_interval_seconds=0.0,
        stuck_after_seconds=STUCK_AFTER_SECONDS,
    )
    async with running(server):
        yield server


def subscribed(url: str) -> socket.socket:
    """A stream that nobody reads, with a small buffer on this side."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", urlsplit(url).port))
    client.sendall(_STREAM)
    return client


def vanish(client: socket.socket) -> bool:
    """Be gone without a FIN: from here on the kernel drops all that arrives for this socket before
    it could acknowledge it, and sends nothing. False where the kernel lets only root do that.
    """
    drop_all = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # BPF: return 0
    program = struct.pack("HL", 1, ctypes.addressof(drop_all))
    try:
        client.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
    except PermissionError:
        return False
    return True


async def metric(server: ScoreboardServer, name: str) -> float:
    async with aiohttp.ClientSession() as client, client.get(f"{server.url}/metrics") as response:
        found = re.search(rf"^scoreboard_{name} (\S+)$", await response.text(), re.MULTILINE)
        return float(found[1]) if found else 0.0


async def test_whoever_does_not_read_is_cut_off_and_counted_and_disturbs_nobody(
    server: ScoreboardServer, database_url: str, redis_url: str
) -> None:
    slow = STALLED + DRIPPING + VANISHED
    async with AsyncExitStack() as stack:
        load = await stack.enter_async_context(
            a_load(lambda: [server.url], a_game(database_url), submitters=12)
        )
        clients = [stack.enter_context(subscribed(server.url)) for _ in range(slow)]
        reading = len(load.subscribers) + len(load.others)
        await eventually(lambda: _has(server, "subscribers", slow + reading))
        memory = server.itself.memory_info().rss
        for client in clients[-VANISHED:]:
            vanish(client)  # or stay, and read nothing
        dripping = asyncio.create_task(drip(clients[STALLED : STALLED + DRIPPING]))

        # Some sixty boards fill what the kernel holds; left to itself it would take 2,600.
        await eventually(lambda: _has(server, "subscribers", reading), within_seconds=60.0)

        dripping.cancel()
        # A board is a kilobyte; one slot each is all that they may have cost.
        assert server.itself.memory_info().rss - memory < slow * 20_000 + 8_000_000
        cut_off = await metric(server, "subscribers_cut_off_total")
        vanished = await metric(server, "subscribers_vanished_total")
        assert cut_off > 0
        assert cut_off + vanished == slow  # the kernel may be the first to give one up
        assert await metric(server, "deliveries_skipped_total") > 0
        await reckon(load, database_url, redis_url)
        assert all(subscriber.streams == 1 for subscriber in load.subscribers)
        assert {reply.status for reply in load.replies} <= {200, 400}


async def _has(server: ScoreboardServer, name: str, value: float) -> bool:
    return await metric(server, name) == value


async def drip(clients: list[socket.socket]) -> None:
    """Read one byte a second, each."""
    for client in clients:
        client.setblocking(False)
    while True:
        for client in clients:
            try:
                client.recv(1)
            except OSError:
                continue  # cut off
        await asyncio.sleep(1)


async def test_on_a_quiet_board_the_kernel_gives_up_who_has_vanished_and_that_is_counted(
    start: Start,
) -> None:
    """A heartbeat fills no buffer, so the hub has nothing to go by."""
    instance = await start(heartbeat_seconds=0.2, stuck_after_seconds=0.5)
    with subscribed(instance.url) as client:
        await eventually(lambda: instance.metric("subscribers") == 1)
        if not vanish(client):
            pytest.skip("the kernel here lets only root drop what arrives for a socket")
        await eventually(lambda: instance.metric("subscribers_vanished_total") == 1)
    assert instance.metric("subscribers") == 0
    assert instance.metric("subscribers_cut_off_total") == 0
