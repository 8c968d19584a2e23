"""/api/me: all that is kept about the bearer of the token, and the end of it."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import structlog
from aiohttp import web

from scoreboard import errors
from scoreboard.accounts.access import Identity
from scoreboard.api.accounts import path_of
from scoreboard.api.docs.descriptions import Answer, Operation
from scoreboard.api.http import limits
from scoreboard.api.http.identity import identity
from scoreboard.api.http.prepared import JSON
from scoreboard.api.http.replies import read_json, reply
from scoreboard.api.schemas.accounts import DeletionSchema, DoneSchema
from scoreboard.api.schemas.own_data import ExportSchema
from scoreboard.ledger.moderation import Order
from scoreboard.parts import PARTS
from scoreboard.personal.export import Owner

log = structlog.get_logger("scoreboard.accounts")

FRESH_SECONDS: Final = 300.0
# Who takes less than a page of 200 KB in that time is let go; a telephone line takes 30 s.
_STALLED_SECONDS: Final = 60.0
_DELETION: Final = DeletionSchema()
_ORDER: Final = Order(made_by="user", reason="The user deleted the account.")
# Nobody on the way keeps it, and a browser does not show it.
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Disposition": 'attachment; filename="scoreboard-export.json"',
}


@Operation(
    "exportMyData",
    "Get all that is kept about you",
    tag="Accounts",
    authorization="required",
    answers={200: Answer(ExportSchema(), headers=("Cache-Control",))},
    errors=[errors.UnknownUser, errors.LedgerUnavailable],
)
async def export(request: web.Request) -> web.StreamResponse:
    """Your account, grants, results, entries, corrections and log-ins, and what operators did and
    why: one document, as long as it is. It comes without a length. If the connection ends before
    the document does, ask again.
    """
    user, _ = await _owner(request)
    await limits.count_export(request, user.user_id)
    pieces = request.app[PARTS].personal.document(user.user_id)
    piece = await anext(pieces)  # what refuses comes before the head of the answer
    response = web.StreamResponse(headers=_HEADERS)
    response.content_type = JSON
    await response.prepare(request)
    await response.write(b'{"success":true,"data":' + piece)
    async for piece in pieces:
        await _write(response, piece)
    await _write(response, b"}")
    await response.write_eof()
    log.info("scoreboard.accounts.exported", user_id=user.user_id)
    return response


async def _write(response: web.StreamResponse, piece: bytes) -> None:
    """Raises Overloaded, which within an answer breaks it off (`http.middleware`)."""
    try:
        async with asyncio.timeout(_STALLED_SECONDS):
            await response.write(piece)
    except TimeoutError:
        raise errors.Overloaded from None


@Operation(
    "deleteMe",
    "Delete your account",
    tag="Accounts",
    authorization="required",
    body=_DELETION,
    answers={200: Answer(DoneSchema())},
    errors=[
        errors.InvalidPayload({"password": ["Send your password once more."]}),
        errors.BadCredentials,
        errors.NotFresh,
        errors.UnknownUser,
        errors.LedgerUnavailable,
        errors.Unavailable,
    ],
)
async def delete(request: web.Request) -> web.Response:
    """Erase the bearer of the token, for good. An account with a password needs the password; any
    other a token from a log-in within the last 5 minutes. Boards of seasons that are over keep
    their lines under a neutral name. Log-ins and tokens end everywhere within 2 s; name and e-mail
    address are free again.
    """
    user, owner = await _owner(request)
    body = await read_json(request, _DELETION)
    await _confirm(request, user, owner, body.get("password"))
    await request.app[PARTS].orders.carry_out(
        lambda moderation: moderation.erase(user.user_id, _ORDER)
    )
    return reply({"success": True, "message": "Deleted"})


def is_owner(user: Identity, source: str) -> bool:
    """Whether the token was given out here, or by the provider `source` that brought this user."""
    return not user.foreign or (user.introduced is not None and user.introduced.source == source)


async def _owner(request: web.Request) -> tuple[Identity, Owner]:
    """The bearer of the token, if it was given out here or by the provider that brought this user:
    others may speak for a user, but the data are the user's. Raises InvalidToken, UnknownUser.
    """
    user = identity(request)
    owner = await request.app[PARTS].personal.owner(user.user_id)
    if not is_owner(user, owner.source):  # guard: own-data-owner
        raise errors.InvalidToken("This takes a token of where you log in: no other issuer's.")
    return user, owner


async def _confirm(
    request: web.Request, user: Identity, owner: Owner, password: str | None
) -> None:
    """What is stolen and old does not erase anybody. Raises InvalidPayload, BadCredentials,
    NotFresh, RateLimited.
    """
    if not owner.has_password:
        if time.time() - user.authenticated_at > FRESH_SECONDS:  # guard: deletion-fresh
            raise errors.NotFresh
        return
    if password is None:  # guard: deletion-password
        raise errors.InvalidPayload({"password": ["Send your password once more."]})
    await limits.count_guess(request, user.user_id)  # guard: deletion-guess
    await request.app[PARTS].accounts.confirm(user.user_id, password, path_of(request))
