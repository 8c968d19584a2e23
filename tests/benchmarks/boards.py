"""The board that all the compared programs send: the bytes that the service itself would send."""

from __future__ import annotations

from datetime import UTC, datetime

from scoreboard.live.frames import Frame, score_update
from scoreboard.model import MAIN, Board, Entry
from tests.benchmarks.world import user_id


def board() -> Board:
    """A full board of ten."""
    entries = tuple(
        Entry(user_id(number), f"player{number}", 1_000_000 // number + 1)
        for number in range(1, 11)
    )
    return Board(MAIN, 1_000_000, datetime(2024, 12, 9, 14, 30, 45, tzinfo=UTC), entries)


def event() -> Frame:
    """The board as an event."""
    return Frame.of(score_update(board()))


def event_data() -> bytes:
    """What stands after `data: ` in the event."""
    return event().plain.partition(b"\ndata: ")[2].rstrip(b"\n")
