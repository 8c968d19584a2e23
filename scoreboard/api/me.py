"""GET /api/me: where the bearer of the token stands."""

from __future__ import annotations

from aiohttp import web

from scoreboard.api.docs.descriptions import Answer, Operation
from scoreboard.api.http.identity import identity
from scoreboard.api.http.replies import reply
from scoreboard.api.schemas.leaderboard import MeSchema
from scoreboard.errors import LedgerUnavailable, UnknownUser
from scoreboard.parts import PARTS


@Operation(
    "readMe",
    "Read your own standing",
    tag="Leaderboard",
    authorization="required",
    answers={200: Answer(MeSchema(), headers=("Cache-Control",))},
    errors=[UnknownUser, LedgerUnavailable],
)
async def read(request: web.Request) -> web.Response:
    """Your name, score and rank, as of now and from no cache."""
    standing = await request.app[PARTS].standings.of(identity(request).user_id)
    return reply(
        {
            "success": True,
            "data": {
                "userId": standing.user_id,
                "username": standing.username,
                "score": standing.score,
                "rank": standing.rank,
                "rankAbove": standing.rank_above,
            },
        },
        headers={"Cache-Control": "no-store"},
    )
