"""A ranking as it is held here: its fences, as of one snapshot of PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass

from scoreboard.errors import LedgerUnavailable
from scoreboard.ledger.transaction import Transaction
from scoreboard.ranks.anchors import Anchor
from scoreboard.ranks.fences import Fences
from scoreboard.ranks.keys import RankingId
from scoreboard.ranks.queries import SQL


class NotTold(LedgerUnavailable):
    """PostgreSQL does not say what moved: it is a standby; or a backup was restored in another
    cluster, and its movements are not removed yet.
    """


@dataclass(frozen=True, slots=True)
class Present:
    """The snapshot of a transaction, and of which server it is. Rows of `movements` below an xid
    are removed.
    """

    snapshot: str
    server: str
    below: int


@dataclass(frozen=True, slots=True)
class HeldRanking:
    """Nobody changes it: the next turn makes another one."""

    ranking_id: RankingId
    server: str
    snapshot: str
    fences: Fences

    @property
    def total(self) -> int:
        """How many entries there were."""
        return self.fences.total

    def before(self, key: bytes) -> Anchor:
        """The last fence that is not behind `key`."""
        return self.fences.before(key)

    def at(self, rank: int) -> Anchor:
        """The last fence before which fewer than `rank` entries stand."""
        return self.fences.at(rank)


async def read_present(begun: Transaction) -> Present:
    """Read what the transaction sees. Raises NotTold, LedgerUnavailable."""
    [(snapshot, server, below, is_of_here)] = await begun.run(SQL["read_present"])
    if server is None or not is_of_here:  # guard: movements-of-here
        raise NotTold
    return Present(snapshot, server, int(below))


def sees_all_since(snapshot: str, present: Present) -> bool:
    """Whether all that has moved since a snapshot is still written down."""
    return present.below <= int(snapshot.partition(":")[0])  # guard: movements-removed
