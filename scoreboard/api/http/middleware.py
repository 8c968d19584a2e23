"""What surrounds every handler: limits, one error envelope, the numbers, and a line in the debug
log.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from multidict import istr

from scoreboard import errors
from scoreboard.api.http.addresses import is_direct
from scoreboard.api.http.heads import WAITS_FOR_CONTINUE
from scoreboard.api.http.identity import known_user
from scoreboard.api.http.limits import limit
from scoreboard.api.http.own_fields import CACHE_CONTROL
from scoreboard.api.http.refusals import refusal
from scoreboard.api.http.tracing import REQUEST_ID, traceparent
from scoreboard.errors import RateLimited, ScoreboardError
from scoreboard.operations.logs import SUBJECT
from scoreboard.operations.tracing import trace_id
from scoreboard.parts import PARTS, Parts

log = structlog.get_logger("scoreboard.http")

# Case folded once, not with every answer.
_SERVER: Final = istr("Server")
_TYPE_OPTIONS: Final = istr("X-Content-Type-Options")
_POLICY: Final = istr("Content-Security-Policy")
# Answers are data. The few pages say themselves what they may load, and what caches may do.
HEADERS_OF_DATA: Final = {
    _SERVER: "scoreboard",  # aiohttp's own names the versions of Python and aiohttp
    _TYPE_OPTIONS: "nosniff",
    CACHE_CONTROL: "no-store",
    _POLICY: "default-src 'none'; frame-ancestors 'none'",
}
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@web.middleware
async def surround(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count the request against its limits, answer every refusal and failure with the one error
    envelope, and count how it ended; at level debug also log it.

    One function for all three: each more would cost every request 2 % of its time.
    """
    started, parts = time.perf_counter(), request.app[PARTS]
    SUBJECT.set(partial(_facts, request))  # for this request: aiohttp gives each a task of its own
    status = 499  # nginx's word for a client that left before the answer
    try:
        try:
            await limit(request, parts)
            response = await handler(request)
        except Exception as error:
            response = _envelope(request, error)
        status = response.status
        return response
    finally:
        _count(request, parts, status, time.perf_counter() - started)


def _envelope(request: web.Request, error: Exception) -> web.StreamResponse:
    """Answer a refusal or a failure. Raises CancelledError where the client has left."""
    if isinstance(error, ScoreboardError):
        return _answer(request, error)
    if isinstance(error, web.HTTPException):
        return _answer(request, _from_aiohttp(error))
    if isinstance(error, ConnectionResetError):
        # The client has left, which aiohttp is about to tell us by a cancellation. An error that
        # comes before that it would log as ours, with a traceback.
        raise asyncio.CancelledError from error  # guard: client-leaves-stream
    request.app[PARTS].metrics.http_failures.inc()
    log.exception("scoreboard.http.failed", path=request.rel_url.raw_path)  # guard: path-logged
    return _answer(request, ScoreboardError())


def _answer(request: web.Request, error: ScoreboardError) -> web.StreamResponse:
    """Refuse. Within an answer that has begun, such as a stream, a second head would be read as
    part of the first one's body: there the connection is closed, which every client understands.
    """
    if not request.writer.output_size:  # guard: answer-begun-gets
        response = refusal(error)
        if WAITS_FOR_CONTINUE in request:  # guard: body-not-asked
            response.force_close()  # the client got no word to send the body, and may do so yet
        trusted = request.app[PARTS].settings.trusted_proxies
        # guard: proxy-keeps
        if isinstance(error, RateLimited) and is_direct(request, trusted):  # guard: refusal-limit
            # Else a thousand connections, each with its next request, make one long turn of the
            # loop after the other. Of new ones a turn takes no more than `site.AT_ONCE`.
            response.force_close()
        return response
    request.app[PARTS].metrics.http_broken_off.inc()
    if request.transport is not None:
        request.transport.abort()
    return _BrokenOff(status=error.status)


class _BrokenOff(web.StreamResponse):
    """What aiohttp is given in the place of an answer: there is nothing left to write."""

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write no head."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Write no end."""


async def write_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Put on every answer what all of them carry (an `on_response_prepare` signal). What differs
    from client to client is added by `own_fields`.
    """
    headers = response.headers
    headers[_SERVER] = HEADERS_OF_DATA[_SERVER]
    headers[_TYPE_OPTIONS] = HEADERS_OF_DATA[_TYPE_OPTIONS]
    headers.setdefault(_POLICY, HEADERS_OF_DATA[_POLICY])
    headers.setdefault(CACHE_CONTROL, HEADERS_OF_DATA[CACHE_CONTROL])


def _from_aiohttp(error: web.HTTPException) -> ScoreboardError:
    """Say in our words what aiohttp's router and body reader refuse."""
    if isinstance(error, web.HTTPNotFound):
        return errors.NotFound()
    if isinstance(error, web.HTTPMethodNotAllowed):
        return errors.MethodNotAllowed(", ".join(sorted(error.allowed_methods)))
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return errors.BodyTooLarge()
    return errors.MalformedBody(error.reason) if error.status < 500 else ScoreboardError()


def _facts(request: web.Request) -> dict[str, str]:
    """What every event of this request says: its id, its user once one is known, its trace if it is
    in one.
    """
    facts = {"request_id": request[REQUEST_ID]}
    if (user_id := known_user(request)) is not None:
        facts["user_id"] = user_id
    if (trace := traceparent(request)) is not None:
        facts["trace_id"] = trace_id(trace)
    return facts


def _count(request: web.Request, parts: Parts, status: int, seconds: float) -> None:
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else "unmatched"  # any path that is not ours
    method = request.method if request.method in _METHODS else "other"
    parts.metrics.answered(method, route, status, seconds)
    if parts.settings.log_level == "debug":  # structlog takes 8 µs to find out by itself
        log.debug(
            "scoreboard.http.request",
            method=method,
            route=route,
            status=status,
            milliseconds=round(seconds * 1000, 2),
        )
