"""The bodies of /api/boards, of one of them and of its seasons, and the queries of these lists."""

from __future__ import annotations

from typing import Any, Final, get_args

from marshmallow import Schema, fields, validate

from scoreboard.api.schemas.members import (
    EXAMPLE_TIME,
    Number,
    Request,
    Success,
    member,
    page_size_member,
    text,
)
from scoreboard.model import SEASON_NUMBER_MAX, Direction, SeasonState
from scoreboard.seasons.definition import Counts, Operator, Visibility
from scoreboard.seasons.periods import Period

EXAMPLE_BOARD_ID: Final = "weekly"
BOARD_ID_CHARS_MAX: Final = 50
_EXAMPLE_START: Final = "2024-12-09T00:00:00Z"
EXAMPLE_END: Final = "2024-12-16T00:00:00Z"
EXAMPLE_DIGEST: Final = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def board_id_member(**kwargs: Any) -> Any:
    """The member that says which board."""
    what = "The board's id, for good."
    return member(fields.String, what, EXAMPLE_BOARD_ID, data_key="boardId", **kwargs)


def direction_member(**kwargs: Any) -> Any:
    """The member that says which score is the best."""
    return member(
        fields.String,
        "Which score is the best: the `high`est or the `low`est.",
        "high",
        validate=validate.OneOf(get_args(Direction)),
        **kwargs,
    )


def season_member(description: str, **kwargs: Any) -> Any:
    """A member that is a season."""
    return member(fields.Nested, description, nested=SeasonSchema, **kwargs)


# Queries


class BoardsPageSchema(Request):
    """The query of the list of boards."""

    after = text(
        None,
        BOARD_ID_CHARS_MAX,
        "The id behind which the page begins, the `next` of the page before. Given once.",
        required=False,
        load_default="",
    )
    limit = page_size_member()


class SeasonsPageSchema(Request):
    """The query of the list of seasons."""

    after = member(
        Number,
        "The number behind which the page begins, the `next` of the page before. Given once.",
        required=False,
        load_default=SEASON_NUMBER_MAX,
        validate=validate.Range(1, SEASON_NUMBER_MAX),
    )
    limit = page_size_member()


# Seasons and definitions


class SeasonSchema(Schema):
    """A time of a board: from `startsAt`, and until just before `endsAt`."""

    number = member(fields.Integer, "Counts the board's seasons from 1.", 49)
    starts_at = member(fields.DateTime, "When it begins.", _EXAMPLE_START, data_key="startsAt")
    ends_at = member(
        fields.DateTime,
        "When it ends; null without an end.",
        EXAMPLE_END,
        allow_none=True,
        data_key="endsAt",
    )
    state = member(
        fields.String,
        "`upcoming`; `running`; `ended`, what was reached before the end may still be recorded; "
        "`final`, nothing changes any more, but for corrections by an operator.",
        "running",
        validate=validate.OneOf(get_args(SeasonState)),
    )


class ListedSeasonSchema(SeasonSchema):
    """A season in the list of them."""

    digest = member(
        fields.String,
        "The digest of its final entries: another one once these were corrected; null until it is "
        "final.",
        EXAMPLE_DIGEST,
        allow_none=True,
    )


class SummarySchema(Schema):
    """A board as it is defined, and the season that it shows."""

    board_id = board_id_member()
    title = member(fields.String, "What people call it.", "This week")
    direction = direction_member()
    operator = member(
        fields.String,
        "What a score is: the `sum` of what counts, or the `best` of it.",
        "sum",
        validate=validate.OneOf(get_args(Operator)),
    )
    counts = member(
        fields.String,
        "What counts: `every` action, the `listed` ones, or `results` alone.",
        "every",
        validate=validate.OneOf(get_args(Counts)),
    )
    size = member(fields.Integer, "How many entries it shows at most.", 10)
    period = member(
        fields.String,
        "How long a season is: a `day`, `week` or `month`, as its `dates` say, or for ever "
        "(`none`).",
        "week",
        validate=validate.OneOf(get_args(Period)),
    )
    zone = member(fields.String, "The time zone of its days, by IANA's name.", "Europe/Madrid")
    grace_seconds = member(
        fields.Integer,
        "How long after its end a season becomes final.",
        0,
        data_key="graceSeconds",
    )
    visibility = member(
        fields.String,
        "Who may read it: everybody (`public`), or who has an access `token`.",
        "public",
        validate=validate.OneOf(get_args(Visibility)),
    )
    created_at = member(fields.DateTime, "When it was added.", EXAMPLE_TIME, data_key="createdAt")
    closed_at = member(
        fields.DateTime,
        "Since when nothing counts on it any more; null while it is open.",
        None,
        allow_none=True,
        data_key="closedAt",
    )
    season = season_member("The season that it shows; null before the first.", allow_none=True)
    version = member(
        fields.Integer,
        "The version of what it shows, as of a second ago at most. It goes on over seasons.",
        42,
    )


class DefinitionSchema(SummarySchema):
    """A board as it is defined, with the actions that count."""

    actions = member(
        fields.List,
        "The ids of the actions that count where `counts` is `listed`; else empty.",
        [],
        cls_or_instance=fields.String(),
    )


class BoardsSchema(Success):
    """A page of the boards that you may read: `main` first, the others by id."""

    data = member(fields.List, "The boards.", cls_or_instance=fields.Nested(SummarySchema))
    next = member(
        fields.String,
        "Ask with `after` set to this for the next page; null on the last one.",
        EXAMPLE_BOARD_ID,
        allow_none=True,
    )


class BoardSchema(Success):
    """A board."""

    data = member(fields.Nested, "The board.", nested=DefinitionSchema)


class SeasonsSchema(Success):
    """A page of a board's seasons, the newest first. One that is to come is among them."""

    data = member(fields.List, "The seasons.", cls_or_instance=fields.Nested(ListedSeasonSchema))
    next = member(
        fields.Integer,
        "Ask with `after` set to this for the next page; null on the last one.",
        48,
        allow_none=True,
    )
