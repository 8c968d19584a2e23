"""Access tokens: short-lived JWTs that any instance verifies without asking anybody."""

from __future__ import annotations

import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import jwt

from scoreboard.errors import ExpiredToken, InvalidToken
from scoreboard.settings import Settings, SettingsError

# The one algorithm, pinned: what a token says of itself never chooses how it is verified.
ALGORITHM: Final = "HS256"
# Ours have about 340 characters; parsing takes time before the signature is known to be good.
TOKEN_CHARS_MAX: Final = 4096
# How far the clocks of issuers may differ. It never lengthens a life: `exp` has no leeway.
LEEWAY_SECONDS: Final = 10
# `iat` only says when. A clock that is minutes ahead, or is set back, would else make an instance's
# fresh tokens worthless at all others, or all that are out worthless at its own.
ISSUED_AHEAD_SECONDS: Final = 900
# Verifying takes about 100 µs, remembering 0.3 to 0.7 µs. 10,000 of ours take 6 MB; of the largest
# that are accepted, about 45 MB. Past that the oldest leaves, and costs its 100 µs once more.
REMEMBERED_MAX: Final = 10_000
# A time after the year 9999 is a mistake or a trick.
_LAST_MOMENT: Final = 253_402_300_800
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a verified token speaks for, and until when."""

    user_id: str
    expires_at: float


class AccessTokens:
    """Issues and verifies access tokens.

    A verified token is remembered until it expires, because a client sends the same one with every
    request for its whole life. Only verified ones enter, so that bad ones can neither grow the
    memory nor empty it.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.time) -> None:
        secrets = [s for s in (settings.jwt_secret, *settings.jwt_previous_secrets) if s]
        self._keys = {_key_id(secret): secret for secret in secrets}
        self._signing_secret = settings.jwt_secret
        self._issuer = settings.jwt_issuer
        self._issuers = _accepted_issuers(settings.jwt_issuer, settings.jwt_trusted_issuers)
        self._audience = settings.jwt_audience
        self._clock = clock
        self._remembered: OrderedDict[str, Identity] = OrderedDict()
        self.lifetime_seconds: Final = settings.access_token_seconds

    def issue(self, user_id: str) -> str:
        """Make a token that speaks for this user. Raises SettingsError without a secret."""
        if not self._signing_secret:
            raise SettingsError("SCOREBOARD_JWT_SECRET is not set: no token can be signed")
        now = int(self._clock())
        claims: dict[str, str | int] = {"userId": user_id, "sub": user_id}
        claims |= {"iat": now, "exp": now + self.lifetime_seconds}
        if self._issuer:
            claims["iss"] = self._issuer
        if self._audience:
            claims["aud"] = self._audience
        headers = {"kid": _key_id(self._signing_secret)}
        return jwt.encode(claims, self._signing_secret, ALGORITHM, headers)

    def verify(self, token: str) -> Identity:
        """Say whom the token speaks for. Raises ExpiredToken, and InvalidToken for all else."""
        identity = self._remembered.get(token)
        if identity is None:
            identity = self._identify(token)
            self._remember(token, identity)
        elif identity.expires_at <= self._clock():
            del self._remembered[token]
            raise ExpiredToken
        return identity

    def _remember(self, token: str, identity: Identity) -> None:
        self._remembered[token] = identity
        if len(self._remembered) > REMEMBERED_MAX:
            self._remembered.popitem(last=False)

    def _identify(self, token: str) -> Identity:
        # A token is ASCII; other text can fail inside PyJWT with an error that is not its own.
        if len(token) > TOKEN_CHARS_MAX or not token.isascii():
            raise InvalidToken
        claims = self._signed_claims(token)
        if self._issuers is not None and claims.get("iss") not in self._issuers:
            raise InvalidToken
        user_id = _user_id(claims)
        return Identity(user_id, _checked_times(claims, self._clock()))

    def _signed_claims(self, token: str) -> dict[str, Any]:
        """Read the claims that one of our keys has signed."""
        try:
            key_id = jwt.get_unverified_header(token).get("kid")
        except jwt.InvalidTokenError as error:
            raise InvalidToken from error
        for secret in self._candidates(key_id):
            try:
                return self._decode(token, secret)
            except jwt.InvalidSignatureError:
                continue
            except jwt.InvalidTokenError as error:
                raise InvalidToken from error
        raise InvalidToken

    def _candidates(self, key_id: str | None) -> Iterable[str]:
        """Choose by name; an outside issuer names its key in its own way or not at all, so then
        each is tried.
        """
        known = self._keys.get(key_id) if key_id is not None else None
        return self._keys.values() if known is None else [known]

    def _decode(self, token: str, secret: str) -> dict[str, Any]:
        # Times and issuer are checked above: PyJWT has one leeway for all times and its own clock,
        # and cannot accept tokens without an issuer beside those of trusted ones.
        return jwt.decode(
            token,
            secret,
            algorithms=[ALGORITHM],
            audience=self._audience or None,
            options={
                "require": ["exp"],
                "verify_aud": bool(self._audience),
                "verify_iss": False,
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
            },
        )


def _key_id(secret: str) -> str:
    """Name a secret without telling anything of it: it is long and random."""
    return hashlib.sha256(secret.encode()).hexdigest()[:16]


def _accepted_issuers(own: str, trusted: tuple[str, ...]) -> tuple[str | None, ...] | None:
    """Say which `iss` to accept; None accepts any. Unless we have a name, ours bear none."""
    return (own or None, *trusted) if own or trusted else None


def _user_id(claims: Mapping[str, Any]) -> str:
    """Read the user from `userId`, else from `sub`; a token with both must mean the same user."""
    named = {_canonical(claims[claim]) for claim in ("userId", "sub") if claim in claims}
    if len(named) != 1:
        raise InvalidToken
    return named.pop()


def _canonical(value: object) -> str:
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        raise InvalidToken
    return str(UUID(value))


def _checked_times(claims: Mapping[str, Any], now: float) -> float:
    """Check `nbf`, `iat` and `exp`, and return the last."""
    expires_at = _moment(claims["exp"])
    for claim, ahead_seconds in (("nbf", LEEWAY_SECONDS), ("iat", ISSUED_AHEAD_SECONDS)):
        if claim in claims and _moment(claims[claim]) > now + ahead_seconds:
            raise InvalidToken
    if expires_at <= now:
        raise ExpiredToken
    return expires_at


def _moment(value: object) -> float:
    # JSON as Python reads it has NaN and Infinity; neither is between these bounds.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidToken
    if not 0 <= value < _LAST_MOMENT:
        raise InvalidToken
    return float(value)
