"""The query of /api/me/stream, and the data of its events."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, fields, validate

from scoreboard.api.schemas.boards import board_id_member, season_member
from scoreboard.api.schemas.members import (
    EXAMPLE_TIME,
    EXAMPLE_USER_ID,
    Request,
    member,
    text,
)
from scoreboard.api.schemas.places import NextSchema
from scoreboard.model import MAIN
from scoreboard.personal_streams.telling import GRANTS_MAX, NAMED_MAX

BOARDS_MAX: Final = 20
# Twenty ids of 50 characters, and what stands between them.
_BOARDS_CHARS_MAX: Final = 1_100


class BoardsAskedForSchema(Request):
    """The query of a personal stream."""

    boards = text(
        1,
        _BOARDS_CHARS_MAX,
        f"The ids of up to {BOARDS_MAX} boards, with commas between them. Given once.",
        "main,weekly",
        required=False,
        load_default=MAIN,
    )


def _number(description: str, example: int | None) -> Any:
    return member(fields.Integer, description, example, allow_none=True)


class PlaceEventSchema(Schema):
    """The data of a `me:place` event. Without an entry all but the board and its season is null."""

    board_id = board_id_member()
    season = season_member("The season; null before the first.", allow_none=True)
    score = _number("Your score.", 1510)
    rank = _number("Your rank, 1 at the top; null while you are hidden.", 48_213)
    competition_rank = member(
        fields.Integer,
        "The rank that all with your score share: 1, 2, 2, 4.",
        48_200,
        allow_none=True,
        data_key="competitionRank",
    )
    dense_rank = member(
        fields.Integer,
        "How many scores there are as good as yours or better: 1, 2, 2, 3; counted near the top.",
        None,
        allow_none=True,
        data_key="denseRank",
    )
    total = _number("How many are ranked.", 2_000_000)
    percentile = member(
        fields.Float, "How many of a hundred stand behind you.", 97.58, allow_none=True
    )
    rank_above = member(
        fields.Integer,
        "1000 while deep ranks are not counted yet, and yours is one; else null.",
        None,
        allow_none=True,
        data_key="rankAbove",
    )
    next = member(fields.Nested, "Who stands before you.", nested=NextSchema, allow_none=True)


class OvertakerSchema(Schema):
    """Somebody who has overtaken you."""

    user_id = member(fields.UUID, "The user.", EXAMPLE_USER_ID, data_key="userId")
    username = member(fields.String, "The user's name.", "grace")


class OvertakenEventSchema(Schema):
    """The data of a `me:overtaken` event."""

    board_id = board_id_member()
    season = season_member("The season.", allow_none=True)
    by = member(
        fields.List,
        f"The best placed of them, at most {NAMED_MAX}; nobody who is hidden since.",
        cls_or_instance=fields.Nested(OvertakerSchema),
        validate=validate.Length(max=NAMED_MAX),
    )
    count = member(fields.Integer, "How often you were overtaken.", 1)
    rank = _number("Your rank now.", 4)


class OwnGrantSchema(Schema):
    """An action that you were granted."""

    action_id = member(fields.String, "The action.", "daily-login", data_key="actionId")
    points = member(fields.Integer, "What it was worth.", 10)
    granted_at = member(fields.DateTime, "When.", EXAMPLE_TIME, data_key="grantedAt")


class GrantedEventSchema(Schema):
    """The data of a `me:granted` event."""

    grants = member(
        fields.List,
        f"The newest of them, at most {GRANTS_MAX}, the latest last.",
        cls_or_instance=fields.Nested(OwnGrantSchema),
        validate=validate.Length(max=GRANTS_MAX),
    )
    count = member(fields.Integer, "How many there were.", 1)
    points = member(fields.Integer, "What all of them were worth.", 10)
    score = member(fields.Integer, "Your score on `main` now.", 1510)
