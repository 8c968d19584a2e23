"""The server keys that an instance knows, so that verifying asks nobody; and how it hears of
changes: by the clock of revocations, once a second (docs/decisions/0023).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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

    def take(self, changed: Mapping[str, ServerKey | None]) -> None:
        """Take what has changed; None means revoked."""
        for key_id, key in changed.items():
            if key is None:
                self._keys.pop(key_id, None)
            else:
                self._keys[key_id] = key

    def clear(self) -> None:
        """Forget all."""
        self._keys.clear()


class KeyReader:
    """Reads in PostgreSQL which keys have changed. The reader of revocations calls it: one clock,
    one beat (`accounts.revocations`).
    """

    def __init__(self, postgres: Postgres, keyring: Keyring, seal: Seal, metrics: Metrics) -> None:
        self._postgres = postgres
        self._keyring = keyring
        self._seal = seal
        self._metrics = metrics
        self._after = 0
        self._clock = 0

    async def read(self) -> None:
        """Read what has changed since the last time; at first, all. Raises LedgerUnavailable."""
        rows = await self._changed()
        clock = rows[0].clock
        if clock < self._clock:  # PostgreSQL was restored: what we know may be what it lost
            self._after = 0  # guard: keys-read-anew
            rows = await self._changed()
            self._keyring.clear()
        self._clock = rows[0].clock
        changed = [row for row in rows if row.key_id]
        if changed:
            self._after = max(row.reading for row in changed)
            self._keyring.take({row.key_id: self._read(row) for row in changed})
        self._metrics.server_keys.set(len(self._keyring))
        self._metrics.server_keys_unreadable.set(self._keyring.unreadable)

    async def _changed(self) -> list[_Row]:
        """One row at least. Raises LedgerUnavailable."""
        rows = await self._postgres.read(SQL["read_changed_keys"], {"after": self._after})
        if not rows:
            raise self._postgres.lacks("revocation_clock")
        return [_Row(*row) for row in rows]

    def _read(self, row: _Row) -> ServerKey | None:
        if row.is_revoked:
            return None
        return ServerKey(
            key_id=row.key_id,
            source=row.source,
            scopes=frozenset(row.scopes),
            board_ids=None if row.board_ids is None else frozenset(row.board_ids),
            rate=Rate.parse(row.rate),
            expires_at=_seconds(row.expires_at),
            previous_until=_seconds(row.previous_until) or 0.0,
            secrets=tuple(self._opened(row)),
        )

    def _opened(self, row: _Row) -> Iterator[bytes]:
        """Today's secret, then the one before it; none behind one that cannot be read."""
        try:
            for sealed in (row.secret, row.previous_secret):
                if sealed is not None:
                    yield self._seal.open(bytes(sealed))
        except Unreadable:
            log.error("scoreboard.keys.unreadable", key_id=row.key_id)


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of `read_changed_keys`; all but the clock is None where nothing has changed."""

    clock: int
    key_id: str
    source: str
    scopes: Any
    board_ids: Any
    rate: str
    expires_at: datetime | None
    is_revoked: bool
    secret: memoryview | None
    previous_secret: memoryview | None
    previous_until: datetime | None
    reading: int


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
