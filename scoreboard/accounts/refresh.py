"""Refresh tokens: opaque, one use each, and every successor follows from the token it replaces.

The database keeps hashes only, and yet a second tab that presents the same token a moment later
must get the very successor that the first one got. So the successor is computed, from the presented
token and a key that never leaves the process: whoever has only one of the two cannot.

A token is 32 bytes, as 43 characters of base64url:

    handle   12 bytes, random: all tokens of a family begin with it
    secret   16 bytes, random in the first token, then derived from the token before
    seal      4 bytes, derived from the 28 before it: what we made is told from what strangers make
              up, before anybody is asked

Tokens of the release before this one are 32 random or derived bytes. Their first 12 are as good a
handle as any, and their successors are made like all others.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from typing import Final

_HANDLE_BYTES: Final = 12
_SECRET_BYTES: Final = 16
_SEAL_BYTES: Final = 4
# 32 bytes as unpadded base64url, in the one way to write them: the last letter has two bits to
# spare, and another spelling of a good token must not look like an older one.
_SHAPE: Final = re.compile(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")  # guard: refresh-another
# Keys of their own for each purpose, so that nothing computed here can ever pass for a signature.
_SECRETS: Final = b"scoreboard refresh token secret"
_SEALS: Final = b"scoreboard refresh token seal"
_EARLIER_SUCCESSORS: Final = b"scoreboard refresh token successor"


def is_token(text: str) -> bool:
    """Say whether the text has the shape of a refresh token; nothing else need be looked up."""
    return _SHAPE.fullmatch(text) is not None


def hashes_of(token: str) -> dict[str, bytes]:
    """Compute what is stored of a token, as parameters of the statements."""
    return {"token_hash": hash_of(token), "handle_hash": handle_hash_of(token)}


def hash_of(token: str) -> bytes:
    """Compute what is stored of a token. A plain SHA-256 will do: 128 of its bits are secret."""
    return hashlib.sha256(token.encode("ascii")).digest()


def handle_hash_of(token: str) -> bytes:
    """Compute what is stored of a token's handle: 96 random bits that only its holders know."""
    return hashlib.sha256(_bytes(token)[:_HANDLE_BYTES]).digest()  # guard: refresh-token-kept


class RefreshTokens:
    """Makes tokens. `jwt_secrets` are today's secret and then the earlier ones."""

    def __init__(self, jwt_secrets: Iterable[str]) -> None:
        self._keys = [_Keys(secret.encode()) for secret in jwt_secrets]

    def first(self) -> str:
        """Make the first token of a family."""
        handle = secrets.token_bytes(_HANDLE_BYTES)
        return self._keys[0].sealed(handle + secrets.token_bytes(_SECRET_BYTES))

    def successors(self, token: str) -> dict[bytes, str]:
        """Derive what may have replaced this token, by hash: first what would replace it here and
        now, then what an instance with an earlier secret, or of the release before, made of it.
        """
        found = [keys.successor(token) for keys in self._keys]
        found += [keys.earlier_successor(token) for keys in self._keys]  # guard: refresh-release
        return {hash_of(successor): successor for successor in found}

    def family_of(self, text: str) -> str | None:
        """Name the family of a token, in 32 characters, without asking anybody (some 10 µs).

        None for what we did not make; also for a token of the release before, or one whose secret
        is not kept any more: these are as good as others, and nobody but the database knows them.
        The name tells nothing of the token, and who does not hold one of the family cannot make it.
        """
        if not is_token(text):
            return None
        content = _bytes(text)
        ours = any(keys.has_sealed(content) for keys in self._keys)
        return handle_hash_of(text).hex()[:32] if ours else None


class _Keys:
    """What is derived from one of our secrets."""

    def __init__(self, secret: bytes) -> None:
        self._secrets = _hmac(secret, _SECRETS)
        self._seals = _hmac(secret, _SEALS)
        self._earlier_successors = _hmac(secret, _EARLIER_SUCCESSORS)

    def sealed(self, content: bytes) -> str:
        return _text(content + self._seal(content))

    def has_sealed(self, content: bytes) -> bool:
        return hmac.compare_digest(self._seal(content[:-_SEAL_BYTES]), content[-_SEAL_BYTES:])

    def successor(self, token: str) -> str:
        secret = _hmac(self._secrets, token.encode("ascii"))[:_SECRET_BYTES]
        return self.sealed(_bytes(token)[:_HANDLE_BYTES] + secret)

    def earlier_successor(self, token: str) -> str:
        """As the release before derives it, whose instances may serve beside ours."""
        return _text(_hmac(self._earlier_successors, token.encode("ascii")))

    def _seal(self, content: bytes) -> bytes:
        return _hmac(self._seals, content)[:_SEAL_BYTES]


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _bytes(token: str) -> bytes:
    return base64.urlsafe_b64decode(f"{token}=")


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, hashlib.sha256)
