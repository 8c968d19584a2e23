"""Answers whose heads were encoded before, and which are written in one go.

aiohttp builds a head for each answer: a dictionary of fields, signals that add theirs, a
serializer. Here what a head has in common with others is built once, by aiohttp's own means, and
kept as bytes. (docs/decisions/0013 and 0068, with the measurements.)

`Prepared` is the same for everybody, head and body, for as long as its Date holds. `Reply` is for
one client: that client's own fields (`own_fields`) stand between the fixed part and the body.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Final

from aiohttp import ClientConnectionResetError, HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.hdrs import METH_GET, METH_HEAD

from scoreboard.api.http.needs import needs_of
from scoreboard.api.http.own_fields import is_shared, own_lines, write_own_fields

JSON: Final = "application/json"
_HOLDS_SECONDS: Final = 1.0
# Of statuses, and what routes and errors add, there are some dozens.
_HEADS_MAX: Final = 512


class Prepared(web.StreamResponse):
    """One answer to many requests; `content` is None for a 304.

    It writes itself when aiohttp asks for the head, and then there is nothing left to do. Of a
    request it keeps nothing.
    """

    def __init__(self, status: int, headers: Mapping[str, str], content: bytes | None) -> None:
        super().__init__(status=status, headers=headers)
        self._content = content
        self._is_shared = is_shared(headers)
        self._encoded = b""
        self._holds_until = 0.0

    def response(self, request: web.Request) -> web.StreamResponse:
        """The answer to this request."""
        if (
            self._is_shared  # guard: answer-one-client
            and request.method == METH_GET  # guard: head-gets-no
            and _is_plain(request)
        ):
            return self
        # aiohttp knows what a head needs for this client, for another site and for HTTP/1.0, and
        # that HEAD has no body.
        return self._unprepared()

    @property
    def keep_alive(self) -> bool:
        """Always: it is for such connections only."""
        return True

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        """Write everything; aiohttp asks once for each request."""
        now = time.monotonic()
        if now >= self._holds_until:
            self._encoded = await self._encode(request)
            self._holds_until = now + _HOLDS_SECONDS
        await _write(request, self._encoded)
        return request.writer

    async def write_eof(self, data: bytes = b"") -> None:
        """All was written."""

    async def _encode(self, request: web.BaseRequest) -> bytes:
        """Build the answer as aiohttp does, with the fields that signals add; return its bytes."""
        answer = self._unprepared()
        if isinstance(request, web.Request):
            await request.app.on_response_prepare.send(request, answer)
        answer.headers["Date"] = formatdate(usegmt=True)
        if self._content is not None:
            answer.headers["Content-Length"] = str(len(self._content))
        return _lines_of(answer) + b"\r\n" + (self._content or b"")

    def _unprepared(self) -> web.Response:
        kind = None if self._content is None else JSON
        return web.Response(
            status=self.status, headers=self.headers, body=self._content, content_type=kind
        )


class Heads:
    """The fixed parts of the heads of one application's answers, and the line that says when."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, int, tuple[tuple[str, str], ...]], bytes] = {}
        self._of_routes: dict[web.AbstractRoute, bytes] = {}
        self._date = b""
        self._second = 0

    async def fixed(self, request: web.Request, answer: web.Response) -> bytes:
        """The status line and the fields that this answer shares with all that have its status and
        its fields so far, on routes for the same sites. Raises ValueError when a field would end
        its line.
        """
        key = (needs_of(request).other_sites, answer.status, tuple(answer.headers.items()))
        found = self._made.get(key)
        if found is None:
            if len(self._made) >= _HEADS_MAX:
                self._made.clear()
            found = self._made[key] = await self._fixed(request, answer)
        return found

    async def fixed_of_route(self, request: web.Request, answer: web.Response) -> bytes:
        """The same, on a route whose answers have no other status and no other fields: it is found
        by the route alone.
        """
        route = request.match_info.route
        found = self._of_routes.get(route)
        if found is None:
            found = self._of_routes[route] = await self.fixed(request, answer)
        return found

    async def _fixed(self, request: web.Request, answer: web.Response) -> bytes:
        like = web.Response(status=answer.status, headers=answer.headers)
        for signal in request.app.on_response_prepare:
            if signal is not write_own_fields:  # guard: own-fields-own
                await signal(request, like)
        return _lines_of(like)

    def date(self) -> bytes:
        """The field Date, as of this second."""
        second = int(time.time())
        if second != self._second:
            self._date = f"Date: {formatdate(second, usegmt=True)}\r\n".encode("ascii")
            self._second = second
        return self._date


HEADS: Final = web.AppKey("heads", Heads)


class Reply(web.Response):
    """JSON for one client."""

    def __init__(self, body: bytes, status: int, headers: Mapping[str, str] | None) -> None:
        super().__init__(body=body, status=status, headers=headers, content_type=JSON)
        self._content = body
        self._written = False
        self._has_cookie = False

    @property
    def prepared(self) -> bool:
        """Whether it was written, or its head was."""
        return self._written or super().prepared

    @property
    def keep_alive(self) -> bool | None:
        """Whether the connection is for more requests; None while that is not known."""
        return True if self._written else super().keep_alive

    def set_cookie(self, name: str, value: str, **attributes: Any) -> None:
        """Set it as aiohttp does, which then writes the head."""
        self._has_cookie = True
        super().set_cookie(name, value, **attributes)

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write everything, or the head as aiohttp does."""
        if self._written:
            return request.writer
        if not isinstance(request, web.Request) or not self._suits(request):
            return await super().prepare(request)
        self._written = True
        heads = request.app[HEADS]
        fixed, own = await heads.fixed(request, self), own_lines(request)
        end = b"Content-Length: %d\r\n\r\n%b" % (len(self._content), self._content)
        await _write(request, b"".join((fixed, own, heads.date(), end)))
        return request.writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Write the body, unless it was."""
        if not self._written:
            await super().write_eof(data)

    def _suits(self, request: web.Request) -> bool:
        return (
            self.keep_alive is None  # guard: reply-that-closes
            and not self._has_cookie  # guard: reply-with-cookie
            and request.method != METH_HEAD  # guard: reply-to-head
            and _is_plain(request)
        )


def _is_plain(request: web.Request) -> bool:
    """Whether what a head needs is the same as for most: for one of several requests of HTTP/1.1,
    which no other site's page has sent.
    """
    return (
        request.version == HttpVersion11
        and request.keep_alive
        and "Origin" not in request.headers  # guard: another-sites-page
    )


def _lines_of(answer: web.Response) -> bytes:
    """The status line and the fields that it has so far. Raises ValueError for what would be read
    as another field.
    """
    lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    if any(not line.isprintable() for line in lines):  # guard: field-holds-line
        raise ValueError("a field of an answer holds a control character")
    return "\r\n".join([*lines, ""]).encode("ascii")


async def _write(request: web.BaseRequest, answer: bytes) -> None:
    """Write it all, past aiohttp's writer, which has nothing to add to it. Raises
    ConnectionResetError when the client has left, as that one does.
    """
    transport, writer = request.transport, request.writer
    if transport is None or transport.is_closing():
        raise ClientConnectionResetError("the client has left")
    transport.write(answer)
    writer.output_size += len(answer)  # by which an answer that has begun is known
    # Else the answers to a client that sends request after request and reads nothing would pile up
    # here.
    if request.protocol.writing_paused:
        await writer.drain()  # guard: prepared-answers-nobody
