"""The whole API on one screen."""

from __future__ import annotations

from aiohttp import web

from scoreboard.api import accounts, actions, leaderboard, me, operations, pages
from scoreboard.settings import Settings


def add_routes(router: web.UrlDispatcher, settings: Settings) -> None:
    """Add the routes of this process's role."""
    if settings.takes_submissions:
        router.add_get("/api/actions", actions.catalogue, allow_head=False)
        router.add_post("/api/actions", actions.submit)
        router.add_get("/api/me", me.read, allow_head=False)
        router.add_post("/api/auth/register", accounts.register)
        router.add_post("/api/auth/login", accounts.log_in)
        router.add_post("/api/auth/refresh", accounts.refresh)
        router.add_post("/api/auth/logout", accounts.log_out)

    router.add_get("/api/leaderboard", leaderboard.read, allow_head=False)
    if settings.serves_streams:
        router.add_get("/api/leaderboard/stream", leaderboard.stream, allow_head=False)
        # The same under its older name (docs/decisions/0002).
        router.add_get("/api/scoreboard/stream", leaderboard.stream, allow_head=False)

    pages.add_pages(router)

    router.add_get("/healthz", operations.healthz, allow_head=False)
    router.add_get("/readyz", operations.readyz, allow_head=False)
    router.add_get("/metrics", operations.metrics, allow_head=False)
