"""SIGHUP of `serve --workers` while something else fails: who connects is never turned away."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import psycopg2
import pytest

from tests.eventually import eventually
from tests.servers import PostgresServer
from tests.servers.ports import ReservedPort
from tests.workers import PATIENCE, Group, environment_of, serving

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]

READY = b"GET /readyz HTTP/1.1\r\nHost: test\r\n\r\n"
STREAM = b"GET /api/leaderboard/stream HTTP/1.1\r\nHost: test\r\n\r\n"
EVERY_TABLE = "LOCK TABLE board, scores, users, actions, ledger IN ACCESS EXCLUSIVE MODE"


class Strangers:
    """People who connect all the time, and what they met but what they should."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.met: Counter[str] = Counter()
        self.served: Counter[str] = Counter()

    async def knock(self) -> None:
        """Ask for readiness, over a new connection each time."""
        while True:
            await self._one("ready", READY, b"HTTP/1.1 200 ")

    async def follow(self) -> None:
        """Open a stream, which begins with a board in the first thing that it sends."""
        while True:
            await self._one("stream", STREAM, b"score:update")
            await asyncio.sleep(0.02)

    async def _one(self, kind: str, request: bytes, expected: bytes) -> None:
        received = b""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            with closing(writer):
                writer.write(request)
                received = await self._first(reader, kind)
        except OSError as error:
            self.met[f"{kind}: {type(error).__name__}"] += 1
            return
        if expected in received:
            self.served[kind] += 1
        else:
            self.met[f"{kind}: {received[:200]!r}"] += 1

    async def _first(self, reader: asyncio.StreamReader, kind: str) -> bytes:
        """What comes at first: the head and, of a stream, the write that follows it."""
        received = b""
        while chunk := await reader.read(65_536):
            received += chunk
            if kind == "ready" or b"event: " in received:
                break
        return received


@asynccontextmanager
async def strangers(group: Group) -> AsyncIterator[Strangers]:
    them = Strangers(group.port)
    tasks = [asyncio.create_task(them.knock()) for _ in range(4)]
    tasks += [asyncio.create_task(them.follow()) for _ in range(2)]
    yield them
    await asyncio.sleep(0.2)  # what comes right after the last change
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert them.served["ready"] > 10
    assert them.served["stream"] > 10


@pytest.fixture
async def group(database_url: str, redis_url: str, amqp_url: str) -> AsyncIterator[Group]:
    port = ReservedPort()
    with serving(environment_of(database_url, redis_url, amqp_url), port.number) as started:
        # Both: one that has only just begun could not start while PostgreSQL is frozen.
        await eventually(
            lambda: started.answers("/readyz") and len(started.instances()) == 2,
            within_seconds=PATIENCE,
        )
        yield started
    port.release()


def renew(group: Group) -> set[int]:
    before = group.workers()
    group.supervisor.send_signal(signal.SIGHUP)
    return before


async def renewed(group: Group, before: set[int]) -> None:
    await eventually(
        lambda: len(group.workers()) == 2 and not group.workers() & before,
        within_seconds=3 * PATIENCE,
    )


async def test_tables_are_locked_while_workers_are_renewed(group: Group, database_url: str) -> None:
    with closing(psycopg2.connect(database_url)) as other, other.cursor() as cursor:
        cursor.execute(EVERY_TABLE)
        async with strangers(group) as them:
            await renewed(group, renew(group))
        other.rollback()

    assert them.met == Counter()


async def test_postgresql_is_frozen_while_workers_are_renewed(
    group: Group, postgres_under_fault: PostgresServer
) -> None:
    async with strangers(group) as them:
        postgres_under_fault.pause()
        before = renew(group)
        await eventually(lambda: len(group.workers()) == 3, within_seconds=PATIENCE)
        await asyncio.sleep(3.0)  # longer than anything that would be asked has time
        assert group.workers() > before
        postgres_under_fault.resume()
        await renewed(group, before)

    assert them.met == Counter()


async def test_workers_are_killed_while_they_are_renewed(group: Group) -> None:
    """A connection that was in a worker ends with it; nobody meets more than that."""
    async with strangers(group) as them:
        before = renew(group)
        await eventually(lambda: len(group.workers()) == 3, within_seconds=PATIENCE)
        [successor] = group.workers() - before
        for pid in [*before, successor]:
            os.kill(pid, signal.SIGKILL)
            await eventually(lambda: len(group.workers()) == 2, within_seconds=PATIENCE)
            await asyncio.sleep(0.2)
        await renewed(group, before | {successor})
        await eventually(lambda: them.served["stream"] > 10, within_seconds=PATIENCE)

    broken = {"ready: b''", "stream: b''"}
    broken |= {f"{kind}: ConnectionResetError" for kind in ("ready", "stream")}
    assert set(them.met) <= broken
    assert them.met.total() <= 3 * 6  # of each of them, once for each worker


async def test_nobody_is_reset_by_the_end_of_a_worker_that_many_connect_to(group: Group) -> None:
    async with strangers(group) as them:
        crowd = [asyncio.create_task(them.knock()) for _ in range(60)]
        for _ in range(2):
            await renewed(group, renew(group))
        for task in crowd:
            task.cancel()
        await asyncio.gather(*crowd, return_exceptions=True)

    assert them.met == Counter()
