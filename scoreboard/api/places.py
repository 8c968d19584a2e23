"""Everybody's place on a board: your own with who is around, another user's, pages of the ranking.

Each answer is of one moment. A ranking changes without the board that it begins with, so an ETag is
of the answer, and not the version.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from aiohttp import web

from scoreboard import errors
from scoreboard.api.answers import moment_of, send_json
from scoreboard.api.asked import board_asked_for, path_parameter, query_of
from scoreboard.api.docs.descriptions import Answer, Operation
from scoreboard.api.http.identity import identity
from scoreboard.api.http.replies import (
    PATH_NOT_VALID,
    QUERY_NOT_VALID,
    reply,
)
from scoreboard.api.schemas.parameters import BOARD, USER_ID
from scoreboard.api.schemas.places import (
    AroundSchema,
    EntriesPageSchema,
    EntriesSchema,
    MyPlaceSchema,
    UserPlaceSchema,
)
from scoreboard.api.schemas.shown import SeasonAskedForSchema
from scoreboard.model import BoardId
from scoreboard.parts import PARTS
from scoreboard.scoring import cursors
from scoreboard.scoring.cursors import BadCursor, Cursor
from scoreboard.scoring.place import Place, Ranking, rank_above
from scoreboard.timestamps import exact_timestamp

# 100 ids with commas between them, which some clients write in three characters, take 3,900.
_PAGE_QUERY_MAX_CHARS: Final = 4096
_TAGGED: Final = ("ETag", "Cache-Control")
_PERSONAL: Final = {"Cache-Control": "no-store"}
_BEGINNINGS: Final = ("after", "before", "rank", "users")
# Which member of an answer is the cursor for this.
_FROM: Final = {"after": "next", "before": "previous"}
_NOT_BEGUN: Final = "The ranks of this board are being counted. Try again shortly."
_NOT_VALID: Final = errors.InvalidPayload(
    {"rank": ["Must be greater than or equal to 1 and less than or equal to 2147483647."]},
    QUERY_NOT_VALID,
)
_BAD_AROUND: Final = errors.InvalidPayload(
    {"around": ["Must be greater than or equal to 0 and less than or equal to 50."]},
    QUERY_NOT_VALID,
)
_NO_UUID: Final = errors.InvalidPayload({"userId": ["Must be a UUID."]}, PATH_NOT_VALID)
_MISSING: Final = (
    errors.UnknownBoard,
    errors.UnknownSeason,
    errors.EntriesNotKept,
    errors.LedgerUnavailable,
)


@Operation(
    "readMyPlace",
    "Read your own place on a board",
    tag="Boards",
    authorization="required",
    parameters=(BOARD,),
    query=AroundSchema(),
    answers={200: Answer(MyPlaceSchema(), headers=("Cache-Control",))},
    errors=[_BAD_AROUND, *_MISSING],
)
async def read_mine(request: web.Request) -> web.Response:
    """Your ranks, who stands before you, and the lines around yours: of the season that the board
    shows, or of the one that `?season=` numbers; as of now and from no cache.

    `?around=` (0 to 50, default 5) lines are on each side of yours. At an edge of the ranking the
    window shifts and keeps its size. Without an entry `place` is null and `entries` is empty.
    """
    query = query_of(request)
    user = identity(request)
    defined = await board_asked_for(request)
    window = await request.app[PARTS].places.window(
        defined.definition.board_id, query["season"], user.user_id, query["around"]
    )
    data = _of_user(window, window.place)
    data["entries"] = [_line(place) for place in window.entries]
    return reply(_about(window, data), headers=_PERSONAL)


@Operation(
    "readPlace",
    "Read the place of a user on a board",
    tag="Boards",
    authorization="optional",
    parameters=(BOARD, USER_ID),
    query=SeasonAskedForSchema(),
    answers={200: Answer(UserPlaceSchema(), headers=("Cache-Control",))},
    errors=[_NO_UUID, errors.NoEntry, *_MISSING],
)
async def read_user(request: web.Request) -> web.Response:
    """The ranks of a user and who stands before, in the season that the board shows, or in the one
    that `?season=` numbers; as of now and from no cache.
    """
    season = query_of(request)["season"]
    defined = await board_asked_for(request)
    user_id = path_parameter(request, USER_ID)
    found = await request.app[PARTS].places.find(
        defined.definition.board_id, season, [user_id], with_next=True
    )
    place = found.places.get(user_id)
    if place is None:
        raise errors.NoEntry
    return reply(_about(found, _of_user(found, place)), headers=_PERSONAL)


@Operation(
    "listEntries",
    "Read a page of a ranking",
    tag="Boards",
    authorization="optional",
    parameters=(BOARD,),
    query=EntriesPageSchema(),
    answers={
        200: Answer(EntriesSchema(), headers=_TAGGED, shared=True),
        304: Answer(description="You have this already.", headers=_TAGGED, shared=True),
    },
    errors=[
        _NOT_VALID,
        errors.PreconditionFailed,
        errors.Unavailable(_NOT_BEGUN),
        *_MISSING,
    ],
)
async def list_entries(request: web.Request) -> web.StreamResponse:
    """Lines of the whole ranking, best first, with their ranks: of the season that the board shows,
    or of the one that `?season=` numbers. `?limit=` (1 to 100, default 50) is the size of a page.

    It begins at the top; or behind a cursor (`?after=`, the `next` of a page), before one
    (`?before=`, the `previous` of a page), with a `?rank=`, or has the entries of these `?users=`
    and nobody else. Send one of these. A cursor goes on in its season after that has ended, and
    whatever moves meanwhile, no line that stayed is left out or comes twice.
    """
    query = query_of(request, chars_max=_PAGE_QUERY_MAX_CHARS)
    _require_one(query)
    defined = await board_asked_for(request)
    board_id, places = defined.definition.board_id, request.app[PARTS].places
    season = query["season"]
    if query["users"] is not None:
        found = await places.find(board_id, season, query["users"])
        document = _page(found, found.places.values())
        document |= {"next": None, "previous": None}
        return await send_json(request, document, moment_of(request, defined))
    after, before = _cursor(query, "after", board_id), _cursor(query, "before", board_id)
    for cursor in filter(None, (after, before)):
        season = cursor.season or season
    page = await places.page(
        board_id,
        season,
        after=after,
        before=before,
        rank=query["rank"] or 1,
        limit=query["limit"],
    )
    document = _page(page, page.entries)
    document["next"] = page.next and cursors.written(page.next, board_id)
    document["previous"] = page.previous and cursors.written(page.previous, board_id)
    return await send_json(request, document, moment_of(request, defined))


def _require_one(query: dict[str, Any]) -> None:
    """Refuse a query with two beginnings. Raises InvalidPayload."""
    given = [name for name in _BEGINNINGS if query[name] is not None]
    if len(given) > 1:  # guard: page-one-beginning
        said = f"Send one of {', '.join(_BEGINNINGS[:-1])} and {_BEGINNINGS[-1]}."
        raise errors.InvalidPayload({name: [said] for name in given}, QUERY_NOT_VALID)


def _cursor(query: dict[str, Any], name: str, board_id: BoardId) -> Cursor | None:
    """The cursor in the query, if there is one. Raises InvalidPayload."""
    if query[name] is None:
        return None
    try:
        cursor = cursors.read(query[name], board_id)
    except BadCursor:
        said = f"This is no cursor of this board. Send the `{_FROM[name]}` of an answer as it is."
        raise errors.InvalidPayload({name: [said]}, QUERY_NOT_VALID) from None
    if None not in (cursor.season, query["season"]) and cursor.season != query["season"]:
        said = f"This cursor is of season {cursor.season}. Leave season out, or {name}."
        raise errors.InvalidPayload({name: [said]}, QUERY_NOT_VALID)
    return cursor


def _page(ranking: Ranking, places: Collection[Place]) -> dict[str, Any]:
    data = [_line(place) for place in places]
    return _about(ranking, data) | {"rankAbove": rank_above(places)}


def _about(ranking: Ranking, data: Any) -> dict[str, Any]:
    """What every answer says."""
    return {
        "success": True,
        "data": data,
        "boardId": ranking.board_id,
        "direction": ranking.direction,
        "season": ranking.season and ranking.season.as_json(),
        "version": ranking.version,
        "total": ranking.total,
    }


def _of_user(ranking: Ranking, place: Place | None) -> dict[str, Any]:
    if place is None:
        return {"place": None, "next": None}
    more = {"percentile": ranking.percentile(place), "rankAbove": rank_above([place])}
    return {"place": _line(place) | more, "next": place.next and place.next.as_json()}


def _line(place: Place) -> dict[str, Any]:
    return {
        "rank": place.rank,
        "competitionRank": place.competition_rank,
        "denseRank": place.dense_rank,
        "userId": place.user_id,
        "username": place.username,
        "score": place.score,
        "reachedAt": exact_timestamp(place.reached_at),
    }
