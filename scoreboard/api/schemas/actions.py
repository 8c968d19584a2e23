"""The bodies of /api/actions, and the query of its list."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from scoreboard.action_ids import ACTION_ID_CHARS_MAX
from scoreboard.api.schemas.members import (
    EXAMPLE_TIME,
    Request,
    Success,
    member,
    page_size_member,
    text,
)


class SubmissionSchema(Request):
    """The completion of an action."""

    action_id = text(
        1, ACTION_ID_CHARS_MAX, "Which action was completed.", "daily-login", data_key="actionId"
    )


class PageSchema(Request):
    """The query of a paged list."""

    after = text(
        None,
        ACTION_ID_CHARS_MAX,
        "The action id behind which the page begins, the `next` of the page before. Given once.",
        required=False,
        load_default="",
    )
    limit = page_size_member()


class GrantSchema(Schema):
    """What was granted."""

    action_id = member(fields.String, "The action.", "daily-login", data_key="actionId")
    points = member(fields.Integer, "What it was worth.", 10)
    granted_at = member(fields.DateTime, "When it was granted.", EXAMPLE_TIME, data_key="grantedAt")


class NewGrantSchema(GrantSchema):
    """What was granted, and the score it led to."""

    score = member(fields.Integer, "Your score now.", 1510)


class GrantedSchema(Success):
    """The action was granted and is committed."""

    message = member(fields.String, "Always `Score Updated`.", "Score Updated")
    data = member(fields.Nested, "The grant.", nested=NewGrantSchema)


class OwnPageSchema(PageSchema):
    """The query of one's own grants."""

    limit = page_size_member(default=200)


class OwnGrantsSchema(Success):
    """A page of your grants, in the order of action ids."""

    data = member(fields.List, "The grants.", cls_or_instance=fields.Nested(GrantSchema))
    next = member(
        fields.String,
        "Ask with `after` set to this for the next page; null on the last one.",
        "daily-login",
        allow_none=True,
    )


class ActionSchema(Schema):
    """Something that can be completed."""

    action_id = member(fields.String, "What to submit.", "daily-login", data_key="actionId")
    points = member(fields.Integer, "What it is worth.", 10)
    claim = member(
        fields.String,
        "`user`: whoever has an account may claim it, once. `server`: the game's server grants it, "
        "and a user who submits it is refused (code not_claimable).",
        "user",
        validate=validate.OneOf(("user", "server")),
    )


class ActionsSchema(Success):
    """A page of the catalogue, in the order of action ids."""

    data = member(fields.List, "The actions.", cls_or_instance=fields.Nested(ActionSchema))
    next = member(
        fields.String,
        "Ask with `after` set to this for the next page; null on the last one.",
        "daily-login",
        allow_none=True,
    )
