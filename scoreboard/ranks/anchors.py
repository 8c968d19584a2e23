"""What ranks are counted from: fences, and what has moved since they were set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from scoreboard.ranks.keys import BEGINNING, RankingId


@dataclass(frozen=True, slots=True)
class Anchor:
    """A fence: `before` entries stand before `key` as of a snapshot. The next fence is `until`,
    None behind the last one.
    """

    key: bytes
    before: int
    until: bytes | None


# Where every ranking begins, whatever has moved.
START: Anchor = Anchor(BEGINNING, 0, None)


class Held(Protocol):
    """A ranking whose fences are held here, as of `snapshot` (the text of a pg_snapshot) of the
    PostgreSQL that is `server`. `total` entries were in it.
    """

    @property
    def snapshot(self) -> str:
        """Of what has moved since, nothing is counted."""

    @property
    def server(self) -> str:
        """Another server, or the same one after its restart, may know nothing of the snapshot."""

    @property
    def total(self) -> int:
        """How many entries there were."""

    def before(self, key: bytes) -> Anchor:
        """The last fence that is not behind `key`."""

    def at(self, rank: int) -> Anchor:
        """The last fence before which fewer than `rank` entries stand."""


@dataclass(frozen=True, slots=True)
class Moves:
    """The keys that one committed statement removed from a ranking, and those that it added."""

    ranking_id: RankingId
    removed: tuple[bytes, ...]
    added: tuple[bytes, ...]
