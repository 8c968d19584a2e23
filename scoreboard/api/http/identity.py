"""Which user a request speaks for."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from scoreboard.accounts.access import Identity
from scoreboard.errors import InvalidToken, NotAuthorized
from scoreboard.parts import PARTS

# What verifying the token gave, so that limits and handler verify it once.
_VERIFIED: Final[web.RequestKey[Identity | NotAuthorized]] = web.RequestKey("verified")


def identity(request: web.Request, *, ours: bool = False) -> Identity:
    """The user of the bearer token. With `ours` only a token that we gave out is taken: others may
    speak for a user, but not manage the account. Raises NotAuthorized and what is one:
    InvalidToken, ExpiredToken, RevokedToken, UnknownUser.
    """
    found = _verified(request)
    if isinstance(found, NotAuthorized):
        raise found
    if ours and found.foreign:  # guard: another-issuer-not
        raise InvalidToken(
            "This takes a token that was given out here only. POST /api/auth/login gives one."
        )
    return found


def identity_or_none(request: web.Request) -> Identity | None:
    """The user of the bearer token, or None when there is no valid one."""
    if "Authorization" not in request.headers:
        return None  # most readers: an error that nobody sees would cost them 20 µs
    found = _verified(request)
    return None if isinstance(found, NotAuthorized) else found


def known_user(request: web.Request) -> str | None:
    """The user of the bearer token if it was verified already; asks nothing."""
    found = request.get(_VERIFIED)
    return found.user_id if isinstance(found, Identity) else None


def _verified(request: web.Request) -> Identity | NotAuthorized:
    found = request.get(_VERIFIED)
    if found is None:
        found = request[_VERIFIED] = _verify(request)
    return found


def _verify(request: web.Request) -> Identity | NotAuthorized:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if not scheme:
        return NotAuthorized()
    if scheme.lower() != "bearer" or not token.strip():
        return InvalidToken("Write the header as: Authorization: Bearer <token>")
    try:
        return request.app[PARTS].access.verify(token.strip())
    except NotAuthorized as refusal:
        # Its traceback leads here and so to the request, which is about to keep it: a circle, and
        # the collector takes longer for it than the token took.
        return refusal.with_traceback(None)
