"""The bodies of places: where a user stands on a board, and pages of its ranking; with queries."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, validate

from scoreboard.accounts import ids
from scoreboard.api.schemas.boards import board_id_member, direction_member, season_member
from scoreboard.api.schemas.members import EXAMPLE_USER_ID, Number, Success, member
from scoreboard.api.schemas.shown import SeasonAskedForSchema
from scoreboard.scoring.counting import DENSE_RANKS_MAX, RANKS_MAX
from scoreboard.scoring.cursors import CURSOR_CHARS

AROUND_MAX: Final = 50
PAGE_MAX: Final = 100
USERS_MAX: Final = 100
RANK_MAX: Final = 2**31 - 1
_PAGE: Final = 50
_EXAMPLE_CURSOR: Final = "AQAAADGAAAAAAAAAALMAArJZGtkAAF8MH45rCkxYnT4Pej8bLE1Zl1SE"
_EXAMPLE_REACHED_AT: Final = "2024-12-15T21:04:09.120455Z"


class UserIds(fields.String):
    """Ids of users with commas between them, in a query. It gives a list without repetitions."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        parts = str(super()._deserialize(value, attr, data, **kwargs)).split(",", USERS_MAX)
        if len(parts) > USERS_MAX:
            raise ValidationError(f"Send {USERS_MAX} ids at most.")
        found = dict.fromkeys(map(ids.canonical, parts))
        if None in found:
            raise ValidationError("Send UUIDs, with commas between them.")
        return list(found)


# Queries


class AroundSchema(SeasonAskedForSchema):
    """The query of your own place."""

    around = member(
        Number,
        "How many lines to list on both sides of yours, in digits. Given once.",
        required=False,
        load_default=5,
        validate=validate.Range(0, AROUND_MAX),
    )


def _cursor_member(where: str) -> Any:
    return member(
        fields.String,
        f"A cursor of an earlier answer, {where} which the page lies. Given once.",
        required=False,
        load_default=None,
        # Longer ones are none either, and cost nothing to refuse.
        validate=validate.Length(CURSOR_CHARS, CURSOR_CHARS, error="This is no cursor."),
    )


class EntriesPageSchema(SeasonAskedForSchema):
    """The query of a page of a ranking: at most one of `after`, `before`, `rank` and `users`."""

    limit = member(
        Number,
        "The size of a page, in digits. Given once.",
        required=False,
        load_default=_PAGE,
        validate=validate.Range(1, PAGE_MAX),
    )
    after = _cursor_member("behind")
    before = _cursor_member("before")
    rank = member(
        Number,
        "The rank with which the page begins, in digits. Given once.",
        required=False,
        load_default=None,
        validate=validate.Range(1, RANK_MAX),
    )
    # A text and no list: two of four generators write lists as `users=…&users=…`, whatever is said.
    users = member(
        UserIds,
        f"The ids of 1 to {USERS_MAX} users, with commas between them: those of them who have an "
        "entry are listed, best first. Given once.",
        required=False,
        load_default=None,
    )


# Answers


def _rank_member(description: str, example: Any, **kwargs: Any) -> Any:
    return member(fields.Integer, description, example, allow_none=True, **kwargs)


def _rank_above_member(whose: str) -> Any:
    return _rank_member(
        f"{RANKS_MAX} where {whose} greater than that and not counted yet; else null.",
        None,
        data_key="rankAbove",
    )


class PlaceSchema(Schema):
    """A line of a ranking, as of the moment of the answer."""

    rank = _rank_member(
        "1 at the top; ties by who reached the score first, then by userId. Null while it is not "
        "counted.",
        48213,
    )
    competition_rank = _rank_member(
        "One more than how many have a better score: 1, 2, 2, 4. Null while it is not counted.",
        48200,
        data_key="competitionRank",
    )
    dense_rank = _rank_member(
        f"One more than how many better scores there are: 1, 2, 2, 3. Null past {DENSE_RANKS_MAX}.",
        None,
        data_key="denseRank",
    )
    user_id = member(fields.UUID, "The user.", EXAMPLE_USER_ID, data_key="userId")
    username = member(fields.String, "The user's name.", "ada")
    score = member(fields.Integer, "The sum, or the best, of what counted in the season.", 1500)
    reached_at = member(
        fields.DateTime,
        "When the score was reached, in UTC, to the microsecond.",
        _EXAMPLE_REACHED_AT,
        data_key="reachedAt",
    )


class OwnPlaceSchema(PlaceSchema):
    """Where one user stands."""

    percentile = member(
        fields.Float,
        "How many of a hundred entries stand behind this one, rounded down to two decimals; null "
        "while the rank is not counted.",
        97.58,
        allow_none=True,
    )
    rank_above = _rank_above_member("the rank is")


class NextSchema(Schema):
    """Who stands just before a user."""

    user_id = member(fields.UUID, "The user before.", EXAMPLE_USER_ID, data_key="userId")
    username = member(fields.String, "The name of that user.", "bob")
    points = member(
        fields.Integer,
        "How many points are missing to stand before that user; where low scores win, how many "
        "are too many.",
        10,
    )


class _OfRanking(Success):
    """What every answer says of the ranking."""

    board_id = board_id_member()
    direction = direction_member()
    season = season_member("The season of these entries; null before the first.", allow_none=True)
    version = member(
        fields.Integer, "The version of what the board shows, as of the same moment.", 42
    )
    total = _rank_member("How many entries there are; null while they are not counted.", 2_000_000)


class _OfUserSchema(Schema):
    """Where a user stands."""

    place = member(
        fields.Nested, "The place; null without an entry.", nested=OwnPlaceSchema, allow_none=True
    )
    next = member(
        fields.Nested, "Who stands before; null at the top.", nested=NextSchema, allow_none=True
    )


class AroundUserSchema(_OfUserSchema):
    """Where you stand, and who is around."""

    entries = member(
        fields.List,
        "Your line and those on both sides, best first. At an edge of the ranking there are more "
        "on the other side.",
        cls_or_instance=fields.Nested(PlaceSchema),
        validate=validate.Length(max=2 * AROUND_MAX + 1),
    )


class MyPlaceSchema(_OfRanking):
    """Your own place."""

    data = member(fields.Nested, "You, and who is around.", nested=AroundUserSchema)


class UserPlaceSchema(_OfRanking):
    """The place of a user."""

    data = member(fields.Nested, "The user.", nested=_OfUserSchema)


class EntriesSchema(_OfRanking):
    """A page of the ranking, best first."""

    data = member(
        fields.List,
        "The lines.",
        cls_or_instance=fields.Nested(PlaceSchema),
        validate=validate.Length(max=PAGE_MAX),
    )
    next = member(
        fields.String,
        "Ask with `after` set to this for the next page; null on the last one.",
        _EXAMPLE_CURSOR,
        allow_none=True,
    )
    previous = member(
        fields.String,
        "Ask with `before` set to this for the page before; null on the first one.",
        _EXAMPLE_CURSOR,
        allow_none=True,
    )
    rank_above = _rank_above_member("a rank of these is")
