"""The forms in which clients see a time: `2024-12-09T14:30:45Z`, and one with microseconds."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

_SECONDS: Final = tuple(f"{second:02}Z" for second in range(60))


def timestamp(moment: datetime) -> str:
    """Write a time with a zone in UTC, to the second (RFC 3339)."""
    # Each event and answer has up to three, most of them in the same minute: a third of the time of
    # `isoformat`, a fifteenth of that of `strftime`.
    utc = moment.astimezone(UTC)
    return _minute(utc.year, utc.month, utc.day, utc.hour, utc.minute) + _SECONDS[utc.second]


def exact_timestamp(moment: datetime) -> str:
    """Write a time with a zone in UTC, to the microsecond, as exact as PostgreSQL keeps it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@lru_cache(maxsize=1024)
def _minute(year: int, month: int, day: int, hour: int, minute: int) -> str:
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:"
