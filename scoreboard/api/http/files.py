"""An answer that is the same for everybody until its content changes, sent from memory: whole, in
part, or not at all to a client that has it (RFC 9110, 13 and 14).

Not aiohttp's FileResponse: its tag is the time at which the file was installed, another one on each
machine; it keeps its headers, those for caches included, when it refuses; and it takes a tag in
`If-Range` for a date.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from aiohttp.hdrs import IF_RANGE, METH_GET, METH_HEAD, RANGE

from scoreboard.api.http.etags import is_known
from scoreboard.errors import RangeNotSatisfiable

_PIECE_BYTES: Final = 64 * 1024  # guard: large-file-written
# One range. More than one, or another unit, and the file is sent whole, as everybody may.
_RANGE: Final = re.compile(r"bytes=(?P<first>[0-9]*)-(?P<last>[0-9]*)", re.IGNORECASE)
_DIGITS: Final = 18  # a number with more of them lies behind the end of any file


@dataclass(frozen=True, slots=True)
class File:
    """What is sent, and the tag that it has; `coding` is its Content-Encoding."""

    content_type: str
    body: bytes
    tag: str
    coding: str | None = None

    @classmethod
    def of(cls, content_type: str, body: bytes) -> File:
        """Tag it by what is in it: the same on every instance."""
        return cls(content_type, body, hashlib.sha256(body).hexdigest()[:16])


async def send(
    request: web.Request, file: File, headers: Mapping[str, str], *, in_parts: bool = False
) -> web.StreamResponse:
    """Answer with the file, with the part of it that was asked for, or that the client has it.

    Raises PreconditionFailed and RangeNotSatisfiable.
    """
    headers = {"ETag": f'"{file.tag}"', **headers}
    if is_known(request, file.tag):
        return web.Response(status=304, headers=headers)
    headers["Content-Type"] = file.content_type
    if file.coding is not None:
        headers["Content-Encoding"] = file.coding
    part = _part_asked_for(request, file) if in_parts else None
    if in_parts:
        headers["Accept-Ranges"] = "bytes"
    if part is not None:
        headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{len(file.body)}"
    body = memoryview(file.body)[part.start : part.stop] if part else memoryview(file.body)
    response = web.StreamResponse(status=200 if part is None else 206, headers=headers)
    response.content_length = len(body)
    await response.prepare(request)
    if request.method != METH_HEAD:
        # No further than the client takes: what it leaves unread would lie here, once for each.
        for start in range(0, len(body), _PIECE_BYTES):
            await response.write(body[start : start + _PIECE_BYTES])
    return response


def policy_of_page(*, scripts: str, forms: str, ancestors: str = "'none'") -> str:
    """The Content-Security-Policy of a page of ours, which loads nothing from elsewhere: the
    sources of its scripts, where its forms may go, and which sites may frame it. Style sheets have
    pictures as `data:` URLs.
    """
    return (
        f"default-src 'none'; script-src {scripts}; style-src 'self'; connect-src 'self'; "
        f"img-src 'self' data:; manifest-src 'self'; base-uri 'none'; "
        f"form-action {forms}; frame-ancestors {ancestors}"
    )


def _part_asked_for(request: web.Request, file: File) -> range | None:
    """The bytes that a `Range` names; None for all of them."""
    asked = _RANGE.fullmatch(request.headers.get(RANGE, ""))
    if asked is None or request.method != METH_GET:
        return None
    if request.headers.get(IF_RANGE, f'"{file.tag}"') != f'"{file.tag}"':  # guard: rest-another
        return None  # the client has the beginning of another file
    first, last, length = _number(asked["first"]), _number(asked["last"]), len(file.body)
    if first is None:
        if last is None:
            return None
        first, last = max(0, length - last), length - 1
    elif last is not None and last < first:
        return None
    part = range(first, length if last is None else min(last + 1, length))
    if not part:
        raise RangeNotSatisfiable(length)
    return part


def _number(digits: str) -> int | None:
    if not digits:
        return None
    return int(digits) if len(digits) <= _DIGITS else 10**_DIGITS
