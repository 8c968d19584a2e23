"""The server keys that an instance knows, so that verifying asks nobody. All are read anew when one
has changed, as each list that instances hold in memory (`accounts.revocations`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from scoreboard.configuration.kinds import Rate
from scoreboard.connections.postgres import Postgres
from scoreboard.errors import UnknownKey
from scoreboard.keys.queries import SQL
from scoreboard.keys.sealing import Seal, Unreadable
from scoreboard.keys.server_key import ServerKey
from scoreboard.operations.metrics import Metrics

log = structlog.get_logger("scoreboard.keys")


class Keyring:
    """The keys that are not revoked, by their ids."""

    def __init__(self) -> None:
        self._keys: dict[str, ServerKey] = {}

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def unreadable(self) -> int:
        """How many keys have a secret that cannot be read here."""
        return sum(not key.secrets for key in self._keys.values())

    def known(self, key_id: str) -> ServerKey:
        """Raises UnknownKey; also for a revoked one."""
        key = self._keys.get(key_id)
        if key is None:
            raise UnknownKey
        return key

    def take(self, keys: Iterable[ServerKey]) -> None:
        """Know these from now on, and no others."""
        self._keys = {key.key_id: key for key in keys}


class KeyReader:
    """Reads the keys in PostgreSQL. Whoever runs it says when: at first, and when they changed."""

    def __init__(self, postgres: Postgres, keyring: Keyring, seal: Seal, metrics: Metrics) -> None:
        self._postgres = postgres
        self._keyring = keyring
        self._seal = seal
        self._metrics = metrics
        self._opened: dict[bytes, bytes] = {}  # the secrets of these keys, as they are sealed

    async def read(self) -> None:
        """Read all keys that are not revoked anew. Raises LedgerUnavailable."""
        rows = [_Row(*row) for row in await self._postgres.read(SQL["read_keys"])]
        opened: dict[bytes, bytes] = {}
        self._keyring.take([self._read(row, opened) for row in rows])
        self._opened = opened
        self._metrics.server_keys.set(len(self._keyring))
        self._metrics.server_keys_unreadable.set(self._keyring.unreadable)

    def _read(self, row: _Row, opened: dict[bytes, bytes]) -> ServerKey:
        return ServerKey(
            key_id=row.key_id,
            source=row.source,
            scopes=frozenset(row.scopes),
            board_ids=None if row.board_ids is None else frozenset(row.board_ids),
            rate=Rate.parse(row.rate),
            expires_at=_seconds(row.expires_at),
            previous_until=_seconds(row.previous_until) or 0.0,
            secrets=tuple(self._secrets(row, opened)),
        )

    def _secrets(self, row: _Row, opened: dict[bytes, bytes]) -> Iterator[bytes]:
        """Today's secret, then the one before it; none behind one that cannot be read. To open one
        takes many times as long as to look it up, and most are those of the reading before.
        """
        try:
            for sealed in (row.secret, row.previous_secret):
                if sealed is not None:
                    kept = bytes(sealed)
                    secret = self._opened.get(kept) or self._seal.open(kept)
                    opened[kept] = secret
                    yield secret
        except Unreadable:
            log.error("scoreboard.keys.unreadable", key_id=row.key_id)


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of `read_keys`."""

    key_id: str
    source: str
    scopes: Any
    board_ids: Any
    rate: str
    expires_at: datetime | None
    secret: memoryview
    previous_secret: memoryview | None
    previous_until: datetime | None


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
