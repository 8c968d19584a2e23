"""GET /api/me/grants: what the bearer of the token has done already."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from scoreboard import errors
from scoreboard.api.asked import query_of
from scoreboard.api.docs.descriptions import Answer, Operation
from scoreboard.api.first_sight import as_user
from scoreboard.api.http.identity import identity
from scoreboard.api.http.replies import QUERY_NOT_VALID, reply
from scoreboard.api.schemas.actions import OwnGrantsSchema, OwnPageSchema
from scoreboard.parts import PARTS
from scoreboard.timestamps import timestamp

_PAGE: Final = OwnPageSchema()


@Operation(
    "listMyGrants",
    "List what you were granted",
    tag="Actions",
    authorization="required",
    query=_PAGE,
    answers={200: Answer(OwnGrantsSchema(), headers=("Cache-Control",))},
    errors=[
        errors.InvalidPayload(
            {"limit": ["Must be greater than or equal to 1 and less than or equal to 1000."]},
            QUERY_NOT_VALID,
        ),
        errors.UnknownUser,
        errors.LedgerUnavailable,
    ],
)
async def list_grants(request: web.Request) -> web.Response:
    """Your grants, a page at a time in the order of action ids: that of GET /api/actions, so that
    pages of the two can be read in step. Actions that are disabled now are among them, and grants
    that were revoked: neither is granted to you once more.
    """
    user, own_grants = identity(request), request.app[PARTS].own_grants
    query = query_of(request)
    limit = query["limit"]
    # One more than asked for tells whether there is a next page.
    found = await as_user(
        request, user, lambda: own_grants.of(user.user_id, query["after"], limit + 1)
    )
    page = found[:limit]
    data = [
        {
            "actionId": grant.action_id,
            "points": grant.points,
            "grantedAt": timestamp(grant.granted_at),
        }
        for grant in page
    ]
    following = page[-1].action_id if len(found) > limit else None
    document = {"success": True, "data": data, "next": following}
    return reply(document, headers={"Cache-Control": "no-store"})
