"""Which other sites' pages may use which routes (CORS).

None, unless the settings name them. Pages of `allowed_origins` read what is public; those of
`allowed_write_origins` act for users as well. `api.routes` says of each route which of the two it
is for. A browser sends no token on its own, so there are no credentials to allow, and no page can
act for a visitor who did not give it a token.

An answer by itself keeps nobody out: it only tells the browser whom to show it to. What keeps other
pages from writing is that nothing is written without what browsers ask about first: JSON by its
type, or a token in its header.

https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from scoreboard.api.http.needs import Needs, add_route, needs_of, uses_by_path
from scoreboard.configuration.settings import Settings
from scoreboard.parts import PARTS

_ANY: Final = "*"
_ALLOW_ORIGIN: Final = "Access-Control-Allow-Origin"
# What the JavaScript client sends and reads beyond what every page may; and what other clients of
# streams send: the last two, which nobody here reads. A browser that hears no to one of them sends
# nothing at all, and the client that has seen an event would never come back.
_FIELDS: Final = (  # guard: clients-streams-come
    "Authorization, If-None-Match, traceparent, Last-Event-ID, Cache-Control"
)
# Whoever may write says that a body is JSON, and often says so without one. Others may not: a
# browser that may send a field to an address sends it with POST too, whatever methods we named.
_FIELDS_OF_WRITERS: Final = f"Content-Type, {_FIELDS}"
_READ: Final = "Age, Date, ETag, Retry-After"
_ASKED_AGAIN_SECONDS: Final = "7200"  # Chromium asks no less often
# What the answer to a preflight depends on, for whoever keeps it in spite of RFC 9110.
_ASKED_BY: Final = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"


@dataclass(frozen=True, slots=True)
class _Sites:
    """The sites that the settings name: who may write, and who may read, which writers may too."""

    readers: frozenset[str]
    writers: frozenset[str]

    @classmethod
    def of(cls, settings: Settings) -> _Sites:
        writers = frozenset(settings.allowed_write_origins)
        return cls(writers.union(settings.allowed_origins), writers)

    def may_use(self, needs: Needs) -> frozenset[str]:
        """The origins whose pages may use this route; `*` among them means all."""
        match needs.other_sites:
            case "reads":
                return self.readers
            case "writes":
                return self.writers  # guard: readers-never-write
        return frozenset()

    def fields_for(self, origin: str) -> str:
        """The header fields that pages of this origin may send."""
        # guard: readers-send-no-json
        return _FIELDS_OF_WRITERS if origin in self.writers else _FIELDS


def allow_origins(app: web.Application) -> None:
    """Let the origins of the settings in; without any, nothing is added to any request."""
    sites = _Sites.of(app[PARTS].settings)
    if not sites.readers:
        return
    for path, uses in uses_by_path(app).items():
        users = {method: sites.may_use(needs) for method, needs in uses.items()}
        if any(users.values()):
            add_route(app, "OPTIONS", path, _preflight_of(sites, users))

    async def write(request: web.Request, response: web.StreamResponse) -> None:
        _write(sites.may_use(needs_of(request)), request, response)

    app.on_response_prepare.append(write)


def _preflight_of(sites: _Sites, users: Mapping[str, frozenset[str]]) -> Handler:
    """What a browser asks before it sends more than a plain request. `users` are the origins that
    may use each method of the path.
    """

    async def preflight(request: web.Request) -> web.Response:
        headers = {"Vary": _ASKED_BY}
        origin = request.headers.get("Origin", "")
        method = request.headers.get("Access-Control-Request-Method", "")
        # guard: preflight-of-one-method
        allowed = _allowed(origin, users.get(method, frozenset()))
        # Whoever asks for anything that is not allowed is told nothing of what is.
        fields = sites.fields_for(origin)
        if allowed is not None and _asks_for_no_more(request, fields):
            methods = sorted(method for method in users if _allowed(origin, users[method]))
            headers |= {
                _ALLOW_ORIGIN: allowed,
                "Access-Control-Allow-Methods": ", ".join(methods),
                "Access-Control-Allow-Headers": fields,
                "Access-Control-Max-Age": _ASKED_AGAIN_SECONDS,
            }
        return web.Response(status=204, headers=headers)

    return preflight


def _asks_for_no_more(request: web.Request, fields: str) -> bool:
    """Whether the page wants to send no field but these."""
    given = ",".join(request.headers.getall("Access-Control-Request-Headers", ()))
    names = {name.strip().lower() for name in given.split(",")} - {""}
    return names <= set(fields.lower().split(", "))  # guard: fields-are-known


def _allowed(origin: str, origins: frozenset[str]) -> str | None:
    """Whom to name to a page of this origin: all, itself, or nobody."""
    if _ANY in origins:
        return _ANY
    return origin if origin in origins else None  # guard: origins-compared-whole


def _write(origins: frozenset[str], request: web.Request, response: web.StreamResponse) -> None:
    """Name the origins that may read the answer."""
    if not origins:
        return
    if _ANY not in origins:
        # A shared cache has to keep one answer per origin, that of no origin included.
        response.headers.add("Vary", "Origin")  # guard: cache-keeps-answer
    if (allowed := _allowed(request.headers.get("Origin", ""), origins)) is not None:
        response.headers[_ALLOW_ORIGIN] = allowed
        response.headers["Access-Control-Expose-Headers"] = _READ
