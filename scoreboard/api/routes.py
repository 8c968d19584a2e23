"""The whole API on one screen: each route, and what it needs of limits, traces, other sites."""

from __future__ import annotations

from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from scoreboard.api import (
    accounts,
    actions,
    board_changes,
    boards,
    follows,
    grants,
    leaderboard,
    login,
    moderation,
    operations,
    own_data,
    own_grants,
    pages,
    personal,
    places,
    players,
    results,
)
from scoreboard.api.asked import version_beside
from scoreboard.api.http.needs import USUAL, Needs, add_route
from scoreboard.configuration.settings import Settings
from scoreboard.copies.copy import version_field
from scoreboard.limits.checks import HashField

# Other sites' pages: those that may read use what is public. Those that may write as well use
# whatever a token speaks for, and accounts, which are told by bodies. What goes by the cookie of a
# log-in (`/api/login`) is for our own page alone: no other one may act for whoever has the cookie.
_PUBLIC: Final = Needs(other_sites="reads")
_USER: Final = Needs(other_sites="writes")
# The version of the copy in Redis, read beside the limits, spares most reads of a board their own.
_VERSION_OF_MAIN: Final = HashField(*version_field())
_MAIN: Final = Needs(other_sites="reads", also=lambda _: _VERSION_OF_MAIN)
_BOARD: Final = Needs(other_sites="reads", also=version_beside)
# A stream's span would end when its client leaves.
_STREAM: Final = Needs(other_sites="reads", traced=False)
_OWN_STREAM: Final = Needs(other_sites="writes", traced=False)
# Probes and scrapes are counted apart, so that a flood from a shared address cannot make an
# orchestrator believe that the instance is dead. Their spans would fill the store.
_PROBE: Final = Needs(limit="operations", traced=False)
# Servers have no pages, so there is no origin to be let in: a browser's script reads none of these.
_SIGNED: Final = Needs(limit="servers")


def add_routes(app: web.Application, settings: Settings) -> None:
    """Add the routes of this process's role."""
    if settings.takes_submissions:
        _add_read(app, "/api/actions", actions.catalogue, _PUBLIC)
        add_route(app, "POST", "/api/actions", actions.submit, _USER)
        _add_own(app)
        add_route(app, "POST", "/api/auth/register", accounts.register, _USER)
        add_route(app, "POST", "/api/auth/login", accounts.log_in, _USER)
        add_route(app, "POST", "/api/auth/refresh", accounts.refresh, _USER)
        add_route(app, "POST", "/api/auth/logout", accounts.log_out, _USER)
        add_route(app, "POST", "/api/auth/logout-all", accounts.log_out_everywhere, _USER)
        add_route(app, "POST", "/api/auth/password", accounts.change_password, _USER)
        add_route(app, "POST", "/api/auth/email", accounts.change_email, _USER)
        add_route(app, "POST", "/api/login", login.take)
        add_route(app, "GET", "/api/login/{provider}", login.begin)
        add_route(app, "GET", "/api/login/{provider}/callback", login.come_back)
        _add_signed(app)

    _add_read(app, "/api/leaderboard", leaderboard.read, _MAIN)
    if settings.serves_streams:
        add_route(app, "GET", "/api/leaderboard/stream", leaderboard.stream, _STREAM)
        # The same under its older name (docs/decisions/0002).
        add_route(app, "GET", "/api/scoreboard/stream", leaderboard.stream, _STREAM)
        add_route(app, "GET", "/api/me/stream", personal.stream, _OWN_STREAM)

    _add_read(app, "/api/boards", boards.list_boards, _PUBLIC)
    _add_read(app, "/api/boards/{board}", boards.read_board, _PUBLIC)
    _add_read(app, "/api/boards/{board}/seasons", boards.list_seasons, _PUBLIC)
    _add_read(app, "/api/boards/{board}/leaderboard", boards.read_leaderboard, _BOARD)
    _add_read(app, "/api/boards/{board}/entries", places.list_entries, _PUBLIC)
    _add_read(app, "/api/boards/{board}/users/{userId}", places.read_user, _PUBLIC)
    _add_read(app, "/api/boards/{board}/me", places.read_mine, _USER)
    if settings.serves_streams:
        add_route(app, "GET", "/api/boards/{board}/stream", boards.stream, _STREAM)

    pages.add_pages(app.router, settings)

    _add_read(app, "/healthz", operations.healthz, _PROBE)
    _add_read(app, "/readyz", operations.readyz, _PROBE)
    _add_read(app, "/metrics", operations.metrics, _PROBE)


def _add_own(app: web.Application) -> None:
    """Add the routes of what is about the user alone."""
    _add_read(app, "/api/me", leaderboard.read_me, _USER)
    add_route(app, "GET", "/api/me/export", own_data.export, _USER)
    add_route(app, "DELETE", "/api/me", own_data.delete, _USER)
    _add_read(app, "/api/me/grants", own_grants.list_grants, _USER)
    _add_read(app, "/api/me/follows", follows.list_follows, _USER)
    add_route(app, "PUT", "/api/me/follows/{userId}", follows.follow, _USER)
    add_route(app, "DELETE", "/api/me/follows/{userId}", follows.unfollow, _USER)


def _add_signed(app: web.Application) -> None:
    """Add the routes of servers, who sign what they send."""
    add_route(app, "POST", "/api/grants", grants.grant, _SIGNED)
    add_route(app, "POST", "/api/results", results.record, _SIGNED)
    add_route(app, "GET", "/api/results/{receipt}", results.read, _SIGNED)
    add_route(app, "PUT", "/api/boards/{board}", board_changes.put_board, _SIGNED)
    add_route(app, "POST", "/api/boards/{board}/close", board_changes.close_board, _SIGNED)
    add_route(app, "PUT", "/api/users/{userId}", players.put_player, _SIGNED)
    add_route(app, "POST", "/api/moderation", moderation.moderate, _SIGNED)
    add_route(app, "GET", "/api/audit", moderation.read_audit, _SIGNED)


def _add_read(app: web.Application, path: str, handler: Handler, needs: Needs = USUAL) -> None:
    """Add what may be asked for with HEAD as well, as monitors, caches and `curl -I` do."""
    add_route(app, "GET", path, handler, needs)
    # It has the same needs: a cache renews by HEAD what it holds, also the origin that may read it.
    add_route(app, "HEAD", path, handler, needs)  # guard: answer-one-site
