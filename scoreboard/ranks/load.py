"""A ranking that is not held is loaded: from what an instance kept of it and what has moved since,
or else by walking along its index, piece by piece.
"""

from __future__ import annotations

from typing import Final

from scoreboard.connections.session import Session
from scoreboard.ledger.transaction import Transaction, snapshot
from scoreboard.operations.counted import RankingSource
from scoreboard.ranks.fences import PART, Fences
from scoreboard.ranks.held import HeldRanking, Present, read_present
from scoreboard.ranks.keys import BEGINNING, RankingId, keys_in
from scoreboard.ranks.moves import Followed, follow
from scoreboard.ranks.queries import SQL, begin_at, of_ranking

# Entries that one statement walks along: 10 ms of a clean index, some 0.1 s after many updates.
_WALKED_AT_ONCE: Final = 64 * PART


async def load(
    session: Session, ranking_id: RankingId, *, may_be_kept: bool = True
) -> tuple[HeldRanking, RankingSource]:
    """Load a ranking as of one snapshot. Raises NotTold, LedgerUnavailable."""
    async with snapshot(session) as begun:
        present = await read_present(begun)
        if may_be_kept and (ranking := await kept(begun, present, ranking_id)):
            return ranking, "kept"
        fences = await scan(begun, ranking_id)
        return HeldRanking(ranking_id, present.server, present.snapshot, fences), "scan"


async def scan(begun: Transaction, ranking_id: RankingId) -> Fences:
    """Count all entries of a ranking. Raises LedgerUnavailable."""
    keys: list[bytes] = []
    counts: list[int] = []
    statement, after = of_ranking(ranking_id)["scan"], BEGINNING
    sizes = {"ranking_id": ranking_id, "size": PART, "limit": _WALKED_AT_ONCE}
    while True:
        [(noted, count, last)] = await begun.run(statement, sizes | begin_at(after))
        found = list(keys_in(noted or b""))
        keys += found
        counts += [PART] * len(found)
        if count % PART:
            counts[-1] = count % PART
        if last is None:
            break
        after = bytes(last)
    # The first part begins before every key.
    return Fences(keys[1:], counts or [0])


async def kept(begun: Transaction, present: Present, ranking_id: RankingId) -> HeldRanking | None:
    """What was kept of a ranking, with what has moved since; None if nothing of use was. It goes
    when rows of `movements` are removed that it needs. Raises LedgerUnavailable.
    """
    rows = await begun.run(SQL["read_fences"], {"ranking_id": ranking_id})
    for as_of, keys, counts in rows:
        try:
            fences = Fences.unpacked(bytes(keys), bytes(counts))
        except ValueError:
            return None
        followed = Followed()
        ranking = HeldRanking(ranking_id, present.server, as_of, fences)
        await follow(begun, present, [ranking], followed)
        return followed.held.get(ranking_id)
    return None
