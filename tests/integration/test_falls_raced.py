"""Grants, results, seasons that turn, and every act of moderation at once: what a
snapshot holds is right.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from scoreboard.connections.postgres import Postgres
from scoreboard.connections.session import TransactionAborted
from scoreboard.errors import (
    AlreadyRevoked,
    Banned,
    NoSeason,
    NotGranted,
    ScoreOutOfRange,
    SeasonClosed,
    UnknownReceipt,
    UnknownUser,
)
from scoreboard.ledger.ledger import Ledger
from scoreboard.ledger.moderation import Moderation
from scoreboard.ledger.receipts import Recorded, Result
from scoreboard.ledger.results import Results
from scoreboard.model import MAIN, BoardId, Grant, Submission
from tests.integration.fall_world import ORDER
from tests.integration.ledger_world import a_ledger
from tests.trust_reckoning import Auditor
from tests.world import add_actions, add_board, add_users, sql

BOARDS = [MAIN, BoardId("sum"), BoardId("low"), BoardId("best")]
ACTS = [
    *("hide", "show", "ban", "unban", "correct", "revoke_grant", "revoke_result", "rename") * 3,
    "erase",
]
_REFUSED = (
    ScoreOutOfRange,
    UnknownUser,
    NotGranted,
    UnknownReceipt,
    AlreadyRevoked,
    TransactionAborted,
)
# What a result may be told; the last one of a batch that was rolled back twice.
_UNRECORDED = (Banned, UnknownUser, ScoreOutOfRange, NoSeason, SeasonClosed, TransactionAborted)
RESULTS = 400


@dataclass
class Game:
    """What is going on at once, until everything is granted."""

    users: list[str]
    actions: list[str]
    auditor: Auditor
    dice: random.Random = field(default_factory=lambda: random.Random(7))
    names: Iterator[int] = field(default_factory=itertools.count)
    granted: int = 0
    recorded: int = 0
    goes_on: bool = True

    async def play(self, ledger: Ledger, submissions: list[Submission]) -> None:
        for start in range(0, len(submissions), 3):
            settlement = await ledger.grant(submissions[start : start + 3])
            for verdict in settlement.verdicts.values():
                assert isinstance(verdict, Grant | Banned | UnknownUser)
                self.granted += isinstance(verdict, Grant)
            if settlement.is_due:
                with contextlib.suppress(TransactionAborted):
                    await ledger.turn()

    async def record(self, results: Results, numbers: range) -> None:
        for start in range(0, len(numbers), 4):
            sent = [self.a_result(number) for number in numbers[start : start + 4]]
            verdicts, _ = await results.record(sent)
            for verdict in verdicts:
                assert isinstance(verdict, (Recorded, *_UNRECORDED)), verdict
                self.recorded += isinstance(verdict, Recorded)

    def a_result(self, number: int) -> Result:
        """Of now, or of a season that may have ended and not closed."""
        board_id = self.dice.choice(BOARDS)
        value = self.dice.randint(-9 if board_id == "best" else 0, 9)
        ago = timedelta(seconds=self.dice.choice([0, 0, 0.5, 1]))
        played_at = datetime.now(UTC) - ago if ago else None
        return Result(
            "arena", str(number), self.dice.choice(self.users), board_id, value, played_at
        )

    async def moderate(self, moderation: Moderation) -> None:
        while self.goes_on:
            with contextlib.suppress(*_REFUSED):
                await self._act(moderation, self.dice.choice(self.users))

    async def _act(self, moderation: Moderation, user: str) -> None:
        what = self.dice.choice(ACTS)
        if what == "revoke_grant":
            await moderation.revoke_grant(user, self.dice.choice(self.actions), ORDER)
        elif what == "rename":
            name = f"name{next(self.names)}"
            await moderation.rename(user, name, name, ORDER)
        elif what == "revoke_result":
            await moderation.revoke_result("arena", str(self.dice.randrange(RESULTS)), ORDER)
        elif what == "correct":
            board_id, points = self.dice.choice(BOARDS), self.dice.choice([-5, -1, 4, 9])
            await moderation.correct(user, board_id, points, ORDER)
        elif what == "erase" and len(self.users) > 20:
            await moderation.erase(self.users.pop(), ORDER)
        elif what != "erase":
            await getattr(moderation, what)(user, ORDER)

    async def audit(self) -> None:
        while self.goes_on:
            await asyncio.to_thread(self.auditor.look)
            await asyncio.sleep(0.05)


def a_game(database_url: str) -> tuple[Game, list[Submission]]:
    """Users, actions and three boards beside `main`, two of which have seasons that turn again and
    again; and all that there is to submit.
    """
    users = add_users(database_url, 30)
    actions = [f"a{n}" for n in range(40)]
    add_actions(database_url, {action: n % 7 + 1 for n, action in enumerate(actions)})
    now = datetime.now(UTC)
    ends = [now + n * timedelta(seconds=0.8) for n in range(8)]
    seasons = [*itertools.pairwise(ends), (ends[-1], None)]
    add_board(database_url, "sum", *seasons, size=5, grace_seconds=60)
    add_board(database_url, "low", *seasons, operator="best", direction="low", size=3)
    add_board(
        database_url, "best", (now, None), operator="best", counts="listed", size=2, value_min=-9
    )
    sql(
        database_url,
        "INSERT INTO board_actions SELECT 'best', action_id FROM actions WHERE points > 2",
    )
    game = Game(users, actions, Auditor(database_url))
    pairs = [Submission(user, action) for user in users for action in actions]
    game.dice.shuffle(pairs)
    return game, pairs


async def test_in_every_snapshot_scores_are_what_is_left_and_boards_show_them(
    database_url: str, postgres: Postgres
) -> None:
    game, pairs = a_game(database_url)
    others = Postgres(database_url, sessions=2, timeout_seconds=5, name="test.others")
    async with a_ledger(database_url) as one, a_ledger(database_url) as two:
        async with asyncio.TaskGroup() as group:
            group.create_task(game.moderate(Moderation(postgres)))
            group.create_task(game.moderate(Moderation(postgres)))
            group.create_task(game.audit())
            async with asyncio.TaskGroup() as players:
                for n, ledger in enumerate((one, two, one, two)):
                    players.create_task(game.play(ledger, pairs[n::4]))
                for n, pool in enumerate((postgres, others)):
                    numbers = range(n, RESULTS, 2)
                    players.create_task(game.record(Results(pool, pool), numbers))
            game.goes_on = False
        game.auditor.look()

        assert game.granted > len(pairs) / 3
        assert game.recorded > RESULTS / 3
        assert game.auditor.looks > 3
        for board_id in BOARDS:
            assert await one.differences(board_id) == []
            shown = await one.board(board_id)
            top = game.auditor.shown[board_id, shown.version]
            sign = -1 if shown.is_low else 1
            assert [(entry.user_id, entry.score * sign) for entry in shown.entries] == top
    others.close()
    statement = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    assert sql(database_url, statement) == [(0,)]
    [(acts, last)] = sql(database_url, "SELECT count(*), max(audit_id) FROM audit")
    assert acts == last > 5
    assert sql(database_url, "SELECT count(*) FROM boards WHERE falling_at IS NOT NULL") == [(0,)]
