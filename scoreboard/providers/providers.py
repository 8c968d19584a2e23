"""All identity providers: who signed a token, and when keys are asked for anew.

A token costs a stranger's instance nothing but the look at its head and at most one signature, and
never a request: who waits for a key has been counted by the limits before (`api.http.limits`).
"""

from __future__ import annotations

import asyncio
import base64
import random
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import jwt
import orjson

from scoreboard.configuration.providers import Provider
from scoreboard.errors import InvalidToken, ProviderUnavailable
from scoreboard.operations.metrics import Metrics
from scoreboard.providers.documents import fetch_key_set
from scoreboard.providers.issuer import Fetch, Issuer
from scoreboard.providers.keys import Key

# A key that a provider takes back is good for so long at most, while the provider answers.
RENEWED_EVERY_SECONDS: Final = 300.0
# Where there are no keys yet.
_TRIED_EVERY_SECONDS: Final = 31.0
# What a token may be. A log-out token is signed by the same key, and says something else.
_TYPES: Final = frozenset({"jwt", "at+jwt", "application/at+jwt"})
# A token that brings its key, or says where it is, and one that must be understood in some way that
# we do not know.
_NEVER: Final = ("jwk", "jku", "x5u", "crit")


class UnknownKey(InvalidToken):
    """The issuer may have a new key of that name: `Providers.renew` tells. To a client, this is an
    invalid token.
    """

    def __init__(self, issuer: str) -> None:
        super().__init__()
        self.issuer = issuer


class Providers:
    """The providers whose tokens are taken."""

    def __init__(
        self, providers: Mapping[str, Provider], metrics: Metrics, *, fetch: Fetch = fetch_key_set
    ) -> None:
        # Called when a key was taken back: who remembers what it signed forgets that.
        self.on_withdrawn: Callable[[], None] = lambda: None
        self._issuers: Final = {
            name: Issuer(
                provider,
                metrics,
                partial(self._is_others, name),
                on_withdrawn=lambda: self.on_withdrawn(),  # noqa: PLW0108 - it is set later
                fetch=fetch,
            )
            for name, provider in providers.items()
        }

    def provider(self, issuer: str | None) -> Provider | None:
        """The provider that has this name."""
        found = None if issuer is None else self._issuers.get(issuer)
        return None if found is None else found.provider

    def signed_claims(
        self, token: str, provider: Provider, audience: str | None = None
    ) -> dict[str, Any]:
        """Read what a provider has signed for us, or for `audience`; times and subject are not
        looked at. Raises InvalidToken, and UnknownKey as one.
        """
        issuer = self._issuers[provider.issuer]
        key = _key_of(token, issuer)
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key.jwk,
                algorithms=[key.algorithm],
                audience=audience or provider.audience,
                options={
                    "require": ["exp", "iat", "sub", "aud"],
                    "verify_aud": True,
                    "verify_iss": False,
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                    "verify_sub": False,
                    "verify_jti": False,
                },
            )
        except (jwt.InvalidTokenError, ValueError) as error:
            raise InvalidToken from error
        if claims.get("iss") != provider.issuer:  # a second reading may find another one
            raise InvalidToken
        return claims

    async def renew(self, issuer: str) -> None:
        """Ask an issuer for its keys, unless that was done a moment ago. Raises ProviderUnavailable
        where no key of it was ever read.
        """
        known = self._issuers[issuer]
        await known.renew()
        if not known.keys:
            raise ProviderUnavailable

    async def run(self) -> None:
        """Renew all keys for ever, with jitter so that instances do not ask in step."""
        while True:
            # One after the other, in the order of the setting, because the first issuer that has a
            # key keeps it.
            for issuer in self._issuers.values():
                await issuer.renew()
            every = all(issuer.keys for issuer in self._issuers.values())
            pause_seconds = RENEWED_EVERY_SECONDS if every else _TRIED_EVERY_SECONDS
            await asyncio.sleep(pause_seconds * random.uniform(1.0, 1.2))  # noqa: S311 - no secret

    async def close(self) -> None:
        """End the requests that are under way."""
        for issuer in self._issuers.values():
            await issuer.close()

    def _is_others(self, name: str, digest: bytes) -> bool:
        return any(digest in other.digests for each, other in self._issuers.items() if each != name)


def _key_of(token: str, issuer: Issuer) -> Key:
    """Find the key that a token names, if what it says of itself can be true. Raises InvalidToken,
    and UnknownKey as one.
    """
    head, _, rest = token.partition(".")
    header = _read_header(head)
    if any(member in header for member in _NEVER):  # guard: token-brings-nothing
        raise InvalidToken
    kind, name = header.get("typ", "JWT"), header.get("kid", "")
    if not isinstance(kind, str) or kind.lower() not in _TYPES or not isinstance(name, str):
        raise InvalidToken
    key = issuer.key(name)
    if key is None:
        raise UnknownKey(issuer.provider.issuer)
    _check_spelling(rest.rpartition(".")[2], key)
    return key


def _read_header(text: str) -> dict[str, Any]:
    try:
        header = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError as error:
        raise InvalidToken from error
    if not isinstance(header, dict):
        raise InvalidToken
    return header


def _check_spelling(text: str, key: Key) -> None:
    """Raise InvalidToken unless this is the one spelling of a signature of that length: otherwise
    one good token could be sent in spellings without end, each verified and remembered anew.
    """
    try:
        signature = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError as error:
        raise InvalidToken from error
    # guard: signature-one-spelling
    if (
        len(signature) != key.signature_bytes
        or base64.urlsafe_b64encode(signature).rstrip(b"=").decode() != text
    ):
        raise InvalidToken
