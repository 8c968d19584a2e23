"""Which board a request is about, and whether its client may see it."""

from __future__ import annotations

from aiohttp import web

from scoreboard.accounts.access import Identity
from scoreboard.api.http.identity import identity
from scoreboard.configuration.settings import Settings
from scoreboard.copies.copy import version_field
from scoreboard.errors import UnknownBoard
from scoreboard.ledger.definitions import Defined
from scoreboard.limits.checks import HashField
from scoreboard.model import BOARD_ID, BoardId
from scoreboard.parts import PARTS


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
    board_id = _board_id(request)
    if board_id is None:
        raise UnknownBoard
    defined = await request.app[PARTS].boards.find(board_id)
    reader(request, defined)
    return defined


def version_beside(request: web.Request) -> HashField | None:
    """What to read beside the limits: the version of the copy of the board in the path, if this
    instance knows such a board. (Whatever strangers write into paths is not looked for in Redis.)
    """
    board_id = _board_id(request)
    # guard: unknown-board-not-asked
    if board_id is None or not request.app[PARTS].boards.knows(board_id):
        return None
    return HashField(*version_field(board_id))


def _board_id(request: web.Request) -> BoardId | None:
    """None where the path holds what is no id of a board."""
    written = request.match_info["board"]
    return BoardId(written) if BOARD_ID.fullmatch(written) else None
