"""Families: one log-in each, of refresh tokens that replace each other.

A family ends with a log-out, a new password, its age, or when a token that was replaced is used
again: then two parties hold it. The one exception is in `refresh` (docs/decisions/0011).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from scoreboard.accounts import refresh
from scoreboard.accounts.access import AccessTokens
from scoreboard.accounts.queries import SQL
from scoreboard.accounts.revocations import Revocation
from scoreboard.configuration.settings import Settings
from scoreboard.connections.postgres import Postgres
from scoreboard.connections.session import Row
from scoreboard.errors import Banned, InvalidRefreshToken, Unavailable
from scoreboard.operations.metrics import Metrics

log = structlog.get_logger("scoreboard.accounts")

# Whoever shares a family with somebody needs an answer within the grace for every token of it,
# because one of the two is always second. An honest client needs one only when an answer was lost.
GRACES_IN_A_ROW_MAX: Final = 3
# A batch of this size takes some tens of milliseconds, far from any deadline.
_PURGE_BATCH: Final = 1000


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a client gets for its password or its refresh token."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int  # seconds, of the access token
    user_id: str
    username: str


@dataclass(frozen=True, slots=True)
class _Rotation:
    """A row of `rotate`."""

    outcome: str
    family_id: str
    user_id: str
    username: str
    newest_hash: memoryview | None
    reading: int | None
    begun_at: float  # seconds since 1970, of the family


class Families:
    """Which refresh tokens are good, and what they are exchanged for.

    Everything here raises Unavailable (often as LedgerUnavailable) when PostgreSQL is away.
    """

    def __init__(
        self, settings: Settings, postgres: Postgres, access: AccessTokens, metrics: Metrics
    ) -> None:
        self._settings = settings
        self._postgres = postgres
        self._access = access
        self._metrics = metrics
        self.tokens: Final = refresh.RefreshTokens(settings.secrets)

    async def opened_by(
        self, statement: str, parameters: Mapping[str, Any], *, ends_access: bool = False
    ) -> TokenPair | None:
        """Run a statement that begins a family beside what else it does, for whom its row names
        (user_id, username, reading); None if it has no row. `ends_access`: access tokens from
        before that reading end. Raises StatementRefused.
        """
        token = self.tokens.first()
        known = self._settings
        life = min(known.refresh_token_seconds, known.refresh_family_seconds)
        first = {**refresh.hashes_of(token), "lifetime_seconds": life}
        rows = await self._postgres.fetch(SQL[statement], first | dict(parameters))
        if not rows:
            return None
        if ends_access:
            self._end_access(rows[0][0], rows[0][2])
        return self._pair(rows[0], token, time.time())

    async def refresh(self, token: str) -> TokenPair:
        """Replace a refresh token by its successor. Raises InvalidRefreshToken, Banned.

        Within the grace a replaced token gets the same successor once more, so that two tabs go on,
        and a client whose answer was lost. Any other use of one ends the family for all who hold
        it, and their access tokens.
        """
        if not refresh.is_token(token):
            raise InvalidRefreshToken
        successors = self.tokens.successors(token)
        rotation = await self._rotate(token, list(successors))
        if rotation.outcome == "rotated":
            successor = next(iter(successors.values()))
        elif rotation.outcome == "graced" and rotation.newest_hash is not None:
            self._metrics.refresh_graces.inc()
            log.info("scoreboard.accounts.refresh_grace", **_log_fields(rotation))
            successor = successors[bytes(rotation.newest_hash)]
        else:
            raise self._refusal(rotation)
        of_whom = (rotation.user_id, rotation.username, rotation.reading)
        return self._pair(of_whom, successor, rotation.begun_at)  # guard: log-in-refreshed

    async def end(self, token: str) -> None:
        """End the token's family. A token that is unknown, or of one that ended, is no error."""
        if not refresh.is_token(token):
            return
        hashes = refresh.hashes_of(token)
        # guard: log-out-ends
        for family_id, user_id in await self._postgres.fetch(SQL["end_family"], hashes):
            log.info("scoreboard.accounts.logged_out", family_id=family_id, user_id=user_id)

    async def end_all(self, statement: str, parameters: Mapping[str, Any]) -> int | None:
        """Run a statement that ends all tokens of a user; count the families, None for nobody."""
        rows = await self._postgres.fetch(SQL[statement], parameters)
        if not rows:
            return None
        [(families, reading)] = rows
        self._end_access(str(parameters["user_id"]), reading)
        return int(families)

    async def purge(self) -> int:
        """Delete what expired more than an hour ago, and say how many tokens that were."""
        purged = 0
        while count := (await self._postgres.fetch(SQL["purge"], {"limit": _PURGE_BATCH}))[0][0]:
            purged += count
        kept = {"kept_seconds": self._access.revocations.kept_seconds}
        await self._postgres.fetch(SQL["purge_revocations"], kept)
        log.info("scoreboard.accounts.purged", tokens=purged)
        return purged

    async def _rotate(self, token: str, successor_hashes: list[bytes]) -> _Rotation:
        parameters = {
            **refresh.hashes_of(token),
            "successor_hash": successor_hashes[0],
            "candidates": successor_hashes,
            "lifetime_seconds": self._settings.refresh_token_seconds,
            "family_seconds": self._settings.refresh_family_seconds,
            "grace_seconds": self._settings.refresh_grace_seconds,
            "graces_max": GRACES_IN_A_ROW_MAX,
        }
        rows = await self._postgres.fetch(SQL["rotate"], parameters)
        if not rows:
            raise InvalidRefreshToken
        return _Rotation(*rows[0])

    def _refusal(self, rotation: _Rotation) -> InvalidRefreshToken | Banned | Unavailable:
        if rotation.outcome == "banned":
            return Banned()
        if rotation.outcome == "underivable":
            # Secrets are being exchanged, and an instance that has the new one was first: ask it.
            log.warning("scoreboard.accounts.successor_underivable", family_id=rotation.family_id)
            return Unavailable()
        if rotation.outcome == "reused":
            self._metrics.refresh_reuses.inc()
            log.warning("scoreboard.accounts.refresh_reuse", **_log_fields(rotation))
            self._end_access(rotation.user_id, rotation.reading)
        return InvalidRefreshToken()

    def _pair(self, row: Row, refresh_token: str, begun_at: float) -> TokenPair:
        user_id, username, reading = row
        known = self._present(reading)
        access_token = self._access.issue(user_id, known, begun_at)  # guard: revoked-came
        expires_in = self._access.lifetime_seconds
        return TokenPair(access_token, refresh_token, expires_in, user_id, username)

    def _end_access(self, user_id: str, reading: int | None) -> None:
        self._access.revocations.take({user_id: Revocation(self._present(reading))})

    def _present(self, reading: int | None) -> int:
        """The reading, unless the clock itself is gone: nobody could be revoked by such a token."""
        if reading is None:  # guard: revoked-no-token
            raise self._postgres.lacks("revocation_clock")
        return reading


def _log_fields(rotation: _Rotation) -> dict[str, str]:
    return {"family_id": rotation.family_id, "user_id": rotation.user_id}
