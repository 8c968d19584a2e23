"""Access tokens: short-lived JWTs that any instance verifies without asking anybody.

Each issuer has keys of its own: ours, and those that are trusted beside us. A token is verified by
the keys of the issuer that it names, and by no other.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt
import orjson

from scoreboard.accounts import ids
from scoreboard.accounts.revocations import Revocations
from scoreboard.configuration.settings import Settings, SettingsError
from scoreboard.errors import ExpiredToken, InvalidToken

# The one algorithm, pinned: what a token says of itself never chooses how it is verified.
ALGORITHM: Final = "HS256"
# Ours have about 340 characters; parsing takes time before the signature is known to be good.
TOKEN_CHARS_MAX: Final = 4096
# How far the clocks of issuers may differ. It never lengthens a life: `exp` has no leeway.
LEEWAY_SECONDS: Final = 10
# `iat` only says when. A clock that is minutes ahead, or is set back, would else make an instance's
# fresh tokens worthless at all others, or all that are out worthless at its own.
ISSUED_AHEAD_SECONDS: Final = 900
# Verifying takes about 100 µs, seeing that nobody signed it 5 to 10 µs, remembering 0.3 to 0.7 µs.
# 10,000 of ours take 6 MB; of the largest that are accepted, about 45 MB. Past that the oldest
# leaves, and costs its 100 µs once more.
REMEMBERED_MAX: Final = 10_000
# A time after the year 9999 is a mistake or a trick.
_LAST_MOMENT: Final = 253_402_300_800
# The claim of ours that says at which reading of the revocation clock a token was issued.
READING: Final = "asOf"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a verified token speaks for, and until when.

    `reading`: the reading of the revocation clock at which it was issued, as good as it is known.
    `foreign`: another issuer says so, not we.
    """

    user_id: str
    expires_at: float
    reading: int = 0
    foreign: bool = False


class AccessTokens:
    """Issues and verifies access tokens.

    A verified token is remembered until it expires, because a client sends the same one with every
    request for its whole life. Only verified ones enter, so that bad ones can neither grow the
    memory nor empty it. Whether it was revoked is asked each time.

    Limits ask here before they count a request, so what a stranger can make up costs next to
    nothing: it bears no signature of a key that is known, and that is looked at first.
    """

    def __init__(
        self,
        settings: Settings,
        revocations: Revocations | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._signing_secret = settings.jwt_secret
        self._issuer = settings.jwt_issuer
        self._own_keys = _named(filter(None, (settings.jwt_secret, *settings.jwt_previous_secrets)))
        self._foreign_keys = {
            issuer: _named(secrets) for issuer, secrets in settings.jwt_trusted_issuers.items()
        }
        self._audience = settings.jwt_audience
        self._foreign_seconds = settings.foreign_token_seconds
        self._longest_life_seconds = longest_life_seconds(settings)
        self._clock = clock
        self._remembered: OrderedDict[str, Identity] = OrderedDict()
        self.lifetime_seconds: Final = settings.access_token_seconds
        if revocations is None:
            revocations = Revocations(self._longest_life_seconds)
        self.revocations: Final = revocations

    def issue(self, user_id: str, reading: int | None = None) -> str:
        """Make a token that speaks for this user, as of a reading of the revocation clock (without
        one: as far as this instance has read). Raises SettingsError without a secret.
        """
        if not self._signing_secret:
            raise SettingsError("SCOREBOARD_JWT_SECRET is not set: no token can be signed")
        now = int(self._clock())
        claims: dict[str, str | int] = {"userId": user_id, "sub": user_id}
        claims |= {"iat": now, "exp": now + self.lifetime_seconds}
        claims[READING] = self.revocations.latest if reading is None else reading
        if self._issuer:
            claims["iss"] = self._issuer
        if self._audience:
            claims["aud"] = self._audience
        headers = {"kid": _key_id(self._signing_secret)}
        return jwt.encode(claims, self._signing_secret, ALGORITHM, headers)

    def verify(self, token: str) -> Identity:
        """Say whom the token speaks for. Raises ExpiredToken, RevokedToken, UnknownUser (who is
        deleted), and InvalidToken for all else.
        """
        identity = self._remembered.get(token)
        if identity is None:
            identity = self._identify(token)
            self._remember(token, identity)
        elif identity.expires_at <= self._clock():
            del self._remembered[token]
            raise ExpiredToken
        refusal = self.revocations.refusal(identity.user_id, identity.reading)
        if refusal is not None:
            raise refusal
        return identity

    def _remember(self, token: str, identity: Identity) -> None:
        self._remembered[token] = identity
        if len(self._remembered) > REMEMBERED_MAX:
            self._remembered.popitem(last=False)

    def _identify(self, token: str) -> Identity:
        # A token is ASCII; other text can fail inside PyJWT with an error that is not its own.
        if len(token) > TOKEN_CHARS_MAX or not token.isascii():
            raise InvalidToken
        told = _told_by(token)
        issuer = _issuer_named_by(told)
        foreign = self._foreign_keys.get(issuer) if issuer is not None else None
        keys = self._own_keys if foreign is None else foreign
        if not _is_signed_by_one_of(keys.values(), token):
            raise InvalidToken
        if _is_over(told, self._clock()):
            raise ExpiredToken
        claims = self._signed_claims(token, keys)
        # Of the claims as they were signed: who reads them a second time may read another one.
        if claims.get("iss") != issuer:
            raise InvalidToken
        if foreign is None:
            return self._ours(claims)
        return self._foreign(claims)

    def _ours(self, claims: Mapping[str, Any]) -> Identity:
        # Unless we have a name, ours bear none; where nobody else is trusted, any name will do.
        if (self._issuer or self._foreign_keys) and claims.get("iss") != (self._issuer or None):
            raise InvalidToken
        now = self._clock()
        expires_at = _checked_times(claims, now, ISSUED_AHEAD_SECONDS)
        # For so long a revocation is remembered, whatever end a token tells: it may be from before
        # the life of tokens was shortened, or of somebody who signs with our secret. Without `iat`
        # it counts from where its end would be the last possible one.
        latest_start = expires_at - self._longest_life_seconds
        begun_at = _moment(claims["iat"]) if "iat" in claims else latest_start
        if begun_at > now + ISSUED_AHEAD_SECONDS:
            raise InvalidToken
        expires_at = min(expires_at, begun_at + self._longest_life_seconds)
        if expires_at <= now:
            raise ExpiredToken
        return Identity(_user_id(claims), expires_at, _reading(claims))

    def _foreign(self, claims: Mapping[str, Any]) -> Identity:
        """Hold another issuer to a largest life, counted from when it was issued, which must be
        told: what is revoked is revoked for as long.
        """
        expires_at = _checked_times(claims, self._clock(), LEEWAY_SECONDS)
        if expires_at > _moment(claims.get("iat")) + self._foreign_seconds:
            raise InvalidToken
        return Identity(_user_id(claims), expires_at, _issued_at_reading(claims), foreign=True)

    def _signed_claims(self, token: str, keys: Mapping[str, str]) -> dict[str, Any]:
        """Read the claims that one of these keys has signed."""
        try:
            key_id = jwt.get_unverified_header(token).get("kid")
        except jwt.InvalidTokenError as error:
            raise InvalidToken from error
        for secret in _candidates(keys, key_id):
            try:
                return self._decode(token, secret)
            except jwt.InvalidSignatureError:
                continue
            except jwt.InvalidTokenError as error:
                raise InvalidToken from error
        raise InvalidToken

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


def longest_life_seconds(settings: Settings) -> int:
    """How long after a revocation a token from before it can be alive."""
    ours = settings.access_token_seconds + ISSUED_AHEAD_SECONDS
    return max(ours, settings.foreign_token_seconds + LEEWAY_SECONDS)


def _named(secrets: Iterable[str]) -> dict[str, str]:
    return {_key_id(secret): secret for secret in secrets}


def _key_id(secret: str) -> str:
    """Name a secret by 64 bits of its digest, which leave enough to guess of a random one."""
    return hashlib.sha256(secret.encode()).hexdigest()[:16]


def _candidates(keys: Mapping[str, str], key_id: object) -> Iterable[str]:
    """Choose by name; an outside issuer names its key in its own way or not at all, so then each is
    tried.
    """
    known = keys.get(key_id) if isinstance(key_id, str) else None
    return keys.values() if known is None else [known]


def _told_by(token: str) -> Mapping[str, Any]:
    """Read what a token says, before it is known whether anybody signed that."""
    try:
        payload = token.split(".")[1]
        claims = orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError) as error:
        raise InvalidToken from error
    return claims if isinstance(claims, dict) else {}


def _issuer_named_by(told: Mapping[str, Any]) -> str | None:
    issuer = told.get("iss")
    if issuer is not None and not isinstance(issuer, str):
        raise InvalidToken
    return issuer


def _is_signed_by_one_of(secrets: Iterable[str], token: str) -> bool:
    """Whether PyJWT can find it good: a twentieth of the time that it takes to find it bad. Says
    nothing else of it, and takes a signature in no other spelling than the one that it has.
    """
    signed, _, signature = token.rpartition(".")
    text = signed.encode("ascii")
    return any(hmac.compare_digest(_signature(text, secret), signature) for secret in secrets)


def _signature(text: bytes, secret: str) -> str:
    digest = hmac.digest(secret.encode(), text, "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def _is_over(told: Mapping[str, Any], now: float) -> bool:
    """Whether it ran out, if it tells that in the right form: whoever kept some of those that were
    good once can send them over and over.
    """
    end = told.get("exp")
    return isinstance(end, int | float) and not isinstance(end, bool) and 0 <= end <= now


def _user_id(claims: Mapping[str, Any]) -> str:
    """Read the user from `userId`, else from `sub`; a token with both must mean the same user."""
    named = {_canonical(claims[claim]) for claim in ("userId", "sub") if claim in claims}
    if len(named) != 1:
        raise InvalidToken
    return named.pop()


def _canonical(value: object) -> str:
    user_id = ids.canonical(value) if isinstance(value, str) else None
    if user_id is None:
        raise InvalidToken
    return user_id


def _checked_times(claims: Mapping[str, Any], now: float, issued_ahead_seconds: int) -> float:
    """Check `nbf`, `iat` and `exp`, and return the last."""
    expires_at = _moment(claims["exp"])
    for claim, ahead_seconds in (("nbf", LEEWAY_SECONDS), ("iat", issued_ahead_seconds)):
        if claim in claims and _moment(claims[claim]) > now + ahead_seconds:
            raise InvalidToken
    if expires_at <= now:
        raise ExpiredToken
    return expires_at


def _reading(claims: Mapping[str, Any]) -> int:
    """Read when a token of ours was issued, by the revocation clock."""
    reading = claims.get(READING)
    if reading is None:  # of the release before, which did not tell
        return _issued_at_reading(claims)
    if isinstance(reading, bool) or not isinstance(reading, int):
        raise InvalidToken
    return reading


def _issued_at_reading(claims: Mapping[str, Any]) -> int:
    """Take the beginning of the second in which a token says that it was issued: what was issued
    in the very second of a revocation does not outlive it.
    """
    return int(_moment(claims["iat"]) * 1000) if "iat" in claims else 0


def _moment(value: object) -> float:
    # JSON as Python reads it has NaN and Infinity; neither is between these bounds.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidToken
    if not 0 <= value < _LAST_MOMENT:
        raise InvalidToken
    return float(value)
