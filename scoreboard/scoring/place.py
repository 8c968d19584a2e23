"""Places, windows and pages: what is said of a ranking, as of one snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from scoreboard.model import BoardId, Direction, Season, direction_of
from scoreboard.ranks.keys import RankingId
from scoreboard.scoring.counting import RANKS_MAX
from scoreboard.scoring.cursors import Cursor


@dataclass(frozen=True, slots=True)
class Ahead:
    """Who stands before a user, and how many points the user lacks to stand before them."""

    user_id: str
    username: str
    points: int

    def as_json(self) -> dict[str, Any]:
        """As clients see it."""
        return {"userId": self.user_id, "username": self.username, "points": self.points}


@dataclass(frozen=True, slots=True)
class Place:
    """An entry with its ranks: ordinal (1, 2, 3, 4), competition (1, 2, 2, 4), dense (1, 2, 2, 3).
    A rank that was not counted is None. `score` is as it is shown.
    """

    rank: int | None
    competition_rank: int | None
    dense_rank: int | None
    user_id: str
    username: str
    score: int
    reached_at: datetime
    next: Ahead | None = None


@dataclass(frozen=True, slots=True)
class Ranking:
    """How a board and one of its rankings are: before its first season a board has none. `total` is
    the number of entries, None where they were not counted.
    """

    ranking_id: RankingId | None
    board_id: BoardId
    version: int
    changed_at: datetime
    is_low: bool
    season: Season | None
    total: int | None

    @property
    def direction(self) -> Direction:
        """Which score is the best, as clients see it."""
        return direction_of(is_low=self.is_low)

    def percentile(self, place: Place) -> float | None:
        """How many of a hundred stand behind a place, rounded down to two decimals."""
        if place.rank is None or not self.total:
            return None
        return (10_000 * (self.total - place.rank) // self.total) / 100


@dataclass(frozen=True, slots=True)
class Found(Ranking):
    """Where users stand: those who have an entry that is shown, best first, by their ids."""

    places: Mapping[str, Place]


@dataclass(frozen=True, slots=True)
class Window(Ranking):
    """The place of a user, None without an entry that is shown; and the lines around, best first,
    among which it is.
    """

    place: Place | None
    entries: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Page(Ranking):
    """Lines one after the other, best first. `next` is the cursor behind which there are more, and
    `previous` that before which there are; None where there are none.
    """

    entries: tuple[Place, ...]
    next: Cursor | None
    previous: Cursor | None


def rank_above(places: Iterable[Place]) -> int | None:
    """The rank that those of these are greater than which were not counted; None if all were."""
    return RANKS_MAX if any(place.rank is None for place in places) else None
