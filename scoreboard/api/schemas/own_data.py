"""The answer of /api/me/export."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields

from scoreboard.api.schemas.boards import board_id_member
from scoreboard.api.schemas.members import EXAMPLE_TIME, EXAMPLE_USER_ID, Success, member


def _when(description: str, name: str, **kwargs: Any) -> Any:
    return member(fields.DateTime, description, EXAMPLE_TIME, data_key=name, **kwargs)


def _season() -> Any:
    return member(fields.Integer, "The number of the season.", 7)


def _score(description: str) -> Any:
    return member(fields.Integer, description, 1500)


class KeptAccountSchema(Schema):
    """What is kept once."""

    user_id = member(fields.UUID, "Your userId.", EXAMPLE_USER_ID, data_key="userId")
    username = member(fields.String, "Your user name.", "ada")
    email = member(fields.String, "null: none is known.", "ada@example.org", allow_none=True)
    has_password = member(
        fields.Boolean, "Whether a hash of a password is kept.", True, data_key="hasPassword"
    )
    source = member(
        fields.String, "Who brought you; null: you registered here.", None, allow_none=True
    )
    created_at = _when("When the account was made.", "createdAt")
    updated_at = _when("When it changed last.", "updatedAt")
    hidden_at = _when("Since when no board shows you.", "hiddenAt", allow_none=True)
    banned_at = _when("Since when you are banned.", "bannedAt", allow_none=True)
    score = _score("Your score on `main`.")
    score_changed_at = _when("When that changed.", "scoreChangedAt", allow_none=True)
    access_tokens_ended_at = _when(
        "Access tokens from before were ended early.", "accessTokensEndedAt", allow_none=True
    )


class KeptGrantSchema(Schema):
    """An action that you were granted."""

    action_id = member(fields.String, "The action.", "daily-login", data_key="actionId")
    points = member(fields.Integer, "What it was worth.", 10)
    granted_at = _when("When it was granted.", "grantedAt")


class KeptResultSchema(Schema):
    """A result that a game recorded for you."""

    source = member(fields.String, "Whose server recorded it.", "arena")
    receipt = member(fields.String, "Its receipt.", "match-1041")
    board_id = board_id_member()
    season = _season()
    value = member(fields.Integer, "The value.", 1200)
    played_at = _when("When it was played.", "playedAt")
    recorded_at = _when("When it was recorded.", "recordedAt")


class KeptEntrySchema(Schema):
    """Your score in a season."""

    board_id = board_id_member()
    season = _season()
    score = _score("Your score.")
    reached_at = _when("When you reached it.", "reachedAt")
    hidden = member(fields.Boolean, "Whether it is shown nowhere.", False)


class KeptLineSchema(Schema):
    """Your line of a final board."""

    board_id = board_id_member()
    season = _season()
    rank = member(fields.Integer, "Your rank.", 3)
    score = _score("Your score.")
    username = member(fields.String, "Your name then.", "ada")
    reached_at = _when("When you reached it.", "reachedAt")


class KeptCorrectionSchema(Schema):
    """Points that an operator added or took."""

    board_id = board_id_member()
    season = _season()
    points = member(fields.Integer, "How many; negative: taken.", -10)
    action_id = member(
        fields.String, "The grant that was revoked.", None, data_key="actionId", allow_none=True
    )
    receipt = member(fields.String, "The result that was revoked.", None, allow_none=True)
    at = _when("When.", "at")
    reason = member(fields.String, "Why.", "claimed by a script")


class KeptActSchema(Schema):
    """What an operator, a server of the game or you did to your account, and why."""

    audit_id = member(fields.Integer, "Its number in the audit.", 12, data_key="auditId")
    at = _when("When.", "at")
    act = member(fields.String, "What was done.", "rename")
    board_id = board_id_member(allow_none=True)
    season = member(fields.Integer, "The number of the season.", None, allow_none=True)
    details = member(fields.Dict, "What belongs to it.", {})
    reason = member(fields.String, "Why.", "an offensive name")
    name_before = member(
        fields.String, "Your name before.", "4da", data_key="nameBefore", allow_none=True
    )
    name_after = member(
        fields.String, "Your name after.", "ada", data_key="nameAfter", allow_none=True
    )


class KeptLogInSchema(Schema):
    """A log-in that can still be refreshed."""

    started_at = _when("When it began.", "startedAt")
    expires_at = _when("When its refresh token expires.", "expiresAt", allow_none=True)


class KeptInvitationSchema(Schema):
    """The invitation that you registered with."""

    note = member(fields.String, "What the operator wrote beside it.", "for Ada")
    created_at = _when("When it was made.", "createdAt")
    used_at = _when("When you registered with it.", "usedAt", allow_none=True)


class KeptFollowSchema(Schema):
    """Somebody whom you follow."""

    user_id = member(fields.UUID, "The user.", EXAMPLE_USER_ID, data_key="userId")
    followed_at = _when("Since when.", "followedAt")


def _section(description: str, kept: type[Schema], **kwargs: Any) -> Any:
    nested = fields.Nested(kept)
    return member(fields.List, description, cls_or_instance=nested, **kwargs)


class KeptSchema(Schema):
    """All that is kept of one person."""

    exported_at = _when("When this was asked for.", "exportedAt")
    account = member(fields.Nested, "What is kept once.", nested=KeptAccountSchema)
    grants = _section("Actions, by id.", KeptGrantSchema)
    results = _section("Results, as they were recorded.", KeptResultSchema)
    entries = _section("Scores in seasons of boards beside `main`.", KeptEntrySchema)
    final_boards = _section("Lines of final boards.", KeptLineSchema, data_key="finalBoards")
    corrections = _section("Corrections.", KeptCorrectionSchema)
    moderation = _section("What was done to you, without by whom.", KeptActSchema)
    log_ins = _section("Log-ins, without their tokens.", KeptLogInSchema, data_key="logIns")
    invitations = _section("Invitations.", KeptInvitationSchema)
    follows = _section("Whom you follow, without their names.", KeptFollowSchema)


class ExportSchema(Success):
    """All that is kept about you."""

    data = member(fields.Nested, "All of it.", nested=KeptSchema)
