"""Keys of a ranking: 32 bytes that compare as its entries stand, best first.

The function `ranking_key` (migration 0016) makes them, so that what PostgreSQL writes down and what
is kept in memory need no translation: the score with all bits turned, the moment at which it was
reached, the user. A season's scores are as they are kept: where low ones win, minus the value.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, NewType
from uuid import UUID

# The ranking of a season by its id, and that of `main`, whose entries are `scores`.
RankingId = NewType("RankingId", int)
MAIN_RANKING: Final = RankingId(0)

KEY_BYTES: Final = 32
# The first key that there may be.
BEGINNING: Final = bytes(KEY_BYTES)

_PARTS: Final = struct.Struct(">QQ16s")
_SIGN: Final = 1 << 63
_BITS: Final = (1 << 64) - 1
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def key_of(score: int, reached_at: datetime, user_id: str) -> bytes:
    """The key of an entry. `score` is as it is kept, within 64 bits."""
    moment = (reached_at - _EPOCH) // _MICROSECOND
    return _PARTS.pack((~score & _BITS) ^ _SIGN, moment + _SIGN, UUID(user_id).bytes)


def first_of(score: int) -> bytes:
    """A key before all that have this score, and behind all that have a better one."""
    return _PARTS.pack((~score & _BITS) ^ _SIGN, 0, bytes(16))


def score_of(key: bytes) -> int:
    """The score of a key, as it is kept."""
    turned = int.from_bytes(key[:8]) ^ _SIGN
    return ~(turned - (1 << 64) if turned >= _SIGN else turned)


def moment_of(key: bytes) -> datetime:
    """When the score was reached. Raises OverflowError where no datetime is so early or late, as in
    `first_of`.
    """
    return _EPOCH + (int.from_bytes(key[8:16]) - _SIGN) * _MICROSECOND


def user_of(key: bytes) -> str:
    """The user of a key."""
    return str(UUID(bytes=key[16:]))


def keys_in(noted: bytes | memoryview) -> Iterator[bytes]:
    """The keys of a row of `movements`, which stand one after the other."""
    return (bytes(noted[at : at + KEY_BYTES]) for at in range(0, len(noted), KEY_BYTES))
