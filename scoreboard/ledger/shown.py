"""Reads, from the rows of statements, what a board shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from scoreboard.connections.session import Row
from scoreboard.model import Board, Ended, Entry, Season


def board_of(row: Row) -> Board:
    """Read a board from a row that begins with `{shown}`."""
    board_id, version, changed_at, is_low, *rest = row
    season, entries, before = season_of(rest[:4]), _entries(rest[4]), season_of(rest[5:9])
    ended = None if before is None else Ended(before, _entries(rest[9]))
    return Board(board_id, version, changed_at, entries, season, ended, is_low)


def season_of(columns: Sequence[Any]) -> Season | None:
    """Read a season from the columns of `{season}`; None where they are null."""
    return None if columns[0] is None else Season(*columns)


def _entries(text: str | None) -> tuple[Entry, ...]:
    """Read a list of user id, user name and score, in JSON; None is an empty one."""
    return () if text is None else tuple(Entry(*each) for each in orjson.loads(text))
