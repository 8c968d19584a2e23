"""Requests that a server has signed: from a head that says so to a body that can be believed.

header      its form, its route, its time, its key     in the middleware, before the body is read
limits      what this key may at this address; what a stranger may, where the header is not good
body        bounded, and unpacked
signature   then expiry, scope, and that a scope about all boards is not a key's of some
rate        that of the key
schema      what the body says
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from aiohttp import web
from marshmallow import Schema

from scoreboard.accounts import ids
from scoreboard.api.http.limits import CLAIM, count_signed
from scoreboard.api.http.replies import parse_json, read_bytes
from scoreboard.keys.answered import Asked
from scoreboard.keys.server_key import Scope, ServerKey

# A batch whose texts are all as long as they may be, of letters of four bytes, takes 225 KB.
SIGNED_BODY_MAX_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Signed:
    """A request whose signature is good. `body` is None where there is no schema to read it by.
    `message_id` is `METHOD:TARGET:NONCE`: the same when it is sent again.
    """

    key: ServerKey
    body: Any
    message_id: str

    @property
    def request_id(self) -> str:
        """What its sender calls it, among requests to one target: the nonce."""
        return self.message_id.rpartition(":")[2]

    @property
    def asked(self) -> Asked:
        """Which request of which key it is, among those to all targets."""
        # guard: nonce-of-target
        digest = hashlib.sha256(self.message_id.encode()).hexdigest()
        return Asked(self.key.key_id, self.key.source, digest)


async def signed(request: web.Request, scope: Scope, schema: Schema | None) -> Signed:
    """Verify a request, count it against its key, and read it. Its route has `Needs` of servers:
    who names no key does not come here. Raises what `Claim.verify`, `read_bytes` and `parse_json`
    raise, and RateLimited.
    """
    claim = request[CLAIM]
    body = b"" if schema is None else await read_bytes(request, SIGNED_BODY_MAX_BYTES)
    key = claim.verify(body, scope, time.time())
    await count_signed(request, key.check)
    read = None if schema is None else parse_json(body, schema)
    return Signed(key, read, claim.head.message_id)


def user_id_of(key: ServerKey, text: str) -> str:
    """Say who is meant: by a UUID, or by an id of the game's own, from which the UUID follows, so
    it is the same on every instance without a look.
    """
    found = ids.canonical(text)
    return found or str(uuid5(uuid5(NAMESPACE_URL, f"scoreboard:{key.source}"), text))
