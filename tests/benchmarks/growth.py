"""How cost grows with the number of users and of ledger rows (one row per user at the start)."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from scoreboard.connections.postgres import Postgres
from scoreboard.scoring.ledger import Ledger
from scoreboard.scoring.model import Grant, Submission
from tests.benchmarks.world import user_id
from tests.world import sql

BATCH = 50
_TIMES = 200


@dataclass(frozen=True)
class Cost:
    """What things cost at this size."""

    users: int
    grant_us: float  # of one submission, in batches of 50
    top_us: float
    rank_index_mib: float
    rebuild_seconds: float


def measure(url: str, users: int) -> Cost:
    """Measure on a database that was filled with so many users."""
    return asyncio.run(_measure(url, users))


async def _measure(url: str, users: int) -> Cost:
    postgres = Postgres(url, sessions=1, timeout_seconds=3600, name="benchmarks")
    ledger = Ledger(postgres, postgres)
    try:
        randomness = random.Random(users)
        batches = [
            [Submission(user_id(randomness.randint(1, users)), f"a{number}") for _ in range(BATCH)]
            for number in range(_TIMES)
        ]
        numbers = iter(batches)
        grant = await _median(lambda: _granted(ledger, next(numbers)))
        top = await _median(ledger.board)
        began = time.perf_counter()
        await ledger.rebuild()
        rebuild = time.perf_counter() - began
    finally:
        postgres.close()
    [(index,)] = sql(url, "SELECT pg_relation_size('idx_scores_score_desc')")
    return Cost(users, grant / BATCH * 1e6, top * 1e6, index / 2**20, rebuild)


async def _granted(ledger: Ledger, batch: list[Submission]) -> None:
    settlement = await ledger.grant(batch)
    assert any(isinstance(verdict, Grant) for verdict in settlement.verdicts.values())


async def _median(act: Callable[[], Awaitable[object]]) -> float:
    durations = []
    for _ in range(_TIMES):
        began = time.perf_counter()
        await act()
        durations.append(time.perf_counter() - began)
    return statistics.median(durations)
