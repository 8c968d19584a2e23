"""The server keys in PostgreSQL, as operators change them. A secret is returned once, and kept
sealed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from scoreboard.connections.postgres import Postgres
from scoreboard.errors import UnknownKey
from scoreboard.keys.queries import SQL
from scoreboard.keys.sealing import Seal, Unreadable
from scoreboard.keys.server_key import Scope, new_key_id, new_secret, shown

# An instance keeps all in memory, and opens their secrets at its start: 1,000 take a tenth of a
# second, or two while all are rotated. Later it opens only those that are new.
KEYS_MAX: Final = 1000


class TooManyKeys(Exception):
    """There are as many keys as an instance keeps."""


@dataclass(frozen=True, slots=True)
class ListedKey:
    """A key as operators see it. `board_ids` is None for every board, `previous_until` says how
    long the secret before today's is good.
    """

    key_id: str
    source: str
    title: str
    scopes: list[str]
    board_ids: list[str] | None
    rate: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    previous_until: datetime | None


@dataclass(frozen=True, slots=True)
class NewKey:
    """What an operator says of a key, all of it checked."""

    source: str
    title: str
    scopes: Sequence[Scope]
    board_ids: Sequence[str] | None
    rate: str
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Resealed:
    """How many keys were sealed anew, and which could not be read."""

    resealed: int
    unreadable: list[str]


class KeyRegistry:
    """The keys. Everything here raises LedgerUnavailable when PostgreSQL is away, and what seals
    raises Unreadable without a secret to seal with.
    """

    def __init__(self, postgres: Postgres, seal: Seal) -> None:
        self._postgres = postgres
        self._seal = seal

    async def add(self, new: NewKey) -> tuple[ListedKey, str]:
        """Add a key; answer it with its secret, `whsec_…`. Raises TooManyKeys."""
        secret = new_secret()
        parameters: dict[str, Any] = {
            "key_id": new_key_id(),
            "source": new.source,
            "title": new.title,
            "scopes": list(new.scopes),
            "board_ids": None if new.board_ids is None else list(new.board_ids),
            "rate": new.rate,
            "expires_at": new.expires_at,
            "secret": self._seal.seal(secret),
            "keys_max": KEYS_MAX,
        }
        rows = await self._postgres.fetch(SQL["add_key"], parameters)
        if not rows:
            raise TooManyKeys
        return ListedKey(*rows[0]), shown(secret)

    async def all(self) -> list[ListedKey]:
        """Every key, revoked ones too, the oldest first."""
        return [ListedKey(*row) for row in await self._postgres.read(SQL["list_keys"])]

    async def rotate(self, key_id: str, grace_seconds: int) -> tuple[ListedKey, str]:
        """Give a key another secret, `whsec_…`; the one that it had is good for so long. Raises
        UnknownKey.
        """
        secret = new_secret()
        parameters = {"secret": self._seal.seal(secret), "grace_seconds": grace_seconds}
        return await self._one("rotate_key", key_id, **parameters), shown(secret)

    async def revoke(self, key_id: str) -> ListedKey:
        """End a key for good. Raises UnknownKey, also where it is revoked already."""
        return await self._one("revoke_key", key_id)

    async def reseal(self) -> Resealed:
        """Seal every secret under today's secret of access tokens. Run again, it mends the rest."""
        resealed, unreadable = 0, []
        for key_id, *sealed in await self._postgres.read(SQL["read_sealed"]):
            former = [None if each is None else bytes(each) for each in sealed]
            try:
                secret, previous = (
                    None if each is None else self._seal.seal(self._seal.open(each))
                    for each in former
                )
            except Unreadable:
                unreadable.append(key_id)
                continue
            parameters = {
                "key_id": key_id,
                "secret": secret,
                "previous_secret": previous,
                "former_secret": former[0],
                "former_previous_secret": former[1],
            }
            # None: rotated meanwhile, so sealed under today's, or revoked.
            resealed += len(await self._postgres.fetch(SQL["reseal_key"], parameters))
        return Resealed(resealed, unreadable)

    async def _one(self, statement: str, key_id: str, **parameters: Any) -> ListedKey:
        rows = await self._postgres.fetch(SQL[statement], {"key_id": key_id} | parameters)
        if not rows:
            raise UnknownKey
        return ListedKey(*rows[0])
