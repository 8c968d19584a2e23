"""Which other sites' pages may read what is public (CORS).

None, unless `allowed_origins` names them. They may read boards, rankings, streams of boards and the
catalogue; not what is about the user alone, and nothing that writes. A browser never sends a token
on its own, so there are no credentials to allow, and no page can act for a visitor who did not give
it a token.

https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Final

from aiohttp import web

from scoreboard.api.http.needs import Needs, add_route, needs_of, paths_for_other_sites
from scoreboard.parts import PARTS

_ANY: Final = "*"
# What the JavaScript client sends and reads beyond what every page may; and what other clients of
# streams send: the last two, which nobody here reads. A browser that hears no to one of them sends
# nothing at all, and the client that has seen an event would never come back.
_ASKED: Final = {  # guard: clients-streams-come
    "Access-Control-Allow-Methods": "GET",
    "Access-Control-Allow-Headers": (
        "Authorization, If-None-Match, traceparent, Last-Event-ID, Cache-Control"
    ),
    "Access-Control-Max-Age": "7200",  # browsers ask no less often
}
_READ: Final = "Age, Date, ETag, Retry-After"


def allow_origins(app: web.Application) -> None:
    """Let the origins of the settings in; without any, nothing is added to any request."""
    allowed = frozenset(app[PARTS].settings.allowed_origins)
    if not allowed:
        return
    for path in paths_for_other_sites(app):
        add_route(app, "OPTIONS", path, _preflight, Needs(other_sites=True))
    app.on_response_prepare.append(partial(_write, allowed))


async def _preflight(_: web.Request) -> web.Response:
    """What a browser asks before it sends more than a plain request; `_write` adds whose."""
    return web.Response(status=204, headers=_ASKED)


async def _write(
    allowed: Collection[str], request: web.Request, response: web.StreamResponse
) -> None:
    """Name the origins that may read the answer (an `on_response_prepare` signal)."""
    if not needs_of(request).other_sites:
        return
    if _ANY in allowed:
        response.headers["Access-Control-Allow-Origin"] = _ANY
    else:
        # A shared cache has to keep one answer per origin, that of no origin included.
        response.headers.add("Vary", "Origin")  # guard: cache-keeps-answer
        # guard: origins-compared-whole
        if (origin := request.headers.get("Origin")) not in allowed:
            return
        response.headers["Access-Control-Allow-Origin"] = str(origin)
    response.headers["Access-Control-Expose-Headers"] = _READ
