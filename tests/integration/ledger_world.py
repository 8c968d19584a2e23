"""A ledger on a database of its own, some definitions of boards, and a grant that is under way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from scoreboard.connections.postgres import Postgres
from scoreboard.ledger.definitions import Definitions
from scoreboard.ledger.ledger import Ledger
from scoreboard.ledger.moderation import Done, Moderation, Order
from scoreboard.ledger.queries import SEASONS_LOCK
from scoreboard.model import BoardId, Submission
from scoreboard.seasons.definition import Definition
from tests.eventually import eventually
from tests.world import add_actions, add_users, holding, waits_for_lock, zone_at_noon

HOUR = timedelta(hours=1)
DAILY = Definition(BoardId("daily"), "Today", period="day", zone=zone_at_noon())
JUMPS = Definition(BoardId("jumps"), "Jumps", counts="listed", actions=("jump",))
LEAST = Definition(BoardId("least"), "Least", operator="best", direction="low", size=3)


@asynccontextmanager
async def a_ledger(database_url: str, timeout_seconds: float = 5.0) -> AsyncIterator[Ledger]:
    writers = Postgres(
        database_url, sessions=2, timeout_seconds=timeout_seconds, name="test.writers"
    )
    queries = Postgres(
        database_url, sessions=2, timeout_seconds=timeout_seconds, name="test.queries"
    )
    try:
        yield Ledger(writers, queries)
    finally:
        writers.close()
        queries.close()


async def renamed(database_url: str, user_id: str, name: str) -> Done:
    """Give a user another name, as operators do."""
    writers = Postgres(database_url, sessions=1, timeout_seconds=5.0, name="test.renaming")
    try:
        return await Moderation(writers).rename(
            user_id, name, name, Order("operator:test", "Asked for it")
        )
    finally:
        writers.close()


async def defined(definitions: Definitions) -> dict[BoardId, Definition]:
    return {each.definition.board_id: each.definition for each in await definitions.all()}


async def who_ran(ledger: Ledger, database_url: str, count: int) -> list[str]:
    """Add so many users, all of whom were granted the action `run`, 50 points, in one batch."""
    users = add_users(database_url, count)
    add_actions(database_url, {"run": 50})
    await ledger.grant([Submission(user, "run") for user in users])
    return users


async def under_way(database_url: str, user: str, doing: Callable[[], Awaitable[object]]) -> object:
    """Do something while the grant of 50 points to this user is under way, which ends then."""
    statement = (
        f"SELECT pg_advisory_xact_lock_shared({SEASONS_LOCK});"
        "INSERT INTO ledger (user_id, action_id, points_granted, submitted_at)"
        f" VALUES ('{user}', 'run', 50, clock_timestamp());"
        f"INSERT INTO scores VALUES ('{user}', 50, now());"
        "INSERT INTO season_entries SELECT season_id, user_id, score, submitted_at"
        " FROM (SELECT user_id, points_granted AS score, submitted_at FROM ledger) AS granted"
        " CROSS JOIN seasons WHERE board_id <> 'main' AND state = 'running'"
    )
    with holding(database_url, statement) as grant:
        task = asyncio.ensure_future(doing())
        await eventually(lambda: task.done() or waits_for_lock(database_url))
        grant.commit()
        return await task
