"""/api/me/follows: whom the bearer of the token follows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from scoreboard import errors
from scoreboard.api.asked import path_parameter
from scoreboard.api.docs.descriptions import Answer, Operation
from scoreboard.api.first_sight import as_user
from scoreboard.api.http.identity import identity
from scoreboard.api.http.replies import PATH_NOT_VALID, reply
from scoreboard.api.schemas.follows import FollowsSchema
from scoreboard.api.schemas.parameters import USER_ID
from scoreboard.parts import PARTS
from scoreboard.timestamps import timestamp

_DONE: Final = Answer(description="It is so now, and was perhaps before.")
_NOT_ANOTHER: Final = errors.InvalidPayload(
    {"userId": ["Must be the userId of another user."]}, PATH_NOT_VALID
)


@Operation(
    "follow",
    "Follow a user",
    tag="Accounts",
    authorization="required",
    parameters=(USER_ID,),
    answers={204: _DONE},
    errors=[
        _NOT_ANOTHER,
        errors.NobodyToFollow,
        errors.FollowsFull,
        errors.UnknownUser,
        errors.LedgerUnavailable,
    ],
)
async def follow(request: web.Request) -> web.Response:
    """Follow another user: your personal stream tells you when they overtake you, wherever you
    stand. You can follow 1,000. Doing it again changes nothing. Nobody else sees whom you follow.
    """
    return await _change(request, request.app[PARTS].follows.add)


@Operation(
    "unfollow",
    "Follow a user no longer",
    tag="Accounts",
    authorization="required",
    parameters=(USER_ID,),
    answers={204: _DONE},
    errors=[_NOT_ANOTHER, errors.UnknownUser, errors.LedgerUnavailable],
)
async def unfollow(request: web.Request) -> web.Response:
    """Follow a user no longer. Whom you do not follow you may unfollow as well."""
    return await _change(request, request.app[PARTS].follows.remove)


@Operation(
    "listFollows",
    "List whom you follow",
    tag="Accounts",
    authorization="required",
    answers={200: Answer(FollowsSchema(), headers=("Cache-Control",))},
    errors=[errors.UnknownUser, errors.LedgerUnavailable],
)
async def list_follows(request: web.Request) -> web.Response:
    """All whom you follow, by name. Who is hidden from boards is not among them, and comes back
    when shown again.
    """
    user, follows = identity(request), request.app[PARTS].follows
    found = await as_user(request, user, lambda: follows.of(user.user_id))
    data = [
        {
            "userId": each.user_id,
            "username": each.username,
            "followedAt": timestamp(each.followed_at),
        }
        for each in found
    ]
    return reply({"success": True, "data": data}, headers={"Cache-Control": "no-store"})


async def _change(
    request: web.Request, change: Callable[[str, str], Awaitable[None]]
) -> web.Response:
    """Change whether who asks follows whom it is about, and let open streams know. Raises as
    `identity`; InvalidPayload, and what `change` does.
    """
    user = identity(request)
    followed_id = path_parameter(request, USER_ID)
    if followed_id == user.user_id:
        raise _NOT_ANOTHER
    await as_user(request, user, lambda: change(user.user_id, followed_id))
    request.app[PARTS].personal_streams.follows_changed(user.user_id)
    return web.Response(status=204)
