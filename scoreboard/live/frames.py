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
    """Some events as bytes: `plain`, and as one chunk of a chunked body."""

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
    """Encode a board; its version is the event's id. Raises TypeError, ValueError or
    OverflowError if it cannot be sent.
    """
    return event(
        "score:update", {"topUsers": board.top_users(), "timestamp": board.timestamp}, board.version
    )


def opening(retry_seconds: tuple[float, float]) -> bytes:
    """Encode what every stream begins with. `retry:` is drawn anew for each stream, from this
    range: clients that lose one instance together then do not come back together.
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
# An empty line would end an event, and some clients make an event without data of that.
HEARTBEAT: Final = Frame.of(b": heartbeat\n")  # guard: heartbeat-ends-no
