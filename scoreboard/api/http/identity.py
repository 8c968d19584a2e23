"""Which user a request speaks for."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from scoreboard.accounts.access import Identity
from scoreboard.errors import InvalidToken, NotAuthorized, ProviderUnavailable
from scoreboard.parts import PARTS
from scoreboard.providers.providers import UnknownKey

_Refusal = NotAuthorized | ProviderUnavailable

# What verifying the token gave, so that limits and handler verify it once.
VERIFIED: Final[web.RequestKey[Identity | _Refusal | None]] = web.RequestKey("verified")


def identity(request: web.Request, *, ours: bool = False) -> Identity:
    """The user of the bearer token. With `ours` only a token that we gave out is taken: others may
    speak for a user, but not manage the account. Raises NotAuthorized and what is one:
    InvalidToken, ExpiredToken, RevokedToken, UnknownUser; and ProviderUnavailable.
    """
    found = _verified(request)
    if not isinstance(found, Identity):
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
    return found if isinstance(found, Identity) else None


def known_user(request: web.Request) -> str | None:
    """The user of the bearer token if it was verified already; asks nothing."""
    found = request.get(VERIFIED)
    return found.user_id if isinstance(found, Identity) else None


def names_unknown_key(request: web.Request) -> bool:
    """Whether the token was verified, and named a key that its issuer may just have told."""
    return isinstance(request.get(VERIFIED), UnknownKey)


async def found_by_new_keys(request: web.Request) -> bool:
    """Whether the token is good by keys that its issuer has just told: it `names_unknown_key`.
    Waits for them as long as `providers.documents` says, and only where they may be asked for.
    Called for who was counted as a stranger, because anybody can make up names of keys.
    """
    found = request[VERIFIED]
    if not isinstance(found, UnknownKey):
        return False
    try:
        await request.app[PARTS].access.providers.renew(found.issuer)
    except ProviderUnavailable as refusal:
        request[VERIFIED] = refusal.with_traceback(None)
        return False
    # Also where nobody was asked now: keys may have come while the limits were.
    request[VERIFIED] = _verify(request)
    return isinstance(request[VERIFIED], Identity)


def _verified(request: web.Request) -> Identity | _Refusal:
    found = request.get(VERIFIED)
    if found is None:
        found = request[VERIFIED] = _verify(request)
    return found


def _verify(request: web.Request) -> Identity | _Refusal:
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
