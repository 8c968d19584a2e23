"""Random games over boards and seasons on a real PostgreSQL against a model in plain Python.

The model knows the rules, not the SQL: to which season a grant belongs, what its score is there,
who ranks before whom, when a version rises, and what is kept of a season that has ended. Turns come
late, twice or not at all; the clock stands, jumps and is set back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given

from scoreboard.connections.postgres import Postgres
from scoreboard.errors import AlreadyGranted, UnknownAction, UnknownUser
from scoreboard.ledger.definitions import Definitions
from scoreboard.ledger.ledger import Ledger
from scoreboard.ledger.verdicts import Settlement
from scoreboard.model import BOARD_SIZE, MAIN, Board, BoardId, Submission
from scoreboard.scoring.catalogue import Catalogue
from scoreboard.seasons.periods import containing, following
from tests.ledger_clock import LedgerClock
from tests.properties.strategies import (
    PLAYERS,
    Batch,
    BoardRebuild,
    BoardStep,
    Kind,
    Load,
    Removal,
    Turn,
    Wait,
    board_games,
    examples,
)
from tests.properties.test_scoring import Pair, shown, told
from tests.season_reckoning import digest_of
from tests.world import add_board, ledger_sums, scores, sql

START_POINTS = {"walk": 1, "run": 2, "jump": 2, "swim": 3, "huge": 9}
# Half an hour before clocks in Chile skip a midnight.
BEGIN = datetime(2026, 9, 6, 3, 30, tzinfo=UTC)

Entry = tuple[str, int, datetime]  # a user, the score as it is shown, and when it was reached


@dataclass
class SeasonModel:
    """A season, and what was kept of it."""

    starts_at: datetime
    ends_at: datetime | None
    state: str = "upcoming"
    final: list[Entry] | None = None
    digest: str | None = None

    def contains(self, moment: datetime) -> bool:
        return self.starts_at <= moment and (self.ends_at is None or moment < self.ends_at)


@dataclass
class BoardModel:
    """A board. `shown` is the place of its season in `seasons`."""

    kind: Kind
    seasons: list[SeasonModel]
    shown: int | None = None
    version: int = 1

    def counts(self, action: str) -> bool:
        return self.kind.actions is None or action in self.kind.actions

    @property
    def is_behind_from(self) -> datetime | None:
        return self.seasons[-1].ends_at if self.kind.zone else None

    def running(self, moment: datetime) -> SeasonModel | None:
        """The season to which what is granted at this moment belongs."""
        return next((season for season in self.seasons if season.contains(moment)), None)

    def write_ahead(self, moment: datetime) -> None:
        while self.kind.zone and self.seasons[-1].starts_at <= moment:
            starts_at = self.seasons[-1].ends_at
            assert starts_at is not None
            self.seasons.append(SeasonModel(starts_at, following("day", self.kind.zone, starts_at)))


@dataclass
class Model:
    """What should be there."""

    boards: dict[BoardId, BoardModel]
    clock: datetime = BEGIN
    users: set[str] = field(default_factory=lambda: set(PLAYERS))
    points: dict[str, int] = field(default_factory=lambda: dict(START_POINTS))
    ledger: dict[Pair, tuple[int, datetime]] = field(default_factory=dict)
    reached: dict[str, datetime] = field(default_factory=dict)
    main_version: int = 1

    @property
    def moment(self) -> datetime:
        """The clock's, unless a season that has ended says that it is later."""
        ends = [
            season.ends_at
            for board in self.boards.values()
            for season in board.seasons
            if season.state in ("ended", "final") and season.ends_at
        ]
        return max([self.clock, *ends])

    def entries(self, board: BoardModel, season: SeasonModel) -> list[Entry]:
        """All entries of a season, best first."""
        found: dict[str, tuple[int, datetime]] = {}
        is_sum, is_low = board.kind.operator == "sum", board.kind.direction == "low"
        for (user, action), (points, moment) in self.ledger.items():
            if not (board.counts(action) and season.contains(moment)):
                continue
            score, at = found.get(user, (0 if is_sum else None, moment))
            if is_sum:
                found[user] = (points + (score or 0), max(at, moment))
            elif score is None or (points < score if is_low else points > score):
                found[user] = (points, moment)
            elif points == score:
                found[user] = (points, min(at, moment))
        sign = 1 if is_low else -1
        return sorted(
            ((user, score, at) for user, (score, at) in found.items()),
            key=lambda entry: (sign * entry[1], entry[2], entry[0]),
        )

    def top(self, board: BoardModel) -> list[Entry]:
        if board.shown is None:
            return []
        return self.entries(board, board.seasons[board.shown])[: board.kind.size]

    def main_top(self) -> list[tuple[str, int]]:
        sums: dict[str, int] = {}
        for (user, _), (points, _) in self.ledger.items():
            sums[user] = sums.get(user, 0) + points
        ranked = sorted(sums.items(), key=lambda item: (-item[1], self.reached[item[0]], item[0]))
        return ranked[:BOARD_SIZE]

    def turn(self) -> set[BoardId]:
        """Let everything begin, end and close that is due; which boards show something else."""
        moment, changed = self.moment, set()
        for board_id, board in self.boards.items():
            board.write_ahead(moment)
            if self._begin_and_end(board, moment) | self._close(board, moment):
                board.version += 1
                changed.add(board_id)
        return changed

    def _begin_and_end(self, board: BoardModel, moment: datetime) -> bool:
        is_changed = False
        for place, season in enumerate(board.seasons):
            is_over = season.ends_at is not None and season.ends_at <= moment
            if season.state == "running" and is_over:
                season.state, is_changed = "ended", True
            elif season.state == "upcoming" and season.starts_at <= moment:
                season.state, is_changed = "ended" if is_over else "running", True
            if season.state != "upcoming":
                board.shown = place
        return is_changed

    def _close(self, board: BoardModel, moment: datetime) -> bool:
        is_changed = False
        for place, season in enumerate(board.seasons):
            if season.state != "ended" or season.ends_at is None:
                continue
            is_over = season.ends_at + timedelta(seconds=board.kind.grace_seconds) <= moment
            if season.final is None or is_over:
                season.final = self.entries(board, season)[: board.kind.size]
                assert board.shown is not None
                is_changed |= place >= board.shown - 1
            if is_over:
                season.state, season.digest = "final", _digest(season.final)
        return is_changed

    def settle(self, pairs: Iterable[Pair]) -> dict[Pair, Any]:
        """Grant a batch in one transaction."""
        before = self.main_top()
        verdicts: dict[Pair, Any] = {}
        granted = []
        for pair in dict.fromkeys(pairs):
            user, action = pair
            if user not in self.users:
                verdicts[pair] = UnknownUser
            elif action not in self.points:
                verdicts[pair] = UnknownAction
            elif pair in self.ledger:
                verdicts[pair] = AlreadyGranted
            else:
                granted.append(pair)
        entries = {
            board_id: set(self.entries(board, season))
            for board_id, board in self.boards.items()
            if (season := self._shown_and_running(board))
        }
        for pair in granted:
            self.ledger[pair] = (self.points[pair[1]], self.moment)
            self.reached[pair[0]] = self.clock
        for board_id, old in entries.items():
            if set(self.top(self.boards[board_id])) - old:
                self.boards[board_id].version += 1
        for user, action in granted:
            score = sum(points for (who, _), (points, _) in self.ledger.items() if who == user)
            verdicts[user, action] = (self.points[action], score)
        self.main_version += self.main_top() != before
        return verdicts

    def _shown_and_running(self, board: BoardModel) -> SeasonModel | None:
        season = board.running(self.moment)
        if season is None or board.shown is None or board.seasons[board.shown] is not season:
            return None
        return season

    def is_due(self) -> bool:
        """Whether a grant of now counts in a season that is not shown."""
        return any(
            board.running(self.moment) is not None and self._shown_and_running(board) is None
            for board in self.boards.values()
        )

    def remove(self, user: str) -> set[BoardId]:
        """Forget a user; the boards on which he was are renewed."""
        if user not in self.users:
            return set()
        showing = {
            board_id
            for board_id, board in self.boards.items()
            if user in [each for each, _, _ in self._may_be_on(board)]
        }
        self.users.remove(user)
        self.ledger = {pair: row for pair, row in self.ledger.items() if pair[0] != user}
        self.main_version += 1
        for board_id in showing:
            self.boards[board_id].version += 1
        return showing | {MAIN}

    def _may_be_on(self, board: BoardModel) -> list[Entry]:
        """Who is on the board, and who has the score of its last one."""
        top = self.top(board)
        if board.shown is None or len(top) < board.kind.size:
            return top
        everybody = self.entries(board, board.seasons[board.shown])
        return [entry for entry in everybody if entry in top or entry[1] == top[-1][1]]


def _digest(final: list[Entry]) -> str:
    return digest_of([(user, score, _written(at)) for user, score, at in final])


def _written(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"


class Game:
    """Plays each step on the ledger and on the model, and compares."""

    def __init__(self, postgres: Postgres, database_url: str, clock: LedgerClock) -> None:
        self.postgres = postgres
        self.ledger = Ledger(postgres, postgres)
        self.definitions = Definitions(postgres)
        self.catalogue = Catalogue(postgres)
        self.database_url = database_url
        self.clock = clock
        self.model = Model({})

    async def begin(self, kinds: Sequence[Kind]) -> None:
        sql(
            self.database_url,
            """
            TRUNCATE users, actions CASCADE;
            DELETE FROM boards WHERE board_id <> 'main';
            UPDATE boards SET version = 1, tenth_score = NULL;
            INSERT INTO users (user_id, username, email, password_hash)
            SELECT id::uuid, id, id, '-' FROM unnest(%s) AS id
            """,
            (list(PLAYERS),),
        )
        await self.catalogue.load(START_POINTS)
        self.model = Model({BoardId(f"board{n}"): _new(kind) for n, kind in enumerate(kinds)})
        self.clock.set(BEGIN)
        for board_id, board in self.model.boards.items():
            self.add(board_id, board)

    def add(self, board_id: BoardId, board: BoardModel) -> None:
        kind = board.kind
        add_board(
            self.database_url,
            board_id,
            *((season.starts_at, season.ends_at) for season in board.seasons),
            state=board.seasons[0].state,
            operator=kind.operator,
            direction=kind.direction,
            counts="every" if kind.actions is None else "listed",
            size=kind.size,
            grace_seconds=kind.grace_seconds,
            period="day" if kind.zone else "dates",
            zone=kind.zone or "UTC",
            written_until=board.is_behind_from,
        )
        for action in kind.actions or ():
            sql(
                self.database_url,
                "INSERT INTO board_actions VALUES (%s, %s)",
                (board_id, action),
            )

    async def play(self, step: BoardStep) -> None:
        match step:
            case Batch(pairs):
                await self.submit(pairs)
            case Load(points):
                await self.catalogue.load(points)
                self.model.points |= points
            case Removal(user):
                changed = self.model.remove(user)
                _, boards = await self.ledger.remove_users([user])
                self.compare_changed(boards, changed)
            case Wait(seconds):
                self.model.clock += timedelta(seconds=seconds)
                self.clock.set(self.model.clock)
            case Turn(instances):
                await self.turn(instances)
            case BoardRebuild(number, ahead):
                await self.rebuild(number, ahead)

    async def submit(self, pairs: Sequence[Pair]) -> None:
        turned = set[BoardId]()
        if any(
            board.is_behind_from is not None and board.is_behind_from <= self.model.moment
            for board in self.model.boards.values()
        ):
            turned = self.model.turn()  # before it grants: nothing is counted in none
        versions = self.versions()
        is_due = self.model.is_due()
        expected = self.model.settle(pairs)

        settlement = await self.ledger.grant([Submission(*pair) for pair in pairs])

        assert {pair: told(verdict) for pair, verdict in settlement.verdicts.items()} == expected
        assert settlement.is_due == is_due
        changed = {
            board_id
            for board_id, version in self.versions().items()
            if version > versions[board_id]
        }
        self.compare_changed(settlement.boards.values(), turned | changed)
        self.compare_seen(settlement, pairs)

    def compare_seen(self, settlement: Settlement, pairs: Sequence[Pair]) -> None:
        """Whoever submitted waits for what his grant was counted on, and for no other board."""
        actions = {action for _, action in pairs}
        counting = {
            board_id
            for board_id, board in self.model.boards.items()
            if board.running(self.model.moment)
            and (board.kind.actions is None or actions.intersection(board.kind.actions))
        }
        assert settlement.seen == {
            board_id: version
            for board_id, version in self.versions().items()
            if board_id in counting or board_id == MAIN
        }

    async def turn(self, instances: int) -> None:
        changed = self.model.turn()
        turned = await asyncio.gather(*(self.ledger.turn() for _ in range(instances)))
        self.compare_changed([board for boards in turned for board in boards], changed)

    async def rebuild(self, number: int, ahead: int) -> None:
        board_id = list(self.model.boards)[number % len(self.model.boards)]
        board = self.model.boards[board_id]
        above = board.version + ahead
        board.version = max(board.version, above) + 1

        corrected, rebuilt = await self.ledger.rebuild(above, board_id=board_id)

        assert corrected == 0
        self.compare_changed([rebuilt], {board_id})

    def versions(self) -> dict[BoardId, int]:
        found = {board_id: board.version for board_id, board in self.model.boards.items()}
        return found | {MAIN: self.model.main_version}

    def compare_changed(self, boards: Iterable[Board], changed: set[BoardId]) -> None:
        found = list(boards)
        assert sorted(board.board_id for board in found) == sorted(changed)
        for board in found:
            self.compare_board(board)

    def compare_board(self, board: Board) -> None:
        if board.board_id == MAIN:
            assert (board.version, shown(board)) == (self.model.main_version, self.model.main_top())
            return
        model = self.model.boards[board.board_id]
        assert board.version == model.version
        assert shown(board) == [(user, score) for user, score, _ in self.model.top(model)]
        assert (board.season is None) == (model.shown is None)
        if board.season is None or model.shown is None:
            return
        season = model.seasons[model.shown]
        assert (board.season.number, board.season.state) == (model.shown + 1, season.state)
        assert (board.season.starts_at, board.season.ends_at) == (season.starts_at, season.ends_at)
        assert (board.before is None) == (model.shown == 0)
        if board.before is not None:
            before = model.seasons[model.shown - 1]
            assert board.before.season.state == before.state
            assert before.final is not None
            assert [(each.user_id, each.score) for each in board.before.entries] == [
                (user, score) for user, score, _ in before.final[:10]
            ]

    async def compare(self) -> None:
        """The truth in the database is the model's, whatever way it is read."""
        for board in await self.ledger.boards([MAIN, *self.model.boards]):
            self.compare_board(board)
        versions = (await self.ledger.versions()).boards
        assert {board_id: state.version for board_id, state in versions.items()} == self.versions()
        assert await self.postgres.fetch(
            "SELECT board_id, number, state, final IS NOT NULL, digest FROM seasons"
            " WHERE board_id <> 'main' ORDER BY 1, 2"
        ) == [
            (board_id, number, season.state, season.final is not None, season.digest)
            for board_id, board in sorted(self.model.boards.items())
            for number, season in enumerate(board.seasons, 1)
        ]

    async def compare_kept(self) -> None:
        """What was kept of each season is the model's, and `main` has what it had without them."""
        assert scores(self.database_url) == ledger_sums(self.database_url)
        for board_id, model in self.model.boards.items():
            for number, season in enumerate(model.seasons, 1):
                kept = await self.definitions.season(board_id, number)
                assert (kept.season.state, kept.digest) == (season.state, season.digest)
                assert [
                    (entry.user_id, entry.score, reached_at) for entry, reached_at in kept.entries
                ] == (season.final or [])


def _new(kind: Kind) -> BoardModel:
    """A board as it is when it was made at the beginning of a game."""
    seasons: list[SeasonModel] = []
    if kind.zone:
        starts_at, ends_at = containing("day", kind.zone, BEGIN)
        seasons = [SeasonModel(starts_at, ends_at)]
        seasons.append(SeasonModel(ends_at, following("day", kind.zone, ends_at)))
    else:
        at = BEGIN
        for gap, length in kind.dates:
            at += timedelta(seconds=gap)
            ends = None if length is None else at + timedelta(seconds=length)
            seasons.append(SeasonModel(at, ends))
            at = ends or at
    board = BoardModel(kind, seasons)
    if seasons[0].starts_at <= BEGIN:
        seasons[0].state, board.shown = "running", 0
    return board


@pytest.fixture
async def game(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Game]:
    clock = LedgerClock(database_url, monkeypatch)
    postgres = Postgres(database_url, sessions=3, timeout_seconds=30.0, name="test")
    yield Game(postgres, database_url, clock)
    postgres.close()
    clock.close()


@examples(20)
@given(board_games())
async def test_every_game_over_boards_and_seasons_ends_as_the_rules_say(
    game: Game, drawn: tuple[list[Kind], list[BoardStep]]
) -> None:
    kinds, steps = drawn
    await game.begin(kinds)

    for step in steps:
        await game.play(step)
        await game.compare()

    await game.turn(1)
    await game.compare()
    await game.compare_kept()
    for board_id in game.model.boards:
        assert await game.ledger.differences(board_id) == []
