"""A server key as commands show it: never its secret."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from scoreboard.keys.registry import ListedKey
from scoreboard.timestamps import timestamp
from scoreboard.unicode import escaped

MEMBERS: Final = (
    *("keyId", "source", "title", "scopes", "boards", "rate"),
    *("createdAt", "expiresAt", "revokedAt", "previousUntil"),
)


def document(key: ListedKey) -> dict[str, Any]:
    """The key as JSON, with `MEMBERS`."""
    return {
        "keyId": key.key_id,
        "source": key.source,
        "title": key.title,
        "scopes": key.scopes,
        "boards": key.board_ids,
        "rate": key.rate,
        "createdAt": timestamp(key.created_at),
        "expiresAt": _time_or_none(key.expires_at),
        "revokedAt": _time_or_none(key.revoked_at),
        "previousUntil": _time_or_none(key.previous_until),
    }


def row(key: ListedKey) -> list[str]:
    """The key as a row of a table: id, source, state, rate, scopes, boards, title."""
    if key.revoked_at is not None:
        state = f"revoked {moment_text(key.revoked_at)}"
    else:
        state = "for ever" if key.expires_at is None else f"until {moment_text(key.expires_at)}"
    boards = "all boards" if key.board_ids is None else ", ".join(key.board_ids)
    return [
        *(key.key_id, key.source, state, key.rate),
        *(", ".join(key.scopes), boards, escaped(key.title)),
    ]


def _time_or_none(moment: datetime | None) -> str | None:
    return None if moment is None else timestamp(moment)


def moment_text(moment: datetime | None) -> str:
    """A moment as people read it; empty if there is none."""
    return _time_or_none(moment) or ""
