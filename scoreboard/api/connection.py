"""One client's connection, before and beside its requests: how long it may take to send one, how
long it may leave an answer unread, and what it is told when what it sends is not HTTP.

aiohttp answers what its parser refuses before any middleware runs: with text that repeats the input
and a traceback in the log, both as long as the client likes. Here it is the one error envelope and
a counter.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Final

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from scoreboard.api.middleware import HEADERS_OF_DATA
from scoreboard.api.replies import refusal
from scoreboard.errors import MalformedRequest
from scoreboard.keys import METRICS
from scoreboard.operations.metrics import Metrics

log = structlog.get_logger("scoreboard.http")

# From the connection's start to the end of the first request's head. aiohttp would wait as long as
# for the next request of a client that is known already. Browsers open a connection in advance and
# do not mind losing it.
HEAD_SECONDS: Final = 15.0
# How long a client may take nothing of an answer that waits for it; the kernel counts. (Streams
# have a shorter time of their own, and are counted when it is over.)
UNREAD_SECONDS: Final = 30.0
_USER_TIMEOUT: Final = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux


class Runner(web.AppRunner):
    """aiohttp's runner, with connections of ours. What differs costs a connection a timer, and a
    request nothing.
    """

    async def _make_server(self) -> web.Server:
        return _Server(await super()._make_server(), self.app[METRICS])


class _Server(web.Server):
    """Makes the protocol of each connection."""

    def __init__(self, made: web.Server, metrics: Metrics) -> None:
        super().__init__(
            made.request_handler,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            **made._kwargs,
        )
        self._metrics = metrics

    def __call__(self) -> RequestHandler:
        return _Connection(self, self._metrics, **self._kwargs)


class _Connection(RequestHandler):
    __slots__ = ("_metrics",)

    def __init__(self, server: _Server, metrics: Metrics, **kwargs: object) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(server, loop=loop, **kwargs)  # type: ignore[arg-type]
        self._metrics = metrics

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Give the first request's head its time, and an unread answer its own."""
        super().connection_made(transport)
        if self._keepalive_handle is not None:
            self._keepalive_handle.cancel()
        # It closes whoever is waited for. Once a request was answered, aiohttp moves the time on.
        self._next_keepalive_close_time = end = self._loop.time() + HEAD_SECONDS
        self._keepalive_handle = self._loop.call_at(end, self._process_keepalive)
        peer = transport.get_extra_info("socket")
        if _USER_TIMEOUT is not None and peer is not None and peer.family != socket.AF_UNIX:
            peer.setsockopt(socket.IPPROTO_TCP, _USER_TIMEOUT, int(UNREAD_SECONDS * 1000))

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is not HTTP, and close the connection: where the next request would begin is
        anybody's guess, and guesses are how requests are smuggled.
        """
        if not isinstance(exc, HttpProcessingError):
            return super().handle_error(request, status, exc, message)
        self._metrics.requests_malformed.inc()
        log.debug("scoreboard.http.malformed", reason=type(exc).__name__)
        response = refusal(MalformedRequest())
        response.headers.update(HEADERS_OF_DATA)
        response.force_close()
        return response
