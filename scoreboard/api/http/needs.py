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
    # Whether pages of other sites may read the answers, if the settings name such sites.
    other_sites: bool = False
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


def paths_for_other_sites(app: web.Application) -> list[str]:
    """The paths that have a route whose answers other sites' pages may read."""
    routes = [route for route, needs in app[_NEEDS].items() if needs.other_sites]
    return sorted({route.resource.canonical for route in routes if route.resource})
