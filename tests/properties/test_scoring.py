"""Random games on a real PostgreSQL against a model in plain Python.

The model knows the rules, not the SQL: what is granted once, what a score is, who ranks before
whom, and that the version rises by exactly one whenever a transaction changes the top 10.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given

from scoreboard.connections.postgres import Postgres
from scoreboard.errors import AlreadyGranted, ScoreOutOfRange, UnknownAction, UnknownUser
from scoreboard.ledger.ledger import Ledger
from scoreboard.ledger.verdicts import Settlement, Verdict
from scoreboard.model import BOARD_SIZE, MAIN, Board, Grant, Submission
from scoreboard.scoring.catalogue import Catalogue
from tests.properties.strategies import (
    ACTIONS,
    INTEGER_MAX,
    PLAYERS,
    Batch,
    Load,
    Rebuild,
    Removal,
    Step,
    examples,
    games,
)
from tests.world import ledger_sums, scores, sql

Pair = tuple[str, str]
Entries = list[tuple[str, int]]

START_POINTS = {"walk": 1, "run": 2, "jump": 2, "swim": 3, "huge": INTEGER_MAX - 3}


@dataclass
class Model:
    """What should be there."""

    users: set[str] = field(default_factory=lambda: set(PLAYERS))
    points: dict[str, int] = field(default_factory=lambda: dict(START_POINTS))
    ledger: dict[Pair, int] = field(default_factory=dict)
    reached: dict[str, int] = field(default_factory=dict)
    transactions: int = 0
    version: int = 1

    def scores(self) -> dict[str, int]:
        """Everybody's sum of points granted."""
        sums: dict[str, int] = {}
        for (user, _), granted in self.ledger.items():
            sums[user] = sums.get(user, 0) + granted
        return sums

    def top(self) -> Entries:
        """Highest score first, then whoever reached it first, then user id."""
        ranked = sorted(
            self.scores().items(), key=lambda item: (-item[1], self.reached[item[0]], item[0])
        )
        return ranked[:BOARD_SIZE]

    def settle(self, pairs: Sequence[Pair]) -> dict[Pair, Any]:
        """Grant a batch in one transaction. Of those who would pass the largest score the smallest
        submissions come first, as far as they fit.
        """
        verdicts = {pair: self._refusal(pair) for pair in pairs}
        new = [pair for pair, refusal in verdicts.items() if refusal is None]
        raised = self.scores()
        before = self.top()
        self.transactions += 1
        granted = []
        for user, action in sorted(new, key=lambda pair: (self.points[pair[1]], pair[1])):
            score = raised.get(user, 0) + self.points[action]
            if score > INTEGER_MAX:
                verdicts[user, action] = ScoreOutOfRange
                continue
            raised[user] = score
            granted.append((user, action))
            self.ledger[user, action] = self.points[action]
            self.reached[user] = self.transactions
        for user, action in granted:
            verdicts[user, action] = (self.points[action], raised[user])
        self.version += self.top() != before
        return verdicts

    def _refusal(self, pair: Pair) -> Any:
        user, action = pair
        if user not in self.users:
            return UnknownUser
        if action not in self.points:
            return UnknownAction
        return AlreadyGranted if pair in self.ledger else None

    def remove(self, user: str) -> bool:
        """Forget a user and all that he was granted; the board is renewed whatever it held."""
        if user not in self.users:
            return False
        self.users.remove(user)
        self.ledger = {pair: n for pair, n in self.ledger.items() if pair[0] != user}
        self.version += 1
        return True


def told(verdict: Verdict) -> Any:
    """A verdict in the model's words."""
    return (verdict.points, verdict.score) if isinstance(verdict, Grant) else type(verdict)


def shown(board: Board) -> Entries:
    return [(entry.user_id, entry.score) for entry in board.entries]


class Game:
    """Plays each step on the ledger and on the model, and compares."""

    def __init__(self, ledger: Ledger, catalogue: Catalogue, database_url: str) -> None:
        self.ledger = ledger
        self.catalogue = catalogue
        self.database_url = database_url
        self.model = Model()

    async def begin(self) -> None:
        self.model = Model()
        sql(
            self.database_url,
            """
            TRUNCATE users, actions CASCADE;
            UPDATE boards SET version = 1, tenth_score = NULL;
            INSERT INTO users (user_id, username, email, password_hash)
            SELECT id::uuid, id, id, '-' FROM unnest(%s) AS id
            """,
            (list(PLAYERS),),
        )
        await self.catalogue.load(START_POINTS)

    async def play(self, step: Step) -> None:
        match step:
            case Batch(pairs):
                await self.submit(pairs)
            case Load(points):
                await self.catalogue.load(points)
                self.model.points |= points
            case Removal(user):
                await self.remove(user)
            case Rebuild(ahead):
                await self.rebuild(above=self.model.version + ahead)

    async def submit(self, pairs: Sequence[Pair]) -> None:
        version = self.model.version
        expected = self.model.settle(list(dict.fromkeys(pairs)))

        settlement = await self.ledger.grant([Submission(*pair) for pair in pairs])

        assert {pair: told(verdict) for pair, verdict in settlement.verdicts.items()} == expected
        self.compare_settlement(settlement, changed=self.model.version > version)
        for (_, action), verdict in settlement.verdicts.items():
            if isinstance(verdict, AlreadyGranted):
                assert verdict.action_id == action

    def compare_settlement(self, settlement: Settlement, *, changed: bool) -> None:
        if not changed:
            assert not settlement.boards
            return
        assert MAIN in settlement.boards
        assert settlement.boards[MAIN].version == self.model.version
        assert shown(settlement.boards[MAIN]) == self.model.top()

    async def remove(self, user: str) -> None:
        existed = self.model.remove(user)

        _, boards = await self.ledger.remove_users([user])

        assert bool(boards) == existed
        for board in boards:
            assert (board.version, shown(board)) == (self.model.version, self.model.top())

    async def rebuild(self, above: int) -> None:
        self.model.version = max(self.model.version, above) + 1

        corrected, board = await self.ledger.rebuild(above)

        assert corrected == 0
        assert (board.version, shown(board)) == (self.model.version, self.model.top())

    async def compare(self) -> None:
        """The truth in the database is the model's, whatever way it is read."""
        board = await self.ledger.board()
        assert (board.version, shown(board)) == (self.model.version, self.model.top())
        assert await self.ledger.version() == self.model.version
        assert scores(self.database_url) == self.model.scores()
        assert ledger_sums(self.database_url) == self.model.scores()


@pytest.fixture
async def game(database_url: str) -> AsyncIterator[Game]:
    postgres = Postgres(database_url, sessions=2, timeout_seconds=30.0, name="test")
    yield Game(Ledger(postgres, postgres), Catalogue(postgres), database_url)
    postgres.close()


@examples(60)
@given(games())
async def test_every_game_ends_as_the_rules_say(game: Game, steps: list[Step]) -> None:
    await game.begin()

    for step in steps:
        await game.play(step)
        await game.compare()

    assert await game.ledger.differences() == []


def test_the_model_knows_every_action_that_is_drawn() -> None:
    assert set(START_POINTS) == set(ACTIONS)
