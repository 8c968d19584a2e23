"""Grants, seasons that turn, and every act of moderation at once: each snapshot is right."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from datetime import UTC, datetime, timedelta

from scoreboard.connections.postgres import Postgres
from scoreboard.connections.session import TransactionAborted
from scoreboard.errors import AlreadyRevoked, NotGranted, ScoreOutOfRange, UnknownUser
from scoreboard.ledger.ledger import Ledger
from scoreboard.ledger.moderation import Moderation
from scoreboard.model import MAIN, BoardId, Grant, Submission
from tests.integration.fall_world import ORDER
from tests.integration.ledger_world import a_ledger
from tests.trust_reckoning import Auditor
from tests.world import add_actions, add_board, add_users, sql

ACTS = [*("hide", "show", "ban", "unban", "correct", "revoke_grant") * 3, "erase"]
_REFUSED = (ScoreOutOfRange, UnknownUser, NotGranted, AlreadyRevoked, TransactionAborted)


async def test_in_every_snapshot_scores_are_what_is_left_and_boards_show_them(
    database_url: str, postgres: Postgres
) -> None:
    """Over `main` and three boards, two of which have seasons that turn again and again."""
    users = add_users(database_url, 30)
    actions = {f"a{n}": n % 7 + 1 for n in range(40)}
    add_actions(database_url, actions)
    now = datetime.now(UTC)
    ends = [now + n * timedelta(seconds=0.8) for n in range(8)]
    seasons = [*itertools.pairwise(ends), (ends[-1], None)]
    add_board(database_url, "sum", *seasons, size=5)
    add_board(database_url, "low", *seasons, operator="best", direction="low", size=3)
    add_board(database_url, "best", (now, None), operator="best", counts="listed", size=2)
    sql(
        database_url,
        "INSERT INTO board_actions SELECT 'best', action_id FROM actions WHERE points > 2",
    )
    dice = random.Random(7)
    pairs = [Submission(user, action) for user in users for action in actions]
    dice.shuffle(pairs)
    auditor, granted, playing = Auditor(database_url), 0, ["on"]

    async def play(ledger: Ledger, submissions: list[Submission]) -> None:
        nonlocal granted
        for start in range(0, len(submissions), 3):
            settlement = await ledger.grant(submissions[start : start + 3])
            granted += sum(isinstance(each, Grant) for each in settlement.verdicts.values())
            if settlement.is_due:
                await turn(ledger)

    async def turn(ledger: Ledger) -> None:
        with contextlib.suppress(TransactionAborted):
            if (await ledger.versions()).is_due:
                await ledger.turn()

    async def moderate(moderation: Moderation) -> None:
        while playing:
            with contextlib.suppress(*_REFUSED):
                await act(moderation, dice.choice(users))

    async def act(moderation: Moderation, user: str) -> None:
        what = dice.choice(ACTS)
        if what == "revoke_grant":
            await moderation.revoke_grant(user, dice.choice([*actions]), ORDER)
        elif what == "correct":
            board_id = BoardId(dice.choice([MAIN, "sum", "low", "best"]))
            await moderation.correct(user, board_id, dice.choice([-5, -1, 4, 9]), ORDER)
        elif what == "erase":
            await moderation.erase(users.pop() if len(users) > 20 else user, ORDER)
        else:
            await getattr(moderation, what)(user, ORDER)

    async def audit() -> None:
        while playing:
            await asyncio.to_thread(auditor.look)
            await asyncio.sleep(0.05)

    async with a_ledger(database_url) as one, a_ledger(database_url) as two:
        async with asyncio.TaskGroup() as group:
            group.create_task(moderate(Moderation(postgres)))
            group.create_task(moderate(Moderation(postgres)))
            group.create_task(audit())
            async with asyncio.TaskGroup() as players:
                for n, ledger in enumerate((one, two, one, two)):
                    players.create_task(play(ledger, pairs[n::4]))
            playing.clear()
        auditor.look()

        assert granted > len(pairs) / 2
        assert auditor.looks > 3
        for board_id in ("main", "sum", "low", "best"):
            assert await one.differences(BoardId(board_id)) == []
            shown = await one.board(BoardId(board_id))
            top = auditor.shown[board_id, shown.version]
            sign = -1 if shown.is_low else 1
            assert [(entry.user_id, entry.score * sign) for entry in shown.entries] == top
    statement = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    assert sql(database_url, statement) == [(0,)]
    assert sql(database_url, "SELECT count(*) > 5, max(audit_id) = count(*) FROM audit") == [
        (True, True)
    ]
    assert sql(database_url, "SELECT count(*) FROM boards WHERE falling_at IS NOT NULL") == [(0,)]
