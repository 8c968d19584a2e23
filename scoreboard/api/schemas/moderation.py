"""The bodies of /api/moderation, and the query and the answer of /api/audit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from scoreboard.action_ids import ACTION_ID_CHARS_MAX
from scoreboard.api.schemas.members import (
    EXAMPLE_TIME,
    EXAMPLE_USER_ID,
    Number,
    Request,
    Success,
    member,
    page_size_member,
    text,
    user_id_member,
)
from scoreboard.ledger.audited import POINTS_MAX, REASON_CHARS_MAX
from scoreboard.model import SEASON_NUMBER_MAX
from scoreboard.unicode import first_unseen

# Which members each act needs besides `act` and `reason`.
NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "hide": ("user_id",),
    "show": ("user_id",),
    "ban": ("user_id",),
    "unban": ("user_id",),
    "rename": ("user_id", "username"),
    "correct": ("user_id", "board_id", "points"),
    "revoke_grant": ("user_id", "action_id"),
    "revoke_result": ("receipt",),
    "erase": ("user_id",),
}
_DIGEST: Final = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def _seen(value: str) -> None:
    if not value.strip() or first_unseen(value):
        raise ValidationError("Give a reason in characters that can be seen.")


class ModerationSchema(Request):
    """What is to be done to whom, and why. Which members are needed depends on the act."""

    act = member(fields.String, "What to do.", "hide", validate=validate.OneOf(list(NEEDED)))
    reason = member(
        fields.String,
        "Why; the audit keeps it for ever. Leave out names and addresses of people.",
        "Impossible scores, ticket 4711",
        validate=[validate.Length(1, REASON_CHARS_MAX), _seen],
    )
    user_id = user_id_member(
        "To whom; every act but `revoke_result` needs it. A UUID, or your game's own id.",
        required=False,
    )
    user_id.metadata["shown"] = True  # in the example, whose act needs it
    username = text(None, 100, "The name to give, by `rename`.", "countess", required=False)
    board_id = text(1, 50, "The board, of `correct`.", "weekly", data_key="boardId", required=False)
    points = member(
        fields.Integer,
        "What `correct` adds, or takes if it is below zero; not 0.",
        -500,
        required=False,
        strict=True,
        validate=[validate.Range(-POINTS_MAX, POINTS_MAX), validate.NoneOf([0])],
    )
    season = member(
        fields.Integer,
        "The season's number, of `correct`; without it, the one that the board shows.",
        48,
        required=False,
        strict=True,
        load_default=None,
        validate=validate.Range(1, SEASON_NUMBER_MAX),
    )
    action_id = text(
        1,
        ACTION_ID_CHARS_MAX,
        "The action, of `revoke_grant`.",
        "daily-login",
        data_key="actionId",
        required=False,
    )
    receipt = text(1, 100, "The receipt, of `revoke_result`.", "match-4711", required=False)
    source = text(
        1,
        50,
        "Whose receipt it is, of `revoke_result`; without it, that of your key.",
        "arena",
        required=False,
    )

    @validates_schema
    def _by_act(self, data: Mapping[str, Any], **_: Any) -> None:
        """Say of each member that this act needs that it is missing."""
        missing = {
            self.fields[name].data_key or name: ["Missing data for required field."]
            for name in NEEDED[data["act"]]
            if name not in data
        }
        if missing:
            raise ValidationError(missing)


class ActDoneSchema(Schema):
    """What was done."""

    audit_id = member(fields.Integer, "The row of the audit.", 12, data_key="auditId")
    act = member(fields.String, "What was done.", "hide")
    user_id = member(fields.String, "To whom.", EXAMPLE_USER_ID, data_key="userId")
    at = member(fields.DateTime, "When.", EXAMPLE_TIME)
    is_repeated = member(
        fields.Boolean,
        "True: a request of this key with the same nonce had done it before, and nothing was done "
        "again.",
        False,
        data_key="isRepeated",
    )


class ModeratedSchema(Success):
    """It is done and committed, with a row of the audit."""

    data = member(fields.Nested, "What was done.", nested=ActDoneSchema)


class AuditPageSchema(Request):
    """The query of a page of the audit."""

    after = member(
        Number,
        "The row behind which the page begins, the `next` of the page before. Given once.",
        required=False,
        load_default=0,
        validate=validate.Range(0, 2**63 - 1),
    )
    limit = page_size_member()


class AuditRowSchema(Schema):
    """One thing that was done."""

    audit_id = member(fields.Integer, "The row.", 12, data_key="auditId")
    at = member(fields.DateTime, "When, to the microsecond.", "2024-12-09T14:30:45.123456Z")
    made_by = member(
        fields.String,
        "The id of a server key; `operator:` and a name; or `user`, for the user.",
        "operator:root",
        data_key="madeBy",
    )
    act = member(fields.String, "What was done.", "hide")
    user_id = member(fields.String, "To whom.", EXAMPLE_USER_ID, data_key="userId", allow_none=True)
    board_id = member(
        fields.String, "On which board.", "weekly", data_key="boardId", allow_none=True
    )
    season = member(fields.Integer, "In which season of it.", 48, allow_none=True)
    details = member(fields.Dict, "What else belongs to the act.", {"points": -500})
    reason = member(fields.String, "Why.", "Impossible scores, ticket 4711")
    request_id = member(
        fields.String,
        "The nonce of the request that did it.",
        "0123456789abcdef",
        data_key="requestId",
        allow_none=True,
    )
    digest = member(fields.String, "The row's place in the chain (docs/moderation.md).", _DIGEST)


class AuditSchema(Success):
    """A page of the audit, the oldest row first."""

    data = member(fields.List, "The rows.", cls_or_instance=fields.Nested(AuditRowSchema))
    next = member(
        fields.Integer,
        "Ask with `after` set to this for the next page; null on the last one.",
        12,
        allow_none=True,
    )
