"""What aiohttp would answer by itself, beneath every middleware, is answered like all else: in the
one envelope, counted, limited, and without a line in the log that a stranger can cause.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import zlib
from collections.abc import Iterator
from contextlib import suppress

import pytest
from structlog.testing import capture_logs

from scoreboard.api.http import encodings, replies
from tests.attacks.conftest import Start
from tests.attacks.wire import Reply, connected, exchange
from tests.eventually import eventually
from tests.instances import Instance

BODY = b'{"refreshToken": "x"}'
HEALTHY = b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n"


@pytest.fixture(autouse=True)
def nothing_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Neither by us nor by a library: what strangers can have logged has no bound."""
    with capture_logs() as events:
        yield
    loud = [event["event"] for event in events if event["log_level"] not in ("debug", "info")]
    assert [event for event in loud if ".http." in event or ".library." in event] == []
    records = caplog.get_records("call")
    loud = [record.name for record in records if record.levelno >= logging.WARNING]
    assert [name for name in loud if name.startswith(("aiohttp", "asyncio"))] == []


def head(first: str, *fields: str) -> bytes:
    return "\r\n".join((f"{first} HTTP/1.1", "Host: test", *fields, "", "")).encode()


def post(*fields: str, body: bytes = BODY, path: str = "/api/auth/refresh") -> bytes:
    about = ("Content-Type: application/json", f"Content-Length: {len(body)}")
    return head(f"POST {path}", *about, *fields) + body


async def answer(instance: Instance, *pieces: bytes) -> Reply:
    """The first answer to what is sent on a connection of its own, a moment after one another."""
    async with connected(instance) as wire:
        for piece in pieces[:-1]:
            await wire.send(piece)
            await asyncio.sleep(0.01)  # each in a read of its own, most of the time
        await wire.send(pieces[-1])
        return await wire.reply()


def code(reply: Reply) -> tuple[int, str]:
    document = json.loads(reply.body)
    assert document["success"] is False
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["x-request-id"]
    return reply.status, document["code"]


# Expectations


async def test_an_unknown_expectation_is_refused_in_the_one_envelope(
    shared_instance: Instance,
) -> None:
    for first in ("GET /healthz", "GET /x", "DELETE /healthz", "POST /api/actions", "OPTIONS *"):
        reply = await answer(shared_instance, head(first, "Expect: <script>"))
        assert code(reply) == (417, "expectation_failed"), first
        assert b"script" not in reply.body
        assert reply.headers["ratelimit-limit"]
        assert reply.headers["connection"] == "close"


async def test_unknown_expectations_are_counted_and_limited(start: Start) -> None:
    instance = await start(rate_limit_per_ip="3/hour")
    found = [await answer(instance, head("GET /api/me", "Expect: x")) for _ in range(5)]
    assert [reply.status for reply in found] == [417] * 3 + [429] * 2
    async with instance.client.get("/api/leaderboard") as response:
        assert response.status == 429
    count = instance.metric("http_requests_total", method="GET", route="/api/me", status="417")
    assert count == 3


JSON = "Content-Type: application/json"
UNWANTED: dict[tuple[int, str], tuple[str, ...]] = {
    (413, "body_too_large"): (JSON, "Content-Length: 99999"),
    (415, "unsupported_media_type"): ("Content-Length: 5",),
    (415, "unsupported_encoding"): (JSON, "Content-Encoding: br", "Content-Length: 5"),
}


async def test_a_body_that_would_be_refused_is_not_asked_for(shared_instance: Instance) -> None:
    refused: dict[str, dict[tuple[int, str], tuple[str, ...]]] = {
        "/api/auth/refresh": UNWANTED,
        "/api/actions": {(403, "not_authorized"): (JSON, "Content-Length: 5")},
    }
    for path, shapes in refused.items():
        for expected, fields in shapes.items():
            reply = await answer(
                shared_instance, head(f"POST {path}", "Expect: 100-continue", *fields)
            )
            assert code(reply) == expected  # and no 100 before it
            assert reply.headers["connection"] == "close"  # a body may follow, or a request


async def test_a_body_that_is_wanted_is_asked_for(shared_instance: Instance) -> None:
    async with connected(shared_instance) as wire:
        await wire.send(post("Expect: 100-continue")[: -len(BODY)])
        assert (await wire.reply()).status == 100
        await wire.send(BODY)
        assert code(await wire.reply()) == (401, "invalid_refresh_token")
        await wire.send(HEALTHY)  # it was read, so the connection goes on
        assert (await wire.reply()).status == 200


# What is no HTTP


GARBAGE = {
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(60),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/2 in the clothes of HTTP/1": b"GET /healthz HTTP/2.0\r\nHost: test\r\n\r\n",
    "HTTP/0.9": b"GET /healthz\r\n\r\n",
    "an unknown method": head("BREW /healthz"),
    "a method in small letters": head("get /healthz"),
    "an authority": head("GET test:80"),
    "a head of 40 KB": head("GET /healthz", *["X-Filler: " + "a" * 8_000] * 5),
    "a broken host": head("GET http://[::1/healthz"),
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "a SOCKS greeting": b"\x05\x01\x00",
}


async def test_what_is_not_http_is_refused_like_a_request_and_ends_the_connection(
    shared_instance: Instance,
) -> None:
    labels = {"method": "other", "route": "unmatched", "status": "400"}
    before = shared_instance.metric("http_requests_total", **labels)
    for name, garbage in GARBAGE.items():
        malformed = shared_instance.metric("http_malformed_total")
        [reply] = await exchange(shared_instance, garbage + HEALTHY)
        assert code(reply) == (400, "malformed_request"), name
        assert reply.headers["ratelimit-limit"]
        assert shared_instance.metric("http_malformed_total") == malformed + 1, name
    assert shared_instance.metric("http_requests_total", **labels) == before + len(GARBAGE)


async def test_garbage_counts_against_the_limit_of_its_address(start: Start) -> None:
    instance = await start(rate_limit_per_ip="3/hour")
    found = [(await exchange(instance, garbage))[0] for garbage in list(GARBAGE.values())[:5]]
    assert [reply.status for reply in found] == [400] * 3 + [429] * 2
    assert all(reply.headers["connection"] == "close" for reply in found)
    async with instance.client.get("/api/leaderboard") as response:
        assert response.status == 429
    async with instance.client.get("/healthz") as response:
        assert response.status == 200


async def test_garbage_is_counted_once_a_connection(shared_instance: Instance) -> None:
    before = shared_instance.metric("http_malformed_total")
    async with connected(shared_instance) as wire:
        with suppress(ConnectionError):
            for _ in range(20):
                await wire.send(bytes(5_000))
                await asyncio.sleep(0.005)
    assert shared_instance.metric("http_malformed_total") == before + 1


# Targets


async def test_a_host_in_the_target_is_not_decoded(shared_instance: Instance) -> None:
    """They are, by aiohttp, for every request, at the square of its length, and fails at some."""
    for host in ("elsewhere.example", "xn--" + "a" * 4_000, "xn--zzzz9", "a%00b", "[::1]"):
        [reply] = await exchange(
            shared_instance, head(f"GET http://{host}/healthz", "Connection: close")
        )
        assert reply.status == 200, host


async def test_connect_is_refused_and_what_follows_is_not_read(shared_instance: Instance) -> None:
    [reply] = await exchange(shared_instance, head("CONNECT elsewhere.example:443") + HEALTHY)
    assert code(reply) == (404, "not_found")


async def test_a_path_that_no_route_has_is_not_looked_for(start: Start) -> None:
    instance = await start(rate_limit_per_ip="3/hour")
    for path in ("/" * 8_000, "/api" * 2_000, "/" + "a" * 8_000):
        assert code(await answer(instance, head(f"GET {path}"))) == (404, "not_found")
    assert code(await answer(instance, head("GET " + "/" * 8_000))) == (429, "rate_limited")


# Other protocols


async def test_an_upgrade_is_declined_by_an_ordinary_answer(shared_instance: Instance) -> None:
    for protocol in ("h2c", "websocket", "TLS/1.2", "h2c, websocket"):
        upgrade = ("Connection: Upgrade, HTTP2-Settings", f"Upgrade: {protocol}")
        async with connected(shared_instance) as wire:
            await wire.send(head("GET /healthz", *upgrade, "HTTP2-Settings: AAM"))
            assert (await wire.reply()).status == 200
            await wire.send(HEALTHY)
            assert (await wire.reply()).status == 200, protocol


async def test_what_is_sent_after_an_upgrade_is_answered_or_the_connection_ends(
    shared_instance: Instance,
) -> None:
    for protocol in ("h2c", "websocket"):
        upgrade = head("GET /healthz", "Connection: Upgrade", f"Upgrade: {protocol}")
        async with connected(shared_instance) as wire:
            await wire.send(upgrade + HEALTHY)
            first = await wire.reply()
            if first.headers.get("connection") != "close":
                assert (await wire.reply()).status == 200, protocol


# Bodies


UNPACKABLE = {
    "no gzip": ("gzip", BODY),
    "junk behind it": ("gzip", gzip.compress(BODY) + b"junk"),
    "cut off": ("gzip", gzip.compress(BODY)[:-9]),
    "nothing": ("gzip", b""),
    "no deflate": ("deflate", BODY),
    "packed twice": ("gzip", gzip.compress(gzip.compress(BODY))),
}


async def test_a_body_that_cannot_be_unpacked_is_400(shared_instance: Instance) -> None:
    for name, (encoding, body) in UNPACKABLE.items():
        whole = post(f"Content-Encoding: {encoding}", body=body)
        middle = len(whole) - len(body) // 2 - 1
        for pieces in ([whole], [whole[:middle], whole[middle:]]):
            assert code(await answer(shared_instance, *pieces)) == (400, "malformed_body"), name


async def test_an_unknown_encoding_is_415_and_names_those_that_are_known(
    shared_instance: Instance,
) -> None:
    for names in (["br"], ["zstd"], ["gzip, gzip"], ["gzip", "gzip"], ["x"]):
        reply = await answer(
            shared_instance, post(*(f"Content-Encoding: {name}" for name in names))
        )
        assert code(reply) == (415, "unsupported_encoding"), names
        assert reply.headers["accept-encoding"] == "gzip, deflate"


PACKED = {
    "gzip": gzip.compress(BODY),
    "X-Gzip": gzip.compress(BODY),
    "deflate": zlib.compress(BODY),
    "Deflate": zlib.compress(BODY)[2:-4],  # without its frame
    "identity": BODY,
}


async def test_a_packed_body_is_read(shared_instance: Instance) -> None:
    for encoding, packed in PACKED.items():
        reply = await answer(shared_instance, post(f"Content-Encoding: {encoding}", body=packed))
        assert code(reply) == (401, "invalid_refresh_token"), encoding


async def test_a_body_that_nobody_reads_is_not_unpacked(
    shared_instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bomb behind a refusal would be unpacked only to be thrown away."""
    monkeypatch.setattr(encodings, "unpacked", pytest.fail)
    monkeypatch.setattr(replies, "unpacked", pytest.fail)
    bomb = gzip.compress(bytes(10_000_000))
    for body in (bomb, bomb[:-1], b"no gzip"):
        packed = post("Content-Encoding: gzip", body=body, path="/api/actions")
        async with connected(shared_instance) as wire:
            await wire.send(packed + HEALTHY)
            assert code(await wire.reply()) == (403, "not_authorized")
            assert (await wire.reply()).status == 200


async def test_json_may_begin_with_a_byte_order_mark_and_is_utf_8_all_the_same(
    shared_instance: Instance,
) -> None:
    text = BODY.decode()
    found = {
        encoding: code(await answer(shared_instance, post(body=text.encode(encoding))))
        for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "utf-7")
    }
    read, refused = (401, "invalid_refresh_token"), (400, "malformed_body")
    assert found == dict.fromkeys(found, refused) | dict.fromkeys(
        ("utf-8", "utf-8-sig", "utf-7"), read
    )


TYPES = {
    "application/json": 401,
    "Application/JSON ; charset=utf-8": 401,
    "application/json; charset=utf-16": 401,  # none of JSON's parameters: it says nothing
    "application/json" + ";" * 8_000: 401,
    "application/json;" + "(" * 8_000: 401,
    "application/jsonp": 415,
    "application/json, text/plain": 415,
    "text/plain; application/json": 415,
    "(" * 8_000: 415,
    "": 415,
}


async def test_a_content_type_is_read_as_far_as_its_first_semicolon(
    shared_instance: Instance,
) -> None:
    for given, status in TYPES.items():
        fields = (f"Content-Type: {given}", f"Content-Length: {len(BODY)}")
        reply = await answer(shared_instance, head("POST /api/auth/refresh", *fields) + BODY)
        assert reply.status == status, given[:40]


async def test_a_body_that_breaks_off_is_answered_at_once(shared_instance: Instance) -> None:
    chunked = head(
        "POST /api/auth/refresh", "Content-Type: application/json", "Transfer-Encoding: chunked"
    )
    for broken in (b"5\r\nhello!!\r\n", b"zz\r\n", b"0\r\n" + b"X-Filler: aaaaaaaa\r\n" * 2_000):
        reply = await answer(shared_instance, chunked, broken)
        assert code(reply) == (400, "malformed_request")
        assert reply.headers["connection"] == "close"


async def test_a_body_that_breaks_off_after_its_answer_ends_the_connection(
    shared_instance: Instance,
) -> None:
    async with connected(shared_instance) as wire:
        await wire.send(head("GET /healthz", "Transfer-Encoding: chunked"))
        assert (await wire.reply()).status == 200
        await wire.send(b"zz\r\n")
        assert await wire.rest() == b""


async def test_a_client_that_leaves_in_the_middle_of_a_body_is_counted(
    shared_instance: Instance,
) -> None:
    labels = {"method": "POST", "route": "/api/auth/refresh", "status": "499"}
    before = shared_instance.metric("http_requests_total", **labels)
    async with connected(shared_instance) as wire:
        await wire.send(post()[:-3])
    await eventually(lambda: shared_instance.metric("http_requests_total", **labels) > before)


async def test_what_is_odd_and_allowed_is_served(shared_instance: Instance) -> None:
    odd = [
        head("GET /healthz", f"Content-Length: {len(BODY)}")
        + BODY
        + head("GET /", "Connection: close"),
        *(
            head("GET /healthz", f"Connection: {value}")
            for value in ("close, keep-alive", "Authorization, close", "close, close", ",,close")
        ),
        b"GET /healthz HTTP/1.0\r\nExpect: anything\r\n\r\n",
        b"\r\n\r\n" + head("GET /healthz", "Connection: close"),
    ]
    for data in odd:
        replies_ = await exchange(shared_instance, data)
        assert {reply.status for reply in replies_} == {200}, data
