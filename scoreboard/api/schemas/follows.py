"""The answer of /api/me/follows."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from scoreboard.accounts.follows import FOLLOWS_MAX
from scoreboard.api.schemas.members import EXAMPLE_TIME, EXAMPLE_USER_ID, Success, member


class FollowedSchema(Schema):
    """Somebody whom you follow."""

    user_id = member(fields.UUID, "The user.", EXAMPLE_USER_ID, data_key="userId")
    username = member(fields.String, "The user's name.", "ada")
    followed_at = member(
        fields.DateTime, "Since when you follow them.", EXAMPLE_TIME, data_key="followedAt"
    )


class FollowsSchema(Success):
    """Whom you follow, by name."""

    data = member(
        fields.List,
        "At most 1,000.",
        cls_or_instance=fields.Nested(FollowedSchema),
        validate=validate.Length(max=FOLLOWS_MAX),
    )
