"""Cursors: where a page of a ranking ended, as a text that a client sends back.

A cursor is a key of the ranking, and not a rank: whatever moves meanwhile, the next page begins
behind the line that was last. It names the season, so it goes on in it after its end.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
import zlib
from dataclasses import dataclass
from typing import Final

from scoreboard.model import SEASON_NUMBER_MAX, BoardId
from scoreboard.ranks.keys import KEY_BYTES, score_of

# The form of what follows, the number of the season, the key, and a sum over these and the board.
_PARTS: Final = struct.Struct(f">BI{KEY_BYTES}sI")
_FORM: Final = 1
# Beyond what any score can be, and within what PostgreSQL reads as a number with a sign.
_SCORE_MAX: Final = 1 << 62
CURSOR_CHARS: Final = -(-_PARTS.size * 8 // 6)
_CURSOR: Final = re.compile(f"[A-Za-z0-9_-]{{{CURSOR_CHARS}}}", re.ASCII)


class BadCursor(ValueError):
    """A text that is no cursor of this board."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the ranking of a season, whether somebody stands there or not. Of `main`, whose
    only season has no end, `season` is None.
    """

    season: int | None
    key: bytes


def written(cursor: Cursor, board_id: BoardId) -> str:
    """The cursor as a text that may stand in a query as it is."""
    begin = _PARTS.pack(_FORM, cursor.season or 0, cursor.key, 0)
    packed = _PARTS.pack(_FORM, cursor.season or 0, cursor.key, _sum(begin, board_id))
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def read(text: str, board_id: BoardId) -> Cursor:
    """Read a cursor of this board. Raises BadCursor."""
    if not _CURSOR.fullmatch(text):
        raise BadCursor
    try:
        packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        form, season, key, checksum = _PARTS.unpack(packed)
    except (binascii.Error, struct.error) as error:
        raise BadCursor from error
    cursor = Cursor(season or None, key)
    # Of another board, or cut and put together: it would lead anywhere.
    if form != _FORM or season > SEASON_NUMBER_MAX or checksum != _sum(packed, board_id):
        raise BadCursor
    if written(cursor, board_id) != text:  # the last character has bits to spare
        raise BadCursor
    if abs(score_of(key)) > _SCORE_MAX:  # guard: cursor-of-a-score
        raise BadCursor
    return cursor


def _sum(packed: bytes, board_id: BoardId) -> int:
    return zlib.crc32(board_id.encode() + b"\0" + packed[: -struct.calcsize(">I")])
