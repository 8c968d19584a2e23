"""/api/auth: register, log in, refresh, log out, change the password or the e-mail address."""

from __future__ import annotations

from functools import partial
from typing import Final

from aiohttp import web

from scoreboard import errors
from scoreboard.accounts.families import TokenPair
from scoreboard.api.docs.descriptions import Answer, Operation
from scoreboard.api.http import limits
from scoreboard.api.http.addresses import client_networks
from scoreboard.api.http.identity import identity
from scoreboard.api.http.replies import read_json, reply
from scoreboard.api.schemas import accounts as schemas
from scoreboard.parts import PARTS

_REGISTRATION: Final = schemas.RegistrationSchema()
_LOGIN: Final = schemas.LoginSchema()
_REFRESH: Final = schemas.RefreshSchema()
_PASSWORD_CHANGE: Final = schemas.PasswordChangeSchema()
_EMAIL_CHANGE: Final = schemas.EmailChangeSchema()
_TOKENS: Final = schemas.TokensSchema()
_ANSWER: Final = Answer(
    _TOKENS,
    headers=("Cache-Control",),
    links=("refreshTokens", "logOut"),
)


@Operation(
    "register",
    "Register",
    tag="Accounts",
    body=_REGISTRATION,
    answers={201: _ANSWER},
    errors=[
        errors.RefusedName,
        errors.AccountsOff,
        errors.RegistrationClosed,
        errors.InvitationRequired,
        errors.InvitationNotValid,
        errors.AccountTaken,
        errors.LedgerUnavailable,
        errors.Unavailable,
    ],
)
async def register(request: web.Request) -> web.Response:
    """Make an account and log it in. The settings `accounts` and `registration` say who may."""
    body = await read_json(request, _REGISTRATION)
    await limits.count_registration(request)  # guard: invitations-guessed
    tokens = await request.app[PARTS].accounts.register(
        body["username"],
        body["email"],
        body["password"],
        path_of(request),
        body.get("invitation"),
    )
    return tokens_reply(tokens, status=201)


@Operation(
    "logIn",
    "Log in",
    tag="Accounts",
    body=_LOGIN,
    answers={200: _ANSWER},
    errors=[
        errors.AccountsOff,
        errors.BadCredentials,
        errors.Banned,
        errors.LedgerUnavailable,
        errors.Unavailable,
    ],
)
async def log_in(request: web.Request) -> web.Response:
    """Exchange name and password for tokens."""
    body = await read_json(request, _LOGIN)
    login = body["username"]
    await limits.count_log_in(request, login)
    tokens = await request.app[PARTS].accounts.log_in(
        login, body["password"], path_of(request), partial(limits.may_guess, request, login)
    )
    return tokens_reply(tokens)


@Operation(
    "refreshTokens",
    "Stay logged in",
    tag="Accounts",
    body=_REFRESH,
    answers={200: _ANSWER},
    errors=[
        errors.InvalidRefreshToken,
        errors.Banned,
        errors.LedgerUnavailable,
        errors.Unavailable,
    ],
)
async def refresh(request: web.Request) -> web.Response:
    """Exchange a refresh token for the next pair of tokens."""
    body = await read_json(request, _REFRESH)
    await limits.count_refresh(request, body["refresh_token"])  # guard: accounts-limit-own
    return tokens_reply(await request.app[PARTS].accounts.families.refresh(body["refresh_token"]))


@Operation(
    "logOut",
    "Log out",
    tag="Accounts",
    body=_REFRESH,
    answers={200: Answer(schemas.DoneSchema())},
    errors=[errors.LedgerUnavailable, errors.Unavailable],
)
async def log_out(request: web.Request) -> web.Response:
    """End the log-in that this refresh token belongs to. An unknown token is logged out already."""
    body = await read_json(request, _REFRESH)
    await limits.count_refresh(request, body["refresh_token"])
    await request.app[PARTS].accounts.families.end(body["refresh_token"])
    return reply({"success": True, "message": "Logged out"})


@Operation(
    "logOutEverywhere",
    "Log out everywhere",
    tag="Accounts",
    authorization="required",
    answers={200: Answer(schemas.DoneSchema())},
    errors=[errors.LedgerUnavailable, errors.Unavailable],
)
async def log_out_everywhere(request: web.Request) -> web.Response:
    """End every log-in of the bearer of the token, this one too, and all access tokens that are
    out. It takes no body.
    """
    await request.app[PARTS].accounts.log_out_everywhere(identity(request, ours=True).user_id)
    return reply({"success": True, "message": "Logged out everywhere"})


@Operation(
    "changePassword",
    "Change the password",
    tag="Accounts",
    authorization="required",
    body=_PASSWORD_CHANGE,
    answers={200: _ANSWER},
    errors=[errors.BadCredentials, errors.LedgerUnavailable, errors.Unavailable],
)
async def change_password(request: web.Request) -> web.Response:
    """Exchange the password for another one. Every log-in and every access token from before ends;
    the answer has the tokens to go on with.
    """
    user = identity(request, ours=True)
    body = await read_json(request, _PASSWORD_CHANGE)
    await limits.count_guess(request, user.user_id)  # guard: change-password-guess
    tokens = await request.app[PARTS].accounts.change_password(
        user.user_id, body["current_password"], body["new_password"], path_of(request)
    )
    return tokens_reply(tokens)


@Operation(
    "changeEmail",
    "Change the e-mail address",
    tag="Accounts",
    authorization="required",
    body=_EMAIL_CHANGE,
    answers={200: Answer(schemas.EmailSchema(), headers=("Cache-Control",))},
    errors=[
        errors.BadCredentials,
        errors.AccountTaken,
        errors.LedgerUnavailable,
        errors.Unavailable,
    ],
)
async def change_email(request: web.Request) -> web.Response:
    """Exchange the e-mail address for another one, with the password. One logs in by the new
    address from here on; log-ins and tokens go on. Nothing is sent to either address.
    """
    user = identity(request, ours=True)
    body = await read_json(request, _EMAIL_CHANGE)
    # Who asks whether an address is taken learns it at the pace of registrations, with however many
    # accounts.
    await limits.count_registration(request)  # guard: change-email-probed
    await limits.count_guess(request, user.user_id)  # guard: change-email-guess
    email = await request.app[PARTS].accounts.change_email(
        user.user_id, body["password"], body["email"], path_of(request)
    )
    document = {"success": True, "data": {"email": email}}
    return reply(document, headers={"Cache-Control": "no-store"})


def path_of(request: web.Request) -> tuple[str, ...]:
    """The networks of the client, from the widest: passwords take turns by network."""
    networks = client_networks(request, request.app[PARTS].settings.trusted_proxies)
    return tuple(network.key for network in reversed(networks))


def tokens_reply(tokens: TokenPair, status: int = 200) -> web.Response:
    """Answer with tokens."""
    # RFC 6749, 5.1: answers that hold tokens are not stored by anybody on the way.
    return reply(_TOKENS.dump(tokens), status=status, headers={"Cache-Control": "no-store"})
