"""What a request is followed by: its id, and its trace (https://www.w3.org/TR/trace-context/)."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler
from multidict import istr

from scoreboard.api.http.needs import needs_of
from scoreboard.operations.tracing import OFF, Attributes, Span, is_valid
from scoreboard.parts import PARTS

REQUEST_ID: Final = web.RequestKey("request_id", str)
REQUEST_ID_HEADER: Final = istr("X-Request-ID")
# The span of this request, while it is recorded.
TRACE: Final[web.RequestKey[str | None]] = web.RequestKey("trace")
_HARMLESS_ID: Final = re.compile(r"[\w.\-]{1,64}", re.ASCII)
_HEADER: Final = istr("traceparent")
_NOT_RECORDED: Final = OFF.span("", None)


def request_id(headers: Mapping[str, str]) -> str:
    """The caller's id when it is harmless, else a new one."""
    given = headers.get(REQUEST_ID_HEADER)
    if given is not None and _HARMLESS_ID.fullmatch(given):
        return given
    # It tells requests apart and keeps no secret, so it need not cost a system call.
    return f"{random.getrandbits(64):016x}"


@web.middleware
async def trace(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Record the request, if it is to be. Without a collector the application does without this."""
    if not needs_of(request).traced:
        return await handler(request)
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else "unmatched"
    attributes = {
        "http.request.method": request.method,
        "http.route": route,
        "scoreboard.request_id": request[REQUEST_ID],
    }
    name = f"scoreboard.http {request.method} {route}"
    with request.app[PARTS].tracing.first_span(name, _given(request), attributes) as span:
        if span.trace is not None:
            request[TRACE] = span.trace
        response = await handler(request)
        span.note({"http.response.status_code": response.status})
        if response.status >= 500:
            span.fail(str(response.status))
        return response


def span_of_call(request: web.Request, name: str, attributes: Attributes) -> Span:
    """The span of a call that this request waits for; free, unless the request is recorded. Reads
    do without: what they wait for is nearly all of their own span, and a second one costs as much.
    """
    if request.method != "POST" or (trace := request.get(TRACE)) is None:
        return _NOT_RECORDED
    return request.app[PARTS].tracing.span(name, trace, kind="client", attributes=attributes)


def traceparent(request: web.Request) -> str | None:
    """The span of this request while it is recorded, else what the caller sent."""
    return request.get(TRACE) or _given(request)


def _given(request: web.Request) -> str | None:
    given = request.headers.get(_HEADER)
    return given if given is not None and is_valid(given) else None
