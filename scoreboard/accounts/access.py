"""Access tokens: short-lived JWTs that any instance verifies without asking anybody.

Each issuer has keys of its own: ours, and those that are trusted beside us. A token is verified by
the keys of the issuer that it names, and by no other.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jwt

from scoreboard.accounts import claims as read
from scoreboard.accounts.claims import LEEWAY_SECONDS, READING
from scoreboard.accounts.revocations import Revocations
from scoreboard.accounts.signing import SigningKeys, key_id
from scoreboard.configuration.settings import SettingsError
from scoreboard.errors import ExpiredToken, InvalidToken

# The one algorithm, pinned: what a token says of itself never chooses how it is verified.
ALGORITHM: Final = "HS256"
# Ours have about 340 characters; parsing takes time before the signature is known to be good.
TOKEN_CHARS_MAX: Final = 4096
# `iat` only says when. A clock that is minutes ahead, or is set back, would else make an instance's
# fresh tokens worthless at all others, or all that are out worthless at its own.
ISSUED_AHEAD_SECONDS: Final = 900  # guard: clocks-token-instance
# Verifying takes about 100 µs, seeing that nobody signed it 5 to 10 µs, remembering 0.3 to 0.7 µs.
# 10,000 of ours take 6 MB; of the largest that are accepted, about 45 MB. Past that the oldest
# leaves, and costs its 100 µs once more.
REMEMBERED_MAX: Final = 10_000


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
        revocations: Revocations,
        *,
        secrets: Sequence[str],
        issuer: str,
        audience: str,
        trusted_issuers: Mapping[str, Iterable[str]],
        lifetime_seconds: int,
        foreign_seconds: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._signing_secret = next(iter(secrets), "")
        self._issuer = issuer
        self._own_keys = SigningKeys(secrets)
        self._foreign_keys = {name: SigningKeys(its) for name, its in trusted_issuers.items()}
        self._audience = audience
        self._foreign_seconds = foreign_seconds
        self._longest_life_seconds = longest_life_seconds(lifetime_seconds, foreign_seconds)
        self._clock = clock
        self._remembered: OrderedDict[str, Identity] = OrderedDict()
        self.lifetime_seconds: Final = lifetime_seconds
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
        headers = {"kid": key_id(self._signing_secret)}
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
        if refusal is not None:  # guard: revoked-asked-remembered
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
        unverified = read.unverified(token)
        issuer = read.issuer_of(unverified)
        foreign = self._foreign_keys.get(issuer) if issuer is not None else None
        keys = self._own_keys if foreign is None else foreign  # guard: key-belongs-issuer
        if not keys.have_signed(token):  # guard: nobody-signed-not
            raise InvalidToken
        if read.is_over(unverified, self._clock()):  # guard: token-good-once
            raise ExpiredToken
        claims = self._signed_claims(token, keys)
        # A second reading of the claims, as they were signed, may find another issuer.
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
        expires_at = read.checked_end(claims, now, ISSUED_AHEAD_SECONDS)
        # For so long a revocation is remembered, whatever end a token tells: it may be from before
        # the life of tokens was shortened, or of somebody who signs with our secret. Without `iat`
        # it counts from where its end would be the last possible one.
        latest_start = expires_at - self._longest_life_seconds
        begun_at = read.moment(claims["iat"]) if "iat" in claims else latest_start
        if begun_at > now + ISSUED_AHEAD_SECONDS:
            raise InvalidToken
        expires_at = min(expires_at, begun_at + self._longest_life_seconds)
        if expires_at <= now:
            raise ExpiredToken
        return Identity(read.user_of(claims), expires_at, read.reading_of(claims))

    def _foreign(self, claims: Mapping[str, Any]) -> Identity:
        """Hold another issuer to a largest life from `iat`, because revocations are forgotten."""
        expires_at = read.checked_end(claims, self._clock(), LEEWAY_SECONDS)
        # guard: foreign-token-largest
        if expires_at > read.moment(claims.get("iat")) + self._foreign_seconds:
            raise InvalidToken
        reading = read.reading_at_issue(claims)
        return Identity(read.user_of(claims), expires_at, reading, foreign=True)

    def _signed_claims(self, token: str, keys: SigningKeys) -> dict[str, Any]:
        """Read the claims that one of these keys has signed."""
        try:
            named = jwt.get_unverified_header(token).get("kid")
        except jwt.InvalidTokenError as error:
            raise InvalidToken from error
        for secret in keys.candidates(named):
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


def longest_life_seconds(own_seconds: int, foreign_seconds: int) -> int:
    """How long a token can be alive: the longest life of ours and of other issuers' tokens."""
    return max(own_seconds + ISSUED_AHEAD_SECONDS, foreign_seconds + LEEWAY_SECONDS)
