"""GET /join.svg: a QR code of the page's address, for a screen in a hall."""

from __future__ import annotations

import io
import re
import time
from typing import Final

import segno
from aiohttp import web
from aiohttp.hdrs import HOST

from scoreboard import errors
from scoreboard.api.http.addresses import is_direct
from scoreboard.api.http.files import File, send
from scoreboard.api.http.replies import QUERY_NOT_VALID, query_pairs
from scoreboard.configuration.settings import Settings
from scoreboard.model import BOARD_ID, MAIN

_TYPE: Final = "image/svg+xml; charset=utf-8"
# A name or an address, and a port, as browsers send them (RFC 9110, 7.2).
# Longer ones would be codes that no phone reads across a hall.
_HOST: Final = re.compile(
    r"(?:[a-z0-9._-]{1,100}|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?", re.IGNORECASE | re.ASCII
)
_OURS: Final = "http"  # TLS is what proxies before us speak
_SCHEMES: Final = (_OURS, "https")
# As many as there are boards on walls just now. Any other is drawn when it is asked for.
_KEPT_MAX: Final = 64
# To draw one takes 2 to 8 ms, in which nobody else is served, and strangers make up addresses: one
# a millisecond from a hundred clients. So many at once, and so many a second, are for every hall.
_DRAWN_AT_ONCE: Final = 32
_DRAWN_PER_SECOND: Final = 4
# One of eight patterns that all readers know. To find the one that suits best takes four times as
# long as all the rest, and strangers choose how many addresses are drawn.
_MASK: Final = 3
_QUIET_MODULES: Final = 4  # around a code, or readers do not find it (ISO/IEC 18004)
_POLICY: Final = {"Content-Security-Policy": "default-src 'none'"}
_NOT_AN_ID: Final = {"board": ["Must be the id of a board."]}
_NOT_A_HOST: Final = "The address in the field Host cannot be drawn. Set public_url."


class JoinCodes:
    """Draws the address of `public_url`, or else the one that was asked for."""

    def __init__(self, settings: Settings) -> None:
        self._page = settings.public_url.rstrip("/")
        self._trusted = settings.trusted_proxies
        self._kept: dict[str, File] = {}  # what was asked for last stands last
        self._left = float(_DRAWN_AT_ONCE)
        self._counted_at = time.monotonic()

    async def show(self, request: web.Request) -> web.StreamResponse:
        """With `?board=` the address of that board. A cache may hand it to others only where it is
        the same for everybody: what a client says of Host is drawn for that client alone. Raises
        MalformedRequest, InvalidPayload, Overloaded.
        """
        address = f"{self._page or self._asked_for(request)}/{_query(request)}"
        shared = "public" if self._page else "private"  # guard: code-of-host-own
        headers = {**_POLICY, "Cache-Control": f"{shared}, max-age=3600"}
        if not self._page:
            headers["Vary"] = "Host, X-Forwarded-Proto"
        return await send(request, self.code(address), headers)

    def code(self, address: str) -> File:
        """The code of an address, drawn now unless it is kept. Raises Overloaded."""
        found = self._kept.pop(address, None)
        if found is None:
            self._count_drawing()  # guard: drawings-counted
            found = drawn(address)
            if len(self._kept) >= _KEPT_MAX:
                del self._kept[next(iter(self._kept))]
        self._kept[address] = found
        return found

    def _count_drawing(self) -> None:
        """Raises Overloaded."""
        now = time.monotonic()
        earned = (now - self._counted_at) * _DRAWN_PER_SECOND
        self._left, self._counted_at = min(self._left + earned, _DRAWN_AT_ONCE), now
        if self._left < 1:
            raise errors.Overloaded
        self._left -= 1

    def _asked_for(self, request: web.Request) -> str:
        """The scheme and the host that the client used, as far as they can be told. Raises
        MalformedRequest.
        """
        host = request.headers.get(HOST, "")
        if not _HOST.fullmatch(host):  # guard: code-of-host-bounded
            raise errors.MalformedRequest(_NOT_A_HOST)
        scheme = _OURS
        if not is_direct(request, self._trusted):  # guard: code-scheme-trusted
            scheme = request.headers.get("X-Forwarded-Proto", _OURS).lower()
        return f"{scheme if scheme in _SCHEMES else _OURS}://{host.lower()}"


def _query(request: web.Request) -> str:
    """Raises InvalidPayload."""
    boards = [value for name, value in query_pairs(request) if name == "board"]
    if not boards or boards == [MAIN]:
        return ""
    if len(boards) > 1 or not BOARD_ID.fullmatch(boards[0]):
        raise errors.InvalidPayload(_NOT_AN_ID, QUERY_NOT_VALID)
    return f"?board={boards[0]}"


def drawn(address: str) -> File:
    """Draw an address: dark on light in every theme, as readers expect it."""
    drawing = io.BytesIO()
    segno.make_qr(address, error="m", mask=_MASK).save(
        drawing,
        kind="svg",
        border=_QUIET_MODULES,
        dark="#000",
        light="#fff",
        xmldecl=False,
        omitsize=True,
    )
    return File.of(_TYPE, drawing.getvalue())
