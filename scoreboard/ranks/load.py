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

# Parts that one statement walks along: 10 ms of a clean index, some 0.1 s after many updates.
_STEPS: Final = 128


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
    after, rest = BEGINNING, None
    sizes = {"ranking_id": ranking_id, "size": PART, "steps": _STEPS}
    while rest is None:
        statement = of_ranking(ranking_id)["walk"]
        [(noted, rest)] = await begun.run(statement, sizes | begin_at(after))
        keys += keys_in(noted or b"")
        after = keys[-1] if keys else after
    return Fences(keys, [*[PART] * len(keys), rest])


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
