"""What the claims of an access token say: whose it is, and from when until when it is good.

Everything here raises InvalidToken where a claim does not have its form.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final

import orjson

from scoreboard.accounts import ids
from scoreboard.errors import ExpiredToken, InvalidToken

# How far the clocks of issuers may differ. It never lengthens a life: `exp` has no leeway.
LEEWAY_SECONDS: Final = 10
# A time after the year 9999 is a mistake or a trick.
_LAST_MOMENT: Final = 253_402_300_800
# The claim of ours that says at which reading of the revocation clock a token was issued.
READING: Final = "asOf"
# When the user showed who they are, by a password or whatever a provider asks for.
AUTHENTICATED: Final = "auth_time"


def unverified(token: str) -> Mapping[str, Any]:
    """Read what a token says, before it is known whether anybody signed that."""
    try:
        payload = token.split(".")[1]
        claims = orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError) as error:
        raise InvalidToken from error
    return claims if isinstance(claims, dict) else {}


def issuer_of(claims: Mapping[str, Any]) -> str | None:
    """Read the issuer that a token names."""
    issuer = claims.get("iss")
    if not isinstance(issuer, str | None):
        raise InvalidToken
    return issuer


def user_of(claims: Mapping[str, Any]) -> str:
    """Read the user from `userId`, else from `sub`. A token with both must mean the same user."""
    named = [claims[claim] for claim in ("userId", "sub") if claim in claims]
    users = {ids.canonical(value) if isinstance(value, str) else None for value in named}
    user_id = users.pop() if len(users) == 1 else None
    if user_id is None:
        raise InvalidToken
    return user_id


def checked_end(claims: Mapping[str, Any], now: float, issued_ahead_seconds: int) -> float:
    """Check `nbf`, `iat` and `exp`, and return when the token ends. Raises ExpiredToken too."""
    expires_at = moment(claims["exp"])
    for claim, ahead_seconds in (("nbf", LEEWAY_SECONDS), ("iat", issued_ahead_seconds)):
        if claim in claims and moment(claims[claim]) > now + ahead_seconds:
            raise InvalidToken
    if expires_at <= now:
        raise ExpiredToken
    return expires_at


def reading_of(claims: Mapping[str, Any]) -> int:
    """Read at which reading of the revocation clock a token of ours was issued."""
    reading = claims.get(READING)
    if reading is None:  # the release before did not say it
        return reading_at_issue(claims)
    if type(reading) is not int:  # True is an int as well
        raise InvalidToken
    return reading


def reading_at_issue(claims: Mapping[str, Any]) -> int:
    """Take the beginning of the second in which a token was issued, so that a token from the very
    second of a revocation does not outlive it.
    """
    return int(moment(claims["iat"]) * 1000) if "iat" in claims else 0


def authenticated_at(claims: Mapping[str, Any], *, otherwise: float) -> float:
    """Read when the user showed who they are (OpenID Connect Core, 2), if a token tells it."""
    return moment(claims[AUTHENTICATED]) if AUTHENTICATED in claims else otherwise


def moment(value: Any) -> float:
    """Read a time, in seconds since 1970."""
    # JSON as Python reads it has NaN and Infinity; neither is between these bounds.
    if type(value) not in (int, float) or not 0 <= value < _LAST_MOMENT:
        raise InvalidToken
    return float(value)
