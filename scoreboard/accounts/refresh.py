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
from collections.abc import Iterable, Sequence
from typing import Final

_HANDLE_BYTES: Final = 12
_SECRET_BYTES: Final = 16
_SEAL_BYTES: Final = 4
_SHAPE: Final = re.compile(r"[A-Za-z0-9_-]{43}")  # 32 bytes as unpadded base64url
# Keys of their own for each purpose, so that nothing computed here can ever pass for a signature.
_SECRETS: Final = b"scoreboard refresh token secret"
_SEALS: Final = b"scoreboard refresh token seal"
_EARLIER_SUCCESSORS: Final = b"scoreboard refresh token successor"


def is_token(text: str) -> bool:
    """Say whether the text has the shape of a refresh token; nothing else need be looked up."""
    return _SHAPE.fullmatch(text) is not None


def hash_of(token: str) -> bytes:
    """Compute what is stored of a token. A plain SHA-256 will do: 128 of its bits are secret."""
    return hashlib.sha256(token.encode("ascii")).digest()


class Successors:
    """Makes tokens. `jwt_secrets` are today's secret and then the earlier ones."""

    def __init__(self, jwt_secrets: Iterable[str]) -> None:
        self._keys = [_Keys(secret.encode()) for secret in jwt_secrets]

    def first(self) -> str:
        """Make the first token of a family."""
        handle = secrets.token_bytes(_HANDLE_BYTES)
        return self._keys[0].sealed(handle + secrets.token_bytes(_SECRET_BYTES))

    def of(self, token: str) -> str:
        """Derive the token that replaces this one."""
        return self._keys[0].successor(token)

    def follow(self, token: str, hashes: Sequence[bytes]) -> str | None:
        """Find the token at the end of a chain of successors, known by their hashes.

        None when no secret of this instance leads there: one that knows a newer one derived it.
        """
        for successor_hash in hashes:
            candidates = [keys.successor(token) for keys in self._keys]
            candidates += [keys.earlier_successor(token) for keys in self._keys]
            found = next((c for c in candidates if hash_of(c) == successor_hash), None)
            if found is None:
                return None
            token = found
        return token

    def family_of(self, text: str) -> str | None:
        """Name the family of a token, in 32 characters, without asking anybody.

        None for what we did not make; also for a token of the release before, or one whose secret
        is not kept any more: these are as good as others, and nobody but the database knows them.
        The name tells nothing of the token, and who does not hold one of the family cannot make it.
        """
        if not is_token(text):
            return None
        content = _bytes(text)
        if not any(keys.has_sealed(content) for keys in self._keys):
            return None
        return hashlib.sha256(content[:_HANDLE_BYTES]).hexdigest()[:32]


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
