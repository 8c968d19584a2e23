"""Streams through HTTP: slow clients, standard clients, old clients, limits."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import socket
import struct
from typing import Any

import httpx
import httpx_sse
import pytest
from aiohttp import web

from scoreboard.api import streams
from scoreboard.api.http import kernel
from scoreboard.errors import LedgerUnavailable
from scoreboard.live.stream import follow
from scoreboard.model import MAIN
from scoreboard.operations import memory
from scoreboard.parts import PARTS
from tests.attacks.wire import connected
from tests.eventually import eventually
from tests.instances import Instance, Stream
from tests.service.conftest import Start
from tests.world import add_actions, add_users


async def play(instance: Instance, user: str, database_url: str, count: int, prefix: str) -> None:
    add_actions(database_url, {f"{prefix}{n}": 1 for n in range(count)})
    for n in range(count):
        assert (await instance.submit(user, f"{prefix}{n}"))[0] == 200


def raw_stream(
    instance: Instance, request: bytes, receive_buffer: int | None = None
) -> socket.socket:
    """A client that sends this and then does only what the test does with it."""
    host, port = instance.url.removeprefix("http://").split(":")
    client = socket.socket()
    if receive_buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.connect((host, int(port)))
    client.sendall(request)
    return client


FILLER = b": filler\n\n" * 200_000  # 2 MB, of which the kernel takes a tenth at most

GET = b"GET /api/leaderboard/stream HTTP/1.1\r\nHost: test\r\n\r\n"


async def test_httpx_sse_reads_the_stream(instance: Instance, database_url: str) -> None:
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 5})
    async with (
        httpx.AsyncClient(base_url=instance.url) as client,
        httpx_sse.aconnect_sse(client, "GET", "/api/leaderboard/stream") as source,
    ):
        events = source.aiter_sse()
        assert (await anext(events)).event == "connected"
        assert (await anext(events)).id == "1"
        await instance.submit(user, "run")
        update = await anext(events)
    assert (update.event, update.id) == ("score:update", "2")
    assert update.json()["topUsers"][0]["userId"] == user


async def test_a_client_that_leaves_as_its_stream_begins_is_no_error_of_ours(
    instance: Instance, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Else whoever opens streams and hangs up writes tracebacks into the log."""

    def follow_late(request: web.Request, *args: Any, **kwargs: Any) -> Any:
        assert request.transport is not None
        request.transport.abort()  # aiohttp hears of it in the loop's next turn
        return follow(request, *args, **kwargs)

    monkeypatch.setattr(streams, "follow", follow_late)
    route = {"method": "GET", "route": "/api/leaderboard/stream"}
    with caplog.at_level(logging.ERROR), contextlib.closing(raw_stream(instance, GET)):
        await eventually(lambda: instance.metric("http_requests_total", status="499", **route) == 1)
    assert caplog.messages == []
    assert len(instance.app[PARTS].streams) == 0
    monkeypatch.undo()
    async with instance.client.get("/api/leaderboard") as response:
        assert response.status == 200


async def test_an_http_1_0_client_gets_a_stream_without_chunks(instance: Instance) -> None:
    """Nginx speaks HTTP/1.0 to its upstreams unless told otherwise."""
    client = raw_stream(instance, b"GET /api/leaderboard/stream HTTP/1.0\r\nHost: test\r\n\r\n")
    received = bytearray()
    client.setblocking(False)
    loop = asyncio.get_running_loop()

    async def has_board() -> bool:
        received.extend(await loop.sock_recv(client, 65536))
        return b"id: 1\nevent: score:update\ndata: " in received

    await eventually(has_board)
    client.close()
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    assert b"chunked" not in head.lower()
    assert body.startswith(b"retry: ")


async def test_a_client_that_leaves_is_forgotten_at_once(instance: Instance) -> None:
    hub = instance.app[PARTS].hub
    clients = [raw_stream(instance, GET) for _ in range(10)]
    await eventually(lambda: len(hub) == 10)
    for client in clients:
        client.close()
    await eventually(lambda: len(hub) == 0, within_seconds=2.0)


async def test_what_the_kernel_may_hold_of_a_stream_is_bounded(instance: Instance) -> None:
    """Left to itself the limit rises to 2 to 4 MB a stream, as far as the client once kept up."""
    hub = instance.app[PARTS].hub
    with contextlib.closing(raw_stream(instance, GET)):
        await eventually(lambda: len(hub) == 1)
        [subscriber] = hub.channel(MAIN).subscribers
        connection = subscriber.transport.get_extra_info("socket")
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 64 * 1024
        if kernel.USER_TIMEOUT is not None:
            assert connection.getsockopt(socket.IPPROTO_TCP, kernel.USER_TIMEOUT) == 20_000


@pytest.mark.skipif(not hasattr(socket, "TCP_INFO"), reason="no kernel that counts segments")
async def test_the_head_of_a_stream_comes_in_one_write_with_its_first_events(
    instance: Instance,
) -> None:
    hub = instance.app[PARTS].hub
    await eventually(lambda: hub.newest(MAIN) is not None)
    with contextlib.closing(raw_stream(instance, GET)) as client:
        client.setblocking(False)
        begun = b""
        while b"score:update" not in begun:
            begun += await asyncio.get_running_loop().sock_recv(client, 65_536)

        assert begun.startswith(b"HTTP/1.1 200 OK\r\n")
        assert begun.count(b"event: connected") == 1
        assert segments_received(client) == 1


async def test_the_head_of_a_stream_says_what_aiohttp_would_say(start: Start) -> None:
    """Which builds it for a page of another site, and for clients that know no chunks."""
    site = "https://one.example"
    instance = await start(allowed_origins=(site,))

    usual = await head_of(instance, GET)
    for_site = await head_of(
        instance, GET.replace(b"\r\n\r\n", b"\r\nOrigin: %b\r\n\r\n" % site.encode())
    )
    old = await head_of(instance, GET.replace(b"HTTP/1.1", b"HTTP/1.0"))

    assert usual["transfer-encoding"] == "chunked"
    assert usual["content-type"] == "text/event-stream"
    assert for_site.pop("access-control-allow-origin") == site
    assert for_site.pop("access-control-expose-headers")
    assert for_site == usual
    del usual["transfer-encoding"]
    assert old == usual


async def test_each_stream_has_the_id_and_the_limits_of_its_own_request(start: Start) -> None:
    instance = await start(rate_limit_per_ip="100/hour")
    named = [
        GET.replace(b"\r\n\r\n", b"\r\nX-Request-ID: %b\r\n\r\n" % name)
        for name in (b"one", b"two")
    ]

    first, second = [await head_of(instance, request, own=True) for request in named]

    assert (first["x-request-id"], second["x-request-id"]) == ("one", "two")
    assert int(second["ratelimit-remaining"]) < int(first["ratelimit-remaining"])


async def head_of(instance: Instance, request: bytes, *, own: bool = False) -> dict[str, str]:
    """The fields of the answer's head; without `own`, those that each request has alike."""
    with contextlib.closing(raw_stream(instance, request)) as client:
        client.setblocking(False)
        begun = b""
        while b"\r\n\r\n" not in begun:
            begun += await asyncio.get_running_loop().sock_recv(client, 65_536)
    lines = begun.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    assert len(fields) == len(lines)
    differ = () if own else ("date", "x-request-id", "ratelimit-remaining", "ratelimit-reset")
    return {name: value for name, value in fields.items() if name not in differ}


def segments_received(client: socket.socket) -> int:
    """How many segments with data have come, as the kernel has counted (`struct tcp_info`)."""
    _, tcpi_data_segs_in = struct.unpack_from(
        "=152sI", client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 156)
    )
    return int(tcpi_data_segs_in)


async def test_a_stalled_client_is_skipped_then_cut_off_and_disturbs_nobody(
    start: Start, database_url: str
) -> None:
    """Without the look at the write buffer its memory grows with every board."""
    # The kernel gives up after twice this: time enough for the first board that is skipped.
    instance = await start(push_interval_seconds=0.0, stuck_after_seconds=3.0)
    hub = instance.app[PARTS].hub
    [user] = add_users(database_url, 1)
    stalled = raw_stream(instance, GET, receive_buffer=4096)
    await eventually(lambda: len(hub) == 1)
    [subscriber] = hub.channel(MAIN).subscribers
    healthy = await instance.open_stream()
    # Fill up what the kernel takes, as a long night of boards would.
    subscriber.transport.write(FILLER)
    unsent = subscriber.transport.get_write_buffer_size()

    await play(instance, user, database_url, 20, "a")

    await healthy.until(21)
    assert subscriber.transport.get_write_buffer_size() <= unsent  # not one board more
    await eventually(lambda: instance.metric("subscribers_cut_off_total") == 1)
    assert subscriber.transport.is_closing()
    await eventually(lambda: len(hub) == 1)
    assert instance.metric("deliveries_skipped_total") > 0
    stalled.close()


async def test_a_slow_client_that_drains_gets_the_newest_board(
    start: Start, database_url: str
) -> None:
    instance = await start(push_interval_seconds=0.0, stuck_after_seconds=30.0)
    hub = instance.app[PARTS].hub
    [user] = add_users(database_url, 1)
    slow = raw_stream(instance, GET, receive_buffer=4096)
    await eventually(lambda: len(hub) == 1)
    [subscriber] = hub.channel(MAIN).subscribers
    subscriber.transport.write(FILLER)
    await play(instance, user, database_url, 10, "a")
    await eventually(lambda: hub.version(MAIN) == 11 and subscriber.behind_since is not None)

    slow.setblocking(False)
    tail = b""

    async def has_newest() -> bool:
        nonlocal tail
        tail = (tail + await asyncio.get_running_loop().sock_recv(slow, 1 << 20))[-5000:]
        return b"id: 11\n" in tail

    await eventually(has_newest, within_seconds=10.0, every_seconds=0)
    assert b"id: 5\n" not in tail  # the boards between were skipped
    slow.close()


async def test_streams_per_address_are_counted_over_all_instances_and_none_is_evicted(
    start: Start,
) -> None:
    one, two = await start(streams_per_ip=3), await start(streams_per_ip=3)
    opened = [await one.open_stream(), await two.open_stream(), await one.open_stream()]

    async with two.client.get("/api/leaderboard/stream") as response:
        assert response.status == 429
        assert (await response.json())["code"] == "too_many_streams"
        assert response.headers["Retry-After"]

    assert not any(stream.ended for stream in opened)
    opened[0].response.close()

    async def a_place_is_free() -> bool:
        async with two.client.get("/api/leaderboard/stream") as response:
            return response.status == 200

    await eventually(a_place_is_free, every_seconds=0.2)


async def test_an_instance_refuses_more_streams_than_it_may_serve(start: Start) -> None:
    instance = await start(subscribers_max=1)
    await instance.open_stream()
    async with instance.client.get("/api/leaderboard/stream") as response:
        assert response.status == 503
        assert response.headers["Retry-After"]


async def test_of_many_streams_at_once_an_instance_opens_as_many_as_it_may(start: Start) -> None:
    """Each asks Redis on its way in, and the others come by meanwhile."""
    instance = await start(subscribers_max=5)
    answers = await asyncio.gather(
        *(instance.open_stream() for _ in range(30)), return_exceptions=True
    )
    assert sum(isinstance(answer, Stream) for answer in answers) == 5
    assert len(instance.app[PARTS].hub) == 5
    assert instance.metric("streams_refused_total", reason="instance") == 25


async def test_streams_that_are_opened_together_are_left_out_of_collections(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    monkeypatch.setattr(memory, "TOGETHER", 2)
    monkeypatch.setattr(memory, "_TOGETHER_SECONDS", 60.0)
    monkeypatch.setattr(gc, "freeze", lambda: told.append(len(instance.app[PARTS].hub)))
    for _ in range(6):
        await instance.open_stream()

    assert told == [1, 3, 5]


async def test_heartbeats_keep_an_idle_stream_open(start: Start) -> None:
    instance = await start(heartbeat_seconds=0.1)
    stream = await instance.open_stream()
    await eventually(lambda: stream.heartbeats >= 3)


async def test_a_stream_opened_with_a_token_ends_announced_when_the_token_expires(
    start: Start, database_url: str
) -> None:
    [user] = add_users(database_url, 1)
    instance = await start(require_token_to_read=True, access_token_seconds=2)
    stream = await instance.open_stream(headers=instance.bearer(user))
    await eventually(lambda: stream.ended, within_seconds=6.0)
    assert stream.events[-1].name == "closing"
    assert stream.events[-1].data["code"] == "expired_token"


async def test_retry_is_drawn_anew_for_each_client(instance: Instance) -> None:
    opened = [await instance.open_stream() for _ in range(8)]
    for stream in opened:
        await stream.until(1)
    retries = {stream.retries[0] for stream in opened}
    assert len(retries) > 1
    assert all(1000 <= retry <= 5000 for retry in retries)


@pytest.mark.parametrize(
    ("role", "path"), [("api", "/api/leaderboard/stream"), ("stream", "/api/actions")]
)
async def test_a_role_serves_only_its_own_routes(start: Start, role: str, path: str) -> None:
    instance = await start(role=role)
    method = "GET" if role == "api" else "POST"
    async with instance.client.request(method, path) as response:
        assert response.status == 404


async def test_an_api_instance_and_a_stream_instance_work_together(
    start: Start, database_url: str
) -> None:
    api, streaming = await start(role="api"), await start(role="stream")
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 5})
    stream = await streaming.open_stream()
    await stream.until(1)
    await api.submit(user, "run")
    await stream.until(2)


@pytest.mark.parametrize(
    "error", [RuntimeError("a defect"), LedgerUnavailable(), web.HTTPNotFound(), TimeoutError()]
)
@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_a_stream_that_fails_after_its_head_is_closed_and_gets_no_second_head(
    instance: Instance, monkeypatch: pytest.MonkeyPatch, error: Exception, version: str
) -> None:
    """It would be read as part of the first one's body."""

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(instance.app[PARTS].hub.channel(MAIN), "join", fail)
    async with connected(instance) as wire:
        await wire.send(GET.replace(b"HTTP/1.1", b"HTTP/" + version.encode()))
        received = await wire.rest()

    assert received.startswith(f"HTTP/{version} 200 OK\r\n".encode())
    assert received.count(b"HTTP/") == 1
    assert b"event: connected" in received
    assert b"success" not in received
    assert not received.endswith(b"0\r\n\r\n")  # a client knows that something is missing
    await eventually(lambda: instance.metric("http_broken_off_total") == 1)
    assert len(instance.app[PARTS].hub) == 0
    assert instance.metric("subscribers") == 0
