"""What was heard of moves since the last turn, of the rankings that somebody here watches."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from scoreboard.operations.metrics import Metrics
from scoreboard.personal_streams.overtaking import Moved
from scoreboard.ranks.anchors import Moves
from scoreboard.ranks.keys import RankingId

# Keys of a ranking between two turns: fifty times what a second brings.
MOVES_MAX: Final = 100_000


class Heard:
    """Keeps the moves of these `rankings`, and of no others."""

    def __init__(self, metrics: Metrics) -> None:
        self.rankings: Collection[RankingId] = ()
        self._metrics = metrics
        self._keys: dict[RankingId, tuple[set[bytes], set[bytes]]] = {}
        self._lost: set[RankingId] = set()

    def hear(self, moves: Sequence[Moves]) -> None:
        """Take what has moved. Moves without keys say that anything may have moved."""
        for each in moves:
            if each.ranking_id not in self.rankings or each.ranking_id in self._lost:
                continue
            removed, added = self._keys.setdefault(each.ranking_id, (set(), set()))
            removed.update(each.removed)
            added.update(each.added)
            is_known = each.removed or each.added
            if not is_known or len(removed) + len(added) > MOVES_MAX:  # guard: moves-bounded
                self._metrics.personal_moves_left_out.inc(len(removed) + len(added))
                del self._keys[each.ranking_id]
                self._lost.add(each.ranking_id)

    def take(self) -> dict[RankingId, Moved | None]:
        """What has moved in each ranking; None where it is not known."""
        taken: dict[RankingId, Moved | None] = dict.fromkeys(self._lost)
        taken |= {each: Moved.of(*keys) for each, keys in self._keys.items()}
        self._lost, self._keys = set(), {}
        return taken
