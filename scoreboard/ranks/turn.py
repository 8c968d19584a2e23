"""A turn: once a second, all rankings that are held go over to the present snapshot together.

In one transaction, so that all counts are exact as of one snapshot: what has moved is applied,
parts that have grown are divided, and one part of one ranking is counted by PostgreSQL, each time
another one. A difference is a defect, of ours or of whoever writes around the triggers: the ranking
is forgotten, counted and told of, and counted anew.
"""

from __future__ import annotations

from collections.abc import Collection

from scoreboard.connections.session import Session
from scoreboard.ledger.transaction import Transaction, snapshot
from scoreboard.ranks.fences import PART_MAX, WrongCopy
from scoreboard.ranks.held import HeldRanking, Present, read_present, sees_all_since
from scoreboard.ranks.keys import RankingId
from scoreboard.ranks.moves import Followed, follow
from scoreboard.ranks.parts import count_part, divide_grown


class Turns:
    """Takes turns, and remembers which part it counted last of each ranking."""

    def __init__(self) -> None:
        self._last: RankingId | None = None
        self._parts: dict[RankingId, int] = {}

    async def take(self, session: Session, rankings: Collection[HeldRanking]) -> Followed:
        """Answer the rankings as of the present snapshot. Raises LedgerUnavailable, and then
        nothing was changed.
        """
        followed = Followed()
        async with snapshot(session) as begun:
            present = await read_present(begun)
            await follow(begun, present, self._known(rankings, present, followed), followed)
            for ranking_id, ranking in list(followed.held.items()):
                if ranking.fences.grown:
                    await self._divide(begun, ranking_id, followed)
            await self._check(begun, followed)
        return followed

    def _known(
        self, rankings: Collection[HeldRanking], present: Present, followed: Followed
    ) -> list[HeldRanking]:
        """Those of which the present server knows all that has moved."""
        known = []
        for ranking in rankings:
            if ranking.server != present.server:  # guard: other-server-forgets
                followed.lose(ranking.ranking_id, "server")
            elif not sees_all_since(ranking.snapshot, present):
                followed.lose(ranking.ranking_id, "removed")
            else:
                known.append(ranking)
        return known

    async def _divide(self, begun: Transaction, ranking_id: RankingId, followed: Followed) -> None:
        ranking = followed.held[ranking_id]
        fences = ranking.fences.copied()
        try:
            await divide_grown(begun, ranking_id, fences)
        except WrongCopy:
            followed.lose(ranking_id, "wrong")
            return
        followed.held[ranking_id] = HeldRanking(
            ranking_id, ranking.server, ranking.snapshot, fences
        )

    async def _check(self, begun: Transaction, followed: Followed) -> None:
        """Count one part of the next ranking, unless it is too large and will be divided."""
        for gone in self._parts.keys() - followed.held.keys():
            del self._parts[gone]
        if not followed.held:
            return
        behind = [each for each in followed.held if self._last is None or each > self._last]
        self._last = ranking_id = min(behind or followed.held)
        fences = followed.held[ranking_id].fences
        number = self._parts.get(ranking_id, 0) % fences.parts
        self._parts[ranking_id] = number + 1
        part = fences.part(number)
        if part.count > 2 * PART_MAX:
            return
        if await count_part(begun, ranking_id, part) != part.count:  # guard: wrong-copy-found
            followed.lose(ranking_id, "wrong")
