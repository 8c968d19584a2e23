"""Where users stand, and what concerns one of them, as values made of what a service says. What has
another form raises ValueError.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from .shown import (
    MAIN,
    Direction,
    Season,
    direction,
    mapping,
    moment,
    season,
    sequence,
    text,
    whole,
)

# So many grants and overtakers are named, as the service does.
_GRANTS_MAX: Final = 10
_NAMED_MAX: Final = 3


@dataclass(frozen=True, slots=True)
class Ahead:
    """Who stands next before somebody; `points` are missing to stand before them."""

    user_id: str
    username: str
    points: int


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a ranking. `rank` is None while it is not known, `dense_rank` far down."""

    rank: int | None
    competition_rank: int | None
    dense_rank: int | None
    user_id: str
    username: str
    score: int
    reached_at: datetime


@dataclass(frozen=True, slots=True)
class Place:
    """Where a user stands on a board. Who has no entry there has no `score`. A `rank` that is not
    known while there is a score is beyond `rank_above`; without that the user is hidden.
    `percentile`: how many of a hundred stand behind.
    """

    board_id: str
    season: Season | None
    score: int | None = None
    rank: int | None = None
    competition_rank: int | None = None
    dense_rank: int | None = None
    total: int | None = None
    percentile: float | None = None
    rank_above: int | None = None
    ahead: Ahead | None = None

    def is_hidden_in(self, answer: Place) -> bool:
        """Whether this, which a stream told, is a score that is shown to nobody, and of which
        `answer`, that of `/me`, says nothing for that reason.
        """
        is_same = _number(self.season) == _number(answer.season)
        is_unranked = self.rank is None and self.rank_above is None
        return answer.score is None and is_same and self.score is not None and is_unranked


@dataclass(frozen=True, slots=True)
class Window:
    """A place with the lines around it, all as of one `version`."""

    place: Place
    direction: Direction
    version: int | None
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a ranking. `next` and `previous` are cursors: `after` and `before` of the pages
    beside it, None where nothing is.
    """

    board_id: str
    season: Season | None
    direction: Direction
    version: int | None
    total: int | None
    rank_above: int | None
    lines: tuple[Line, ...]
    next: str | None
    previous: str | None


@dataclass(frozen=True, slots=True)
class OwnGrant:
    """An action that the user was granted."""

    action_id: str
    points: int
    granted_at: datetime


@dataclass(frozen=True, slots=True)
class Granted:
    """The user was granted actions: the newest ten, how many and how much in all, and the score on
    `main` that this led to.
    """

    grants: tuple[OwnGrant, ...]
    count: int
    points: int
    score: int

    def joined(self, earlier: Granted) -> Granted:
        """What both tell."""
        grants = (*earlier.grants, *self.grants)[-_GRANTS_MAX:]
        count, points = earlier.count + self.count, earlier.points + self.points
        return Granted(grants, count, points, self.score)


@dataclass(frozen=True, slots=True)
class Overtaker:
    """Somebody who has come to stand before the user."""

    user_id: str
    username: str


@dataclass(frozen=True, slots=True)
class Overtaken:
    """Others went past the user, `count` times; `by` names three of them at most."""

    board_id: str
    season: Season | None
    by: tuple[Overtaker, ...]
    count: int
    rank: int | None

    def joined(self, earlier: Overtaken) -> Overtaken:
        """What both tell."""
        if earlier.season != self.season:
            return self
        by = tuple(dict.fromkeys((*self.by, *earlier.by)))[:_NAMED_MAX]
        return Overtaken(self.board_id, self.season, by, earlier.count + self.count, self.rank)


def own_place(said: Mapping[str, Any]) -> Place:
    """Read a `me:place`. Raises ValueError."""
    return Place(
        text(said.get("boardId", MAIN)),
        season(said.get("season")),
        _perhaps(said.get("score")),
        _perhaps(said.get("rank")),
        _perhaps(said.get("competitionRank")),
        _perhaps(said.get("denseRank")),
        _perhaps(said.get("total")),
        _share(said.get("percentile")),
        _perhaps(said.get("rankAbove")),
        _ahead(said.get("next")),
    )


def window(said: Mapping[str, Any]) -> Window:
    """Read an answer of `/me` or `/users/…`. Raises ValueError."""
    data = mapping(said.get("data"))
    place = data.get("place") or {}
    about = {name: said.get(name) for name in ("boardId", "season", "total")}
    found = own_place({**about, **mapping(place), "next": data.get("next")})
    lines = data.get("entries", [place] if place else [])
    return Window(found, *_about(said), _lines(lines))


def page(said: Mapping[str, Any]) -> Page:
    """Read a page of a ranking. Raises ValueError."""
    return Page(
        text(said.get("boardId")),
        season(said.get("season")),
        *_about(said),
        _perhaps(said.get("total")),
        _perhaps(said.get("rankAbove")),
        _lines(said.get("data")),
        _cursor(said.get("next")),
        _cursor(said.get("previous")),
    )


def overtaken(said: Mapping[str, Any]) -> Overtaken:
    """Read a `me:overtaken`. Raises ValueError."""
    by = (mapping(each) for each in sequence(said.get("by")))
    return Overtaken(
        text(said.get("boardId")),
        season(said.get("season")),
        tuple(Overtaker(text(each.get("userId")), text(each.get("username"))) for each in by),
        whole(said.get("count")),
        _perhaps(said.get("rank")),
    )


def granted(said: Mapping[str, Any]) -> Granted:
    """Read a `me:granted`. Raises ValueError."""
    return Granted(
        tuple(own_grant(mapping(each)) for each in sequence(said.get("grants"))),
        whole(said.get("count")),
        whole(said.get("points")),
        whole(said.get("score")),
    )


def own_grant(said: Mapping[str, Any]) -> OwnGrant:
    """Read a grant. Raises ValueError."""
    at = moment(said.get("grantedAt"))
    return OwnGrant(text(said.get("actionId")), whole(said.get("points")), at)


def _about(said: Mapping[str, Any]) -> tuple[Direction, int | None]:
    return direction(said), _perhaps(said.get("version"))


def _lines(said: Any) -> tuple[Line, ...]:
    return tuple(_line(mapping(each)) for each in sequence(said))


def _line(said: Mapping[str, Any]) -> Line:
    return Line(
        _perhaps(said.get("rank")),
        _perhaps(said.get("competitionRank")),
        _perhaps(said.get("denseRank")),
        text(said.get("userId")),
        text(said.get("username")),
        whole(said.get("score")),
        moment(said.get("reachedAt")),
    )


def _ahead(said: Any) -> Ahead | None:
    if said is None:
        return None
    found = mapping(said)
    return Ahead(text(found.get("userId")), text(found.get("username")), whole(found.get("points")))


def _cursor(said: Any) -> str | None:
    return None if said is None else text(said)


def _perhaps(said: Any) -> int | None:
    return None if said is None else whole(said)


def _share(said: Any) -> float | None:
    return float(said) if isinstance(said, int | float) else None


def _number(found: Season | None) -> int | None:
    return None if found is None else found.number
