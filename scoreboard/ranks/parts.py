"""Parts of a ranking as PostgreSQL has them: divided where they have grown, and counted."""

from __future__ import annotations

from typing import Final

from scoreboard.ledger.transaction import Transaction
from scoreboard.ranks.fences import PART, PART_MAX, Fences, Part
from scoreboard.ranks.keys import RankingId, keys_in
from scoreboard.ranks.queries import begin_at, end_at, of_ranking

# For each of which PostgreSQL counts some thousand entries.
_DIVIDED_AT_ONCE: Final = 50


async def divide_grown(begun: Transaction, ranking_id: RankingId, fences: Fences) -> None:
    """Set fences into parts that have grown too large, some at a time. Raises WrongCopy where
    PostgreSQL has other entries there, LedgerUnavailable.
    """
    for key in list(fences.grown)[:_DIVIDED_AT_ONCE]:
        part = fences.part_of(key)
        if part.key != key or part.count <= PART_MAX:
            fences.grown.discard(key)
            continue
        statement = of_ranking(ranking_id)["divide_part"]
        [(noted, count)] = await begun.run(
            statement, _parameters(ranking_id, part) | {"size": PART}
        )
        keys = list(keys_in(noted or b""))[1:]
        sizes = [PART] * len(keys)
        fences.split(key, keys, [*sizes, count - sum(sizes)])


async def count_part(begun: Transaction, ranking_id: RankingId, part: Part) -> int:
    """Count the entries of a part. Raises LedgerUnavailable."""
    statement = of_ranking(ranking_id)["count_part"]
    [(count,)] = await begun.run(statement, _parameters(ranking_id, part))
    return int(count)


def _parameters(ranking_id: RankingId, part: Part) -> dict[str, object]:
    return {"ranking_id": ranking_id} | begin_at(part.key) | end_at(part.until, part.key)
