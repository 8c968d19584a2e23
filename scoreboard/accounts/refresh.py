"""Refresh tokens: opaque, one use each, and every successor follows from the token it replaces.

The database keeps hashes only, and yet a second tab that presents the same token a moment later
must get the very successor that the first one got. So the successor is computed, from the presented
token and a key that never leaves the process: whoever has only one of the two cannot.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Sequence
from typing import Final

_TOKEN_BYTES: Final = 32
_SHAPE: Final = re.compile(r"[A-Za-z0-9_-]{43}")  # 32 bytes as unpadded base64url
# A key of its own for this purpose, so that nothing computed here can ever pass for a signature.
_PURPOSE: Final = b"scoreboard refresh token successor"


def first_token() -> str:
    """Make the first token of a family."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def is_token(text: str) -> bool:
    """Say whether the text has the shape of a refresh token; nothing else need be looked up."""
    return _SHAPE.fullmatch(text) is not None


def hash_of(token: str) -> bytes:
    """Compute what is stored of a token. A plain SHA-256 will do: the token is 256 random bits."""
    return hashlib.sha256(token.encode("ascii")).digest()


class Successors:
    """Derives successors. `jwt_secrets` are today's secret and then the earlier ones."""

    def __init__(self, jwt_secrets: Iterable[str]) -> None:
        self._keys = [_hmac(secret.encode(), _PURPOSE) for secret in jwt_secrets]

    def of(self, token: str) -> str:
        """Derive the token that replaces this one."""
        return _successor(self._keys[0], token)

    def follow(self, token: str, hashes: Sequence[bytes]) -> str | None:
        """Find the token at the end of a chain of successors, known by their hashes.

        None when no secret of this instance leads there: one that knows a newer one derived it.
        """
        for successor_hash in hashes:
            candidates = (_successor(key, token) for key in self._keys)
            found = next((c for c in candidates if hash_of(c) == successor_hash), None)
            if found is None:
                return None
            token = found
        return token


def _successor(key: bytes, token: str) -> str:
    return base64.urlsafe_b64encode(_hmac(key, token.encode("ascii"))).rstrip(b"=").decode()


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, hashlib.sha256)
