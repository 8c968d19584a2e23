"""Reads the head of a request before anything else does: bounds it, and notes what is wrong.

aiohttp bounds each field and their number, which together is a megabyte a connection, and it
answers some heads by itself, before any middleware and any limit: text that repeats the input, or a
traceback in the log. Here such a request is one like any other. What is wrong with it is noted
(`FOUND`) and raised once its address was counted (`limits`), so all of them have one envelope, one
count and one limit. (docs/decisions/0016, 0018)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from aiohttp import HttpVersion10, HttpVersion11, hdrs, web
from aiohttp.http import HttpProcessingError, HttpRequestParser, RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler, RequestPayloadError
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from scoreboard.errors import ExpectationFailed, MalformedRequest, ScoreboardError

# The request line and all fields together; browsers send 1 to 2 KiB. A bearer of the largest token
# that is accepted (4 KiB) has room for cookies of other applications on the same host.
HEAD_MAX_BYTES: Final = 32 * 1024
# A chunk of a body takes 5 µs, however small it is, and has two ends of line. One read may bring
# 10,000 of them, 50 ms of work, and thousands of connections may wait with as much. No body of ours
# has so many; heads that are sent ahead have 130 lines each.
LINES_OF_A_READ_MAX: Final = 512
# aiohttp stops reading a body after some thousand chunks that nobody took yet, and goes on when
# they are taken. A client that sends chunks of a byte makes it go on for next to nothing.
CRUMBS_BYTES: Final = 8 * 1024
CRUMBS_MAX: Final = 2
# Whole requests that wait behind the one that is being answered.
QUEUE_MAX: Final = 2  # guard: few-requests-wait
# The longest path of ours has some 60 characters, and three times as many percent-encoded.
PATH_MAX_CHARS: Final = 512
SEGMENTS_MAX: Final = 8
_SHORT_CHARS: Final = 64  # neither long nor deep enough to be worth a look

# What is wrong with a request whose head could be read, or is none.
FOUND: Final[web.RequestKey[ScoreboardError | None]] = web.RequestKey("found")
# Whether the client waits for a word before it sends the body.
WAITS_FOR_CONTINUE: Final = web.RequestKey("waits_for_continue", bool)

_VERSIONS: Final = (HttpVersion11, HttpVersion10)
_LINE_END: Final = b"\r\n"
_IN_CHUNKS: Final = b"chunked"
_HEAD_END: Final = 2 * _LINE_END
_WITHOUT_BODY: Final = (hdrs.METH_GET, hdrs.METH_HEAD)
_ROOT: Final = URL("/")
_NOWHERE: Final = URL()  # no path at all: routes are not even looked for
_MALFORMED: Final = RawRequestMessage(
    "UNKNOWN",
    "/",
    HttpVersion11,
    CIMultiDictProxy(CIMultiDict()),
    (),
    should_close=True,
    compression=None,
    upgrade=False,
    chunked=False,
    url=_NOWHERE,
)

_Messages = Sequence[tuple[RawRequestMessage, StreamReader]]


class BodyCut(RequestPayloadError, asyncio.TimeoutError):  # guard: body-cut-logged
    """The rest of a body cannot be told from what follows it.

    A TimeoutError, because that is what ends aiohttp's reading of a body that no handler read
    without a line in the log.
    """


class HeadTooLarge(HttpProcessingError):
    """A head, or what frames a body and follows it, is larger than any of ours."""


class BodyInCrumbs(HttpProcessingError):
    """A body in chunks of a few bytes: each takes as long as one of 4 KB."""


class UnknownVersion(HttpProcessingError):
    """HTTP/0.9, or HTTP/2 without being asked."""


class Parser(HttpRequestParser):
    """aiohttp's parser with one bound for a head (and for a body's framing and trailers), whatever
    the pieces it comes in. What it cannot read becomes one message that is answered like any other;
    nothing that follows is looked at, since where the next request would begin is anybody's guess,
    and guesses are how requests are smuggled.
    """

    __slots__ = (
        "_body",
        "_body_bytes",
        "_chunked",
        "_crumbs",
        "_ended",
        "_last_read_bytes",
        "_names_chunks",
        "_on_malformed",
        "_read_before",
        "_unfinished_bytes",
    )

    def __init__(
        self,
        protocol: RequestHandler,
        loop: asyncio.AbstractEventLoop,
        *,
        body_max_bytes: int,
        on_malformed: Callable[[str], None],
    ) -> None:
        super().__init__(  # guard: only-body-read
            protocol,
            loop,
            body_max_bytes,
            max_line_size=protocol.max_line_size,
            max_field_size=protocol.max_field_size,
            max_headers=protocol.max_headers,
            payload_exception=RequestPayloadError,
            auto_decompress=False,  # `encodings` does it: of bodies that are read, and of no others
            max_msg_queue_size=QUEUE_MAX,  # guard: requests-sent-ahead
        )
        self._on_malformed = on_malformed
        self._ended = False
        self._body: StreamReader = EMPTY_PAYLOAD
        self._body_bytes = 0  # of that body
        self._chunked = False  # whether it comes in chunks
        # Whether a head that is not whole yet says so, as far as it came; and the end of that, in
        # which the word may begin.
        self._names_chunks = False
        self._read_before = b""
        self._crumbs = 0  # how often in a row it went on for less than CRUMBS_BYTES
        # What came since a head was complete or a body grew, and the read in which that was.
        self._unfinished_bytes = 0
        self._last_read_bytes = 0

    def feed_data(self, data: bytes, *_: Any) -> tuple[_Messages, bool, bytes]:  # type: ignore[override]
        """Parse what came. Never raises HttpProcessingError."""
        if self._ended:
            return (), False, b""
        self._unfinished_bytes += len(data)
        try:
            self._bound_chunks(data)  # guard: many-chunks-one
            messages: _Messages
            messages, upgraded, tail = super().feed_data(data)
            if messages:
                self._check_heads(messages)
            elif self._body.total_bytes == self._body_bytes:
                if self._unfinished_bytes > HEAD_MAX_BYTES:  # guard: head-one-bound
                    raise HeadTooLarge
                return messages, upgraded, tail
            else:
                self._bound_crumbs(resumed=not data)
        except HttpProcessingError as error:  # guard: not-http-request
            return self._give_up(type(error).__name__)
        if messages:
            last, self._body = messages[-1]
            self._chunked, self._crumbs = last.chunked, 0
            if last.upgrade and not upgraded and data.find(_HEAD_END) + 4 < len(data):
                # aiohttp does not know that protocol (h2c), and forgets what came with the same
                # read: nobody should wait for an answer to it.
                messages = [*messages[:-1], (last._replace(should_close=True), self._body)]
        self._body_bytes = self._body.total_bytes
        self._unfinished_bytes, self._last_read_bytes = 0, len(data)
        return messages, upgraded, tail

    def _check_heads(self, messages: _Messages) -> None:
        # A head may have begun in the read that brought the one before it.
        may_be_too_large = self._unfinished_bytes + self._last_read_bytes > HEAD_MAX_BYTES
        for message, _ in messages:
            if message.version not in _VERSIONS:
                raise UnknownVersion
            if may_be_too_large and _bytes_of(message) > HEAD_MAX_BYTES:  # guard: head-one
                raise HeadTooLarge

    def _bound_chunks(self, data: bytes) -> None:
        """Refuse too many chunks before they are parsed. Lines of a body that does not come in
        chunks cost nothing.
        """
        may_be_many = len(data) > 2 * LINES_OF_A_READ_MAX
        if may_be_many and data.count(_LINE_END) > LINES_OF_A_READ_MAX:
            goes_on = self._chunked and not self._body.is_eof()
            begins = self._names_chunks or _IN_CHUNKS in (self._read_before + data).lower()
            if goes_on or begins:
                raise BodyInCrumbs
        if (end := data.rfind(_HEAD_END)) >= 0:
            self._names_chunks, self._read_before = False, b""
            data = data[end + len(_HEAD_END) :]
            if not data:  # a whole request without a body, as most are
                return
        unfinished = self._read_before + data
        self._names_chunks = self._names_chunks or _IN_CHUNKS in unfinished.lower()
        self._read_before = unfinished[-len(_IN_CHUNKS) :]

    def _bound_crumbs(self, *, resumed: bool) -> None:
        if self._body.total_bytes - self._body_bytes >= CRUMBS_BYTES:
            self._crumbs = 0
        elif resumed:
            self._crumbs += 1
            if self._crumbs > CRUMBS_MAX:  # guard: body-goes-crumbs
                raise BodyInCrumbs

    def _give_up(self, reason: str) -> tuple[_Messages, bool, bytes]:
        self._ended = True  # guard: nothing-parsed-behind
        self._on_malformed(reason)
        if not self._body.is_eof():
            self._body.set_exception(BodyCut())  # guard: body-cut-ends
        return [(_MALFORMED, EMPTY_PAYLOAD)], False, b""


def settled(message: RawRequestMessage) -> tuple[RawRequestMessage, dict[Any, Any]]:
    """The message as routes and handlers should see it, and what to note of the request."""
    if message is _MALFORMED:
        return message, {FOUND: MalformedRequest()}
    notes: dict[Any, Any] = {}
    path = message.path
    if not path.startswith("/"):  # guard: host-target-not
        message = _without_authority(message)
    if len(path) > _SHORT_CHARS and not _could_be_ours(message.url.raw_path):
        message = message._replace(url=_NOWHERE)
    if hdrs.EXPECT in message.headers:
        notes = _expected(message)
        message = _without_expectation(message, closes=WAITS_FOR_CONTINUE in notes)
    return message, notes


def _bytes_of(message: RawRequestMessage) -> int:
    fields = message.raw_headers
    return len(message.path) + sum(len(name) + len(value) + 4 for name, value in fields)


def _could_be_ours(path: str) -> bool:
    """The router takes a step for each slash, and each as long as what is left of the path."""
    return len(path) <= PATH_MAX_CHARS and path.count("/") <= SEGMENTS_MAX  # guard: no-route-looked


def _without_authority(message: RawRequestMessage) -> RawRequestMessage:
    """A target that names a host as well (`http://host/path`; `host:port` with CONNECT) is read as
    its path. aiohttp would decode the host's name, which for one of 4,000 letters takes 20 ms.
    """
    if not message.url.absolute:
        return message
    if message.method == hdrs.METH_CONNECT:
        return message._replace(url=_NOWHERE, should_close=True)
    url = message.url.relative()
    return message._replace(url=url if url.raw_path else _ROOT)


def _expected(message: RawRequestMessage) -> dict[Any, Any]:
    """HTTP/1.0 knows no expectations; 1.1 knows one (RFC 9110, 10.1.1)."""
    words = {value.lower() for value in message.headers.getall(hdrs.EXPECT) if value}
    if not words or message.version != HttpVersion11:
        return {}
    if words != {"100-continue"}:
        return {FOUND: ExpectationFailed()}
    return {WAITS_FOR_CONTINUE: True}


def _without_expectation(message: RawRequestMessage, *, closes: bool) -> RawRequestMessage:
    """Take out what aiohttp would answer by itself, whatever it says. Where nobody reads a body
    the client gets no word to send it, and what it sends next may be that body or a request.
    """
    headers = CIMultiDict(message.headers)
    del headers[hdrs.EXPECT]  # guard: aiohttp-answers-no
    closes = message.should_close or (closes and message.method in _WITHOUT_BODY)
    return message._replace(headers=CIMultiDictProxy(headers), should_close=closes)
