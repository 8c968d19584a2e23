"""Unpacks bodies that come compressed (Content-Encoding).

Only a body that a handler reads is unpacked, once it is there as a whole. aiohttp would unpack
whatever comes, also what it throws away after a refusal, and write a traceback when that fails.
"""

from __future__ import annotations

import zlib
from typing import Final

from aiohttp import hdrs, web

from scoreboard.errors import BodyTooLarge, MalformedBody, UnsupportedEncoding

# What zlib calls them: the size of its window, which also says what surrounds the data.
_WINDOWS: Final = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_RAW_WINDOW: Final = -15
_METHOD_DEFLATE: Final = 8  # in the lower half of the first byte of zlib's format (RFC 1950)
_NAME_MAX_CHARS: Final = 16
_BROKEN: Final = "The request body is not packed as its Content-Encoding says, or not whole."


def encoding_of(request: web.Request) -> str | None:
    """How the body is packed; None if it is not. Raises UnsupportedEncoding."""
    given = request.headers.getall(hdrs.CONTENT_ENCODING, None)
    if given is None:
        return None
    # A list in one field, or several fields: packed more than once.
    if len(given) > 1 or len(given[0]) > _NAME_MAX_CHARS:
        raise UnsupportedEncoding
    name = given[0].lower()
    if name in ("", "identity"):
        return None
    if name not in _WINDOWS:
        raise UnsupportedEncoding
    return name


def unpacked(body: bytes, encoding: str, most_bytes: int) -> bytes:
    """Unpack a body. Raises MalformedBody, also when something is missing or follows, and
    BodyTooLarge without unpacking the rest.
    """
    window = _WINDOWS[encoding]
    if encoding == "deflate" and body and body[0] & 0x0F != _METHOD_DEFLATE:
        window = _RAW_WINDOW  # without zlib's frame, as some clients write it
    packed = zlib.decompressobj(window)
    try:
        found = packed.decompress(body, most_bytes + 1)  # guard: no-more-unpacked
    except zlib.error as error:
        raise MalformedBody(_BROKEN) from error
    if len(found) > most_bytes:
        raise BodyTooLarge
    if not packed.eof or packed.unused_data:  # guard: packed-body-whole
        raise MalformedBody(_BROKEN)
    return found
