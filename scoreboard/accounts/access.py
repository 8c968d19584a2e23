"""Access tokens: short-lived JWTs that any instance verifies without asking anybody.

Each issuer has keys of its own: ours, those that are trusted beside us, and identity providers
(`providers`). A token is verified by the keys of the issuer that it names, and by no other.
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

from scoreboard.accounts import claims as read
from scoreboard.accounts.claims import AUTHENTICATED, LEEWAY_SECONDS, READING
from scoreboard.accounts.introductions import Introduction, introduction
from scoreboard.accounts.revocations import Revocations
from scoreboard.configuration.providers import Provider
from scoreboard.configuration.settings import Settings, SettingsError
from scoreboard.errors import ExpiredToken, InvalidToken
from scoreboard.operations.metrics import Metrics
from scoreboard.providers.providers import Providers

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

    `reading` is that of the revocation clock at which it was issued, as well as it is known;
    `foreign` says that another issuer made it; an identity provider also introduces its user.
    `authenticated_at` is when the user last showed who they are, in seconds since 1970; 0 if that
    is not told.
    """

    user_id: str
    expires_at: float
    reading: int = 0
    foreign: bool = False
    introduced: Introduction | None = None
    authenticated_at: float = 0.0


class AccessTokens:
    """Issues and verifies access tokens.

    A verified token is remembered until it expires, because a client sends the same one with every
    request for its whole life. Only verified ones enter, so that bad ones can neither grow the
    memory nor empty it. Whether it was revoked is asked each time.

    Limits ask here before they count a request. What a stranger makes up costs next to nothing,
    because the signature is looked at first.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics | None = None,
        clock: Callable[[], float] = time.time,
        providers: Providers | None = None,
    ) -> None:
        self._settings = settings
        metrics = metrics or Metrics()
        self.providers: Final = providers or Providers(settings.oidc_issuers, metrics)
        self._own_keys = _keys(settings.secrets)
        self._foreign_keys = {
            issuer: _keys(secrets) for issuer, secrets in settings.jwt_trusted_issuers.items()
        }
        self._clock = clock
        self._remembered: OrderedDict[str, Identity] = OrderedDict()
        self.providers.on_withdrawn = self._remembered.clear
        self.lifetime_seconds: Final = settings.access_token_seconds
        # How long a token can be alive, be it ours or another issuer's.
        self.longest_life_seconds: Final = max(
            settings.access_token_seconds + ISSUED_AHEAD_SECONDS,
            settings.foreign_token_seconds + LEEWAY_SECONDS,
        )
        self.revocations: Final = Revocations(self.longest_life_seconds, metrics)

    def issue(
        self, user_id: str, reading: int | None = None, authenticated_at: float | None = None
    ) -> str:
        """Make a token that speaks for this user, as of a reading of the revocation clock (without
        one: as far as this instance has read), and tells when they showed who they are. Raises
        SettingsError without a secret.
        """
        secret = self._settings.jwt_secret
        if not secret:
            raise SettingsError("SCOREBOARD_JWT_SECRET is not set: no token can be signed")
        now = int(self._clock())
        claims: dict[str, str | int] = {"userId": user_id, "sub": user_id}
        claims |= {"iat": now, "exp": now + self.lifetime_seconds}
        claims[READING] = self.revocations.latest if reading is None else reading
        if authenticated_at is not None:
            claims[AUTHENTICATED] = int(authenticated_at)
        if self._settings.jwt_issuer:
            claims["iss"] = self._settings.jwt_issuer
        if self._settings.jwt_audience:
            claims["aud"] = self._settings.jwt_audience
        return jwt.encode(claims, secret, ALGORITHM, {"kid": key_id(secret)})

    def verify(self, token: str) -> Identity:
        """Say whom the token speaks for. Raises ExpiredToken, RevokedToken, UnknownUser (who is
        deleted), and InvalidToken for all else: as UnknownKey, where its issuer may have a new one.
        """
        identity = self._remembered.get(token)
        if identity is None:
            identity = self._identify(token)
            self._remembered[token] = identity
            if len(self._remembered) > REMEMBERED_MAX:
                self._remembered.popitem(last=False)
        elif identity.expires_at <= self._clock():
            del self._remembered[token]
            raise ExpiredToken
        refusal = self.revocations.refusal(identity.user_id, identity.reading)
        if refusal is not None:  # guard: revoked-asked-remembered
            raise refusal
        return identity

    def _identify(self, token: str) -> Identity:
        # A token is ASCII; other text can fail inside PyJWT with an error that is not its own.
        if len(token) > TOKEN_CHARS_MAX or not token.isascii():
            raise InvalidToken
        unverified = read.unverified(token)
        issuer = read.issuer_of(unverified)
        if (provider := self.providers.provider(issuer)) is not None:
            return self._of_provider(token, provider, unverified)
        foreign = self._foreign_keys.get(issuer) if issuer is not None else None
        keys = self._own_keys if foreign is None else foreign  # guard: key-belongs-issuer
        signer = _signer(token, keys)
        if signer is None:  # guard: nobody-signed-not
            raise InvalidToken
        # Who kept a token that was good once can send it over and over.
        if read.moment(unverified.get("exp")) <= self._clock():  # guard: token-good-once
            raise ExpiredToken
        claims = self._signed_claims(token, keys, signer)
        # A second reading of the claims, as they were signed, may find another issuer.
        if claims.get("iss") != issuer:
            raise InvalidToken
        return self._ours(claims) if foreign is None else self._foreign(claims)

    def _ours(self, claims: Mapping[str, Any]) -> Identity:
        # Unless we have a name, ours bear none; where nobody else is trusted, any name will do.
        ours = self._settings.jwt_issuer
        if (ours or self._foreign_keys) and claims.get("iss") != (ours or None):
            raise InvalidToken
        now = self._clock()
        expires_at = read.checked_end(claims, now, ISSUED_AHEAD_SECONDS)
        # For so long a revocation is remembered, whatever end a token tells: it may be from before
        # the life of tokens was shortened, or of somebody who signs with our secret. Without `iat`
        # it counts from where its end would be the last possible one.
        latest_start = expires_at - self.longest_life_seconds
        begun_at = read.moment(claims["iat"]) if "iat" in claims else latest_start
        if begun_at > now + ISSUED_AHEAD_SECONDS:
            raise InvalidToken
        expires_at = min(expires_at, begun_at + self.longest_life_seconds)
        if expires_at <= now:
            raise ExpiredToken
        return Identity(
            read.user_of(claims),
            expires_at,
            read.reading_of(claims),
            authenticated_at=read.authenticated_at(claims, otherwise=0.0),
        )

    def _foreign(
        self, claims: Mapping[str, Any], introduced: Introduction | None = None
    ) -> Identity:
        """Hold another issuer to a largest life from `iat`, because revocations are forgotten."""
        expires_at = read.checked_end(claims, self._clock(), LEEWAY_SECONDS)
        # guard: foreign-token-largest
        if expires_at > read.moment(claims.get("iat")) + self._settings.foreign_token_seconds:
            raise InvalidToken
        reading = read.reading_at_issue(claims)
        user_id = read.user_of(claims) if introduced is None else introduced.user_id
        # Who refreshes at another issuer gets a new `iat`: it stands in where no more is told.
        begun_at = read.authenticated_at(claims, otherwise=read.moment(claims.get("iat")))
        return Identity(user_id, expires_at, reading, True, introduced, begun_at)

    def _of_provider(
        self, token: str, provider: Provider, unverified: Mapping[str, Any]
    ) -> Identity:
        """A signature takes longer to verify than the clock to read: a token that was good once
        costs its sender's victim nothing.
        """
        if read.moment(unverified.get("exp")) <= self._clock():
            raise ExpiredToken
        claims = self.providers.signed_claims(token, provider)
        return self._foreign(claims, introduction(provider, claims))

    def _signed_claims(self, token: str, keys: Mapping[str, _Key], signer: _Key) -> dict[str, Any]:
        """Read the claims, as PyJWT does. A token that names one of the keys is held to that one;
        another issuer has names of its own, or none.
        """
        try:
            # Times and issuer are checked elsewhere: PyJWT has one leeway for all times and its own
            # clock, and cannot accept tokens without an issuer beside those of trusted ones.
            signed = jwt.decode_complete(
                token,
                signer.prepared,
                algorithms=[ALGORITHM],
                audience=self._settings.jwt_audience or None,
                options={
                    "require": ["exp"],
                    "verify_aud": bool(self._settings.jwt_audience),
                    "verify_iss": False,
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except jwt.InvalidTokenError as error:
            raise InvalidToken from error
        if keys.get(signed["header"].get("kid", ""), signer) is not signer:
            raise InvalidToken
        claims: dict[str, Any] = signed["payload"]
        return claims


def key_id(secret: str) -> str:
    """Name a secret by 64 bits of its digest, which leave enough to guess of a random one."""
    return hashlib.sha256(secret.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class _Key:
    """A secret, as bytes and as PyJWT takes it without a look. (Of a text it finds out anew, with
    each token, that it is no PEM and no SSH key.)
    """

    secret: bytes
    prepared: jwt.PyJWK

    @classmethod
    def of(cls, secret: str) -> _Key:
        encoded = base64.urlsafe_b64encode(secret.encode()).rstrip(b"=").decode("ascii")
        return cls(secret.encode(), jwt.PyJWK({"kty": "oct", "k": encoded}, ALGORITHM))


def _keys(secrets: Iterable[str]) -> dict[str, _Key]:
    """The secrets of one issuer, by the names under which tokens say that they were signed."""
    return {key_id(secret): _Key.of(secret) for secret in secrets}


def _signer(token: str, keys: Mapping[str, _Key]) -> _Key | None:
    """Find the secret that signed a token, in a twentieth of the time that PyJWT takes to find that
    none did. That says nothing else of the token. A signature has one good spelling.
    """
    signed, _, signature = token.encode("ascii").rpartition(b".")
    for key in keys.values():
        digest = hmac.digest(key.secret, signed, "sha256")
        if hmac.compare_digest(base64.urlsafe_b64encode(digest).rstrip(b"="), signature):
            return key
    return None
