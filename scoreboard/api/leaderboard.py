"""GET /api/leaderboard and its stream, and GET /api/me: where the bearer of the token stands."""

from __future__ import annotations

import time
from collections.abc import Coroutine, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final

import orjson
from aiohttp import web

from scoreboard import errors
from scoreboard.accounts.access import Identity
from scoreboard.api.docs.descriptions import Answer, Operation
from scoreboard.api.docs.events import EVENTS, stream_answer
from scoreboard.api.http.addresses import client_networks
from scoreboard.api.http.etags import is_known
from scoreboard.api.http.identity import identity
from scoreboard.api.http.limits import seen_beside
from scoreboard.api.http.prepared import Prepared
from scoreboard.api.http.replies import reply
from scoreboard.api.schemas.leaderboard import LeaderboardSchema, MeSchema
from scoreboard.configuration.settings import Settings
from scoreboard.live.stream import Admission, End, follow
from scoreboard.model import MAIN, Board
from scoreboard.parts import PARTS

_ME: Final = MeSchema()


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
    errors=[errors.PreconditionFailed, errors.LedgerUnavailable],
)
async def read(request: web.Request) -> web.StreamResponse:
    """The top 10; 304 when the client has this version already.

    An answer with the field `Age` could not be confirmed: so many seconds ago it was the newest
    board for certain. No cache keeps it.
    """
    _user_if_needed(request)
    boards, seen = request.app[PARTS].board, seen_beside(request)
    board = None if seen is None else boards.confirmed(seen.value, seen.generation)
    age_seconds = None
    if board is None:
        reading = await boards.read()
        board, age_seconds = reading.board, reading.age_seconds
    known = is_known(request, str(board.version))
    if age_seconds is not None:  # guard: board-nobody-confirm
        in_doubt = {"Cache-Control": "no-store", "Age": str(age_seconds)}  # RFC 9111, 5.1
        return _prepared(board, known, in_doubt).response(request)
    return request.app[ANSWERS].of(board, known).response(request)


@Operation(
    "followLeaderboard",
    "Follow the top 10",
    tag="Leaderboard",
    authorization="optional",
    answers={200: stream_answer()},
    errors=[errors.TooManyStreams],
    events=EVENTS,
)
async def stream(request: web.Request) -> web.StreamResponse:
    """`connected`, the board as it is, then each newer one."""
    user = _user_if_needed(request)
    parts = request.app[PARTS]
    if len(parts.streams) >= parts.settings.subscribers_max:  # guard: stream-counts-against
        parts.metrics.streams_refused.labels("instance").inc()
        raise errors.Overloaded(
            "This instance serves as many streams as it may. Try again: another one may have room."
        )
    networks = client_networks(request, parts.settings.trusted_proxies)
    await parts.streams.enter(networks)
    try:
        return await (_open(request) if user is None else _open_for(user, request))
    finally:
        parts.streams.leave(networks)


@Operation(
    "readMe",
    "Read your own standing",
    tag="Leaderboard",
    authorization="required",
    answers={200: Answer(_ME, headers=("Cache-Control",))},
    errors=[errors.UnknownUser, errors.LedgerUnavailable],
)
async def read_me(request: web.Request) -> web.Response:
    """Your name, score and rank, as of now and from no cache."""
    standing = await request.app[PARTS].standings.of(identity(request).user_id)
    return reply(_ME.dump({"data": standing}), headers={"Cache-Control": "no-store"})


def _user_if_needed(request: web.Request) -> Identity | None:
    """The user, if reading needs a token. Raises as `identity`."""
    return identity(request) if request.app[PARTS].settings.require_token_to_read else None


async def _open_for(user: Identity, request: web.Request) -> web.StreamResponse:
    """Open a stream that needs a token: it counts as the user's, from any address, and ends with
    the token, or when that is revoked.
    """
    parts, holders = request.app[PARTS], [(user.user_id, 1)]

    def watch(end: End) -> AbstractContextManager[None]:
        def on_refused(refusal: errors.NotAuthorized) -> None:
            parts.metrics.streams_revoked.inc()
            end(refusal.code, refusal.message)

        return parts.access.revocations.watch(user.user_id, user.reading, on_refused)

    await parts.user_streams.enter(holders)  # guard: streams-user-counted
    try:
        lasts_seconds = max(0.0, user.expires_at - time.time())
        return await _open(request, Admission(lasts_seconds, watch))
    finally:
        parts.user_streams.leave(holders)


def _open(
    request: web.Request, admission: Admission | None = None
) -> Coroutine[Any, Any, web.StreamResponse]:
    parts = request.app[PARTS]
    settings = parts.settings
    return follow(
        request,
        parts.hub.channel(MAIN),
        retry_seconds=(settings.reconnect_min_seconds, settings.reconnect_max_seconds),
        stuck_after_seconds=settings.stuck_after_seconds,
        admission=admission,
    )


class BoardAnswers:
    """The answers of one application that show one board, encoded once, however many ask."""

    def __init__(self, settings: Settings) -> None:
        if settings.require_token_to_read:
            self._headers = {"Cache-Control": "private, no-cache", "Vary": "Authorization"}
        else:  # browsers ask each time, and mostly get a 304; shared caches keep it for a moment
            shared_seconds = settings.board_max_age_seconds
            policy = f"public, max-age=0, s-maxage={shared_seconds}, must-revalidate"
            self._headers = {"Cache-Control": policy}
        self._board: Board | None = None
        self._made: dict[bool, Prepared] = {}

    def of(self, board: Board, known: bool) -> Prepared:
        """The answer to a client; `known`: it has this version already."""
        if board is not self._board and board != self._board:
            self._board, self._made = board, {}
        made = self._made.get(known)
        if made is None:
            made = self._made[known] = _prepared(board, known, self._headers)
        return made


ANSWERS: Final = web.AppKey("board_answers", BoardAnswers)


def _prepared(board: Board, known: bool, headers: Mapping[str, str]) -> Prepared:
    headers = {"ETag": f'"{board.version}"', **headers}
    if known:
        return Prepared(304, headers, None)
    document = {
        "success": True,
        "data": board.top_users(),
        "version": board.version,
        "timestamp": board.timestamp,
    }
    return Prepared(200, headers, orjson.dumps(document))
