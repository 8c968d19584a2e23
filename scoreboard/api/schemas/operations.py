"""The bodies of /healthz and /readyz."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from scoreboard.api.schemas.members import EXAMPLE_TIME, member


class PartSchema(Schema):
    """The state of a server that we depend on."""

    name = member(fields.String, "Which one.", "postgresql")
    up = member(fields.Boolean, "Whether it answers.", True)
    since = member(fields.DateTime, "Since when.", EXAMPLE_TIME)
    effect = member(fields.String, "What its absence means.", "submissions get 503", required=False)
    refused = member(
        fields.String,
        "What it refuses, or did within the last minute, up or not.",
        "a right is missing (42501)",
        required=False,
    )


class ReadinessSchema(Schema):
    """Whether this instance can serve."""

    ready = member(fields.Boolean, "Whether to send requests here.", True)
    state = member(
        fields.String,
        "`starting` until it has a board to show, `leaving` once it was told to end.",
        "ready",
        validate=validate.OneOf(["starting", "ready", "leaving"]),
    )
    instance = member(fields.String, "The instance.", "web-1-4711")
    role = member(fields.String, "Its role.", "all")
    version = member(fields.Integer, "The board's version here.", 42)
    parts = member(
        fields.List,
        "The servers that it depends on.",
        cls_or_instance=fields.Nested(PartSchema),
    )


class LivenessSchema(Schema):
    """The process answers."""

    alive = member(fields.Boolean, "Always true.", True)
    instance = member(fields.String, "The instance.", "web-1-4711")
