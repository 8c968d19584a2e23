"""The shapes of all bodies: they validate what comes in, and the OpenAPI document is made from
them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate

from scoreboard.accounts import names
from scoreboard.accounts.blocklist import CHARS_MIN
from scoreboard.errors import ExpiredToken, RevokedToken, ShuttingDown, UnknownUser
from scoreboard.live.frames import RENUMBERED
from scoreboard.model import BOARD_SIZE

# What no user name has, as far as ASCII goes: `accounts.names` knows the rest.
_USERNAME_PATTERN: Final = r"^[^\u0000-,/:-@\[-^`{-\u009f\u2028\u2029]+$"
# `_printable` for readers of the document; a lone surrogate is not valid JSON in the first place.
_PRINTABLE_PATTERN: Final = r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$"
# Unicode's Cc, Cs, Zl and Zp. Looking at each character of a body in turn takes a millisecond.
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")
_NUMBER: Final = re.compile("0|-?[1-9][0-9]{0,9}")
_NEW_PASSWORD: Final = (
    f"At least {CHARS_MIN} characters; none of the passwords that are tried first, nor a name of "
    "yours with little beside it."
)
_EXAMPLE_USER: Final = "5f0c1f8e-6b0a-4c58-9d3e-0f7a3f1b2c4d"
_EXAMPLE_TIME: Final = "2024-12-09T14:30:45Z"


def _printable(text: str) -> None:
    """Refuse what PostgreSQL cannot keep (NUL, lone surrogates) and what nobody can see."""
    if _UNPRINTABLE.search(text):
        raise ValidationError("Must not contain control characters.")


def _good(read: Callable[[str], object]) -> Callable[[str], None]:
    """Refuse what `accounts.names` refuses."""

    def check(text: str) -> None:
        try:
            read(text)
        except names.NameRefused as refused:
            raise ValidationError(str(refused)) from None

    return check


def _text(
    minimum: int, maximum: int, description: str, example: str, *validators: Any, **kwargs: Any
) -> fields.String:
    metadata = {"description": description, "example": example}
    if not validators:
        metadata["pattern"] = _PRINTABLE_PATTERN
    return fields.String(
        required=True,
        validate=[validate.Length(minimum, maximum), _printable, *validators],
        metadata=metadata,
        **kwargs,
    )


def _told(kind: type[fields.Field], description: str, example: Any = None, **kwargs: Any) -> Any:
    """A field of an answer; one that holds other schemas takes its example from theirs."""
    metadata = {"description": description}
    if example is not None:
        metadata["example"] = example
    return kind(required=True, metadata=metadata, **kwargs)


class _Body(Schema):
    class Meta:
        """Members that we do not know are ignored, so that newer clients work with older
        servers.
        """

        unknown = EXCLUDE


# Requests


class SubmissionSchema(_Body):
    """The completion of an action."""

    action_id = _text(1, 100, "Which action was completed.", "daily-login", data_key="actionId")


class RegistrationSchema(_Body):
    """A new account."""

    username = fields.String(
        required=True,
        validate=_good(names.username),
        metadata={
            "description": "Shown on the board. 2 to 50 letters of any language, with their marks, "
            "digits, `_`, `-` and `.`, as counted in the composed form (NFKC); `-` is not the "
            "first. Unique without regard to case, composition or width.",
            "example": "ada",
            "maxLength": names.TYPED_CHARS_MAX,
            "pattern": _USERNAME_PATTERN,
        },
    )
    email = fields.String(
        required=True,
        validate=_good(names.email),
        metadata={
            "description": "Never shown to anybody. Unique without regard to case or to the form "
            "that the domain is written in.",
            "example": "ada@example.org",
            "format": "email",
            "maxLength": names.EMAIL_CHARS_MAX,
        },
    )
    password = _text(CHARS_MIN, 200, _NEW_PASSWORD, "correct horse battery staple")


class LoginSchema(_Body):
    """Who you are; `username` takes the e-mail address as well."""

    username = _text(1, 255, "User name or e-mail address.", "ada")
    password = _text(1, 200, "The password.", "correct horse battery staple")


class PasswordChangeSchema(_Body):
    """The password that holds, and the one that is to hold."""

    current_password = _text(
        1, 200, "The password.", "correct horse battery staple", data_key="currentPassword"
    )
    new_password = _text(
        CHARS_MIN, 200, _NEW_PASSWORD, "lantern over quiet water", data_key="newPassword"
    )


class RefreshSchema(_Body):
    """A refresh token."""

    refresh_token = _text(
        1, 512, "The refresh token of the latest answer.", "Zm9v…", data_key="refreshToken"
    )


class _Number(fields.Integer):
    """A whole number in a query: digits, as a JSON number has them, and nothing that Python takes
    for some: `1_0`, ` 5`, digits of other scripts.
    """

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, str) or not _NUMBER.fullmatch(value):
            raise self.make_error("invalid", input=value)
        return super()._deserialize(value, attr, data, **kwargs)


class PageSchema(_Body):
    """The query of a paged list."""

    after = fields.String(
        load_default="",
        validate=[validate.Length(max=100), _printable],
        metadata={
            "description": "The action id behind which the page begins, the `next` of the page "
            "before. Given once.",
            "pattern": _PRINTABLE_PATTERN,
        },
    )
    limit = _Number(
        load_default=100,
        validate=validate.Range(1, 1000),
        metadata={"description": "The size of a page, in digits. Given once."},
    )


# Answers


class EntrySchema(Schema):
    """One line of the board."""

    user_id = _told(fields.UUID, "The user.", _EXAMPLE_USER, data_key="userId")
    score = _told(fields.Integer, "The sum of the points granted.", 1500)
    username = _told(fields.String, "The user's name.", "ada")


class LeaderboardSchema(Schema):
    """The top 10, highest first; ties by who reached the score first, then by userId."""

    success = _told(fields.Boolean, "Always true.", True)
    data = _told(
        fields.List,
        "At most 10 entries.",
        cls_or_instance=fields.Nested(EntrySchema),
        validate=validate.Length(max=BOARD_SIZE),
    )
    version = _told(
        fields.Integer, "Rises with each change; the same number is the ETag and the event id.", 42
    )
    timestamp = _told(fields.DateTime, "When the board changed last.", _EXAMPLE_TIME)


class ScoreUpdateSchema(Schema):
    """The data of a `score:update` event; the event's `id` is the board's version."""

    top_users = _told(
        fields.List,
        "The top 10, highest first.",
        cls_or_instance=fields.Nested(EntrySchema),
        validate=validate.Length(max=BOARD_SIZE),
        data_key="topUsers",
    )
    timestamp = _told(fields.DateTime, "When the board changed.", _EXAMPLE_TIME)


class ConnectedSchema(Schema):
    """The data of the `connected` event, the first of every stream."""

    message = _told(
        fields.String,
        "Always `Connected to leaderboard stream`.",
        "Connected to leaderboard stream",
    )


class ClosingSchema(Schema):
    """The data of the `closing` event, the last of a stream that the server ends."""

    code = _told(
        fields.String,
        "Why, for programs.",
        ShuttingDown.code,
        validate=validate.OneOf(
            [kind.code for kind in (ShuttingDown, ExpiredToken, RevokedToken, UnknownUser)]
            + [RENUMBERED]
        ),
    )
    message = _told(fields.String, "Why, for people.", ShuttingDown.message)


class GrantSchema(Schema):
    """What was granted."""

    action_id = _told(fields.String, "The action.", "daily-login", data_key="actionId")
    points = _told(fields.Integer, "What it was worth.", 10)
    granted_at = _told(fields.DateTime, "When it was granted.", _EXAMPLE_TIME, data_key="grantedAt")


class NewGrantSchema(GrantSchema):
    """What was granted, and the score it led to."""

    score = _told(fields.Integer, "Your score now.", 1510)


class GrantedSchema(Schema):
    """The action was granted and is committed."""

    success = _told(fields.Boolean, "Always true.", True)
    message = _told(fields.String, "Always `Score Updated`.", "Score Updated")
    data = _told(fields.Nested, "The grant.", nested=NewGrantSchema)


class ActionSchema(Schema):
    """Something that can be completed."""

    action_id = _told(fields.String, "What to submit.", "daily-login", data_key="actionId")
    points = _told(fields.Integer, "What it is worth.", 10)


class ActionsSchema(Schema):
    """A page of the catalogue, in the order of action ids."""

    success = _told(fields.Boolean, "Always true.", True)
    data = _told(fields.List, "The actions.", cls_or_instance=fields.Nested(ActionSchema))
    next = _told(
        fields.String,
        "Ask with `after` set to this for the next page; null on the last one.",
        "daily-login",
        allow_none=True,
    )


class StandingSchema(Schema):
    """Where a user stands."""

    user_id = _told(fields.UUID, "Your userId.", _EXAMPLE_USER, data_key="userId")
    username = _told(fields.String, "Your user name.", "ada")
    score = _told(fields.Integer, "Your score, 0 before the first grant.", 1510)
    rank = _told(
        fields.Integer,
        "Your place, 1 at the top, ties as on the board; null past the 1000th and without a score.",
        3,
        allow_none=True,
    )
    rank_above = fields.Integer(
        required=True,
        allow_none=True,
        data_key="rankAbove",
        metadata={
            "description": "1000 when your rank is greater than that and not counted; else null.",
            "example": None,
        },
    )


class MeSchema(Schema):
    """Your own standing."""

    success = _told(fields.Boolean, "Always true.", True)
    data = _told(fields.Nested, "You.", nested=StandingSchema)


class TokensSchema(Schema):
    """An access token and the refresh token that gets the next one."""

    success = _told(fields.Boolean, "Always true.", True)
    access_token = _told(
        fields.String, "Send it as Authorization: Bearer …", "eyJhbGciOi…", data_key="accessToken"
    )
    refresh_token = _told(
        fields.String, "Works once; keep it secret.", "Zm9v…", data_key="refreshToken"
    )
    token_type = _told(fields.String, "Always `Bearer`.", "Bearer", data_key="tokenType")
    expires_in = _told(
        fields.Integer, "Seconds until the access token expires.", 900, data_key="expiresIn"
    )
    user_id = _told(fields.UUID, "Your userId.", _EXAMPLE_USER, data_key="userId")
    username = _told(fields.String, "Your user name.", "ada")


class DoneSchema(Schema):
    """It is done."""

    success = _told(fields.Boolean, "Always true.", True)
    message = _told(fields.String, "What was done.", "Logged out")


class ErrorSchema(Schema):
    """Every refusal and failure has this form."""

    success = _told(fields.Boolean, "Always false.", False)
    message = _told(
        fields.String,
        "What happened and what to do, for people.",
        "The request body is not valid; see errors.",
    )
    code = _told(fields.String, "What happened, for programs; never changes.", "invalid_payload")
    errors = fields.Dict(
        keys=fields.String(),
        values=fields.Raw(),
        metadata={
            "description": "What is wrong, by field (code invalid_payload).",
            "example": {"actionId": ["Missing data for required field."]},
        },
    )
    grant = fields.Nested(
        GrantSchema, metadata={"description": "The original grant (code already_granted)."}
    )


class PartSchema(Schema):
    """The state of a server that we depend on."""

    name = _told(fields.String, "Which one.", "postgresql")
    up = _told(fields.Boolean, "Whether it answers.", True)
    since = _told(fields.DateTime, "Since when.", _EXAMPLE_TIME)
    effect = fields.String(
        metadata={"description": "What its absence means.", "example": "submissions get 503"}
    )
    refused = fields.String(
        metadata={
            "description": "What it refuses, or did within the last minute, up or not.",
            "example": "a right is missing (42501)",
        }
    )


class ReadinessSchema(Schema):
    """Whether this instance can serve."""

    ready = _told(fields.Boolean, "Whether to send requests here.", True)
    state = _told(
        fields.String,
        "`starting` until it has a board to show, `leaving` once it was told to end.",
        "ready",
        validate=validate.OneOf(["starting", "ready", "leaving"]),
    )
    instance = _told(fields.String, "The instance.", "web-1-4711")
    role = _told(fields.String, "Its role.", "all")
    version = _told(fields.Integer, "The board's version here.", 42)
    parts = _told(
        fields.List,
        "The servers that it depends on.",
        cls_or_instance=fields.Nested(PartSchema),
    )


class LivenessSchema(Schema):
    """The process answers."""

    alive = _told(fields.Boolean, "Always true.", True)
    instance = _told(fields.String, "The instance.", "web-1-4711")
