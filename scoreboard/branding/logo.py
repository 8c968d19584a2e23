"""The logo: which kind of picture a file is, and the icons that are made of it.

Nothing in an SVG is trusted: it is shown as a picture alone, in which no script runs, and is served
under a Content-Security-Policy that lets none run when somebody opens it by itself.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from scoreboard.configuration import handed_over
from scoreboard.configuration.handed_over import Unreadable

BYTES_MAX: Final = 100_000
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_SVG: Final = "{http://www.w3.org/2000/svg}svg"
_ICON_SIDE_MAX: Final = 256  # of a picture in an ICO file
_TYPES: Final = {"svg": "image/svg+xml", "png": "image/png", "webp": "image/webp"}


@dataclass(frozen=True, slots=True)
class Logo:
    """A picture, and of which kind: `svg`, `png` or `webp`."""

    kind: str
    body: bytes

    @property
    def name(self) -> str:
        """Under which it is served, before the hash."""
        return f"{'icon' if self.kind == 'svg' else 'logo'}.{self.kind}"

    @property
    def content_type(self) -> str:
        """What it is called on the web."""
        return _TYPES[self.kind]

    @property
    def sizes(self) -> str:
        """Its size as manifests say it; empty where that is not known."""
        if self.kind == "png":
            return "{}x{}".format(*self._sides())
        return "any" if self.kind == "svg" else ""

    def favicon(self) -> bytes | None:
        """A small PNG as an ICO file; None of any other picture, which is sent as it is to whoever
        asks for /favicon.ico: browsers look at its type, and not at the name.
        """
        if self.kind != "png" or max(self._sides()) > _ICON_SIDE_MAX:
            return None
        width, height = (side % _ICON_SIDE_MAX for side in self._sides())  # 0 says 256
        head = struct.pack("<HHH", 0, 1, 1)
        entry = struct.pack("<BBBBHHII", width, height, 0, 0, 1, 32, len(self.body), 22)
        return head + entry + self.body

    def _sides(self) -> tuple[int, int]:
        width, height = struct.unpack(">II", self.body[16:24])
        return width, height


def read(path: Path) -> Logo:
    """Read a picture. Raises Unreadable."""
    body = handed_over.content(path, BYTES_MAX)
    if body.startswith(_PNG) and body[12:16] == b"IHDR" and len(body) > 33:
        return Logo("png", body)
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return Logo("webp", body)
    text = handed_over.decoded(body) if b"<" in body[:1024] else ""
    if not _is_svg(text):
        raise Unreadable("it is no picture in SVG, PNG or WebP")
    return Logo("svg", text.encode())


def _is_svg(text: str) -> bool:
    if "<!ENTITY" in text:  # which may stand for gigabytes
        return False
    try:
        return ElementTree.fromstring(text).tag == _SVG  # noqa: S314 - the operator's own file
    except ElementTree.ParseError:
        return False
