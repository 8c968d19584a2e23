"""Bounds each connection of a client: whether it may be open, how long the head of its first
request may take, how much it may send ahead, how long it may leave an answer unread.

`heads` reads the heads, `admission` counts the connections.
"""

from __future__ import annotations

import asyncio
import socket
from functools import partial
from typing import Any, Final

import structlog
from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from scoreboard.api.http.addresses import peer_networks
from scoreboard.api.http.admission import Admission, connections_max
from scoreboard.api.http.heads import FOUND, QUEUE_MAX, Parser, settled
from scoreboard.api.http.identity import VERIFIED
from scoreboard.api.http.middleware import HEADERS_OF_DATA, request_id
from scoreboard.api.http.refusals import refusal
from scoreboard.api.http.replies import BODY_MAX_BYTES
from scoreboard.api.http.tracing import REQUEST_ID, TRACE
from scoreboard.errors import ScoreboardError
from scoreboard.operations.metrics import Metrics
from scoreboard.parts import PARTS

log = structlog.get_logger("scoreboard.http")

# From the connection's start to the end of the first request's head. aiohttp would wait as long as
# for the next request of a client that is known already. Browsers open a connection in advance and
# do not mind losing it.
HEAD_SECONDS: Final = 15.0
# How long a client may take nothing of an answer that waits for it; the kernel counts. (Streams
# have a shorter time of their own, and are counted when it is over.)
UNREAD_SECONDS: Final = 30.0
# At the end: a client that connected so short a time ago may have a request on its way.
_NEWCOMER_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 0.01
# What the kernel may hold, which it doubles for its own accounts. Of what we do not read yet: a
# head and a body. Left to itself it takes 6 MB, and hands 256 KB of it over at once.
_RECEIVED_BYTES: Final = 32 * 1024
# Of what the client does not take: else a whole file goes there in one turn of the loop.
_SENT_BYTES: Final = 64 * 1024
# What nearly every request is asked for: to find that a key is missing takes ten times as long as
# to find nothing under it.
_NOT_KNOWN_YET: Final = {FOUND: None, VERIFIED: None, TRACE: None}
_USER_TIMEOUT: Final = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux


class Runner(web.AppRunner):
    """aiohttp's runner, with connections of ours. They cost a timer, a parser and three system
    calls more for each connection, and two microseconds more for each request.
    """

    async def _make_server(self) -> web.Server:
        return _Server(await super()._make_server(), self.app)

    async def cleanup(self) -> None:
        """End what aiohttp ends, after the newest clients were heard: it would close them."""
        for site in list(self.sites):
            await site.stop()
        if isinstance(self.server, _Server):
            await self.server.hear_newcomers()  # guard: came-moment-before
        await super().cleanup()


class _Server(web.Server):
    """Makes the protocol of each connection, and the request of each message."""

    def __init__(self, made: web.Server, app: web.Application) -> None:
        super().__init__(
            made.request_handler,
            request_factory=partial(_request, asyncio.get_running_loop()),
            handler_cancellation=made.handler_cancellation,
            **made._kwargs,
        )
        settings = app[PARTS].settings
        self._metrics = app[PARTS].metrics
        self._admission = Admission(
            per_address=settings.connections_per_ip,
            most=connections_max(settings.connections_max),
            networks_of=partial(peer_networks, trusted=settings.trusted_proxies),
        )

    async def hear_newcomers(self) -> None:
        """Wait a moment for the first request of each client that has just connected. (To look
        costs requests nothing; an event would.)
        """
        while any(isinstance(each, _Connection) and each.is_newcomer for each in self.connections):  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_SECONDS)

    def __call__(self) -> RequestHandler:
        return _Connection(self, self._metrics, self._admission, **self._kwargs)


def _request(
    loop: asyncio.AbstractEventLoop,
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.Request:
    """Make a request of the message as routes and handlers should see it, with an id, as aiohttp's
    application does; to add notes to its request afterwards would take longer.
    """
    message, found = settled(message)
    notes = {REQUEST_ID: request_id(message.headers), **_NOT_KNOWN_YET, **found}
    return web.Request(
        *(message, payload, protocol, writer, task, loop),
        client_max_size=BODY_MAX_BYTES,
        state=notes,
    )


class _Connection(RequestHandler):
    __slots__ = ("_admission", "_metrics", "_peer")

    def __init__(
        self, server: _Server, metrics: Metrics, admission: Admission, **kwargs: Any
    ) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(server, loop=loop, **kwargs)
        self._parser = Parser(
            self, loop, body_max_bytes=BODY_MAX_BYTES, on_malformed=self._count_malformed
        )
        self._max_msg_queue_size = QUEUE_MAX
        self._msg_queue_resume_size = QUEUE_MAX // 2
        self._metrics = metrics
        self._admission = admission
        self._peer: str | None = None  # of a connection that was let in

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let it in or not; bound the time of its first request's head and of unread answers."""
        peer = _peer_of(transport)
        if (reason := self._admission.enter(peer)) is not None:
            self._metrics.connections_refused.labels(reason).inc()
            self.force_close()  # nothing of what may come is parsed
            transport.abort()  # type: ignore[attr-defined]
            return
        self._peer = peer
        self._metrics.connections.inc()
        super().connection_made(transport)
        if self._keepalive_handle is not None:
            self._keepalive_handle.cancel()
        # It closes a connection whose time is over. After each answer aiohttp moves the time on.
        # guard: first-header-time
        self._next_keepalive_close_time = end = self._loop.time() + HEAD_SECONDS
        self._keepalive_handle = self._loop.call_at(end, self._process_keepalive)
        _bound_kernel(transport.get_extra_info("socket"))

    @property
    def is_newcomer(self) -> bool:
        """Whether it came a moment ago, and has not asked for anything yet."""
        if self._peer is None or self._messages or self._request_in_progress:
            return False
        # Until the first answer, this time is as it was set when the connection was made.
        age_seconds = self._loop.time() - (self._next_keepalive_close_time - HEAD_SECONDS)
        return 0 <= age_seconds < _NEWCOMER_SECONDS

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Read on, if reading was paused. aiohttp says so with each piece of a body that is taken,
        and would ask the parser again each time.
        """
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Make room for another one."""
        if self._peer is not None:
            self._admission.leave(self._peer)  # guard: connection-ends-makes
            self._metrics.connections.dec()
            self._peer = None
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer for a defect of ours outside of every handler; aiohttp logs it."""
        super().handle_error(request, status, exc, message)
        response = refusal(ScoreboardError())
        response.headers.update(HEADERS_OF_DATA)
        response.force_close()
        return response

    def _count_malformed(self, reason: str) -> None:
        self._metrics.requests_malformed.inc()
        log.debug("scoreboard.http.malformed", reason=reason)


def _peer_of(transport: asyncio.BaseTransport) -> str:
    """The address; empty for a Unix socket."""
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if isinstance(peer, tuple) else ""


def _bound_kernel(peer: socket.socket | None) -> None:
    if peer is None or peer.family == socket.AF_UNIX:
        return
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVED_BYTES)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SENT_BYTES)  # guard: kernel-takes-little
    if _USER_TIMEOUT is not None:
        # guard: unread-answer-time
        peer.setsockopt(socket.IPPROTO_TCP, _USER_TIMEOUT, int(UNREAD_SECONDS * 1000))
