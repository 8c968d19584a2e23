"""What a board shows: the body of its leaderboard, its query, and the data of the events of its
stream.
"""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from scoreboard.api.schemas.boards import (
    EXAMPLE_DIGEST,
    EXAMPLE_END,
    board_id_member,
    direction_member,
    season_member,
)
from scoreboard.api.schemas.leaderboard import EntrySchema, entries_member
from scoreboard.api.schemas.members import EXAMPLE_TIME, Number, Request, Success, member
from scoreboard.model import FINAL_SIZE, SEASON_NUMBER_MAX, SIZE_MAX


class SeasonAskedForSchema(Request):
    """The query of a board."""

    season = member(
        Number,
        "The number of a season, in digits; without it, the season that the board shows. "
        "Given once.",
        required=False,
        load_default=None,
        validate=validate.Range(1, SEASON_NUMBER_MAX),
    )


class BoardEntrySchema(EntrySchema):
    """One line of a board. Its `score` is the sum, or the best, of what counted in the season."""

    reached_at = member(
        fields.DateTime,
        "When the score was reached, in UTC, to the microsecond; only of a season that has ended.",
        "2024-12-15T21:04:09.120455Z",
        required=False,
        data_key="reachedAt",
    )


class BoardLeaderboardSchema(Success):
    """What a board shows, the best first; ties by who reached the score first, then by userId.

    Of the season that it shows: with `version` and `timestamp`. Of a season that has ended or is to
    come: with `closesAt` and `digest`, and each entry with `reachedAt`.
    """

    board_id = board_id_member()
    direction = direction_member()
    season = season_member("The season of these entries; null before the first.", allow_none=True)
    data = entries_member(
        "As many entries as the board has places, at most.", BoardEntrySchema, most=SIZE_MAX
    )
    version = member(
        fields.Integer,
        "Rises with each change, over all seasons; the same number is the ETag and the event id.",
        42,
        required=False,
    )
    timestamp = member(
        fields.DateTime, "When the board changed last.", EXAMPLE_TIME, required=False
    )
    closes_at = member(
        fields.DateTime,
        "When the season becomes final; null without an end.",
        EXAMPLE_END,
        required=False,
        allow_none=True,
        data_key="closesAt",
    )
    digest = member(
        fields.String,
        "SHA-256, in hexadecimal, of a line for each entry: its rank, userId, score and "
        "reachedAt, with a space between them and a line feed between lines; null until the season "
        "is final. An operator's correction gives it another one.",
        EXAMPLE_DIGEST,
        required=False,
        allow_none=True,
    )


class BoardUpdateSchema(Schema):
    """The data of a board's `score:update` event; the event's `id` is the board's version. On
    `main` it has the first two members alone.
    """

    top_users = entries_member(
        "What the board shows, the best first.",
        BoardEntrySchema,
        most=SIZE_MAX,
        data_key="topUsers",
    )
    timestamp = member(fields.DateTime, "When the board changed.", EXAMPLE_TIME)
    board_id = board_id_member(required=False)
    direction = direction_member(required=False)
    season = season_member(
        "The season that it shows; null before the first.", required=False, allow_none=True
    )


class SeasonEndedSchema(Schema):
    """The data of a `season:ended` event."""

    board_id = board_id_member()
    season = season_member("The season that has ended.")
    top_users = entries_member(
        "Its last board: ten entries at most.",
        BoardEntrySchema,
        most=FINAL_SIZE,
        data_key="topUsers",
    )


class SeasonStartedSchema(Schema):
    """The data of a `season:started` event."""

    board_id = board_id_member()
    season = season_member("The season that has begun.")
