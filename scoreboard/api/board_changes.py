"""What servers say of /api/boards/{board}, with the scope `boards`."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiohttp import web

from scoreboard import errors
from scoreboard.api.asked import path_parameter_or_none, written
from scoreboard.api.docs.descriptions import Answer, Operation
from scoreboard.api.http.replies import reply
from scoreboard.api.http.signed import Signed, signed
from scoreboard.api.schemas.boards import BoardSchema, PutBoardSchema
from scoreboard.api.schemas.parameters import BOARD
from scoreboard.ledger.definitions import Defined
from scoreboard.model import BoardId
from scoreboard.parts import PARTS
from scoreboard.seasons.definition import Definition, NotDefined, define

_SCHEMA: Final = PutBoardSchema()
# How a member of a definition is called in JSON.
_NAMES: Final[Mapping[str, str]] = {
    name: field.data_key or name for name, field in _SCHEMA.fields.items()
}
_MEMBER: Final = re.compile(rf"\b({'|'.join(_NAMES)})\b")


@Operation(
    "putBoard",
    "Add or change a board",
    tag="Servers",
    authorization="signed",
    parameters=(BOARD,),
    body=_SCHEMA,
    answers={200: Answer(BoardSchema())},
    errors=[
        errors.KeyLacksBoard,
        errors.UnknownBoard,
        errors.BoardRefused,
        errors.LedgerUnavailable,
    ],
)
async def put_board(request: web.Request) -> web.Response:
    """Let there be a board that is as the body says: added if the id is new, with what was granted
    in its first season before; changed if it is there; left alone if it is so already.

    Of a board that is there `title`, `visibility`, `graceSeconds` (of seasons to come), `valueMin`,
    `valueMax` and `keepFullSeconds` can change; the rest its entries were made by. A key that is
    limited to boards puts these alone.
    """
    sent = await signed(request, "boards", _SCHEMA)
    board_id = _board_id(request, sent)
    said = _definition(board_id, sent.body)
    return await _answer(request, await request.app[PARTS].board_orders.put(said, sent.asked))


@Operation(
    "closeBoard",
    "Close a board",
    tag="Servers",
    authorization="signed",
    parameters=(BOARD,),
    answers={200: Answer(BoardSchema())},
    errors=[
        errors.KeyLacksBoard,
        errors.UnknownBoard,
        errors.BoardRefused,
        errors.LedgerUnavailable,
    ],
)
async def close_board(request: web.Request) -> web.Response:
    """Let a board count nothing any more, for good: its season ends now, and none follows. It stays
    readable, with all its seasons. Send no body.
    """
    sent = await signed(request, "boards", None)
    board_id = _board_id(request, sent)
    return await _answer(request, await request.app[PARTS].board_orders.close(board_id, sent.asked))


def _board_id(request: web.Request, sent: Signed) -> BoardId:
    """The board in the path, which the key may touch. Raises KeyLacksBoard, UnknownBoard."""
    sent.key.require_boards([written(request, BOARD)])  # guard: boards-of-key
    board_id = path_parameter_or_none(request, BOARD)
    if board_id is None:
        raise errors.UnknownBoard("No board has such an id: lower-case letters, digits, hyphens.")
    return board_id


def _definition(board_id: BoardId, body: Mapping[str, Any]) -> Definition:
    """Read what is said, as of a file. Raises InvalidPayload, which names each member."""
    said = {name: value for name, value in body.items() if value is not None}
    if "seasons" in said:
        said["seasons"] = [[each["starts_at"], each["ends_at"]] for each in said["seasons"]]
    try:
        return define({"board_id": board_id} | said)
    except NotDefined as error:
        raise errors.InvalidPayload(_by_member(error.problems)) from None


def _by_member(problems: Sequence[str]) -> dict[str, list[str]]:
    """Put problems, each of which begins with a member, under the name that it has in JSON."""
    found = defaultdict(list)
    for problem in problems:
        name = problem.partition(" ")[0]
        found[_NAMES.get(name, name)].append(_MEMBER.sub(lambda name: _NAMES[name[0]], problem))
    return dict(found)


async def _answer(request: web.Request, defined: Defined) -> web.Response:
    version = await request.app[PARTS].ledger.version(defined.definition.board_id)
    data = defined.as_json(version) | {"actions": defined.definition.actions}
    return reply({"success": True, "data": data})
