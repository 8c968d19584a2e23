"""The bodies of /api/leaderboard and /api/me, and the data of the stream's events."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, fields, validate

from scoreboard.api.schemas.members import EXAMPLE_TIME, EXAMPLE_USER_ID, Success, member
from scoreboard.errors import (
    ExpiredToken,
    RevokedToken,
    ShuttingDown,
    UnknownBoard,
    UnknownUser,
)
from scoreboard.live.frames import RENUMBERED
from scoreboard.model import BOARD_SIZE

_ENDINGS: Final = (ShuttingDown, ExpiredToken, RevokedToken, UnknownUser, UnknownBoard)


class EntrySchema(Schema):
    """One line of the board."""

    user_id = member(fields.UUID, "The user.", EXAMPLE_USER_ID, data_key="userId")
    score = member(fields.Integer, "The sum of the points granted.", 1500)
    username = member(fields.String, "The user's name.", "ada")


def entries_member(
    description: str, entry: type[Schema] = EntrySchema, *, most: int = BOARD_SIZE, **kwargs: Any
) -> Any:
    """A member that is the entries of a board."""
    return member(
        fields.List,
        description,
        cls_or_instance=fields.Nested(entry),
        validate=validate.Length(max=most),
        **kwargs,
    )


class LeaderboardSchema(Success):
    """The top 10, highest first; ties by who reached the score first, then by userId."""

    data = entries_member("At most 10 entries.")
    version = member(
        fields.Integer, "Rises with each change; the same number is the ETag and the event id.", 42
    )
    timestamp = member(fields.DateTime, "When the board changed last.", EXAMPLE_TIME)


class ScoreUpdateSchema(Schema):
    """The data of a `score:update` event; the event's `id` is the board's version."""

    top_users = entries_member("The top 10, highest first.", data_key="topUsers")
    timestamp = member(fields.DateTime, "When the board changed.", EXAMPLE_TIME)


class ConnectedSchema(Schema):
    """The data of the `connected` event, the first of every stream."""

    message = member(
        fields.String,
        "Always `Connected to leaderboard stream`.",
        "Connected to leaderboard stream",
    )


class ClosingSchema(Schema):
    """The data of the `closing` event, the last of a stream that the server ends."""

    code = member(
        fields.String,
        "Why, for programs.",
        ShuttingDown.code,
        validate=validate.OneOf([kind.code for kind in _ENDINGS] + [RENUMBERED]),
    )
    message = member(fields.String, "Why, for people.", ShuttingDown.message)


class StandingSchema(Schema):
    """Where a user stands."""

    user_id = member(fields.UUID, "Your userId.", EXAMPLE_USER_ID, data_key="userId")
    username = member(fields.String, "Your user name.", "ada")
    score = member(fields.Integer, "Your score, 0 before the first grant.", 1510)
    rank = member(
        fields.Integer,
        "Your place, 1 at the top, ties as on the board; null without a score, while you are shown "
        "nowhere, and as `rankAbove` says.",
        3,
        allow_none=True,
    )
    rank_above = member(
        fields.Integer,
        "1000 while your rank is greater than that and not counted yet; else null.",
        None,
        allow_none=True,
        data_key="rankAbove",
    )
    created_at = member(
        fields.DateTime, "When your account was made.", EXAMPLE_TIME, data_key="createdAt"
    )
    has_password = member(
        fields.Boolean,
        "Whether you have a password here: not if an identity provider brought you.",
        True,
        data_key="hasPassword",
    )
    email = member(
        fields.String,
        "Your e-mail address, which nobody else sees: null where none is known, and for a token of "
        "an issuer that only speaks for you.",
        "ada@example.org",
        allow_none=True,
    )


class MeSchema(Success):
    """Your own standing."""

    data = member(fields.Nested, "You.", nested=StandingSchema)
