"""Servers that sign their requests, well or badly, and the keyring that they meet."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import replace
from typing import Any, Final

from multidict import CIMultiDict

from scoreboard.configuration.kinds import Rate
from scoreboard.keys.heads import message_id_begins
from scoreboard.keys.keyring import Keyring
from scoreboard.keys.server_key import ServerKey
from scoreboard.keys.verifying import SignedRequest

SECRET: Final = bytes(range(32))
OTHER_SECRET: Final = bytes(range(32, 64))
NOW: Final = 1_800_000_000.0
NONCE: Final = "0123456789abcdef"
TARGET: Final = "/api/results"
BODY: Final = '{"value": 1500, "who": "Ada Łovelace"}'.encode()
KEY: Final = ServerKey(
    key_id="key_00000000000000000001",
    source="arena",
    scopes=frozenset({"results"}),
    board_ids=None,
    rate=Rate(600, 60),
    secrets=(SECRET,),
)


def keyring(*keys: ServerKey) -> Keyring:
    made = Keyring()
    made.take(keys or (KEY,))
    return made


def key(**other: Any) -> ServerKey:
    """The key, with something else about it."""
    return replace(KEY, **other)


def signature(secret: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    content = b".".join((message_id.encode(), timestamp.encode(), body))
    return "v1," + base64.b64encode(hmac.digest(secret, content, hashlib.sha256)).decode()


def request(
    method: str = "POST",
    target: str = TARGET,
    body: bytes = BODY,
    *,
    secret: bytes = SECRET,
    key_id: str = KEY.key_id,
    at: float = NOW,
    message_id: str | None = None,
) -> SignedRequest:
    """A request that is signed as it should be, but for what is said here."""
    message_id = message_id or message_id_begins(method, target) + NONCE
    timestamp = str(int(at))
    headers = CIMultiDict(
        {
            "Scoreboard-Key": key_id,
            "Webhook-Id": message_id,
            "Webhook-Timestamp": timestamp,
            "Webhook-Signature": signature(secret, message_id, timestamp, body),
        }
    )
    return SignedRequest(method, target, headers, body)
