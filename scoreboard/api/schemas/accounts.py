"""The bodies of /api/auth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, validate

from scoreboard.accounts import names
from scoreboard.accounts.blocklist import CHARS_MIN
from scoreboard.accounts.invitations import CODE_CHARS_MAX
from scoreboard.api.schemas.members import EXAMPLE_USER_ID, Request, Success, member, text

_PASSWORD_CHARS_MAX: Final = 200
_PASSWORD: Final = (1, _PASSWORD_CHARS_MAX, "The password.", "correct horse battery staple")
_NEW_PASSWORD: Final = (
    CHARS_MIN,
    _PASSWORD_CHARS_MAX,
    f"At least {CHARS_MIN} characters; none of the passwords that are tried first, nor a name of "
    "yours with little beside it.",
)
# What no user name has, as far as ASCII goes: `accounts.names` knows the rest.
_USERNAME_PATTERN: Final = r"^[^\u0000-,/:-@\[-^`{-\u009f\u2028\u2029]+$"


def _name(read: Callable[[str], object], description: str, example: str, **metadata: Any) -> Any:
    """A member that `read` refuses with NameRefused. The answer names each member that is wrong,
    before the registration counts against a limit; so names are read here and, to be kept, once
    more in `accounts`.
    """

    def check(value: str) -> None:
        try:
            read(value)
        except names.NameRefused as refused:
            raise ValidationError(str(refused)) from None

    metadata = {"description": description, "example": example, **metadata}
    return fields.String(required=True, validate=check, metadata=metadata)


def _email() -> Any:
    """The member that is an e-mail address."""
    return _name(
        names.email,
        "Never shown to anybody. Unique without regard to case or to the form that the domain is "
        "written in.",
        "ada@example.org",
        format="email",
        maxLength=names.EMAIL_CHARS_MAX,
    )


class RegistrationSchema(Request):
    """A new account."""

    username = _name(
        names.username,
        f"Shown on the board. {names.USERNAME_CHARS_MIN} to {names.USERNAME_CHARS_MAX} letters of "
        "any language, with their marks, digits, `_`, `-` and `.`, as counted in the composed form "
        "(NFKC); `-` is not the first. Unique without regard to case, composition or width.",
        "ada",
        maxLength=names.TYPED_CHARS_MAX,
        pattern=_USERNAME_PATTERN,
    )
    email = _email()
    password = text(*_NEW_PASSWORD, "correct horse battery staple")
    invitation = text(
        None,
        CODE_CHARS_MAX,
        "The code of an invitation, where registering needs one; it is used up by that.",
        "q5nuk3vbcdx7mmh2ws4z6yjy4a",
        required=False,
    )


class LoginSchema(Request):
    """Who you are; `username` takes the e-mail address as well."""

    username = text(1, names.EMAIL_CHARS_MAX, "User name or e-mail address.", "ada")
    password = text(*_PASSWORD)


class PasswordChangeSchema(Request):
    """The password that holds, and the one that is to hold."""

    current_password = text(*_PASSWORD, data_key="currentPassword")
    new_password = text(*_NEW_PASSWORD, "lantern over quiet water", data_key="newPassword")


class EmailChangeSchema(Request):
    """The password, and the e-mail address that is to hold."""

    password = text(*_PASSWORD)
    email = _email()


class AddressSchema(Schema):
    """An e-mail address."""

    email = member(fields.String, "The address, as it is kept now.", "ada@example.org")


class EmailSchema(Success):
    """The address was changed."""

    data = member(fields.Nested, "What holds now.", nested=AddressSchema)


class DeletionSchema(Request):
    """The password, of an account that has one."""

    password = text(*_PASSWORD, required=False)


class RefreshSchema(Request):
    """A refresh token."""

    refresh_token = text(
        1, 512, "The refresh token of the latest answer.", "Zm9v…", data_key="refreshToken"
    )


class AgainSchema(Request):
    """The query of the way to an identity provider."""

    again = member(
        fields.String,
        "Without a value: the provider asks who it is even if it knows.",
        "",
        required=False,
        validate=validate.OneOf([""]),
    )


class ComingBackSchema(Request):
    """The query with which an identity provider sends a browser back (OpenID Connect Core, 3.1.2.5;
    RFC 9207).
    """

    code = member(fields.String, "What the tokens are asked for with.", required=False)
    state = member(fields.String, "What the browser was sent away with.", required=False)
    iss = member(fields.String, "The issuer.", required=False)
    error = member(fields.String, "Why nobody was logged in.", required=False)


class TokensSchema(Success):
    """An access token and the refresh token that gets the next one."""

    access_token = member(
        fields.String, "Send it as Authorization: Bearer …", "eyJhbGciOi…", data_key="accessToken"
    )
    refresh_token = member(
        fields.String, "Works once; keep it secret.", "Zm9v…", data_key="refreshToken"
    )
    token_type = member(
        fields.String, "Always `Bearer`.", "Bearer", data_key="tokenType", dump_default="Bearer"
    )
    expires_in = member(
        fields.Integer, "Seconds until the access token expires.", 900, data_key="expiresIn"
    )
    user_id = member(fields.UUID, "Your userId.", EXAMPLE_USER_ID, data_key="userId")
    username = member(fields.String, "Your user name.", "ada")


class DoneSchema(Success):
    """It is done."""

    message = member(fields.String, "What was done.", "Logged out")
