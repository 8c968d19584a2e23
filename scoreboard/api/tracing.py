"""The trace that a request belongs to, in W3C form (https://www.w3.org/TR/trace-context/)."""

from __future__ import annotations

import random
import re
from typing import Final

from aiohttp import web

_VALID: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def traceparent(request: web.Request) -> str:
    """The caller's traceparent when it is valid, else a new one that is not sampled."""
    given = request.headers.get("traceparent", "")
    if _VALID.fullmatch(given):
        return given
    # An id that is not repeated is enough; a secret would cost two system calls with each request.
    return f"00-{random.getrandbits(128) or 1:032x}-{random.getrandbits(64) or 1:016x}-00"
