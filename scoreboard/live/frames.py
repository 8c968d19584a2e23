"""Server-Sent Events as bytes, encoded once for all subscribers.

HTTP/1.1 streams are chunked, HTTP/1.0 ones are not, so a frame carries both forms.
Source of the format: WHATWG HTML, "Server-sent events".
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from scoreboard.model import FINAL_SIZE, MAIN, Board, Entry, Season


@dataclass(frozen=True, slots=True)
class Frame:
    """Some events as bytes: `plain`, and as one chunk of a chunked body."""

    plain: bytes
    chunked: bytes

    @classmethod
    def of(cls, events: bytes) -> Frame:
        """Wrap encoded events."""
        return cls(events, chunk(events))


def chunk(events: bytes) -> bytes:
    """Encoded events as one chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(events), events)


def event(name: str, data: Any, event_id: int | None = None) -> bytes:
    """Encode one event whose data is JSON (which holds no line break)."""
    head = b"" if event_id is None else b"id: %d\n" % event_id
    return b"%bevent: %b\ndata: %b\n\n" % (head, name.encode(), orjson.dumps(data))


def score_update(board: Board) -> bytes:
    """Encode a board; its version is the event's id. Raises TypeError, ValueError or
    OverflowError if it cannot be sent.
    """
    data: dict[str, Any] = {"topUsers": board.top_users(), "timestamp": board.timestamp}
    if board.board_id != MAIN:
        season = board.season and board.season.as_json()
        data = {"boardId": board.board_id, **data, "direction": board.direction, "season": season}
    return event("score:update", data, board.version)


def turn_of(shown: Board, board: Board) -> bytes:
    """Encode what became of a board's seasons between two of its versions, the latest ones alone:
    one that has ended, and one that has begun. b"" if they show the same season.

    The events have no id: a client that keeps the highest one is where the board is.
    """
    season, before = board.season, board.before
    if season is None or board.season == shown.season:
        return b""
    # What was shown last: a season, and whether it was over.
    seen = (0, True) if shown.season is None else (shown.season.number, shown.season.is_over)
    events = []
    if before is not None and shown.season is not None and seen < (before.season.number, True):
        events.append(_season_ended(board, before.season, before.entries))
    if seen[0] < season.number:
        events.append(_season_event("season:started", board, season))
        seen = (season.number, False)
    if season.is_over and seen == (season.number, False):
        events.append(_season_ended(board, season, board.entries[:FINAL_SIZE]))
    return b"".join(events)


def _season_ended(board: Board, season: Season, entries: Sequence[Entry]) -> bytes:
    top_users = [entry.as_json() for entry in entries]
    return _season_event("season:ended", board, season, topUsers=top_users)


def _season_event(name: str, board: Board, season: Season, **more: Any) -> bytes:
    return event(name, {"boardId": board.board_id, "season": season.as_json(), **more})


_CONNECTED: Final = event("connected", {"message": "Connected to leaderboard stream"})


def opening(retry_seconds: tuple[float, float]) -> bytes:
    """Encode what every stream begins with. `retry:` is drawn anew for each stream, from this
    range: clients that lose one instance together then do not come back together.
    """
    retry = round(random.uniform(*retry_seconds) * 1000)  # noqa: S311 - spreads load, keeps no secret
    return b"retry: %d\n%b" % (retry, _CONNECTED)


def closing(code: str, message: str) -> bytes:
    """Encode the announced end of a stream."""
    return event("closing", {"code": code, "message": message})


BOARD_IS_GONE: Final = Frame.of(closing("unknown_board", "There is no such board any more."))
# Code of the `closing` event after which clients forget the highest version that they have seen.
RENUMBERED: Final = "renumbered"
# An empty line would end an event, and some clients make an event without data of that.
HEARTBEAT: Final = Frame.of(b": heartbeat\n")  # guard: heartbeat-ends-no
