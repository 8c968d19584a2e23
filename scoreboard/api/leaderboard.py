"""GET /api/leaderboard and its stream, and GET /api/me: where the bearer of the token stands."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from scoreboard import errors
from scoreboard.api.answers import ANSWERS, current
from scoreboard.api.asked import reader
from scoreboard.api.docs.descriptions import Answer, Operation
from scoreboard.api.docs.events import EVENTS, stream_answer
from scoreboard.api.first_sight import as_user
from scoreboard.api.http.identity import identity
from scoreboard.api.http.replies import reply
from scoreboard.api.own_data import is_owner
from scoreboard.api.schemas.leaderboard import LeaderboardSchema, MeSchema
from scoreboard.api.streams import open_stream
from scoreboard.model import MAIN
from scoreboard.parts import PARTS
from scoreboard.timestamps import timestamp

_ME: Final = MeSchema()


@Operation(
    "readLeaderboard",
    "Read the top 10",
    tag="Leaderboard",
    authorization="optional",
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
    reader(request)
    board, age_seconds = await current(request, request.app[PARTS].board)
    return request.app[ANSWERS].seed.answer(request, board, age_seconds)


@Operation(
    "followLeaderboard",
    "Follow the top 10",
    tag="Leaderboard",
    authorization="optional",
    answers={200: stream_answer(EVENTS)},
    errors=[errors.TooManyStreams],
    events=EVENTS,
)
async def stream(request: web.Request) -> web.StreamResponse:
    """`connected`, the board as it is, then each newer one."""
    user, hub = reader(request), request.app[PARTS].hub
    return await open_stream(request, lambda: hub.channel(MAIN), user)


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
    user, standings = identity(request), request.app[PARTS].standings
    standing = await as_user(request, user, lambda: standings.of(user.user_id))
    document = _ME.dump({"data": standing})
    document["data"]["createdAt"] = timestamp(standing.created_at)
    if not is_owner(user, standing.source):  # guard: own-email-owner
        document["data"]["email"] = None
    return reply(document, headers={"Cache-Control": "no-store"})
