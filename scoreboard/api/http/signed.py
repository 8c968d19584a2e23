"""Requests that a server has signed: from a head that says so to a body that can be believed.

header      its form, its route, its time, its key     before the body is read
body        bounded, and unpacked
signature   then expiry and scope
rate        that of the key
schema      what the body says
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from aiohttp import web
from marshmallow import Schema

from scoreboard.accounts import ids
from scoreboard.api.http.limits import count_signed
from scoreboard.api.http.replies import parse_json, read_bytes
from scoreboard.keys.server_key import Scope, ServerKey
from scoreboard.keys.verifying import claim_of
from scoreboard.parts import PARTS

OWN_ID_CHARS_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Signed:
    """A request whose signature is good. `body` is None where there is no schema to read it by.
    `request_id` is what its sender calls it: the same when it is sent again.
    """

    key: ServerKey
    body: Any
    request_id: str


async def signed(request: web.Request, scope: Scope, schema: Schema | None) -> Signed:
    """Verify a request, count it against its key, and read it. Raises what `claim_of`,
    `Claim.verify`, `read_bytes` and `parse_json` raise, and RateLimited.
    """
    now = time.time()
    target = request.rel_url.raw_path_qs
    claim = claim_of(request.method, target, request.headers, request.app[PARTS].keyring, now)
    body = b"" if schema is None else await read_bytes(request)
    key = claim.verify(body, scope, now)
    await count_signed(request, key.check)
    read = None if schema is None else parse_json(body, schema)
    return Signed(key, read, claim.head.message_id.rpartition(":")[2])


def user_id_of(key: ServerKey, text: str) -> str:
    """Say who is meant: by a UUID, or by an id of the game's own, from which the UUID follows, so
    it is the same on every instance without a look.
    """
    found = ids.canonical(text)
    return found or str(uuid5(uuid5(NAMESPACE_URL, f"scoreboard:{key.source}"), text))
