"""The bodies of /api/grants."""

from __future__ import annotations

from typing import Final, get_args

from marshmallow import Schema, fields, validate

from scoreboard.action_ids import ACTION_ID_CHARS_MAX
from scoreboard.api.schemas.members import (
    EXAMPLE_TIME,
    EXAMPLE_USER_ID,
    Request,
    Success,
    batch,
    member,
    text,
    user_id_member,
)
from scoreboard.scoring.granting import Word

_WORDS: Final = get_args(Word)


class AskedGrantSchema(Request):
    """Somebody has completed an action."""

    user_id = user_id_member()
    action_id = text(
        1, ACTION_ID_CHARS_MAX, "Which action was completed.", "daily-login", data_key="actionId"
    )


class GrantsSchema(Request):
    """Who has completed which actions."""

    grants = batch("The grants, up to 200.", AskedGrantSchema)


class ProblemSchema(Schema):
    """Why there is no grant."""

    code = member(fields.String, "For programs; never changes.", "unknown_user")
    message = member(fields.String, "For people.", "Nobody has this userId.")


class GrantVerdictSchema(Schema):
    """What became of one grant."""

    verdict = member(
        fields.String,
        "`granted`; `repeated`, it had been granted before, as the other members say; `refused`, "
        "`error` says why; `unavailable`, send this one again, which is safe.",
        "granted",
        validate=validate.OneOf(_WORDS),
    )
    user_id = member(fields.String, "Whom, as a UUID.", EXAMPLE_USER_ID, data_key="userId")
    action_id = member(fields.String, "The action.", "daily-login", data_key="actionId")
    points = member(fields.Integer, "What it was worth.", 10, required=False)
    granted_at = member(
        fields.DateTime, "When it was granted.", EXAMPLE_TIME, data_key="grantedAt", required=False
    )
    score = member(
        fields.Integer, "Of a new grant: the user's score on `main` now.", 1510, required=False
    )
    error = fields.Nested(
        ProblemSchema, metadata={"description": "Why it was refused, or could not be done."}
    )


class GrantVerdictsSchema(Success):
    """A verdict on each grant, in the order in which they were sent."""

    data = member(fields.List, "The verdicts.", cls_or_instance=fields.Nested(GrantVerdictSchema))
