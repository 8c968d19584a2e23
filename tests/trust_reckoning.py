"""What every score and every board is to be, reckoned in plain Python from one snapshot: of the
ledger, results, corrections and users alone; and what is kept of seasons that have ended. It knows
none of the SQL under test.

Whatever goes on meanwhile, every snapshot has to be right, and no board shows two things under one
version.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg2
from psycopg2.extensions import ISOLATION_LEVEL_REPEATABLE_READ

Top = list[tuple[str, int]]
_FOR_EVER = datetime.max


@dataclass
class Auditor:
    """Looks at snapshots, as many as are asked for; remembers what each version showed."""

    database_url: str
    # Whether the entries of final seasons are all kept; after a day they are not.
    keeps_finals: bool = False
    looks: int = 0
    shown: dict[tuple[str, int], Top] = field(default_factory=dict)

    def look(self) -> None:
        """Compare all that is there in one snapshot."""
        with closing(psycopg2.connect(self.database_url)) as connection:
            connection.set_session(isolation_level=ISOLATION_LEVEL_REPEATABLE_READ, readonly=True)
            with connection.cursor() as cursor:
                self._compare(_Snapshot(cursor))
        self.looks += 1

    def _compare(self, seen: _Snapshot) -> None:
        for board in seen.boards:
            for season in board.seasons:
                kept = seen.entries.get(season.id, {})
                if season.final is not None and kept:
                    lines = [
                        (user, seen.names[user], score * board.sign)
                        for user, score in _top(kept, board.size)
                    ]
                    assert season.lines == lines, (board.id, season.number)
                if season.state == "final" and not self.keeps_finals:
                    continue
                assert kept == seen.expected(board, season), (board.id, season.number)
                if season.id == board.season_id:
                    self._compare_shown(board, kept)

    def _compare_shown(self, board: _Board, kept: dict[str, _Entry]) -> None:
        top = _top(kept, board.size)
        assert self.shown.setdefault((board.id, board.version), top) == top, board.id
        last = top[-1][1] if len(top) == board.size else None
        assert board.last is None or board.last == last, board.id


@dataclass(frozen=True)
class _Entry:
    score: int
    is_hidden: bool
    reached_at: datetime = field(compare=False)


def _top(kept: dict[str, _Entry], size: int) -> Top:
    visible = [
        (-entry.score, entry.reached_at, user)
        for user, entry in kept.items()
        if not entry.is_hidden
    ]
    return [(user, -score) for score, _, user in sorted(visible)[:size]]


@dataclass(frozen=True)
class _Season:
    id: int
    number: int
    starts_at: datetime
    ends_at: datetime | None
    state: str
    final: list[dict[str, Any]] | None

    @property
    def lines(self) -> list[tuple[str, str, int]]:
        return [(line["userId"], line["username"], line["score"]) for line in self.final or []]

    def contains(self, moment: datetime) -> bool:
        return self.starts_at <= moment and (self.ends_at is None or moment < self.ends_at)


@dataclass(frozen=True)
class _Board:
    id: str
    version: int
    last: int | None
    counts: str
    is_sum: bool
    sign: int
    size: int
    season_id: int | None
    actions: frozenset[str]
    seasons: tuple[_Season, ...]


class _Snapshot:
    """Everything, as one transaction sees it."""

    def __init__(self, cursor: Any) -> None:
        def rows(statement: str) -> list[Any]:
            cursor.execute(statement)
            found: list[Any] = cursor.fetchall()
            return found

        seasons, actions = defaultdict(list), defaultdict(set)
        for board, *season in rows(
            "SELECT board_id, season_id, number, starts_at, ends_at, state, final FROM seasons"
        ):
            seasons[board].append(_Season(*season))
        for board, action in rows("SELECT board_id, action_id FROM board_actions"):
            actions[board].add(action)
        self.boards = [
            _Board(
                board,
                version,
                last,
                counts,
                operator == "sum",
                -1 if direction == "low" else 1,
                size,
                season_id,
                frozenset(actions[board]),
                tuple(seasons[board]),
            )
            for board, version, last, counts, operator, direction, size, season_id in rows(
                "SELECT board_id, version, tenth_score, counts, operator, direction, size,"
                " season_id FROM boards"
            )
        ]
        self.users = {
            user: (hidden_at, banned_at, erased_at)
            for user, hidden_at, banned_at, erased_at in rows(
                "SELECT user_id::text, hidden_at, banned_at, erased_at FROM users"
            )
        }
        self.names = dict(rows("SELECT user_id::text, username FROM users"))
        self.ledger = rows(
            "SELECT ledger_id, user_id::text, action_id, points_granted, submitted_at FROM ledger"
        )
        self.results = rows("SELECT result_id, user_id::text, season_id, value FROM results")
        self.corrections = rows(
            "SELECT user_id::text, season_id, ledger_id, result_id, points FROM corrections"
        )
        self.revoked = {ledger for _, _, ledger, _, _ in self.corrections if ledger}
        self.revoked_results = {result for _, _, _, result, _ in self.corrections if result}
        self.entries: dict[int, dict[str, _Entry]] = defaultdict(dict)
        for season, user, *entry in rows(
            "SELECT season_id, user_id::text, score, hidden, updated_at FROM season_entries"
            " UNION ALL SELECT boards.season_id, user_id::text, score, hidden, scores.updated_at"
            " FROM scores CROSS JOIN boards WHERE boards.board_id = 'main'"
        ):
            self.entries[season][user] = _Entry(*entry)

    def expected(self, board: _Board, season: _Season) -> dict[str, _Entry]:
        values: dict[str, list[int]] = defaultdict(list)
        literal: dict[str, int] = defaultdict(int)
        for id, user, action, points, moment in self.ledger:
            is_counted = board.counts == "every" or action in board.actions
            if is_counted and season.contains(moment):
                literal[user] += points
                if id not in self.revoked:
                    values[user].append(points * board.sign)
        for id, user, season_id, value in self.results:
            if season_id == season.id:
                literal[user] += value
                if id not in self.revoked_results:
                    values[user].append(value * board.sign)
        added: dict[str, int] = defaultdict(int)
        for user, season_id, ledger, result, points in self.corrections:
            if season_id == season.id:
                literal[user] += points
                if ledger is None and result is None:
                    added[user] += points * board.sign
        found = {}
        for user in values.keys() | added.keys():
            mine = values.get(user, [0])
            score = (sum(mine) if board.is_sum else max(mine)) + added[user]
            found[user] = _Entry(score, self._is_hidden(user, season), _FOR_EVER)
        if board.is_sum:  # and the sum of all three is the score, literally
            for user, sum_of_all in literal.items():
                assert sum_of_all == (found[user].score if user in found else 0), board.id
        return found

    def _is_hidden(self, user: str, season: _Season) -> bool:
        hidden_at, banned_at, erased_at = self.users[user]
        before = [moment for moment in (hidden_at, banned_at) if moment is not None]
        if erased_at is None:
            return bool(before)
        return min(before) < erased_at or season.ends_at is None or erased_at < season.ends_at
