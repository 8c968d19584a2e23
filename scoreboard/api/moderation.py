"""/api/moderation and /api/audit: what servers do to users and scores, with the scope `moderation`,
and what was done by whom and why.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from aiohttp import web

from scoreboard import errors
from scoreboard.accounts.names import username_key
from scoreboard.accounts.refused_names import RefusedNames
from scoreboard.accounts.users import good_username, refusing_taken
from scoreboard.api.asked import query_of
from scoreboard.api.docs.descriptions import Answer, Operation
from scoreboard.api.http.replies import QUERY_NOT_VALID, reply
from scoreboard.api.http.signed import signed, user_id_of
from scoreboard.api.schemas.moderation import (
    AuditPageSchema,
    AuditSchema,
    ModeratedSchema,
    ModerationSchema,
)
from scoreboard.audit import rows
from scoreboard.audit.rows import Sought
from scoreboard.keys.server_key import ServerKey
from scoreboard.ledger.moderation import Done, Moderation, Order
from scoreboard.parts import PARTS, Parts

_SCHEMA: Final = ModerationSchema()
_NOBODY: Final = "Nobody has this userId."
# What needs nothing but a user.
_SIMPLE: Final[Mapping[str, Callable[[Moderation, str, Order], Coroutine[Any, Any, Done]]]] = {
    "hide": Moderation.hide,
    "show": Moderation.show,
    "ban": Moderation.ban,
    "unban": Moderation.unban,
    "erase": Moderation.erase,
}


@Operation(
    "moderate",
    "Moderate a user or a score",
    tag="Servers",
    authorization="signed",
    body=_SCHEMA,
    answers={200: Answer(ModeratedSchema())},
    errors=[
        errors.KeyLacksBoard,
        errors.UnknownUser(_NOBODY),
        errors.UnknownBoard,
        errors.UnknownSeason,
        errors.UnknownAction,
        errors.NotGranted,
        errors.UnknownReceipt,
        errors.AlreadyRevoked,
        errors.AccountTaken,
        errors.ScoreOutOfRange,
        errors.LedgerUnavailable,
    ],
)
async def moderate(request: web.Request) -> web.Response:
    """Hide, show, ban, unban, rename, correct, take back a grant or a result, or erase. Every
    instance shows it within 2 s, and the audit has a row of it that nobody can change.

    Send it again with the same nonce when no answer came: it is done once, and `isRepeated` says
    that it had been. A key that is limited to boards may `correct` there, and take results of
    theirs back; all other acts concern every board.
    """
    parts = request.app[PARTS]
    asked = await signed(request, "moderation", _SCHEMA)
    key, body = asked.key, asked.body
    await _require_boards(parts, key, body)
    order = Order(key.key_id, body["reason"].strip(), asked.request_id)
    act = _act_of(key, body, order, parts.accounts.users.refused)
    try:
        with refusing_taken():
            done = await parts.orders.carry_out(act)
    except errors.UnknownUser as error:
        raise errors.UnknownUser(_NOBODY) from error
    return reply({"success": True, "data": done.as_json()})


@Operation(
    "readAudit",
    "Read what was moderated",
    tag="Servers",
    authorization="signed",
    query=AuditPageSchema(),
    answers={200: Answer(AuditSchema())},
    errors=[
        errors.InvalidPayload(
            {"limit": ["Must be greater than or equal to 1 and less than or equal to 1000."]},
            QUERY_NOT_VALID,
        ),
        errors.LedgerUnavailable,
    ],
)
async def read_audit(request: web.Request) -> web.Response:
    """What operators and servers did to users and scores, the oldest first, a page at a time.

    `?limit=` (1 to 1000, default 100) is the size of a page; `?after=` is the row behind which the
    page begins: the `next` of the page before. The query is part of what you sign. A key that is
    limited to boards is shown what concerns one of these, and no more.
    """
    key = (await signed(request, "moderation", None)).key
    query = query_of(request)
    limit = query["limit"]
    sought = Sought(board_ids=key.board_ids)  # guard: audit-of-boards
    found = await rows.page(request.app[PARTS].queries, sought, query["after"], limit + 1)
    page = found[:limit]
    document = {
        "success": True,
        "data": [row.as_json() for row in page],
        "next": page[-1].audit_id if len(found) > limit else None,
    }
    return reply(document, headers={"Cache-Control": "no-store"})


async def _require_boards(parts: Parts, key: ServerKey, body: Mapping[str, Any]) -> None:
    """Hold a key that is limited to boards to what concerns these alone. Raises KeyLacksBoard;
    UnknownReceipt, LedgerUnavailable.
    """
    if key.board_ids is None:
        return
    if body["act"] == "correct":
        key.require_boards([body["board_id"]])  # guard: moderation-of-boards
        return
    if body["act"] != "revoke_result":  # guard: moderation-of-all
        raise errors.KeyLacksBoard
    source = body.get("source", key.source)
    board_id = await parts.moderation.board_of_result(source, body["receipt"])
    key.require_boards([board_id])  # guard: revocation-of-boards


def _act_of(
    key: ServerKey, body: Mapping[str, Any], order: Order, refused: RefusedNames
) -> Callable[[Moderation], Coroutine[Any, Any, Done]]:
    """What is to be done. Raises InvalidPayload, RefusedName, where it cannot be."""
    act = body["act"]
    if act == "revoke_result":
        source = body.get("source", key.source)
        return lambda moderation: moderation.revoke_result(source, body["receipt"], order)
    user_id = user_id_of(key, body["user_id"])
    if act in _SIMPLE:
        return lambda moderation: _SIMPLE[act](moderation, user_id, order)
    if act == "rename":
        name = good_username(body["username"])
        refused.check(name)  # guard: refused-name-key
        return lambda moderation: moderation.rename(user_id, name, username_key(name), order)
    if act == "revoke_grant":
        return lambda moderation: moderation.revoke_grant(user_id, body["action_id"], order)
    return lambda moderation: moderation.correct(
        user_id, body["board_id"], body["points"], order, body["season"]
    )
