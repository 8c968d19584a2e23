"""Answers that show a board as it is now, encoded once, however many ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson
from aiohttp import web

from scoreboard.api.asked import may_be_shared
from scoreboard.api.http.etags import is_known
from scoreboard.api.http.files import File, send
from scoreboard.api.http.limits import seen_beside
from scoreboard.api.http.prepared import JSON, Prepared
from scoreboard.configuration.settings import Settings
from scoreboard.copies.board import CachedBoard
from scoreboard.ledger.definitions import Defined
from scoreboard.model import Board, BoardId
from scoreboard.parts import PARTS

# Boards beyond these are encoded whenever they are asked for.
_KEPT_MAX: Final = 256


async def current(request: web.Request, copy: CachedBoard) -> tuple[Board, int | None]:
    """The board as it is now, without a read where Redis has confirmed it beside the limits; and
    where nobody can confirm it, how many seconds ago it was the newest for certain.

    Raises LedgerUnavailable, Overloaded.
    """
    seen = seen_beside(request)
    board = None if seen is None else copy.confirmed(seen.value, seen.generation)
    if board is not None:
        return board, None
    reading = await copy.read()
    return reading.board, reading.age_seconds


class BoardAnswers:
    """The answers of one application that show one board. `document` is what they say of it."""

    def __init__(
        self, headers: Mapping[str, str], document: Callable[[Board], Mapping[str, Any]]
    ) -> None:
        self._headers = headers
        self._document = document
        self._board: Board | None = None
        self._made: dict[bool, Prepared] = {}

    def answer(
        self, request: web.Request, board: Board, age_seconds: int | None
    ) -> web.StreamResponse:
        """Answer with this board, or 304 to a client that has it. No cache keeps one in doubt.
        Raises PreconditionFailed.
        """
        known = is_known(request, str(board.version))
        if age_seconds is not None:  # guard: board-nobody-confirm
            in_doubt = {"Cache-Control": "no-store", "Age": str(age_seconds)}  # RFC 9111, 5.1
            return self._prepared(board, known, in_doubt).response(request)
        if board is not self._board and board != self._board:
            self._board, self._made = board, {}
        made = self._made.get(known)
        if made is None:
            made = self._made[known] = self._prepared(board, known, self._headers)
        return made.response(request)

    def _prepared(self, board: Board, known: bool, headers: Mapping[str, str]) -> Prepared:
        headers = {"ETag": f'"{board.version}"', **headers}
        if known:
            return Prepared(304, headers, None)
        return Prepared(200, headers, orjson.dumps(self._document(board)))


class Answers:
    """The answers of one application that show boards: `seed` are those of GET /api/leaderboard."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        headers = for_a_moment(settings, shared=not settings.require_token_to_read)
        self.seed = BoardAnswers(headers, _shown)
        self._others: dict[BoardId, tuple[Defined, BoardAnswers]] = {}

    def of(self, defined: Defined) -> BoardAnswers:
        """Those of GET /api/boards/{board}/leaderboard."""
        board_id = defined.definition.board_id
        as_defined, answers = self._others.get(board_id, (None, None))
        # guard: answers-as-defined
        if answers is None or (as_defined is not defined and as_defined != defined):
            if answers is None and len(self._others) >= _KEPT_MAX:
                del self._others[next(iter(self._others))]
            headers = for_a_moment(self._settings, shared=may_be_shared(self._settings, defined))
            answers = BoardAnswers(headers, lambda board: _shown(board) | about(defined, board))
            self._others[board_id] = (defined, answers)
        return answers


ANSWERS: Final = web.AppKey("board_answers", Answers)


def for_a_moment(settings: Settings, *, shared: bool) -> dict[str, str]:
    """The header of what changes: browsers ask each time, and mostly get a 304; shared caches keep
    it for a moment.
    """
    if not shared:
        return {"Cache-Control": "private, no-cache", "Vary": "Authorization"}
    seconds = settings.board_max_age_seconds
    return {"Cache-Control": f"public, max-age=0, s-maxage={seconds}, must-revalidate"}


def moment_of(request: web.Request, defined: Defined) -> dict[str, str]:
    """The same of an answer about this board."""
    settings = request.app[PARTS].settings
    return for_a_moment(settings, shared=may_be_shared(settings, defined))


async def send_json(
    request: web.Request, document: Mapping[str, Any], headers: Mapping[str, str]
) -> web.StreamResponse:
    """Answer with JSON that has a tag of its own, or 304 to a client that has it. Raises
    PreconditionFailed.
    """
    return await send(request, File.of(JSON, orjson.dumps(document)), headers)


def about(defined: Defined, board: Board) -> dict[str, Any]:
    """What every answer says of its board besides the entries: `main`, which names no season, has
    one all the same.
    """
    season = board.season or defined.season
    return {
        "boardId": board.board_id,
        "direction": defined.definition.direction,
        "season": None if season is None else season.as_json(),
    }


def _shown(board: Board) -> dict[str, Any]:
    return {
        "success": True,
        "data": board.top_users(),
        "version": board.version,
        "timestamp": board.timestamp,
    }
