"""Bounds each connection of a client: whether it may be open, how long the head of its first
request may take, how much it may send ahead.

`heads` reads the heads, `admission` counts the connections, `newcomers` gives the first head its
time, `kernel` bounds what is in the kernel.
"""

from __future__ import annotations

import asyncio
import socket
from functools import partial
from typing import Any, Final, cast

import structlog
from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from scoreboard.api.http.addresses import peer_networks
from scoreboard.api.http.admission import Admission, connections_max
from scoreboard.api.http.heads import FOUND, QUEUE_MAX, Parser, settled
from scoreboard.api.http.identity import VERIFIED
from scoreboard.api.http.middleware import HEADERS_OF_DATA
from scoreboard.api.http.newcomers import Newcomers
from scoreboard.api.http.refusals import refusal
from scoreboard.api.http.replies import BODY_MAX_BYTES
from scoreboard.api.http.tracing import REQUEST_ID, TRACE, request_id
from scoreboard.errors import ScoreboardError
from scoreboard.operations.metrics import Metrics
from scoreboard.parts import PARTS

log = structlog.get_logger("scoreboard.http")

# What nearly every request is asked for: to find that a key is missing takes ten times as long as
# to find nothing under it.
_NOT_KNOWN_YET: Final = {FOUND: None, VERIFIED: None, TRACE: None}


class Runner(web.AppRunner):
    """aiohttp's runner, with connections of ours, which give requests their ids."""

    async def _make_server(self) -> web.Server:
        return _Server(await super()._make_server(), self.app)

    async def cleanup(self) -> None:
        """End what aiohttp ends, after the newest clients were heard: it would close them."""
        for site in list(self.sites):
            await site.stop()
        if isinstance(self.server, _Server):
            await self.server.newcomers.hear()  # guard: came-moment-before
            self.server.newcomers.close()
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
        self.newcomers = Newcomers()
        self._metrics = app[PARTS].metrics
        self._admission = Admission(
            per_address=settings.connections_per_ip,
            most=connections_max(settings.connections_max),
            networks_of=partial(peer_networks, trusted=settings.trusted_proxies),
        )

    def __call__(self, accepted: socket.socket) -> RequestHandler:  # type: ignore[override]
        return _Connection(self, accepted, self._metrics, self._admission, **self._kwargs)


def _request(
    loop: asyncio.AbstractEventLoop,
    message: RawRequestMessage,
    payload: StreamReader,
    connection: _Connection,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.Request:
    """Make a request as aiohttp's application does, of the message as routes and handlers should
    see it, with its id among its notes: to add them afterwards takes longer.
    """
    connection.has_begun = True
    message, found = settled(message)
    notes = {REQUEST_ID: request_id(message.headers), **_NOT_KNOWN_YET, **found}
    return web.Request(
        *(message, payload, connection, writer, task, loop),
        client_max_size=BODY_MAX_BYTES,
        state=notes,
    )


class _WithoutOptions(BaseProtocol):
    """aiohttp's (3.14), but for the option that it sets: TCP_NODELAY, which the loop has set."""

    __slots__ = ()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)


class _Connection(RequestHandler, _WithoutOptions):
    __slots__ = ("_admission", "_metrics", "_newcomers", "_peer", "accepted", "has_begun")

    def __init__(
        self,
        server: _Server,
        accepted: socket.socket,
        metrics: Metrics,
        admission: Admission,
        **kwargs: Any,
    ) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(server, loop=loop, **kwargs)
        self._parser = Parser(
            self, loop, body_max_bytes=BODY_MAX_BYTES, on_malformed=self._count_malformed
        )
        self._max_msg_queue_size = QUEUE_MAX
        self._msg_queue_resume_size = QUEUE_MAX // 2
        self.has_begun = False  # whether a request was taken up
        self._newcomers = server.newcomers
        self._metrics = metrics
        self._admission = admission
        self._peer: str | None = None  # of a connection that was let in
        # The loop's transport closes it. (That hands out a socket too, but one that is made anew
        # for each option that is set.)
        self.accepted = accepted

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let it in or not."""
        peer = _peer_of(transport)
        if (reason := self._admission.enter(peer)) is not None:
            self._metrics.connections_refused.labels(reason).inc()
            self.force_close()  # nothing of what may come is parsed
            transport.abort()  # type: ignore[attr-defined]
            return
        self._peer = peer
        self._metrics.connections.inc()
        super().connection_made(transport)
        self._newcomers.enter(self)  # guard: first-header-time

    @property
    def has_asked(self) -> bool:
        """Whether the head of a request has come."""
        return self.has_begun or bool(self._messages)

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
            self._newcomers.leave(self)
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


def accepted_of(request: web.BaseRequest) -> socket.socket:
    """The socket of a request's connection. Raises ConnectionResetError when the client has left:
    then it is closed.
    """
    if request.transport is None:
        raise ConnectionResetError("the client has left")
    return cast(_Connection, request.protocol).accepted


def _peer_of(transport: asyncio.BaseTransport) -> str:
    """The address; empty for a Unix socket."""
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if isinstance(peer, tuple) else ""
