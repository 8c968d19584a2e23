"""Reads, from the rows of statements, what a board shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import orjson

from scoreboard.connections.session import Row
from scoreboard.model import Board, BoardId, Ended, Entry, Season

_MOMENTS: Final = frozenset(
    {"changed_at", "starts_at", "ends_at", "before_starts_at", "before_ends_at"}
)


def board_of(row: Row) -> Board:
    """Read a board from a row that begins with `{shown}`."""
    board_id, version, changed_at, is_low, *rest = row
    season, entries, before = season_of(rest[:4]), _entries(rest[4]), season_of(rest[5:9])
    ended = None if before is None else Ended(before, _entries(rest[9]))
    return Board(board_id, version, changed_at, entries, season, ended, is_low)


def raised_of(rows: Sequence[Row]) -> tuple[dict[BoardId, Board], dict[BoardId, int]]:
    """Read the rows of `raise_boards`: the boards that were raised, and the versions that there are
    now, both by id.
    """
    boards = {board.board_id: board for board in map(board_of, rows)}
    raised = {board_id: boards[board_id] for board_id, *_, is_raised in rows if is_raised}
    return raised, {board_id: board.version for board_id, board in boards.items()}


def row_of(raised: Mapping[str, Any]) -> Row:
    """Read a row of `raise_boards` from an object of JSON, in which moments are texts."""
    return tuple(
        datetime.fromisoformat(value) if value is not None and name in _MOMENTS else value
        for name, value in raised.items()
    )


def season_of(columns: Sequence[Any]) -> Season | None:
    """Read a season from the columns of `{season}`; None where they are null."""
    return None if columns[0] is None else Season(*columns)


def _entries(text: str | None) -> tuple[Entry, ...]:
    """Read a list of user id, user name and score, in JSON; None is an empty one."""
    return () if text is None else tuple(Entry(*each) for each in orjson.loads(text))
