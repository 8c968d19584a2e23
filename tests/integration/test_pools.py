"""What the borders tell of their pools: who waited, who got no answer, and why."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import pytest

from scoreboard.connections.postgres import Postgres
from scoreboard.connections.redis import Redis, RedisUnavailable
from scoreboard.errors import LedgerUnavailable
from tests.eventually import eventually

NOBODY_LISTENS = "127.0.0.1:1"


async def test_a_caller_that_finds_no_free_session_waits_and_is_counted(database_url: str) -> None:
    waits: list[float] = []
    failures: Counter[str] = Counter()
    postgres = Postgres(
        database_url,
        sessions=1,
        timeout_seconds=0.5,
        name="test",
        on_wait=waits.append,
        on_failure=lambda reason: failures.update([reason]),
    )
    async with postgres.session():
        late = asyncio.create_task(postgres.fetch("SELECT 1"))
        await eventually(lambda: (postgres.in_use, postgres.idle, postgres.waiting) == (1, 0, 1))
        with pytest.raises(LedgerUnavailable):
            await late
    assert (postgres.in_use, postgres.idle, postgres.waiting) == (0, 1, 0)
    assert failures == {"no_session": 1}
    assert waits[0] < waits[1] >= 0.5
    postgres.close()


async def test_why_postgresql_did_not_answer_is_told(database_url: str) -> None:
    failures: Counter[str] = Counter()

    def on_failure(reason: str) -> None:
        failures.update([reason])

    slow = Postgres(
        database_url, sessions=1, timeout_seconds=0.3, name="test", on_failure=on_failure
    )
    with pytest.raises(LedgerUnavailable):
        await slow.fetch("SELECT pg_sleep(5)")
    slow.close()
    present = Postgres(
        database_url, sessions=1, timeout_seconds=5.0, name="test", on_failure=on_failure
    )
    with pytest.raises(LedgerUnavailable):
        await present.fetch("DO $$BEGIN RAISE deadlock_detected; END$$")
    present.close()
    away = Postgres(
        f"postgresql://{NOBODY_LISTENS}/none",
        sessions=1,
        timeout_seconds=1,
        name="test",
        on_failure=on_failure,
    )
    for _ in range(2):
        with pytest.raises(LedgerUnavailable):
            await away.fetch("SELECT 1")

    assert failures == {"no_answer": 1, "aborted": 1, "no_connection": 1, "resting": 1}


async def test_why_redis_did_not_answer_is_told() -> None:
    failures: Counter[str] = Counter()
    redis = Redis(
        f"redis://{NOBODY_LISTENS}",
        timeout_seconds=0.5,
        name="test",
        on_failure=lambda reason: failures.update([reason]),
    )
    for _ in range(2):
        with pytest.raises(RedisUnavailable):
            await redis.ping()

    assert failures == {"no_answer": 1, "resting": 1}
    await redis.close()


async def test_connections_to_redis_are_seen_to_be_lent_and_given_back(redis_url: str) -> None:
    redis = Redis(redis_url, timeout_seconds=5, name="test")
    busy = redis.script("local n = 0 for i = 1, 2e7 do n = n + i end return n")
    started = time.monotonic()
    call = asyncio.ensure_future(busy([], []))
    await eventually(lambda: (redis.in_use, redis.idle) == (1, 0))
    await call

    assert (redis.in_use, redis.idle) == (0, 1), f"after {time.monotonic() - started:.1f} s"
    await redis.close()
