"""The own fields of an answer, which differ from client to client: the id of its request, and what
is left of its limits. An answer that caches may share has none.

`limits` notes the allowance on the request, `connection` the id. aiohttp's answers get the fields
by a signal (`write_own_fields`), others as bytes (`own_lines`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aiohttp import web
from multidict import istr

from scoreboard.api.http.tracing import REQUEST_ID, REQUEST_ID_HEADER
from scoreboard.limits.checks import Allowance

CACHE_CONTROL: Final = istr("Cache-Control")
# What is left of the limits that this request was counted against.
ALLOWANCE: Final = web.RequestKey("allowance", Allowance)
_LIMITS: Final = (
    b"RateLimit-Limit: %d\r\nRateLimit-Remaining: %d\r\n"
    b"RateLimit-Reset: %d\r\nRateLimit-Policy: %d;w=%d\r\n"
)


def is_shared(headers: Mapping[str, str]) -> bool:
    """Whether caches may hand the answer with these headers to others than the client it was made
    for. It then bears nothing of that client: neither the request id, which clients choose, nor
    what is left of a limit.
    """
    return headers.get(CACHE_CONTROL, "").startswith("public")  # guard: caches-share-bears


async def write_own_fields(request: web.Request, response: web.StreamResponse) -> None:
    """Put them on each answer that no cache may share (an `on_response_prepare` signal)."""
    headers = response.headers
    if is_shared(headers):
        return
    headers[REQUEST_ID_HEADER] = request.get(REQUEST_ID, "")
    if (allowance := request.get(ALLOWANCE)) is not None:
        headers.update(allowance.headers())


def own_lines(request: web.Request) -> bytes:
    """The same fields, as lines of a head."""
    allowance = request.get(ALLOWANCE)
    if allowance is None:
        lines = b""
    elif allowance.allowed:
        lines = _lines_of(allowance)
    else:
        fields = allowance.headers().items()
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields).encode("ascii")
    return b"X-Request-ID: %b\r\n%b" % (request.get(REQUEST_ID, "").encode("ascii"), lines)


def _lines_of(allowance: Allowance) -> bytes:
    """`Allowance.headers` of one that may pass, in a fifth of the time."""
    rate = allowance.check.rate
    count, remaining, reset = rate.count, allowance.remaining, allowance.reset_seconds
    return _LIMITS % (count, remaining, reset, count, rate.seconds)
