"""GET /api/leaderboard and its stream."""

from __future__ import annotations

import time
from collections.abc import Coroutine
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any

import orjson
from aiohttp import web

from scoreboard.accounts.access import Identity
from scoreboard.api.addresses import client_networks
from scoreboard.api.descriptions import Answer, Operation
from scoreboard.api.etags import is_known
from scoreboard.api.events import EVENTS, stream_answer
from scoreboard.api.identity import reader
from scoreboard.api.limits import board_seen
from scoreboard.api.prepared import Prepared
from scoreboard.api.schemas import LeaderboardSchema
from scoreboard.errors import (
    LedgerUnavailable,
    NotAuthorized,
    Overloaded,
    PreconditionFailed,
    TooManyStreams,
)
from scoreboard.keys import ACCESS, BOARD, HUB, METRICS, SETTINGS, STREAMS, USER_STREAMS
from scoreboard.live.stream import Admission, End, follow
from scoreboard.scoring.model import Board


@Operation(
    "readLeaderboard",
    "Read the top 10",
    tag="Leaderboard",
    authorization="optional",
    parameters=("If-None-Match",),
    answers={
        200: Answer(LeaderboardSchema(), headers=("ETag", "Cache-Control"), shared=True),
        304: Answer(
            description="You have this version already.",
            headers=("ETag", "Cache-Control"),
            shared=True,
        ),
    },
    errors=[PreconditionFailed, LedgerUnavailable],
)
async def read(request: web.Request) -> web.StreamResponse:
    """The top 10; 304 when the client has this version already."""
    reader(request)
    board = board_seen(request) or await request.app[BOARD].read()
    settings = request.app[SETTINGS]
    shared_seconds = None if settings.require_token_to_read else settings.board_max_age_seconds
    return _answer(board, is_known(request, str(board.version)), shared_seconds).response(request)


@Operation(
    "followLeaderboard",
    "Follow the top 10",
    tag="Leaderboard",
    authorization="optional",
    answers={200: stream_answer()},
    errors=[TooManyStreams],
    events=EVENTS,
)
async def stream(request: web.Request) -> web.StreamResponse:
    """`connected`, the board as it is, then each newer one."""
    user = reader(request)
    app, settings = request.app, request.app[SETTINGS]
    if len(app[STREAMS]) >= settings.subscribers_max:
        app[METRICS].streams_refused.labels("instance").inc()
        raise Overloaded(
            "This instance serves as many streams as it may. Try again: another one may have room."
        )
    networks = client_networks(request, settings.trusted_proxies)
    await app[STREAMS].enter(networks)
    try:
        return await (_open(request) if user is None else _open_to(user, request))
    finally:
        app[STREAMS].leave(networks)


async def _open_to(user: Identity, request: web.Request) -> web.StreamResponse:
    """Open a stream that needs a token: it is the user's, whatever the address, and ends with the
    token, or when that is revoked.
    """
    app, holders = request.app, [(user.user_id, 1)]

    def watch(end: End) -> AbstractContextManager[None]:
        def on_refused(refusal: NotAuthorized) -> None:
            app[METRICS].streams_revoked.inc()
            end(refusal.code, refusal.message)

        return app[ACCESS].revocations.watch(user.user_id, user.reading, on_refused)

    await app[USER_STREAMS].enter(holders)
    try:
        lasts_seconds = max(0.0, user.expires_at - time.time())
        return await _open(request, Admission(lasts_seconds, watch))
    finally:
        app[USER_STREAMS].leave(holders)


def _open(
    request: web.Request, admission: Admission | None = None
) -> Coroutine[Any, Any, web.StreamResponse]:
    settings = request.app[SETTINGS]
    return follow(
        request,
        request.app[HUB],
        retry_seconds=(settings.reconnect_min_seconds, settings.reconnect_max_seconds),
        stuck_after_seconds=settings.stuck_after_seconds,
        admission=admission,
    )


@lru_cache(maxsize=4)
def _answer(board: Board, known: bool, shared_seconds: float | None) -> Prepared:
    """Encode a board once, however many ask for it."""
    headers = {"ETag": f'"{board.version}"', **_cache_headers(shared_seconds)}
    if known:
        return Prepared(304, headers, None)
    document = {
        "success": True,
        "data": board.top_users(),
        "version": board.version,
        "timestamp": board.timestamp,
    }
    return Prepared(200, headers, orjson.dumps(document))


def _cache_headers(shared_seconds: float | None) -> dict[str, str]:
    """Shared caches may keep the board for a moment; browsers ask each time, and mostly get a
    304. None: only bearers of a token may read it.
    """
    if shared_seconds is None:
        return {"Cache-Control": "private, no-cache", "Vary": "Authorization"}
    return {"Cache-Control": f"public, max-age=0, s-maxage={shared_seconds}, must-revalidate"}
