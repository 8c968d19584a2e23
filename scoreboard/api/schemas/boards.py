"""The bodies of /api/boards, of one of them and of its seasons, and the queries of these lists."""

from __future__ import annotations

from typing import Any, Final, get_args

from marshmallow import Schema, fields, validate

from scoreboard.api.schemas.members import (
    EXAMPLE_TIME,
    Counted,
    Number,
    Request,
    Success,
    member,
    page_size_member,
    text,
)
from scoreboard.model import SEASON_NUMBER_MAX, Direction, SeasonState
from scoreboard.seasons.definition import (
    ACTIONS_MAX,
    SEASONS_MAX,
    Counts,
    Operator,
    Visibility,
)
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
    value_min = member(fields.Integer, "The smallest value of a result.", 0, data_key="valueMin")
    value_max = member(
        fields.Integer, "The largest value of a result.", 2147483647, data_key="valueMax"
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


class SpanSchema(Request):
    """When a season is. A time without an offset is one of the board's zone."""

    starts_at = member(fields.String, "When it begins.", "2027-03-01", data_key="startsAt")
    ends_at = member(fields.String, "When it ends.", "2027-03-08", data_key="endsAt")


def _said(field: Any, description: str, example: Any, **kwargs: Any) -> Any:
    """A member of what is said of a board: null is as if it were not there. What it may be is for
    `seasons.definition` to say, as of files and commands.
    """
    return member(field, description, example, required=False, allow_none=True, **kwargs)


class PutBoardSchema(Request):
    """All that is said of a board; what is left out has its default. Other members of what
    `GET /api/boards/{board}` answers with are passed over.
    """

    title = member(fields.String, "What people call it, in 1 to 200 characters.", "This week")
    direction = _said(fields.String, "`high` (the default) or `low`, with `best` alone.", "high")
    operator = _said(fields.String, "`sum` (the default) or `best`.", "sum")
    counts = _said(fields.String, "`every` action (the default), `listed`, or `results`.", "every")
    actions = _said(
        Counted,
        "The ids of the actions that count, where `counts` is `listed`.",
        [],
        item=fields.String(),
        least=0,
        most=ACTIONS_MAX,
    )
    size = _said(fields.Integer, "How many entries it shows, 1 to 100; 10.", 10, strict=True)
    period = _said(
        fields.String, "`day`, `week`, `month`, `dates` or `none` (the default).", "week"
    )
    zone = _said(fields.String, "Whose midnights begin seasons; UTC.", "Europe/Madrid")
    seasons = _said(
        Counted,
        "When each season is, in the order of time, where `period` is `dates`.",
        ...,
        item=fields.Nested(SpanSchema),
        least=0,
        most=SEASONS_MAX,
    )
    starts_at = _said(
        fields.String,
        "Since when grants count, where `period` is `none`; since ever.",
        None,
        data_key="startsAt",
    )
    grace_seconds = _said(
        fields.Integer,
        "How long after its end a season becomes final; 0.",
        0,
        data_key="graceSeconds",
        strict=True,
    )
    visibility = _said(fields.String, "`public` (the default), or `token`.", "public")
    value_min = _said(
        fields.Integer, "The least that a result may be; 0.", 0, data_key="valueMin", strict=True
    )
    value_max = _said(
        fields.Integer,
        "The most that a result may be; 2147483647.",
        2_147_483_647,
        data_key="valueMax",
        strict=True,
    )
    keep_full_seconds = _said(
        fields.Integer,
        "How long all entries of a season are kept after its end; for ever.",
        None,
        data_key="keepFullSeconds",
        strict=True,
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
