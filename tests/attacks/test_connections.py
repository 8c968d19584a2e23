"""Connections that are held rather than used: heads and bodies that never end, answers that nobody
reads, and more of anything than anybody needs.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import socket
from contextlib import AsyncExitStack, suppress

import pytest

from scoreboard.api.http import heads, kernel, newcomers, replies
from tests.attacks.conftest import Start
from tests.attacks.wire import Wire, connected, exchange
from tests.eventually import eventually
from tests.instances import Instance
from tests.servers.process import running
from tests.servers.scoreboard import ScoreboardServer
from tests.world import add_users

PATIENCE_SECONDS = 0.4
HEAD = b"GET /healthz HTTP/1.1\r\nHost: test\r\n"
GET = HEAD + b"\r\n"
LAST = HEAD + b"Connection: close\r\n\r\n"


@pytest.fixture
def instance(shared_instance: Instance) -> Instance:
    return shared_instance


@pytest.fixture
def database_url(shared_database_url: str) -> str:
    return shared_database_url


def post(path: str, *fields: str) -> bytes:
    lines = (f"POST {path} HTTP/1.1", "Host: test", "Content-Type: application/json", *fields)
    return "\r\n".join((*lines, "", "")).encode()


async def trickle(wire: Wire, byte: bytes) -> None:
    """One byte now and then, until the instance has had enough."""

    async def is_given_up() -> bool:
        with suppress(ConnectionError):
            await wire.send(byte)
            return wire.reader.at_eof()
        return True

    await eventually(is_given_up, every_seconds=0.05, message="the connection is given up")


# Slowloris


async def test_a_head_that_never_ends_is_given_up(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(newcomers, "HEAD_SECONDS", PATIENCE_SECONDS)
    for beginning in (b"", b"G", HEAD, HEAD + b"X-Filler: "):
        async with connected(instance) as wire:
            await wire.send(beginning)
            assert await wire.rest() == b""


async def test_a_head_that_comes_byte_by_byte_gets_no_more_time_than_one_that_stops(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(newcomers, "HEAD_SECONDS", PATIENCE_SECONDS)
    async with connected(instance) as wire:
        await wire.send(HEAD + b"X-Filler: ")
        await trickle(wire, b"a")


async def test_a_client_that_was_answered_once_may_idle_longer_than_a_first_head_may_take(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(newcomers, "HEAD_SECONDS", PATIENCE_SECONDS)
    async with connected(instance) as known:
        await known.send(GET)
        assert (await known.reply()).status == 200
        async with connected(instance) as silent:  # it came later, and its time is over first
            assert await silent.rest() == b""
        await known.send(GET)
        assert (await known.reply()).status == 200


@pytest.mark.parametrize(
    "length", ["Content-Length: 100", "Transfer-Encoding: chunked"], ids=["length", "chunked"]
)
async def test_a_body_that_never_ends_is_given_up(
    instance: Instance, database_url: str, monkeypatch: pytest.MonkeyPatch, length: str
) -> None:
    monkeypatch.setattr(replies, "BODY_SECONDS", PATIENCE_SECONDS)
    [user] = add_users(database_url, 1)
    authorization = f"Authorization: {instance.bearer(user)['Authorization']}"
    async with connected(instance) as wire:
        await wire.send(post("/api/actions", length, authorization))
        reply = await wire.reply()
    assert (reply.status, json.loads(reply.body)["code"]) == (408, "body_too_slow")
    assert reply.headers["connection"] == "close"


async def test_a_body_that_comes_late_but_in_time_is_read(instance: Instance) -> None:
    async with connected(instance) as wire:
        await wire.send(post("/api/auth/refresh", "Content-Length: 20"))
        await wire.send(b'{"refreshToken')
        await wire.send(b'":"x"}')
        assert (await wire.reply()).status == 401


# Answers that nobody reads


@pytest.mark.skipif(kernel.USER_TIMEOUT is None, reason="Linux counts; others cannot")
async def test_a_client_that_never_reads_its_answers_is_cut_off(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel, "UNREAD_SECONDS", PATIENCE_SECONDS)
    instance = await start()
    server = instance.runner.server
    assert server is not None
    async with connected(instance, receive_buffer=4096) as wire:
        wire.reader._limit = 1  # type: ignore[attr-defined]  # asyncio reads ahead no further
        await wire.send(b"GET /docs/openapi.json HTTP/1.1\r\nHost: test\r\n\r\n" * 100)
        await eventually(lambda: server.requests_count > 0)
        await eventually(lambda: not server.connections, message="the connection is gone")


# More connections than one client needs


async def test_an_address_may_hold_so_many_connections_and_no_more(start: Start) -> None:
    instance = await start(connections_per_ip=3)
    async with AsyncExitStack() as stack:
        wires = [await stack.enter_async_context(connected(instance)) for _ in range(3)]
        for wire in wires:
            await wire.send(GET)
            assert (await wire.reply()).status == 200
        async with connected(instance) as one_more:
            assert await one_more.rest() == b""
        assert instance.metric("connections") == 3
        assert instance.metric("connections_refused_total", reason="address") == 1
        async with connected(instance, address="127.0.0.2") as neighbour:
            await neighbour.send(GET)
            assert (await neighbour.reply()).status == 200
    await eventually(lambda: instance.metric("connections") == 0)
    async with connected(instance) as later:
        await later.send(GET)
        assert (await later.reply()).status == 200


async def test_an_instance_holds_so_many_connections_and_leaves_room_for_others(
    start: Start,
) -> None:
    instance = await start(connections_per_ip=100, connections_max=8)
    async with AsyncExitStack() as stack:
        for n in range(8):
            address = f"127.0.0.{2 + n // 4}"
            wire = await stack.enter_async_context(connected(instance, address=address))
            await wire.send(GET)
            assert (await wire.reply()).status == 200
        for address, reason in (("127.0.0.2", "process"), ("127.0.0.9", "process")):
            async with connected(instance, address=address) as one_more:
                assert await one_more.rest() == b""
            assert instance.metric("connections_refused_total", reason=reason)


async def test_a_trusted_proxy_may_hold_as_many_connections_as_there_are(start: Start) -> None:
    instance = await start(connections_per_ip=1, trusted_proxies=["127.0.0.1"])
    async with AsyncExitStack() as stack:
        for _ in range(5):
            wire = await stack.enter_async_context(connected(instance))
            await wire.send(GET)
            assert (await wire.reply()).status == 200


async def test_a_new_connection_does_not_wait_for_each_one_before_it(
    database_url: str, redis_url: str, amqp_url: str
) -> None:
    """Of one address some connections are busy, and many wait to be let in that say nothing. How
    many requests were answered before that of another address tells how many turns of the loop it
    waited: some 3 to each who is busy, and 48 if a turn lets one connection in.
    """
    busy, silent = 40, 400
    async with (
        running(ScoreboardServer(database_url, redis_url, amqp_url)) as server,
        AsyncExitStack() as stack,
    ):
        address = ("127.0.0.1", server.port)
        writers = []
        for _ in range(busy):
            reader, writer = await asyncio.open_connection(*address)
            stack.callback(writer.transport.abort)
            writer.write(GET)
            await reader.readuntil(b"\r\n\r\n")
            writers.append(writer)
        await asyncio.to_thread(server.pause)
        for writer in writers:
            writer.write(GET * silent)
        for _ in range(silent):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(address)
        reader, writer = await asyncio.open_connection(*address, local_addr=("127.0.0.2", 0))
        stack.callback(writer.transport.abort)
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        server.resume()
        told = (await reader.read()).decode()
    counts = re.findall(r'^scoreboard_http_requests_total\{.*"/healthz".*\} (\S+)$', told, re.M)
    assert busy <= sum(map(float, counts)) < busy * 20


# Too much of anything


OVERSIZED = {
    "field": HEAD + b"X-Filler: " + b"a" * 20_000 + b"\r\n\r\n",
    "fields": HEAD + b"X-Filler: a\r\n" * 500 + b"\r\n",
    "name of a field": HEAD + b"a" * 20_000 + b": a\r\n\r\n",
    "path": b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: test\r\n\r\n",
    "method": b"A" * 20_000 + b" / HTTP/1.1\r\nHost: test\r\n\r\n",
    "token": HEAD + b"Authorization: Bearer " + b"a" * 20_000 + b"\r\n\r\n",
}


async def test_an_oversized_head_is_refused_and_the_connection_closed(instance: Instance) -> None:
    for what, oversized in OVERSIZED.items():
        [reply] = await exchange(instance, oversized + LAST)
        assert (reply.status, json.loads(reply.body)["code"]) == (400, "malformed_request"), what
        assert len(reply.body) < 300, what  # it does not repeat what came


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
async def test_a_body_without_end_is_refused_after_a_few_kibibytes(
    instance: Instance, announced: bool
) -> None:
    chunk = b"2000\r\n" + b" " * 0x2000 + b"\r\n"
    async with connected(instance) as wire:
        if announced:
            await wire.send(post("/api/auth/login", "Content-Length: 1000000000") + b" " * 20_000)
        else:
            await wire.send(post("/api/auth/login", "Transfer-Encoding: chunked") + chunk * 3)
        assert (await wire.reply()).status == 413


async def test_a_body_that_unpacks_to_a_thousand_times_its_size_is_refused(
    instance: Instance,
) -> None:
    bomb = gzip.compress(b'{"username": "' + b" " * 10_000_000)
    assert len(bomb) < 16_384
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    async with instance.client.post("/api/auth/login", data=bomb, headers=headers) as response:
        assert response.status == 413


async def test_what_follows_a_declined_upgrade_is_not_kept_in_memory(instance: Instance) -> None:
    """A parser that waits for another protocol to take over stores what comes; it must not store
    without end while the answer to the request is not made yet.
    """
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n"
    async with connected(instance) as wire:
        await wire.send(f"GET /healthz HTTP/1.1\r\nHost: test\r\n{upgrade}\r\n".encode() + LAST)
        assert [(await wire.reply()).status, (await wire.reply()).status] == [200, 200]


@pytest.mark.parametrize("at_once", [heads.LINES_OF_A_READ_MAX, 1 << 20], ids=["many", "few"])
async def test_a_body_in_chunks_of_a_byte_is_cut_and_costs_the_neighbours_nothing(
    instance: Instance, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """Whether one read brings many of them, or they come a few at a time."""
    monkeypatch.setattr(heads, "LINES_OF_A_READ_MAX", at_once)
    malformed_before = instance.metric("http_malformed_total")
    flood = post("/nowhere", "Transfer-Encoding: chunked") + b"1\r\n \r\n" * 40_000
    async with connected(instance) as wire:
        with suppress(ConnectionError):
            await wire.send(flood)
            await wire.rest()
    assert instance.metric("http_malformed_total") == malformed_before + 1
    [reply] = await exchange(instance, LAST)
    assert reply.status == 200


async def test_a_large_body_that_nobody_reads_is_passed_over(instance: Instance) -> None:
    chunk = b"%x\r\n%b\r\n" % (4096, b"a" * 4096)
    head = post("/nowhere", "Transfer-Encoding: chunked")
    replies = await exchange(instance, head + chunk * 250 + b"0\r\n\r\n" + LAST)
    assert [reply.status for reply in replies] == [404, 200]
