"""Log-ins as the release 0.1.0 makes them: its statements, its tokens, its judgement."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import Any

from scoreboard.connections import statements
from scoreboard.connections.postgres import Postgres
from scoreboard.errors import InvalidRefreshToken, Unavailable
from tests.integration.account_world import SECRET

SQL = statements.load("tests.integration", "earlier_release.sql")
LIFETIME_SECONDS = 2_592_000
GRACE_SECONDS = 10


class EarlierRelease:
    """An instance of it."""

    def __init__(self, postgres: Postgres, secret: str = SECRET) -> None:
        self._postgres = postgres
        purpose = b"scoreboard refresh token successor"
        self._key = hmac.digest(secret.encode(), purpose, hashlib.sha256)

    async def log_in(self, user_id: str, password_hash: str) -> str:
        token = secrets.token_urlsafe(32)
        verified = {"user_id": user_id, "password_hash": password_hash}
        assert await self._postgres.fetch(SQL["open_family"], verified | self._row(token))
        return token

    async def refresh(self, token: str) -> str:
        successor = self._successor(token)
        parameters = self._row(token) | {
            "successor_hash": self._hash(successor),
            "grace_seconds": GRACE_SECONDS,
        }
        rows = await self._postgres.fetch(SQL["rotate"], parameters)
        if not rows or rows[0][0] not in ("rotated", "replaced"):
            raise InvalidRefreshToken
        if rows[0][0] == "replaced":
            for successor_hash in rows[0][4]:
                token = self._successor(token)
                if self._hash(token) != bytes(successor_hash):
                    raise Unavailable
            return token
        return successor

    async def log_out(self, token: str) -> None:
        await self._postgres.fetch(SQL["revoke_family"], {"token_hash": self._hash(token)})

    def _row(self, token: str) -> dict[str, Any]:
        return {"token_hash": self._hash(token), "lifetime_seconds": LIFETIME_SECONDS}

    def _successor(self, token: str) -> str:
        derived = hmac.digest(self._key, token.encode("ascii"), hashlib.sha256)
        return base64.urlsafe_b64encode(derived).rstrip(b"=").decode()

    @staticmethod
    def _hash(token: str) -> bytes:
        return hashlib.sha256(token.encode("ascii")).digest()
