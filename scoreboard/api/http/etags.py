"""Tells by the tag of an answer whether the client has it: the conditions of a request.

Every answer that has an `ETag` asks here, so that all of them read the fields alike (RFC 9110, 13).
None of them has a date of change; so `If-Modified-Since` and `If-Unmodified-Since` do not count.

A proxy that compresses an answer renames its tag: Apache's mod_deflate makes `"42-gzip"` of `"42"`,
nginx makes it weak. Whoever names one of these has the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aiohttp import web
from aiohttp.hdrs import IF_MATCH, IF_NONE_MATCH

from scoreboard.errors import PreconditionFailed

# A cache that asks about all that it holds of an address names a handful. A longer list names
# nothing, and the answer is sent whole.
_LONGEST: Final = 4096
# What a proxy may have put behind a tag of ours. (Ours never end so.)
_CODINGS: Final = ("gzip", "br", "zstd", "deflate")
_ENDINGS: Final = {"", *(mark + coding for mark in ("-", "--", ";") for coding in _CODINGS)}


def is_known(request: web.Request, tag: str) -> bool:
    """Whether the client has the answer of this tag (without quotes), so that a 304 says it all.

    Raises PreconditionFailed when the client wants another one, or nothing.
    """
    headers = request.headers
    if IF_MATCH in headers and not _names(headers.getall(IF_MATCH), tag, weakly=False):
        raise PreconditionFailed  # guard: wants-another-answer
    if IF_NONE_MATCH not in headers:
        return False
    given = headers.getall(IF_NONE_MATCH)
    if len(given) == 1 and given[0].removeprefix("W/") == f'"{tag}"':
        return True  # as browsers send it, without a look at the grammar of lists
    return _names(given, tag, weakly=True)


def _names(lines: Sequence[str], tag: str, *, weakly: bool) -> bool:
    """Whether the tag is in the list; several lines of a field are one list. Linear, whatever
    stands there: a quoted text is a tag, and what stands between two of them is not judged.
    """
    field = ",".join(lines)  # guard: several-lines-none
    if field.strip() == "*":
        return True
    if len(field) > _LONGEST or tag not in field:  # guard: list-tags-without
        return False
    parts = field.split('"')  # outside, inside, outside, …; the last one is not closed
    return any(
        named.startswith(tag)
        and named[len(tag) :] in _ENDINGS  # guard: tag-proxy-renamed
        and (weakly or not before.endswith("W/"))
        for before, named in zip(parts[::2], parts[1:-1:2], strict=False)  # guard: tag-not-closed
    )
