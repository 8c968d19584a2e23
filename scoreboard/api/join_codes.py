"""GET /join.svg: a QR code of the page's address, for a screen in a hall."""

from __future__ import annotations

import io
import re
from functools import lru_cache
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
_HOST: Final = re.compile(r"(?:[a-z0-9._-]{1,100}|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?", re.I)
_OURS: Final = "http"  # TLS is what proxies before us speak
_SCHEMES: Final = (_OURS, "https")
# As many as there are boards on walls just now. Any other is drawn when it is asked for.
_KEPT_MAX: Final = 64
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

    async def show(self, request: web.Request) -> web.StreamResponse:
        """With `?board=` the address of that board. A cache may hand it to others only where it is
        the same for everybody: what a client says of Host is drawn for that client alone.
        """
        address = f"{self._page or self._asked_for(request)}/{_query(request)}"
        shared = "public" if self._page else "private"  # guard: code-of-host-own
        headers = {**_POLICY, "Cache-Control": f"{shared}, max-age=3600"}
        if not self._page:
            headers["Vary"] = "Host, X-Forwarded-Proto"
        return await send(request, drawn(address), headers)

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


@lru_cache(maxsize=_KEPT_MAX)
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
