"""What a request asks for, by the parameters that its `Operation` declares and by no others: which
board, and whether its client may see it.
"""

from __future__ import annotations

from typing import Any, TypeVar

from aiohttp import web
from marshmallow import Schema, ValidationError

from scoreboard.accounts.access import Identity
from scoreboard.api.docs.descriptions import Operation, operation_of
from scoreboard.api.http.identity import identity
from scoreboard.api.http.replies import (
    PATH_NOT_VALID,
    QUERY_MAX_CHARS,
    path_part,
    query_pairs,
    read_query,
)
from scoreboard.api.schemas.parameters import BOARD, Parameter
from scoreboard.configuration.settings import Settings
from scoreboard.copies.copy import version_field
from scoreboard.errors import InvalidPayload, UnknownBoard
from scoreboard.ledger.definitions import Defined
from scoreboard.limits.checks import HashField
from scoreboard.parts import PARTS

T = TypeVar("T")


def query_of(request: web.Request, *, chars_max: int = QUERY_MAX_CHARS) -> dict[str, Any]:
    """The query, as the operation declares it. Raises InvalidPayload."""
    return read_query(request, _query_schema(request), chars_max=chars_max)


def pairs_of(request: web.Request) -> list[tuple[str, str]]:
    """The parameters of the query that the operation declares, as they stand there: for browsers,
    which are led here, and whose users are to see no error.
    """
    declared = _query_schema(request).fields
    return [(name, value) for name, value in query_pairs(request) if name in declared]


def path_parameter(request: web.Request, parameter: Parameter[T]) -> T:
    """A parameter of the path. Raises InvalidPayload."""
    _require_declared(request, parameter)
    text = path_part(request, parameter.name)
    try:
        return parameter.read(text)
    except ValidationError as error:
        raise InvalidPayload({parameter.name: error.messages}, PATH_NOT_VALID) from error


def path_parameter_or_none(request: web.Request, parameter: Parameter[T]) -> T | None:
    """A parameter of the path; None where that holds none, so nothing has such an id."""
    try:
        return parameter.read(written(request, parameter))
    except ValidationError:
        return None


def written(request: web.Request, parameter: Parameter[Any]) -> str:
    """A parameter of the path as it stands there."""
    _require_declared(request, parameter)
    return request.match_info[parameter.name]


def reader(request: web.Request, defined: Defined | None = None) -> Identity | None:
    """The user, if reading needs a token: of every board by a setting, or of this one. Raises as
    `identity`.
    """
    settings = request.app[PARTS].settings
    is_public = not settings.require_token_to_read
    if defined is not None:
        is_public = may_be_shared(settings, defined)  # guard: board-needs-token
    return None if is_public else identity(request)


def may_be_shared(settings: Settings, defined: Defined) -> bool:
    """Whether everybody may read this board, so that caches may hand it to anybody."""
    return defined.definition.visibility == "public" and not settings.require_token_to_read


async def board_asked_for(request: web.Request) -> Defined:
    """The board in the path, which the client may see. Raises as `identity`; UnknownBoard,
    LedgerUnavailable.
    """
    reader(request)  # before anything is looked for
    board_id = path_parameter_or_none(request, BOARD)
    if board_id is None:
        raise UnknownBoard
    defined = await request.app[PARTS].boards.find(board_id)
    reader(request, defined)
    return defined


def version_beside(request: web.Request) -> HashField | None:
    """What to read beside the limits: the version of the copy of the board in the path, if this
    instance knows such a board. (Whatever strangers write into paths is not looked for in Redis.)
    """
    board_id = path_parameter_or_none(request, BOARD)
    # guard: unknown-board-not-asked
    if board_id is None or not request.app[PARTS].boards.knows(board_id):
        return None
    return HashField(*version_field(board_id))


def _query_schema(request: web.Request) -> Schema:
    schema = _operation(request).query
    if schema is None:
        raise LookupError("This operation declares no query.")
    return schema


def _require_declared(request: web.Request, parameter: Parameter[Any]) -> None:
    if parameter not in _operation(request).parameters:
        raise LookupError(f"This operation declares no {parameter.name}.")


def _operation(request: web.Request) -> Operation:
    operation = operation_of(request.match_info.handler)
    if operation is None:
        raise LookupError("What reads parameters has an Operation.")
    return operation
