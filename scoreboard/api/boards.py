"""/api/boards: which boards there are, what each shows, its seasons, and its stream."""

from __future__ import annotations

from itertools import islice
from typing import Any, Final

from aiohttp import web

from scoreboard import errors
from scoreboard.accounts.access import Identity
from scoreboard.api.answers import ANSWERS, current, for_a_moment, moment_of, send_json
from scoreboard.api.asked import board_asked_for, query_of, reader
from scoreboard.api.docs.descriptions import Answer, Operation
from scoreboard.api.docs.events import BOARD_EVENTS, stream_answer
from scoreboard.api.http.identity import identity_or_none
from scoreboard.api.http.replies import QUERY_NOT_VALID, has_query
from scoreboard.api.schemas.boards import (
    BoardSchema,
    BoardsPageSchema,
    BoardsSchema,
    SeasonsPageSchema,
    SeasonsSchema,
)
from scoreboard.api.schemas.parameters import BOARD
from scoreboard.api.schemas.shown import BoardLeaderboardSchema, SeasonAskedForSchema
from scoreboard.api.streams import open_stream
from scoreboard.ledger.definitions import Defined, Kept
from scoreboard.model import MAIN
from scoreboard.parts import PARTS

_TAGGED: Final = ("ETag", "Cache-Control")
_NOT_MODIFIED: Final = Answer(description="You have this already.", headers=_TAGGED, shared=True)
_BAD_LIMIT: Final = errors.InvalidPayload(
    {"limit": ["Must be greater than or equal to 1 and less than or equal to 1000."]},
    QUERY_NOT_VALID,
)
_BAD_SEASON: Final = errors.InvalidPayload(
    {"season": ["Must be greater than or equal to 1 and less than or equal to 2147483647."]},
    QUERY_NOT_VALID,
)
_NOT_HEARD_OF: Final = (
    "This season has begun a moment ago, and its board is on its way here. Try again shortly."
)


@Operation(
    "listBoards",
    "List the boards",
    tag="Boards",
    authorization="optional",
    query=BoardsPageSchema(),
    answers={200: Answer(BoardsSchema(), headers=_TAGGED, shared=True), 304: _NOT_MODIFIED},
    errors=[_BAD_LIMIT, errors.PreconditionFailed, errors.LedgerUnavailable],
)
async def list_boards(request: web.Request) -> web.StreamResponse:
    """The boards that you may read, a page at a time: `main` first, the others in the order of
    their ids. Boards that need a token are among them if a valid token came with the request.

    `?limit=` (1 to 1000, default 100) is the size of a page; `?after=` is the id behind which the
    page begins: the `next` of the page before.
    """
    query = query_of(request)
    user = reader(request) or identity_or_none(request)
    boards, behind, limit = request.app[PARTS].boards, _place(query["after"]), query["limit"]
    await boards.find(MAIN)  # so that an instance that has just begun looks what there is
    listed = (
        defined
        for defined in boards.all()
        if _place(defined.definition.board_id) > behind and _is_listed(defined, user)
    )
    found = list(islice(listed, limit + 1))  # one more tells whether there is a next page
    page = found[:limit]
    document = {
        "success": True,
        "data": [_summary(request, defined) for defined in page],
        "next": page[-1].definition.board_id if len(found) > limit else None,
    }
    headers = for_a_moment(request.app[PARTS].settings, shared=user is None)
    # A token may show more than what a cache has for those without one.
    headers |= {"Vary": "Authorization"}  # guard: list-varies
    return await send_json(request, document, headers)


@Operation(
    "readBoard",
    "Read how a board is defined",
    tag="Boards",
    authorization="optional",
    parameters=(BOARD,),
    answers={200: Answer(BoardSchema(), headers=_TAGGED, shared=True), 304: _NOT_MODIFIED},
    errors=[errors.UnknownBoard, errors.PreconditionFailed, errors.LedgerUnavailable],
)
async def read_board(request: web.Request) -> web.StreamResponse:
    """What an operator says of a board: what counts, for how long, and who may read it."""
    defined = await board_asked_for(request)
    data = _summary(request, defined) | {"actions": defined.definition.actions}
    return await send_json(request, {"success": True, "data": data}, moment_of(request, defined))


@Operation(
    "listSeasons",
    "List the seasons of a board",
    tag="Boards",
    authorization="optional",
    parameters=(BOARD,),
    query=SeasonsPageSchema(),
    answers={200: Answer(SeasonsSchema(), headers=_TAGGED, shared=True), 304: _NOT_MODIFIED},
    errors=[
        _BAD_LIMIT,
        errors.UnknownBoard,
        errors.PreconditionFailed,
        errors.LedgerUnavailable,
    ],
)
async def list_seasons(request: web.Request) -> web.StreamResponse:
    """The seasons of a board, the newest first, a page at a time. What is to come is among them.
    The digest of a final one changes with its entries, so whoever keeps these sees by it which to
    read again.

    `?limit=` (1 to 1000, default 100) is the size of a page; `?after=` is the number behind which
    the page begins: the `next` of the page before.
    """
    query = query_of(request)
    defined = await board_asked_for(request)
    limit = query["limit"]
    found = await request.app[PARTS].definitions.seasons(
        defined.definition.board_id, below=query["after"], limit=limit + 1
    )
    page = found[:limit]
    document = {
        "success": True,
        "data": [season.as_json() for season in page],
        "next": page[-1].number if len(found) > limit else None,
    }
    return await send_json(request, document, moment_of(request, defined))


@Operation(
    "readBoardLeaderboard",
    "Read what a board shows",
    tag="Boards",
    authorization="optional",
    parameters=(BOARD,),
    query=SeasonAskedForSchema(),
    answers={
        200: Answer(BoardLeaderboardSchema(), headers=_TAGGED, shared=True),
        304: _NOT_MODIFIED,
    },
    errors=[
        _BAD_SEASON,
        errors.UnknownBoard,
        errors.UnknownSeason,
        errors.PreconditionFailed,
        errors.LedgerUnavailable,
        errors.Unavailable(_NOT_HEARD_OF),
    ],
)
async def read_leaderboard(request: web.Request) -> web.StreamResponse:
    """The entries of the season that the board shows, or of the one that `?season=` numbers; 304
    when the client has them already.

    A season that has ended is shown as it was, with when each score was reached. Once it is `final`
    it has a digest, and changes by corrections of an operator alone: no cache keeps it longer than
    what the board shows now. One that is to come has no entries yet.

    An answer with the field `Age` could not be confirmed: so many seconds ago it was the newest
    board for certain. No cache keeps it.
    """
    number = _season_asked_for(request)
    defined = await board_asked_for(request)
    board_id = defined.definition.board_id
    board, age_seconds = await current(request, await request.app[PARTS].boards.of(board_id))
    shown = board.season or defined.season
    is_shown = shown is not None and shown.number == number and shown.state == "running"
    if number is None or is_shown:
        return request.app[ANSWERS].of(defined).answer(request, board, age_seconds)
    kept = await request.app[PARTS].definitions.season(board_id, number)
    if kept.season.state == "running":  # guard: season-not-heard
        raise errors.Unavailable(_NOT_HEARD_OF)
    # guard: archive-for-a-moment
    return await send_json(request, _archive(defined, kept), moment_of(request, defined))


@Operation(
    "followBoard",
    "Follow a board",
    tag="Boards",
    authorization="optional",
    parameters=(BOARD,),
    answers={200: stream_answer(BOARD_EVENTS)},
    errors=[errors.TooManyStreams, errors.UnknownBoard, errors.LedgerUnavailable],
    events=BOARD_EVENTS,
)
async def stream(request: web.Request) -> web.StreamResponse:
    """`connected`, the board as it is, then each newer one; and the turn of its seasons."""
    defined = await board_asked_for(request)
    board_id, parts = defined.definition.board_id, request.app[PARTS]
    if parts.hub.channel(board_id).board is None:  # guard: stream-begins-with-board
        reading = await (await parts.boards.of(board_id)).read()
        parts.hub.offer(reading.board)
    user = reader(request, defined)
    return await open_stream(request, lambda: parts.hub.channel(board_id), user)


def _season_asked_for(request: web.Request) -> int | None:
    """The number of a season, if the query has one. Raises InvalidPayload."""
    if not has_query(request):
        return None  # as most ask
    number: int | None = query_of(request)["season"]
    return number


def _place(board_id: str) -> tuple[bool, str]:
    """Where a board stands in the list: `main` first, all others behind it, by code points."""
    return (board_id not in ("", MAIN), board_id)


def _is_listed(defined: Defined, user: Identity | None) -> bool:
    return user is not None or defined.definition.visibility == "public"  # guard: list-hides


def _summary(request: web.Request, defined: Defined) -> dict[str, Any]:
    version = request.app[PARTS].boards.newest_version(defined.definition.board_id)
    return defined.as_json(version)


def _archive(defined: Defined, kept: Kept) -> dict[str, Any]:
    """What was kept of a season."""
    return {
        "success": True,
        "data": kept.top_users(),
        "boardId": defined.definition.board_id,
        "direction": defined.definition.direction,
        **kept.as_json(),
    }
