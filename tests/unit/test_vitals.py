"""What is looked at once a second: the process, its loop, and who uses the pools."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from dataclasses import dataclass
from typing import cast

import pytest

from scoreboard.connections.postgres import Postgres
from scoreboard.connections.redis_pool import Pool as RedisPool
from scoreboard.operations.metrics import Metrics
from scoreboard.operations.vitals import Vitals
from tests.eventually import eventually
from tests.samples import counted


@dataclass
class Pool:
    """Lends connections, as far as anybody looks."""

    in_use: int = 0
    idle: int = 0
    waiting: int = 0


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def vitals_of(metrics: Metrics, **postgres: Pool) -> Vitals:
    return Vitals(
        metrics,
        instance="one",
        role="api",
        postgres=cast("dict[str, Postgres]", postgres),
        redis=cast("RedisPool", Pool(3, 5)),
        submissions_waiting=lambda: 11,
    )


def test_who_uses_the_pools_is_shown_by_pool(metrics: Metrics) -> None:
    vitals_of(metrics, ledger=Pool(2, 0, 7), queries=Pool(1, 3)).look()

    def sessions(pool: str, state: str) -> float:
        return counted(metrics, "postgres_sessions", pool=pool, state=state)

    assert (sessions("ledger", "in_use"), sessions("ledger", "idle")) == (2, 0)
    assert (sessions("queries", "in_use"), sessions("queries", "idle")) == (1, 3)
    assert counted(metrics, "postgres_waiting", pool="ledger") == 7
    assert counted(metrics, "redis_connections", state="in_use") == 3
    assert counted(metrics, "redis_connections", state="idle") == 5
    assert counted(metrics, "submissions_waiting") == 11


def test_a_process_says_what_it_uses_and_who_it_is(metrics: Metrics) -> None:
    vitals = vitals_of(metrics)
    vitals.look()
    files = counted(metrics, "process_open_fds")
    reading, writing = os.pipe()
    vitals.look()

    assert counted(metrics, "process_open_fds") == files + 2
    assert 10e6 < counted(metrics, "process_resident_memory_bytes") < 10e9
    assert counted(metrics, "process_start_time_seconds") == pytest.approx(time.time(), abs=60)
    who = {"name": "one", "role": "api"}
    assert metrics.registry.get_sample_value("scoreboard_instance_info", who) == 1
    for number in (reading, writing):
        os.close(number)


def test_a_process_without_a_file_left_is_looked_at_all_the_same(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    vitals = vitals_of(metrics)
    vitals.look()
    files = counted(metrics, "process_open_fds")

    def no_file(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch:
        patch.setattr("os.stat", no_file)
        patch.setattr("os.listdir", no_file)
        patch.setattr("builtins.open", no_file)
        vitals.look()

    assert counted(metrics, "process_open_fds") == files
    assert 10e6 < counted(metrics, "process_resident_memory_bytes") < 10e9


def test_processor_time_is_counted_once(metrics: Metrics) -> None:
    vitals = vitals_of(metrics)
    for _ in range(3):
        vitals.look()

    assert counted(metrics, "process_cpu_seconds_total") == pytest.approx(
        time.process_time(), abs=0.5
    )


async def test_a_loop_that_is_held_up_is_seen_to_be_late(metrics: Metrics) -> None:
    running = asyncio.create_task(vitals_of(metrics).run())
    await asyncio.sleep(0.8)
    time.sleep(0.7)  # noqa: ASYNC251 - as a defect would
    await eventually(lambda: counted(metrics, "loop_delay_seconds_count"))
    running.cancel()

    assert counted(metrics, "loop_delay_seconds_sum") == pytest.approx(0.5, abs=0.3)
