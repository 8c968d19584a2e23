"""The bodies of /api/users."""

from __future__ import annotations

from marshmallow import Schema, fields

from scoreboard.api.schemas.members import EXAMPLE_USER_ID, Request, Success, member, text


class PutPlayerSchema(Request):
    """How a player is called."""

    username = text(None, 100, "The user name, by the rules of `POST /api/auth/register`.", "ada")
    suffix = member(
        fields.Boolean,
        "Whether another name will do where this one is somebody's, or refused here: this one with "
        "digits behind it.",
        False,
        required=False,
        load_default=False,
        truthy={True},
        falsy={False},
    )


class PlayerSchema(Schema):
    """A player of your game."""

    user_id = member(fields.String, "The player's id, a UUID.", EXAMPLE_USER_ID, data_key="userId")
    username = member(fields.String, "The name that boards show.", "ada")
    is_new = member(
        fields.Boolean, "Whether this request has made the player.", True, data_key="isNew"
    )


class PlayerPutSchema(Success):
    """The player is here, and called so."""

    data = member(fields.Nested, "The player.", nested=PlayerSchema)
