"""Signatures tell what our own instances wrote from what somebody else put in its place.

Whoever can write to RabbitMQ or Redis could write a board there. So each bears an HMAC under a key
that is derived from `jwt_secret`: one for each purpose (HKDF, RFC 5869), so that nothing which was
signed for one passes for another, and no token for either.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Final

_HASH: Final = "sha256"
_SALT: Final = b"scoreboard"


class Signatures:
    """Signs with the first of `secrets`, and takes what any of them has signed: so secrets are
    rotated as for tokens. Without a secret nothing can be signed, and nothing is ours.
    """

    def __init__(self, secrets: Iterable[str], purpose: str) -> None:
        self._keys = [derived(secret, purpose) for secret in secrets]

    def of(self, content: bytes) -> str:
        """Sign: 64 hexadecimal digits, or nothing without a secret."""
        return hmac.digest(self._keys[0], content, _HASH).hex() if self._keys else ""

    def verify(self, signature: bytes | str, content: bytes) -> bool:
        """Whether one of us has signed this. Takes 2 µs for a board and a secret."""
        given = signature.encode() if isinstance(signature, str) else signature
        return any(
            hmac.compare_digest(hmac.digest(key, content, _HASH).hex().encode(), given)
            for key in self._keys
        )


def derived(secret: str, purpose: str) -> bytes:
    """Derive a key of 32 bytes for one purpose: HKDF-SHA256, whose first block it is."""
    extracted = hmac.digest(_SALT, secret.encode(), _HASH)
    return hmac.digest(extracted, purpose.encode() + b"\x01", _HASH)
