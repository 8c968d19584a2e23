"""Compares the copies with the truth while grants run.

The ledger's own parts are compared within one snapshot each. Redis is another server: it gets a
board after its commit, and until then it is late, not wrong. So boards are compared only under one
version, and a copy that is behind is given the time in which every copy is mended.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final

from scoreboard.copies.copy import RedisCopy
from scoreboard.ledger.ledger import Ledger
from scoreboard.model import Board, Entry
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
        """Whether the newest version that both were seen in holds the same entries in both."""
        common = self.truths.keys() & self.copies.keys()
        if not common or isinstance(self.latest, str):
            return False
        newest = max(common)
        return self.truths[newest].entries == self.copies[newest].entries

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
            return _entry_differences(copy, self.truths[copy.version])
        return []  # it keeps up, with a board that changes faster than both can be read


async def ledger_differences(ledger: Ledger) -> list[str]:
    """Compare scores and the tenth score with the ledger; a difference counts if seen twice."""
    return await ledger.differences() and await ledger.differences()


async def copy_differences(ledger: Ledger, in_redis: RedisCopy) -> tuple[list[str], int]:
    """Compare Redis with the ledger; a sentence for each difference, and the ledger's version.

    Raises LedgerUnavailable, RedisUnavailable.
    """
    comparison = Comparison()
    clock = asyncio.get_running_loop().time
    deadline = clock() + _MENDED_WITHIN_SECONDS
    while True:
        # Redis first: what it holds was committed before, so a later truth cannot be older.
        found = await in_redis.read()
        copy = f"Redis holds {found}" if found.board is None else found.board
        truth = await ledger.board()
        comparison.add(copy, truth)
        if comparison.agrees() or clock() > deadline:
            return comparison.differences(), truth.version
        await asyncio.sleep(_PAUSE_SECONDS)


def _entry_differences(copy: Board, truth: Board) -> list[str]:
    """Compare rank by rank."""
    longest = max(len(copy.entries), len(truth.entries))
    return [
        f"rank {rank + 1} under version {truth.version}: Redis has {_entry_in_words(copy, rank)}, "
        f"the ledger {_entry_in_words(truth, rank)}"
        for rank in range(longest)
        if _entry(copy, rank) != _entry(truth, rank)
    ]


def _entry(board: Board, rank: int) -> Entry | None:
    return board.entries[rank] if rank < len(board.entries) else None


def _entry_in_words(board: Board, rank: int) -> str:
    entry = _entry(board, rank)
    if entry is None:
        return "nobody"
    return f"{escaped(entry.username)} ({escaped(entry.user_id)}) with {entry.score}"
