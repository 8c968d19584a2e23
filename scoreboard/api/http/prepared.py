"""An answer that is the same for everybody is encoded once a second, and written in one go.

aiohttp builds a head for each answer: a dictionary of fields, signals that add theirs, a
serializer. An answer that caches may share bears nothing of a client (`replies.is_shared`), so the
head that was built for one is everybody's, for as long as its Date holds. (docs/decisions/0013,
with the measurements.)
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.hdrs import METH_GET
from multidict import CIMultiDict

from scoreboard.api.http.replies import JSON, is_shared

_HOLDS_SECONDS: Final = 1.0


class Prepared:
    """One answer; `body` is None for a 304."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes | None) -> None:
        self.status = status
        self.headers = headers
        self._body = body
        self._is_shared = is_shared(headers)
        self._encoded = b""
        self._holds_until = 0.0

    def response(self, request: web.Request) -> web.StreamResponse:
        """The answer to this request."""
        if (
            self._is_shared  # guard: answer-one-client
            and request.version == HttpVersion11
            and request.keep_alive
            and request.method == METH_GET  # guard: head-gets-no
            and "Origin" not in request.headers  # guard: another-sites-page
        ):
            return _Response(self, request)
        # aiohttp knows what a head needs for this client, for another site and for HTTP/1.0, and
        # that HEAD has no body.
        return self._unprepared()

    async def encoded(self, request: web.Request) -> bytes:
        """Head and body, as they are for everybody."""
        now = time.monotonic()
        if now >= self._holds_until:
            self._encoded = await self._encode(request)
            self._holds_until = now + _HOLDS_SECONDS
        return self._encoded

    async def _encode(self, request: web.Request) -> bytes:
        """Build the answer as aiohttp does, with the fields that signals add; return its bytes."""
        answer = self._unprepared()
        await request.app.on_response_prepare.send(request, answer)
        answer.headers["Date"] = formatdate(usegmt=True)
        if self._body is not None:
            answer.headers["Content-Length"] = str(len(self._body))
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        return "\r\n".join([*lines, "", ""]).encode("ascii") + (self._body or b"")

    def _unprepared(self) -> web.Response:
        kind = None if self._body is None else JSON
        return web.Response(
            status=self.status, headers=self.headers, body=self._body, content_type=kind
        )


class _Response(web.StreamResponse):
    """Writes a prepared answer when aiohttp asks for the head; then there is nothing left to do."""

    def __init__(self, answer: Prepared, request: web.Request) -> None:
        super().__init__(status=answer.status)
        self._answer = answer
        self._request = request
        self._written = False

    @property
    def prepared(self) -> bool:
        """Whether it was written."""
        return self._written

    @property
    def keep_alive(self) -> bool:
        """Always: it is made for such connections only."""
        return True

    @property
    def headers(self) -> CIMultiDict[str]:
        """A copy of its own fields, to look at."""
        return CIMultiDict(self._answer.headers)

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        """Write everything."""
        writer: AbstractStreamWriter = request.writer
        if not self._written:
            self._written = True
            await writer.write(await self._answer.encoded(self._request))
            # `write` alone does not wait for less than 64 KiB, so the answers to a client that
            # sends request after request and reads nothing would pile up here.
            await writer.drain()  # guard: prepared-answers-nobody
        return writer

    async def write_eof(self, data: bytes = b"") -> None:
        """All was written."""
