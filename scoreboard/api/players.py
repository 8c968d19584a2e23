"""/api/users: the players that servers bring and name."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from scoreboard import errors
from scoreboard.accounts import ids
from scoreboard.api.asked import path_parameter
from scoreboard.api.docs.descriptions import Answer, Operation
from scoreboard.api.http.replies import reply
from scoreboard.api.http.signed import signed, user_id_of
from scoreboard.api.schemas.parameters import PLAYER_ID
from scoreboard.api.schemas.players import PlayerPutSchema, PutPlayerSchema
from scoreboard.parts import PARTS

_SCHEMA: Final = PutPlayerSchema()


@Operation(
    "putPlayer",
    "Bring or name a player",
    tag="Servers",
    authorization="signed",
    parameters=(PLAYER_ID,),
    body=_SCHEMA,
    answers={200: Answer(PlayerPutSchema())},
    errors=[
        errors.RefusedName,
        errors.KeyLacksBoard,
        errors.KeyLacksUser,
        errors.UnknownUser,
        errors.Banned,
        errors.AccountTaken,
        errors.LedgerUnavailable,
    ],
)
async def put_player(request: web.Request) -> web.Response:
    """Let there be a player of your game, without a password and without an e-mail address: made if
    the id is new, renamed if the name is another one, left alone else. Boards show a new name at
    once.

    The id is a UUID, or your game's own id of somebody: the same one always means the same player.
    Nobody new is made of a UUID of version 5, which may be computed from somebody else's id. Only
    keys of the same source name a player. Where the name is somebody else's the answer is 409,
    unless `suffix` is true. What was sent before and is sent again with the same nonce changes
    nothing any more, and is answered how the player is called now.
    """
    sent = await signed(request, "users", _SCHEMA)
    written, body = path_parameter(request, PLAYER_ID), sent.body
    player = await request.app[PARTS].players.put(
        user_id_of(sent.key, written),
        body["username"],
        sent.asked,
        is_own=ids.canonical(written) is None,
        suffix=body["suffix"],
    )
    data = {"userId": player.user_id, "username": player.username, "isNew": player.is_new}
    return reply({"success": True, "data": data})
