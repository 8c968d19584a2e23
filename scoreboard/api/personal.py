"""GET /api/me/stream: what concerns the bearer of the token, as it happens."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from scoreboard import errors
from scoreboard.api.asked import query_of
from scoreboard.api.docs.descriptions import Operation
from scoreboard.api.docs.events import PERSONAL_EVENTS, stream_answer
from scoreboard.api.http.identity import identity
from scoreboard.api.http.replies import QUERY_NOT_VALID
from scoreboard.api.schemas.personal import BOARDS_MAX, BoardsAskedForSchema
from scoreboard.api.streams import open_stream
from scoreboard.model import BoardId
from scoreboard.parts import PARTS

_TOO_MANY: Final = errors.InvalidPayload(
    {"boards": [f"Name 1 to {BOARDS_MAX} boards, with commas between them."]}, QUERY_NOT_VALID
)


@Operation(
    "followMe",
    "Follow what concerns you",
    tag="Leaderboard",
    authorization="required",
    query=BoardsAskedForSchema(),
    answers={200: stream_answer(PERSONAL_EVENTS)},
    errors=[
        _TOO_MANY,
        errors.UnknownBoard,
        errors.TooManyStreams,
        errors.LedgerUnavailable,
    ],
    events=PERSONAL_EVENTS,
)
async def stream(request: web.Request) -> web.StreamResponse:
    """`connected`, then for each board where you stand; and from then on what becomes of that, who
    overtakes you, and what you are granted.

    `?boards=` names the boards, 20 at most; without it `main` alone. It counts against the same
    limits as every stream.
    """
    user, parts = identity(request), request.app[PARTS]
    board_ids = await _boards_asked_for(request)
    entrance = await parts.personal_streams.entrance(user.user_id, board_ids)
    return await open_stream(request, lambda: entrance, user)


async def _boards_asked_for(request: web.Request) -> list[BoardId]:
    """The boards that the query names, each once. Raises InvalidPayload, UnknownBoard,
    LedgerUnavailable.
    """
    asked = dict.fromkeys(query_of(request)["boards"].split(","))
    if len(asked) > BOARDS_MAX:
        raise _TOO_MANY
    boards = request.app[PARTS].boards
    return [(await boards.find(board_id)).definition.board_id for board_id in asked]
