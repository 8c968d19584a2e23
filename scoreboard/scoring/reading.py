"""Reads places, windows and pages from the rows of the statements of places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, TypeVar

from scoreboard.connections.session import Row
from scoreboard.ledger.shown import season_of
from scoreboard.model import MAIN, BoardId
from scoreboard.ranks.keys import RankingId, first_of, key_of
from scoreboard.scoring.cursors import Cursor
from scoreboard.scoring.place import Ahead, Found, Page, Place, Ranking, Window

_RANKING_COLUMNS = 11
Kind = TypeVar("Kind", bound=Ranking)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a statement returned: of the ranking, and of each line what its columns say.

    `shown_id` is the season that the board shows. `is_sound`: what was held may be counted from;
    None where nothing was.
    """

    ranking: Ranking
    shown_id: int | None
    is_kept: bool
    is_sound: bool | None
    rows: list[Row]


def answer_of(rows: Sequence[Row], board_id: BoardId, ranking_id: RankingId | None) -> Answer:
    """Read what stands in front of the lines, which is the same in each row."""
    version, changed_at, is_low, *season = rows[0][:7]
    shown_id, is_kept, is_sound, total = rows[0][7:_RANKING_COLUMNS]
    shown = season_of(season)
    ranking = Ranking(ranking_id, board_id, version, changed_at, is_low, shown, total)
    rest = [row[_RANKING_COLUMNS:] for row in rows]
    return Answer(ranking, shown_id, is_kept is not False, is_sound, rest)


class Users:
    """Users who were looked for, each with a place of their own."""

    def __init__(self, answer: Answer) -> None:
        self._ranking = answer.ranking
        rows = [row for row in answer.rows if row[2] is not None]
        self._rows = sorted((key_of(*row[:3]), *row) for row in rows)

    def is_counted(self, _rank: int | None) -> bool:
        """Whether everybody's ranks were."""
        return all(rank is not None for row in self._rows for rank in row[5:7])

    @property
    def keys(self) -> list[bytes]:
        """Near which keys to count."""
        return [key for row in self._rows for key in (row[0], first_of(row[1]))]

    def found(self) -> Found:
        """Where they stand."""
        places = (self._place(*row[1:]) for row in self._rows)
        return _more(Found, self._ranking, places={place.user_id: place for place in places})

    def _place(  # noqa: PLR0913 - the columns of a row
        self,
        score: int,
        reached_at: datetime,
        user_id: str,
        username: str,
        rank: int | None,
        competition_rank: int | None,
        dense_rank: int | None,
        next_id: str | None,
        next_name: str,
        points: int,
    ) -> Place:
        shown = -score if self._ranking.is_low else score
        ahead = None if next_id is None else Ahead(next_id, next_name, points)
        ranks = (rank, competition_rank, dense_rank)
        return Place(*ranks, user_id, username, shown, reached_at, ahead)


@dataclass(frozen=True, slots=True)
class _Line:
    """An entry as it was read. `score` is as it is kept. `is_ahead`: it stands before the place
    around which was read.
    """

    score: int
    reached_at: datetime
    user_id: str
    username: str
    is_ahead: bool
    dense_rank: int | None

    @property
    def key(self) -> bytes:
        return key_of(self.score, self.reached_at, self.user_id)


class Lines:
    """Lines that stand one after the other, around a place."""

    def __init__(self, answer: Answer) -> None:
        self._ranking = answer.ranking
        self._before, self._better = answer.rows[0][:2]
        lines = (_Line(*row[2:]) for row in answer.rows if row[4] is not None)
        self._lines = sorted(lines, key=lambda line: line.key)
        self._ahead = sum(line.is_ahead for line in self._lines)

    def is_counted(self, rank: int | None) -> bool:
        """Whether the ranks were, and the lines from a rank on are there."""
        if not self._lines:
            return not self.are_missing(rank)
        return self._before is not None and self._better is not None

    def are_missing(self, rank: int | None) -> bool:
        """Whether there are lines from this rank on, and none of them were reached."""
        if rank is None or self._lines:
            return False
        return self._ranking.total is None or rank <= self._ranking.total

    @property
    def keys(self) -> list[bytes]:
        """Near which keys to count."""
        if not self._lines:
            return []
        around = self._lines[min(self._ahead, len(self._lines) - 1)]
        return [around.key, first_of(around.score), first_of(self._lines[0].score)]

    def window(self, around: int) -> Window:
        """The place of the user, which the lines are around, and so many lines on both sides."""
        places = self._places()
        if not places:
            return _more(Window, self._ranking, place=None, entries=())
        own = self._ahead
        size = 2 * around + 1
        first = max(0, min(own - around, len(places) - size))
        return _more(
            Window, self._ranking, place=places[own], entries=tuple(places[first : first + size])
        )

    def page(self, limit: int, *, is_ahead: bool) -> Page:
        """So many lines: those that stand before the place, or those from it on."""
        begin = max(0, self._ahead - limit) if is_ahead else self._ahead
        end = self._ahead if is_ahead else self._ahead + limit
        entries = self._places()[begin:end]
        page = self._lines[begin:end]
        return _more(
            Page,
            self._ranking,
            entries=tuple(entries),
            next=self._cursor(page[-1]) if page and end < len(self._lines) else None,
            previous=self._cursor(page[0]) if page and begin else None,
        )

    def _cursor(self, line: _Line) -> Cursor:
        """A cursor names a season, but for the one of `main`, which has no end."""
        season = None if self._ranking.board_id == MAIN else self._ranking.season
        return Cursor(None if season is None else season.number, line.key)

    def _places(self) -> list[Place]:
        """The lines with their ranks, which follow from those of the first one."""
        found: list[Place] = []
        first = None if self._before is None else self._before - self._ahead + 1
        tier = None if self._better is None else self._better + 1
        for at, line in enumerate(self._lines):
            rank = None if first is None else first + at
            if at and line.score != self._lines[at - 1].score:
                tier = rank
            shown = -line.score if self._ranking.is_low else line.score
            ahead = self._ahead_of(at)
            ranks = (rank, tier, line.dense_rank)
            found.append(Place(*ranks, line.user_id, line.username, shown, line.reached_at, ahead))
        return found

    def _ahead_of(self, at: int) -> Ahead | None:
        if not at:
            return None
        line, ahead = self._lines[at], self._lines[at - 1]
        return Ahead(ahead.user_id, ahead.username, ahead.score - line.score + 1)


def _more(kind: type[Kind], ranking: Ranking, **more: Any) -> Kind:
    """A ranking with more that was read of it."""
    said = {field.name: getattr(ranking, field.name) for field in fields(Ranking)}
    return kind(**said, **more)
