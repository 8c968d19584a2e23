"""What every season should hold, reckoned in plain Python from the rows of the ledger alone.

It knows the rules of boards and none of the SQL: which season a moment is in, what a sum and a best
are, who ranks before whom, what is kept of a season that has ended, and what its digest is of.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.world import sql


@dataclass(frozen=True)
class SeasonRow:
    """A row of `seasons`."""

    season_id: int
    number: int
    starts_at: datetime
    ends_at: datetime | None
    state: str
    final: list[dict[str, Any]] | None
    digest: str | None

    def contains(self, moment: datetime) -> bool:
        return self.starts_at <= moment and (self.ends_at is None or moment < self.ends_at)


@dataclass(frozen=True)
class BoardRow:
    """A row of `boards`, with the actions that it lists and its seasons in their order."""

    board_id: str
    counts: str
    operator: str
    is_low: bool
    size: int
    actions: frozenset[str]
    seasons: tuple[SeasonRow, ...]

    def counts_action(self, action_id: str) -> bool:
        return self.counts == "every" or action_id in self.actions


Granted = tuple[str, str, int, datetime]  # a user, an action, points, and the moment
Kept = dict[str, tuple[int, datetime]]  # by user: the score as it is kept, and when it was reached


def reckon_seasons(database_url: str, others: Collection[str] = ()) -> int:
    """Every row of the ledger is in exactly one season of each board that counts it and has a
    season for its moment, and every season holds what these rows say. Returns how many seasons
    there were that have ended.

    The entries of `others` are made of more than the ledger's rows, and are believed here
    (`tests/trust_reckoning.py` reckons them up).
    """
    ledger: list[Granted] = sql(
        database_url, "SELECT user_id::text, action_id, points_granted, submitted_at FROM ledger"
    )
    held: dict[int, Kept] = defaultdict(dict)
    hidden: dict[int, set[str]] = defaultdict(set)
    for season_id, user, score, reached_at, is_hidden in sql(
        database_url,
        "SELECT season_id, user_id::text, score, updated_at, hidden FROM season_entries",
    ):
        held[season_id][user] = (score, reached_at)
        if is_hidden:
            hidden[season_id].add(user)
    users = {user for (user,) in sql(database_url, "SELECT user_id::text FROM users")}
    ended = 0
    for board in _boards(database_url):
        for _, _, _, moment in ledger:
            assert sum(season.contains(moment) for season in board.seasons) <= 1
        for season in board.seasons:
            found = held.pop(season.season_id, {})
            kept = kept_of(board, season, ledger)
            kept = {user: each for user, each in kept.items() if user not in others}
            kept |= {user: each for user, each in found.items() if user in others}
            assert found == kept, (board.board_id, season)
            if season.state in ("ended", "final"):
                ended += 1
                for user in hidden[season.season_id]:
                    del kept[user]
                assert_final(board, season, kept, users)
    assert not held, "entries of seasons that there are not"
    return ended


def kept_of(board: BoardRow, season: SeasonRow, ledger: list[Granted]) -> Kept:
    """What these rows of the ledger make of a season."""
    kept: Kept = {}
    for user, action_id, points, moment in sorted(ledger, key=lambda row: row[3]):
        if not (season.contains(moment) and board.counts_action(action_id)):
            continue
        value = -points if board.is_low else points
        if user not in kept:
            kept[user] = (value, moment)
        elif board.operator == "sum":
            kept[user] = (kept[user][0] + value, moment)
        elif value > kept[user][0]:
            kept[user] = (value, moment)
    return kept


def ranked(kept: Kept) -> list[tuple[str, int, datetime]]:
    """The highest kept score first, then who reached it first, then by user id."""
    rows = [(user, score, reached_at) for user, (score, reached_at) in kept.items()]
    return sorted(rows, key=lambda row: (-row[1], row[2], row[0]))


def assert_final(board: BoardRow, season: SeasonRow, kept: Kept, users: set[str]) -> None:
    """What was kept of the season is the ranking of its rows, and its digest is of that. Whoever
    was removed since is still there, and has no rows.
    """
    lines = [
        (user, -score if board.is_low else score, _written(reached_at))
        for user, score, reached_at in ranked(kept)[: board.size]
    ]
    assert season.final is not None, (board.board_id, season)
    found = [(entry["userId"], entry["score"], entry["reachedAt"]) for entry in season.final]
    here = [line for line in found if line[0] in users]
    assert here == (lines if here == found else lines[: len(here)]), (board.board_id, season.number)
    if season.state == "final":
        assert season.digest == digest_of(found)


def digest_of(lines: list[tuple[str, int, str]]) -> str:
    """The SHA-256 of a line for each entry."""
    text = "\n".join(
        f"{place} {user} {score} {reached_at}"
        for place, (user, score, reached_at) in enumerate(lines, 1)
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _written(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


def _boards(database_url: str) -> list[BoardRow]:
    """Every board but `main`, whose entries are `scores`."""
    seasons = defaultdict(list)
    for board_id, *row in sql(
        database_url,
        "SELECT board_id, season_id, number, starts_at, ends_at, state, final, digest"
        " FROM seasons ORDER BY board_id, number",
    ):
        seasons[board_id].append(SeasonRow(*row))
    actions = defaultdict(set)
    for board_id, action_id in sql(database_url, "SELECT board_id, action_id FROM board_actions"):
        actions[board_id].add(action_id)
    return [
        BoardRow(
            board_id,
            counts,
            operator,
            direction == "low",
            size,
            frozenset(actions[board_id]),
            tuple(seasons[board_id]),
        )
        for board_id, counts, operator, direction, size in sql(
            database_url,
            "SELECT board_id, counts, operator, direction, size FROM boards"
            " WHERE board_id <> 'main'",
        )
    ]
