"""Requests that a proxy may read as one thing and the service as another. Each shape is refused,
and nothing that follows on its connection is taken for a request.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from tests.attacks.wire import exchange
from tests.instances import Instance

SMUGGLED = b"GET /healthz HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"


@pytest.fixture
def instance(shared_instance: Instance) -> Instance:
    return shared_instance


def post(*fields: str, path: str = "/api/auth/refresh") -> bytes:
    return "\r\n".join((f"POST {path} HTTP/1.1", "Host: test", *fields, "", "")).encode()


SHAPES = {
    "CL.TE": post("Content-Length: 4", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "TE.CL": post("Transfer-Encoding: chunked", "Content-Length: 4") + b"0\r\n\r\n",
    "two different lengths": post("Content-Length: 2", "Content-Length: 0") + b"{}",
    "two equal lengths": post("Content-Length: 2", "Content-Length: 2") + b"{}",
    "a list of lengths": post("Content-Length: 2, 2") + b"{}",
    "a signed length": post("Content-Length: +2") + b"{}",
    "a hexadecimal length": post("Content-Length: 0x2") + b"{}",
    "an underscore in the length": post("Content-Length: 0_2") + b"{}",
    "a length past 64 bits": post("Content-Length: 18446744073709551618") + b"{}",
    "a coding that is none": post("Transfer-Encoding: xchunked") + b"0\r\n\r\n",
    "chunked, but not last": post("Transfer-Encoding: chunked, identity") + b"0\r\n\r\n",
    "two codings": post("Transfer-Encoding: chunked", "Transfer-Encoding: identity") + b"0\r\n\r\n",
    "a space before the colon": post("Transfer-Encoding : chunked") + b"0\r\n\r\n",
    "a tab before the value's end": post("Transfer-Encoding:\x0bchunked") + b"0\r\n\r\n",
    "a folded line": post("X-Filler: a", " Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "a bare line feed": b"GET /healthz HTTP/1.1\nHost: test\n\n",
    "a bare carriage return": post("X-Filler: a\rTransfer-Encoding: chunked") + b"0\r\n\r\n",
    "a NUL": post("X-Filler: a\0b") + b"0\r\n\r\n",
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /healthz HTTP/1.1\r\nHost: one\r\nHost: two\r\n\r\n",
    "a space in the path": b"GET /healthz /metrics HTTP/1.1\r\nHost: test\r\n\r\n",
    "another protocol": b"GET /healthz HTTX/1.1\r\nHost: test\r\n\r\n",
    "HTTP/2 without being asked": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


@dataclass(frozen=True)
class Outcome:
    """The statuses of all answers, and the code of the first."""

    statuses: tuple[int, ...]
    code: str


async def outcome(instance: Instance, data: bytes) -> Outcome:
    replies = await exchange(instance, data)
    assert all(reply.headers["x-content-type-options"] == "nosniff" for reply in replies)
    return Outcome(tuple(r.status for r in replies), json.loads(replies[0].body)["code"])


async def test_what_reads_as_two_things_is_refused_and_ends_the_connection(
    instance: Instance,
) -> None:
    found = {name: await outcome(instance, shape + SMUGGLED) for name, shape in SHAPES.items()}
    assert found == dict.fromkeys(SHAPES, Outcome((400,), "malformed_request"))


CHUNKS = {
    "a bare line feed": b"5\nhello\r\n0\r\n\r\n",
    "a negative size": b"-1\r\n\r\n0\r\n\r\n",
    "a size past 64 bits": b"FFFFFFFFFFFFFFFFF\r\n",
    "a hexadecimal prefix": b"0x2\r\n{}\r\n",
    "more than its size": b"2\r\n{}{}\r\n0\r\n\r\n",
}


async def test_chunks_that_read_as_two_things_end_the_connection(instance: Instance) -> None:
    head = post("Content-Type: application/json", "Transfer-Encoding: chunked")
    for name, chunks in CHUNKS.items():
        replies = await exchange(instance, head + chunks + SMUGGLED)
        assert {reply.status for reply in replies} == {400}, name


async def test_trailers_are_not_taken_for_header_fields(instance: Instance) -> None:
    head = post("Transfer-Encoding: chunked", "Content-Type: application/json", path="/api/actions")
    trailers = b"Authorization: Bearer x\r\n"
    replies = await exchange(instance, head + b"2\r\n{}\r\n0\r\n" + trailers + b"\r\n" + SMUGGLED)
    assert [reply.status for reply in replies] == [403, 200]
    assert json.loads(replies[0].body)["code"] == "not_authorized"


async def test_what_is_not_http_is_counted_and_not_logged(
    instance: Instance, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever a client sends would be in the log, as long as it likes and as often."""
    malformed_before = instance.metric("http_malformed_total")
    await exchange(instance, b"GET /healthz HTTP/1.1\r\nAuthorization: Bearer s3cr3t\x01\r\n\r\n")
    assert instance.metric("http_malformed_total") == malformed_before + 1
    assert "s3cr3t" not in caplog.text
    assert not [record for record in caplog.records if record.name.startswith("aiohttp")]
