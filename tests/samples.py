"""Small things that many tests need: a board of so many points, and the value of a counter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from scoreboard.model import MAIN, Board, Entry
from scoreboard.operations.metrics import Metrics

_LONG_AGO = datetime(2024, 12, 9, 14, 30, 45, tzinfo=UTC)


def a_board(version: int, *points: int) -> Board:
    """A board of this version; without points its one user has as many as the version."""
    entries = tuple(
        Entry(f"00000000-0000-4000-8000-{number:012}", f"player{number}", score)
        for number, score in enumerate(points or (version,))
    )
    return Board(MAIN, version, _LONG_AGO + timedelta(seconds=version), entries)


def counted(metrics: Metrics, name: str, **labels: str) -> float:
    """A counter or gauge by its name without prefix, 0 if it was never touched."""
    return metrics.registry.get_sample_value(f"scoreboard_{name}", labels) or 0.0
