"""Server-Sent Events as bytes, encoded once for all subscribers.

HTTP/1.1 streams are chunked, HTTP/1.0 ones are not, so a frame carries both forms.
Source of the format: WHATWG HTML, "Server-sent events".
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Final

import orjson

from scoreboard.model import Board


@dataclass(frozen=True, slots=True)
class Frame:
    """Some events, ready for the wire."""

    plain: bytes
    chunked: bytes

    @classmethod
    def of(cls, events: bytes) -> Frame:
        """Wrap encoded events."""
        return cls(events, b"%x\r\n%b\r\n" % (len(events), events))


def event(name: str, data: Any, event_id: int | None = None) -> bytes:
    """Encode one event whose data is JSON (which holds no line break)."""
    head = b"" if event_id is None else b"id: %d\n" % event_id
    return b"%bevent: %b\ndata: %b\n\n" % (head, name.encode(), orjson.dumps(data))


def score_update(board: Board) -> bytes:
    """Encode the board; its version is the event's id."""
    return event(
        "score:update", {"topUsers": board.top_users(), "timestamp": board.timestamp}, board.version
    )


def opening(retry_seconds: tuple[float, float]) -> bytes:
    """Encode what every stream begins with. `retry:` is drawn anew for each, so that clients who
    lose one instance together do not come back together.
    """
    retry = round(random.uniform(*retry_seconds) * 1000)  # noqa: S311 - spreads load, keeps no secret
    return b"retry: %d\n" % retry + event(
        "connected", {"message": "Connected to leaderboard stream"}
    )


def closing(code: str, message: str) -> bytes:
    """Encode the announced end of a stream."""
    return event("closing", {"code": code, "message": message})


# Code of the `closing` event after which clients forget the highest version that they have seen.
RENUMBERED: Final = "renumbered"
# Without an empty line: that ends an event, and some clients make one without data of it.
HEARTBEAT: Final = Frame.of(b": heartbeat\n")
