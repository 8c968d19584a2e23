"""A game server with a key, which signs its requests as docs/server-keys.md says."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Self

from standardwebhooks import Webhook

from scoreboard.keys.registry import KeyRegistry, NewKey
from scoreboard.keys.sealing import Seal
from scoreboard.keys.server_key import SCOPES, Scope
from scoreboard.parts import PARTS
from tests.instances import SECRET, UNLIMITED, Instance
from tests.signing import request

Answer = tuple[int, dict[str, Any]]


@dataclass(frozen=True)
class GameServer:
    """One that talks to an instance."""

    instance: Instance
    key_id: str
    secret: bytes
    source: str = "arena"

    @classmethod
    async def of(
        cls,
        instance: Instance,
        scopes: Collection[Scope] = SCOPES,
        *,
        source: str = "arena",
        boards: list[str] | None = None,
        rate: str = UNLIMITED,
    ) -> Self:
        """Make a key, and have the instance know it."""
        parts = instance.app[PARTS]
        new = NewKey(source, "Game servers", list(scopes), boards, rate, None)
        key, secret = await KeyRegistry(parts.queries, Seal([SECRET])).add(new)
        await parts.revocations.read()
        return cls(instance, key.key_id, Webhook(secret)._whsecret, source)

    def headers(
        self, method: str, target: str, raw: bytes, nonce: str | None = None
    ) -> dict[str, str]:
        """The head of a request with this body."""
        message_id = f"{method}:{target.replace('.', '%2E')}:{nonce or secrets.token_hex(8)}"
        sent = request(
            method,
            target,
            raw,
            secret=self.secret,
            key_id=self.key_id,
            at=time.time(),
            message_id=message_id,
        )
        return {"Content-Type": "application/json", **sent.headers}

    async def send(
        self,
        method: str,
        target: str,
        body: Any = None,
        *,
        nonce: str | None = None,
        to: Instance | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request; the answer's status and document. `fields` are of its header."""
        raw = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
        headers = self.headers(method, target, raw, nonce) | dict(fields or {})
        client = (to or self.instance).client
        async with client.request(method, target, data=raw or None, headers=headers) as response:
            return response.status, await response.json()

    async def grant(self, *pairs: tuple[str, str], nonce: str | None = None) -> list[Any]:
        """Grant actions to users: the verdicts."""
        grants = [{"userId": user_id, "actionId": action_id} for user_id, action_id in pairs]
        status, document = await self.send("POST", "/api/grants", {"grants": grants}, nonce=nonce)
        assert status == 200, document
        verdicts: list[Any] = document["data"]
        return verdicts

    async def put(self, user_id: str, username: str, **other: Any) -> Answer:
        """Bring a player, or name one."""
        nonce = other.pop("nonce", None)
        body = {"username": username, **other}
        return await self.send("PUT", f"/api/users/{user_id}", body, nonce=nonce)
