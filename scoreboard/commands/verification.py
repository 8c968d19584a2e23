"""Compares the copies with the truth while grants run.

The ledger's own parts are compared within one snapshot each. Redis is another server: it gets a
board after its commit, and until then it is late, not wrong. So boards are compared only under one
version, and a copy that is behind is given the time in which every copy is mended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from scoreboard.console.copies import Copies
from scoreboard.copies.copy import Found
from scoreboard.ledger.ledger import Ledger
from scoreboard.model import MAIN, Board, BoardId, Entry
from scoreboard.unicode import escaped

# Every copy is mended within 2 s (each instance compares once a second); reading takes a while too.
_MENDED_WITHIN_SECONDS: Final = 2.5
_PAUSE_SECONDS: Final = 0.05


@dataclass(slots=True)
class Comparison:
    """What was read of Redis and then of the ledger, again and again."""

    truths: dict[int, Board] = field(default_factory=dict)
    copies: dict[int, Board] = field(default_factory=dict)
    latest: Board | str = "nothing was read"

    def add(self, copy: Board | str, truth: Board) -> None:
        """Note a reading. `copy` is a sentence when Redis holds no board that can be read."""
        self.truths[truth.version] = truth
        self.latest = copy
        if isinstance(copy, Board):
            self.copies[copy.version] = copy

    def agrees(self) -> bool:
        """Whether the newest version that both were seen in is the same board in both."""
        common = self.truths.keys() & self.copies.keys()
        if not common or isinstance(self.latest, str):
            return False
        newest = max(common)
        return not _differences(self.copies[newest], self.truths[newest])

    def differences(self) -> list[str]:
        """Say what differs, for certain, after all this reading."""
        if self.agrees():
            return []
        if isinstance(self.latest, str):
            return [self.latest]
        copy, first, last = self.latest, min(self.truths), max(self.truths)
        if copy.version > last:
            return [f"Redis holds version {copy.version}, ahead of the ledger's {last}"]
        if copy.version < first:
            return [f"Redis holds version {copy.version} and stays behind the ledger's {last}"]
        if copy.version in self.truths:
            return _differences(copy, self.truths[copy.version])
        return []  # it keeps up, with a board that changes faster than both can be read


async def ledger_differences(ledger: Ledger, board_id: BoardId) -> list[str]:
    """Compare a board's scores and its last score with the ledger; a difference counts if seen
    twice. Raises UnknownBoard, LedgerUnavailable.
    """
    return await ledger.differences(board_id) and await ledger.differences(board_id)


async def copy_differences(
    ledger: Ledger, copies: Copies, board_ids: Collection[BoardId]
) -> dict[BoardId, tuple[list[str], int]]:
    """Compare Redis with the ledger: for each of these boards a sentence for each difference, and
    the ledger's version.

    Raises LedgerUnavailable, RedisUnavailable.
    """
    left = {board_id: (copies.of(board_id), Comparison()) for board_id in board_ids}
    found: dict[BoardId, tuple[list[str], int]] = {}
    clock = asyncio.get_running_loop().time
    deadline = clock() + _MENDED_WITHIN_SECONDS
    while True:
        # Redis first: what it holds was committed before, so a later truth cannot be older.
        seen = {board_id: await copy.read() for board_id, (copy, _) in left.items()}
        is_late = clock() > deadline
        for truth in await ledger.boards(left):
            board_id, in_redis = truth.board_id, seen[truth.board_id]
            _, comparison = left[board_id]
            if _may_be_missing(board_id, in_redis):
                found[board_id] = [], truth.version
                del left[board_id]
                continue
            shown = None if in_redis.is_behind else in_redis.board
            comparison.add(shown or f"Redis holds {in_redis}", truth)
            if comparison.agrees() or is_late:
                found[board_id] = comparison.differences(), truth.version
                del left[board_id]
        if not left or is_late:
            return found
        await asyncio.sleep(_PAUSE_SECONDS)


def _may_be_missing(board_id: BoardId, in_redis: Found) -> bool:
    """Instances keep the copy of `main`; that of another board may be missing until it is read."""
    return board_id != MAIN and in_redis.board is None and in_redis.fault is None


def _differences(copy: Board, truth: Board) -> list[str]:
    """Compare the seasons, then rank by rank."""
    found = []
    if (copy.season, copy.is_low) != (truth.season, truth.is_low):
        under = f"under version {truth.version}: Redis shows"
        found.append(f"{under} {_season_in_words(copy)}, the ledger {_season_in_words(truth)}")
    longest = max(len(copy.entries), len(truth.entries))
    return found + [
        f"rank {rank + 1} under version {truth.version}: Redis has {_entry_in_words(copy, rank)}, "
        f"the ledger {_entry_in_words(truth, rank)}"
        for rank in range(longest)
        if _entry(copy, rank) != _entry(truth, rank)
    ]


def _season_in_words(board: Board) -> str:
    order = "lowest first" if board.is_low else "highest first"
    season = board.season
    if season is None:
        return f"no season, {order}"
    ends_at = "without an end" if season.ends_at is None else f"to {season.ends_at.isoformat()}"
    starts_at = season.starts_at.isoformat()
    return f"season {season.number} ({season.state}, {starts_at} {ends_at}), {order}"


def _entry(board: Board, rank: int) -> Entry | None:
    return board.entries[rank] if rank < len(board.entries) else None


def _entry_in_words(board: Board, rank: int) -> str:
    entry = _entry(board, rank)
    if entry is None:
        return "nobody"
    return f"{escaped(entry.username)} ({escaped(entry.user_id)}) with {entry.score}"
