"""The one body of all errors."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from scoreboard.api.schemas.actions import GrantSchema
from scoreboard.api.schemas.members import member


class FailureSchema(Schema):
    """Every refusal and failure has this form."""

    success = member(fields.Boolean, "Always false.", False, validate=validate.Equal(False))
    message = member(
        fields.String,
        "What happened and what to do, for people.",
        "The request body is not valid; see errors.",
    )
    code = member(fields.String, "What happened, for programs; never changes.", "invalid_payload")
    errors = member(
        fields.Dict,
        "What is wrong, by field (codes invalid_payload, name_refused).",
        {"actionId": ["Missing data for required field."]},
        required=False,
        keys=fields.String(),
        values=fields.Raw(),
    )
    grant = member(
        fields.Nested,
        "The original grant (code already_granted).",
        required=False,
        nested=GrantSchema,
    )
