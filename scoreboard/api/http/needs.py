"""What a route needs of what runs before every handler: limits, traces, other sites' pages.

It is said where the route is added (`api.routes`) and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from aiohttp import web
from aiohttp.typedefs import Handler

from scoreboard.limits.checks import HashField


@dataclass(frozen=True, slots=True)
class Needs:
    """What one route needs. The defaults are for most routes, and for a path without a route."""

    # What its requests count against: address and user; the address alone in a count of its own; or
    # the server key that they name, and the address if they name none.
    limit: Literal["clients", "operations", "servers"] = "clients"
    traced: bool = True
    # Which other sites' pages may use it: none; `allowed_origins`, who read, and
    # `allowed_write_origins`, who may do all that they may; or the latter alone.
    other_sites: Literal["none", "reads", "writes"] = "none"
    # What to read in the same call of Redis that counts the request, if anything.
    also: Callable[[web.Request], HashField | None] | None = None


USUAL: Final = Needs()
_NEEDS: Final[web.AppKey[dict[web.AbstractRoute, Needs]]] = web.AppKey("needs")


def add_route(
    app: web.Application, method: str, path: str, handler: Handler, needs: Needs = USUAL
) -> None:
    """Add a route of this method only, and what it needs."""
    route = app.router.add_route(method, path, handler)
    app.setdefault(_NEEDS, {})[route] = needs


def needs_of(request: web.Request) -> Needs:
    """What the route of this request needs."""
    return request.app[_NEEDS].get(request.match_info.route, USUAL)


def uses_by_path(app: web.Application) -> dict[str, dict[str, Needs]]:
    """What each path needs for each of its methods, of all routes that were added here."""
    found: dict[str, dict[str, Needs]] = {}
    for route, needs in app[_NEEDS].items():
        if route.resource is not None:
            found.setdefault(route.resource.canonical, {})[route.method] = needs
    return found
