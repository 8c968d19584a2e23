"""Secrets of server keys as PostgreSQL keeps them: sealed, because signatures are verified with the
secret itself, so a hash would not do.

The keys of the seal follow from the secrets of access tokens, so they are rotated with these: what
an earlier one sealed can still be read, and `scoreboard keys reseal` seals it under today's.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from scoreboard.configuration.signatures import derived

PURPOSE: Final = "server keys"


class Unreadable(Exception):
    """What is sealed was sealed under a secret that is none of ours, or was changed."""


class Seal:
    """Seals with the first of these secrets, and opens what any of them has sealed for the same
    purpose. Without a secret (`can_seal`) it opens nothing.
    """

    def __init__(self, secrets: Iterable[str], purpose: str = PURPOSE) -> None:
        keys = [
            Fernet(base64.urlsafe_b64encode(derived(secret, purpose)))  # guard: key-sealed-purpose
            for secret in secrets
        ]
        self._keys = MultiFernet(keys) if keys else None

    @property
    def can_seal(self) -> bool:
        """Whether there is a secret to seal with."""
        return self._keys is not None

    def seal(self, secret: bytes) -> bytes:
        """Seal a secret. Raises Unreadable without one of ours."""
        if self._keys is None:
            raise Unreadable
        return self._keys.encrypt(secret)

    def open(self, sealed: bytes, within_seconds: int | None = None) -> bytes:
        """Open what was sealed, within that time if one is given. Takes about 100 µs. Raises
        Unreadable.
        """
        if self._keys is None:
            raise Unreadable
        try:
            return self._keys.decrypt(sealed, within_seconds)
        except InvalidToken as error:
            raise Unreadable from error
