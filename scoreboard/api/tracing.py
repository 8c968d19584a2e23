"""The trace that a request belongs to, in W3C form (https://www.w3.org/TR/trace-context/)."""

from __future__ import annotations

from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler
from multidict import istr

from scoreboard.keys import TRACING
from scoreboard.operations.tracing import is_valid

# The span of this request, while it is recorded.
_TRACE: Final = web.RequestKey("trace", str)
_HEADER: Final = istr("traceparent")
# Probes would fill the store, and a stream's span would end when its client leaves.
_UNTRACED: Final = ("/healthz", "/readyz", "/metrics", "/stream")


@web.middleware
async def trace(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Record the request, if it is to be. Without a collector the application does without this."""
    if request.path.endswith(_UNTRACED):
        return await handler(request)
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else "unmatched"
    attributes = {"http.request.method": request.method, "http.route": route}
    name = f"scoreboard.http {request.method} {route}"
    with request.app[TRACING].first_span(name, _given(request), attributes) as span:
        if span.trace is not None:
            request[_TRACE] = span.trace
        response = await handler(request)
        span.note({"http.response.status_code": response.status})
        if response.status >= 500:
            span.fail(str(response.status))
        return response


def traceparent(request: web.Request) -> str | None:
    """The span of this request while it is recorded, else what the caller sent."""
    return request.get(_TRACE) or _given(request)


def _given(request: web.Request) -> str | None:
    given = request.headers.get(_HEADER)
    return given if given is not None and is_valid(given) else None
