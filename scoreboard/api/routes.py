"""The whole API on one screen."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from scoreboard.api import accounts, actions, leaderboard, me, operations, pages
from scoreboard.configuration.settings import Settings


def add_routes(router: web.UrlDispatcher, settings: Settings) -> None:
    """Add the routes of this process's role."""
    if settings.takes_submissions:
        _add_read(router, "/api/actions", actions.catalogue)
        router.add_post("/api/actions", actions.submit)
        _add_read(router, "/api/me", me.read)
        router.add_post("/api/auth/register", accounts.register)
        router.add_post("/api/auth/login", accounts.log_in)
        router.add_post("/api/auth/refresh", accounts.refresh)
        router.add_post("/api/auth/logout", accounts.log_out)
        router.add_post("/api/auth/logout-all", accounts.log_out_everywhere)
        router.add_post("/api/auth/password", accounts.change_password)

    _add_read(router, "/api/leaderboard", leaderboard.read)
    if settings.serves_streams:
        router.add_get("/api/leaderboard/stream", leaderboard.stream, allow_head=False)
        # The same under its older name (docs/decisions/0002).
        router.add_get("/api/scoreboard/stream", leaderboard.stream, allow_head=False)

    pages.add_pages(router)

    _add_read(router, "/healthz", operations.healthz)
    _add_read(router, "/readyz", operations.readyz)
    _add_read(router, "/metrics", operations.metrics)


def _add_read(router: web.UrlDispatcher, path: str, handler: Handler) -> None:
    """Add what may be asked for with HEAD as well, as monitors, caches and `curl -I` do."""

    async def head(request: web.Request) -> web.StreamResponse:
        return await handler(request)

    router.add_get(path, handler, allow_head=False)
    # By a function of its own, because the OpenAPI document says of each handler what GET does.
    router.add_head(path, head)
