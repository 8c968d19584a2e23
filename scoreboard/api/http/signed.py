"""Requests that servers sign: which key asks, and for what.

The head is judged before the body is read, the body is bounded, and only what is signed well counts
against the rate of its key. All of it counts against its address before (`limits`).
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web
from marshmallow import Schema

from scoreboard.accounts import ids
from scoreboard.api.http import limits
from scoreboard.api.http.replies import loaded, read_body
from scoreboard.keys.server_key import Scope, ServerKey
from scoreboard.keys.verifying import claim_of
from scoreboard.parts import PARTS

# Ids of players are made in it of what their game calls them. It never changes.
_PLAYERS: Final = uuid.uuid5(uuid.NAMESPACE_URL, "https://scoreboard.invalid/players")


@dataclass(frozen=True, slots=True)
class Signed:
    """A request that `key` has signed. `body` is what its schema made of it, None without one;
    `request_id` is the nonce of `webhook-id`, the same for a request that is sent again.
    """

    key: ServerKey
    body: Any
    request_id: str


async def signed(request: web.Request, scope: Scope, schema: Schema | None) -> Signed:
    """Say which key has signed this request, and may do what `scope` says.

    Raises NotSigned, BadSignature, StaleSignature, UnknownKey, KeyUnreadable, ExpiredKey,
    KeyLacksScope, RateLimited, and what `replies.read_json` raises.
    """
    parts, now = request.app[PARTS], time.time()
    claim = claim_of(request.method, request.raw_path, request.headers, parts.keyring, now)
    body = b"" if schema is None else await read_body(request)
    key = claim.verify(body, scope, now)
    await limits.count_server_key(request, key)  # guard: key-rate
    said = None if schema is None else loaded(schema, body)
    return Signed(key, said, claim.head.message_id.rpartition(":")[2])


def user_id_of(key: ServerKey, text: str) -> str:
    """The id of the user whom the holder of a key calls so: a UUID as it is, and anything else is
    the game's own id, which means another user for each source.
    """
    return ids.canonical(text) or str(uuid.uuid5(_PLAYERS, f"{key.source}:{text}"))
