"""What has moved in rankings since the snapshots as of which they are held, and its way into their
fences.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from scoreboard.ledger.transaction import Transaction
from scoreboard.operations.counted import RankingLoss
from scoreboard.ranks.anchors import Moves
from scoreboard.ranks.fences import Fences, WrongCopy
from scoreboard.ranks.held import HeldRanking, Present
from scoreboard.ranks.keys import RankingId, keys_in
from scoreboard.ranks.queries import SQL

# More than 10 s of moves at any speed. Counting anew takes no longer than to read and apply these.
MOVES_MAX: Final = 500_000
# Some 10 ms of the loop.
_SLICE: Final = 2_000


@dataclass(slots=True)
class Followed:
    """Rankings as of a later snapshot, and what happened on the way there."""

    held: dict[RankingId, HeldRanking] = field(default_factory=dict)
    lost: dict[RankingId, RankingLoss] = field(default_factory=dict)
    moves: list[Moves] = field(default_factory=list)

    def lose(self, ranking_id: RankingId, why: RankingLoss) -> None:
        """Hold it no longer."""
        self.held.pop(ranking_id, None)
        self.lost[ranking_id] = why


async def follow(
    begun: Transaction, present: Present, rankings: Iterable[HeldRanking], followed: Followed
) -> None:
    """Apply to rankings, which are of the same server, what the transaction sees and their
    snapshots did not. Raises LedgerUnavailable.
    """
    by_snapshot: dict[str, dict[RankingId, HeldRanking]] = {}
    for ranking in rankings:
        by_snapshot.setdefault(ranking.snapshot, {})[ranking.ranking_id] = ranking
    for snapshot, these in by_snapshot.items():
        moved = await _moved(begun, snapshot, these, followed)
        for ranking_id, ranking in these.items():
            if ranking_id in followed.lost:
                continue
            fences = ranking.fences
            if ranking_id in moved:
                fences = fences.copied()
                try:
                    await _apply(fences, moved[ranking_id])
                except WrongCopy:
                    followed.lose(ranking_id, "wrong")
                    continue
                followed.moves += moved[ranking_id]
            followed.held[ranking_id] = HeldRanking(
                ranking_id, present.server, present.snapshot, fences
            )


async def _moved(
    begun: Transaction, snapshot: str, rankings: Collection[RankingId], followed: Followed
) -> Mapping[RankingId, list[Moves]]:
    """What has moved since a snapshot, in those rankings that can follow it."""
    wanted = {"ranking_ids": list(rankings), "snapshot": snapshot}
    sizes = await begun.run(SQL["size_moves"], wanted)
    moved: dict[RankingId, list[Moves]] = {}
    for ranking_id, keys, is_replaced in sizes:
        if is_replaced:
            followed.lose(ranking_id, "reset")  # guard: replaced-entries-counted
        elif keys > MOVES_MAX:
            followed.lose(ranking_id, "backlog")
        else:
            moved[ranking_id] = []
    if moved:
        rows = await begun.run(SQL["read_moves"], wanted | {"ranking_ids": list(moved)})
        for ranking_id, removed, added in rows:
            moves = Moves(ranking_id, tuple(keys_in(removed or b"")), tuple(keys_in(added or b"")))
            moved[ranking_id].append(moves)
    return moved


async def _apply(fences: Fences, moves: Collection[Moves]) -> None:
    """Rows come in any order, so what was added is counted first. The loop is let go between some
    thousand. Raises WrongCopy.
    """
    done = 0
    for keys, count in (
        *((each.added, fences.add) for each in moves),  # guard: added-before-removed
        *((each.removed, fences.remove) for each in moves),
    ):
        for key in keys:
            count(key)
            done += 1
            if done % _SLICE == 0:
                await asyncio.sleep(0)
    fences.merge()
