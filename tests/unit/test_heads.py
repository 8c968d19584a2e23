"""A head has one bound, in however many pieces it comes; and what each head is taken for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp.http import RawRequestMessage
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from scoreboard.api.http.heads import (
    FOUND,
    HEAD_MAX_BYTES,
    PATH_MAX_CHARS,
    QUEUE_MAX,
    SEGMENTS_MAX,
    WAITS_FOR_CONTINUE,
    BodyCut,
    Parser,
    settled,
)
from scoreboard.app import create_app
from scoreboard.configuration.sources import load
from scoreboard.errors import ExpectationFailed, MalformedRequest
from tests.properties.strategies import examples


@dataclass
class Protocol:
    """As much of a connection as a parser asks for."""

    max_line_size: int = 8190
    max_field_size: int = 8190
    max_headers: int = 128
    connected: bool = True
    parser: Any = None

    def pause_reading(self) -> None:
        self.parser.pause_reading()

    def resume_reading(self, resume_parser: bool = True) -> None: ...


@dataclass
class Read:
    """What came out of a parser."""

    messages: list[tuple[RawRequestMessage, Any]] = field(default_factory=list)
    malformed: list[str] = field(default_factory=list)

    @property
    def urls(self) -> list[str]:
        return [str(message.url) for message, _ in self.messages]


def read(*pieces: bytes, body_max_bytes: int = 16_384) -> Read:
    """Parse what comes in these pieces; whatever is queued is taken at once."""
    found = Read()
    protocol: Any = Protocol()
    parser = Parser(
        protocol,
        asyncio.get_event_loop(),
        body_max_bytes=body_max_bytes,
        on_malformed=found.malformed.append,
    )
    protocol.parser = parser
    for piece in pieces:
        messages, _, _ = parser.feed_data(piece)
        while messages:
            found.messages += messages
            for _ in messages:
                parser.message_consumed()
            messages, _, _ = parser.feed_data(b"")
    return found


def head(size: int, first: str = "GET /a") -> bytes:
    """A whole head of as many bytes as the parser keeps of it."""
    fields = [("Host", "x")]
    left = size - len(first.split()[1]) - len("Host") - len("x") - 4
    while left > 0:
        length = left if left <= 8_000 else min(8_000, left - 5)
        fields.append(("a", "b" * (length - 5)))
        left -= length
    lines = [f"{first} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
    return "\r\n".join([*lines, "", ""]).encode()


def pieces_of(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize("piece", [1, 100, 8_000, 100_000])
async def test_a_head_of_32_kib_is_read_and_a_larger_one_is_not(piece: int) -> None:
    assert read(*pieces_of(head(HEAD_MAX_BYTES - 64), piece)).urls == ["/a"]
    refused = read(*pieces_of(head(HEAD_MAX_BYTES + 64), piece))
    assert refused.malformed == ["HeadTooLarge"]
    assert refused.urls == [""]


@pytest.mark.parametrize("piece", [100, 8_000, 100_000])
async def test_a_head_that_never_ends_is_given_up_after_32_kib(piece: int) -> None:
    endless = head(200_000)[:-4] + b"\r\nc: "
    accepted = 0
    found = Read()
    protocol: Any = Protocol()
    parser = Parser(
        protocol,
        asyncio.get_event_loop(),
        body_max_bytes=1,
        on_malformed=found.malformed.append,
    )
    for one in pieces_of(endless, piece):
        accepted += len(one)
        if parser.feed_data(one)[0]:
            break
    assert accepted <= HEAD_MAX_BYTES + piece
    assert found.malformed


async def test_many_requests_sent_together_have_their_bound_each() -> None:
    together = head(20_000) * 5
    for size in (1_000, 25_000, 1_000_000):
        assert read(*pieces_of(together, size)).urls == ["/a"] * 5
    behind_others = read(*pieces_of(head(20_000) * 3 + head(40_000), 25_000))
    assert behind_others.urls == ["/a"] * 3 + [""]


async def test_a_body_counts_for_nothing_and_what_frames_it_does() -> None:
    post = b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"1000\r\n" + b"a" * 0x1000 + b"\r\n"
    whole = read(post, *[chunk] * 20, b"0\r\n\r\n", body_max_bytes=1_000_000)
    assert (len(whole.messages), whole.malformed) == (1, [])
    trailers = [b"a: " + b"b" * 8_000 + b"\r\n"] * 5
    cut = read(post, chunk, b"0\r\n", *trailers)
    assert cut.malformed == ["HeadTooLarge"]
    assert isinstance(cut.messages[0][1].exception(), BodyCut)


CHUNKED = b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n"
PLAIN = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 40000\r\n\r\n"
CRUMB = b"1\r\n \r\n"


@pytest.mark.parametrize(
    ("pieces", "read_bytes"),
    [
        ([CHUNKED + CRUMB * 10_000], None),
        ([CHUNKED, CRUMB * 10_000], 0),
        ([CHUNKED + CRUMB * 100, CRUMB * 10_000], 100),
        ([CHUNKED[:-8], CHUNKED[-8:] + CRUMB * 10_000], None),
        ([CHUNKED[:-2] + b"X-A: as long as that", b" word\r\n\r\n" + CRUMB * 10_000], None),
        (
            [
                CHUNKED[:-8],
                *(bytes([one]) for one in CHUNKED[-8:-5]),
                b"d\r\n\r\n" + CRUMB * 10_000,
            ],
            None,
        ),
        (
            [b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n" + CHUNKED[:-8], CHUNKED[-8:] + CRUMB * 10_000],
            None,
        ),
        (
            [
                b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n" + CHUNKED[:-2] + b"X-A: as long",
                b" as that word\r\n\r\n" + CRUMB * 10_000,
            ],
            None,
        ),
        ([PLAIN + b"a" * 40_000 + CHUNKED + CRUMB * 4_000], None),
    ],
    ids=[
        "with the head",
        "after the head",
        "after a few",
        "within a word",
        "after that word",
        "byte by byte",
        "behind another",
        "behind another, after that word",
        "behind a body",
    ],
)
async def test_so_many_chunks_in_one_read_are_not_parsed(
    pieces: list[bytes], read_bytes: int | None
) -> None:
    found = read(*pieces)
    assert found.malformed == ["BodyInCrumbs"]
    bodies = [body.total_bytes for message, body in found.messages if message.chunked]
    assert bodies == ([] if read_bytes is None else [read_bytes])


async def test_lines_that_are_no_chunks_are_not_counted() -> None:
    body = b"\r\n" * 8_000
    head = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
    assert read(head, body, b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n").urls == ["/a", "/b"]


async def test_nothing_that_follows_what_cannot_be_read_is_looked_at() -> None:
    """Each read of it would otherwise become an answer that waits, with what came in it."""
    found = read(head(40), *[bytes(50_000)] * 20, head(40))
    assert (found.urls, found.malformed) == (["/a", ""], ["BadHttpMethod"])


async def test_nothing_is_parsed_ahead_of_what_may_wait() -> None:
    protocol: Any = Protocol()
    parser = Parser(protocol, asyncio.get_event_loop(), body_max_bytes=1, on_malformed=print)
    messages, _, _ = parser.feed_data(head(100) * 50)
    assert len(messages) == QUEUE_MAX


@examples(60)
@given(st.data())
async def test_the_pieces_in_which_it_comes_make_no_difference(data: st.DataObject) -> None:
    requests = data.draw(
        st.lists(
            st.sampled_from(
                [
                    head(40),
                    head(9_000, "GET /b"),
                    b"POST /c HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
                    b"POST /d HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                    b"2\r\n{}\r\n0\r\n\r\n",
                    b"\r\n",
                    b"\x16\x03\x01",
                    b"GET /e HTTP/2.0\r\nHost: x\r\n\r\n",
                    head(HEAD_MAX_BYTES + 64, "GET /f"),
                ]
            ),
            max_size=6,
        )
    )
    whole = b"".join(requests)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]

    one, many = read(*(pieces_of(whole, 500) or [b""])), read(*pieces)

    # (Of what came in the same read as something unreadable, the parser forgets what was good.)
    assert bool(one.malformed) == bool(many.malformed)
    if not one.malformed:
        assert one.urls == many.urls


# What a head is taken for


def message(first: str, *fields: str) -> RawRequestMessage:
    [(found, _)] = read(
        "\r\n".join((f"{first} HTTP/1.1", "Host: x", *fields, "", "")).encode()
    ).messages
    return found


@pytest.mark.parametrize(
    ("target", "url"),
    [
        ("/api/actions?after=/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t/u/v/w/x/y/z/0/1/2/3", None),
        ("/" * (SEGMENTS_MAX + 60), ""),
        ("/" + "a" * PATH_MAX_CHARS, ""),
        ("/a" + "?" * 4_000, None),
        ("http://elsewhere.example/a?b", "/a?b"),
        ("http://elsewhere.example", "/"),
        ("http://xn--" + "a" * 4_000 + "/a", "/a"),
        ("http://x/" + "a" * PATH_MAX_CHARS, ""),
    ],
)
async def test_a_target_is_read_as_a_path_that_may_be_ours(target: str, url: str | None) -> None:
    found, notes = settled(message(f"GET {target}"))
    assert found.url == URL(target if url is None else url, encoded=True)
    assert notes == {}


async def test_every_route_is_shorter_than_what_is_looked_for() -> None:
    app = create_app(load({}, database_url="postgresql://localhost", redis_url="redis://localhost"))
    paths = [route.resource.canonical for route in app.router.routes() if route.resource]
    assert max(map(len, paths)) * 3 + 100 < PATH_MAX_CHARS
    assert max(path.count("/") for path in paths) < SEGMENTS_MAX


async def test_connect_is_answered_and_ends_the_connection() -> None:
    found, _ = settled(message("CONNECT elsewhere.example:443"))
    assert (str(found.url), found.should_close) == ("", True)


@pytest.mark.parametrize(
    ("given", "noted"),
    [
        ("100-continue", {WAITS_FOR_CONTINUE: True}),
        ("100-Continue", {WAITS_FOR_CONTINUE: True}),
        ("", {}),
        ("anything", ExpectationFailed),
        ("100-continue, anything", ExpectationFailed),
    ],
)
async def test_an_expectation_is_noted_and_taken_out(given: str, noted: Any) -> None:
    found, notes = settled(message("POST /a", f"Expect: {given}"))
    assert "Expect" not in found.headers
    assert "Host" in found.headers
    if noted is ExpectationFailed:
        assert isinstance(notes[FOUND], ExpectationFailed)
    else:
        assert notes == noted


async def test_what_cannot_be_read_is_a_request_that_is_refused() -> None:
    [(found, _)] = read(b"\x16\x03\x01\x02\x00").messages
    found, notes = settled(found)
    assert isinstance(notes[FOUND], MalformedRequest)
    assert (str(found.url), found.should_close) == ("", True)


async def test_a_protocol_that_is_unknown_ends_a_connection_that_would_lose_a_request() -> None:
    """Of what comes in the same read as a request for it aiohttp forgets the rest."""
    upgrade = b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    alone, together = read(upgrade), read(upgrade + head(40))
    assert [message.should_close for message, _ in alone.messages] == [False]
    assert [message.should_close for message, _ in together.messages][-1]
