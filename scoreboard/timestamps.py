"""The forms in which clients see a time: `2024-12-09T14:30:45Z`, and one with microseconds."""

from __future__ import annotations

from datetime import UTC, datetime


def timestamp(moment: datetime) -> str:
    """Write a time with a zone in UTC, to the second (RFC 3339)."""
    # A fifth of the time of `strftime`; each event and answer has up to three.
    return moment.astimezone(UTC).isoformat(timespec="seconds")[:19] + "Z"


def exact_timestamp(moment: datetime) -> str:
    """Write a time with a zone in UTC, to the microsecond, as exact as PostgreSQL keeps it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
