"""What the borders tell of their pools: who waited, who got no answer, and why."""

from __future__ import annotations

import asyncio
import gc
import time
import weakref
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import psycopg2
import pytest

from scoreboard.connections.postgres import Postgres
from scoreboard.connections.redis import Redis, RedisUnavailable
from scoreboard.connections.server import NotConnected
from scoreboard.database.migrations import open_session
from scoreboard.errors import LedgerUnavailable
from tests.eventually import eventually
from tests.lines import Line, a_line
from tests.world import holding, sql, waiting_for_locks

NOBODY_LISTENS = "127.0.0.1:1"


@pytest.fixture
async def database_line(database_url: str) -> AsyncIterator[Line]:
    async with a_line(database_url) as line:
        yield line


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


async def test_whoever_leaves_costs_no_connection_and_what_was_not_begun_is_not_done(
    database_url: str,
) -> None:
    left: list[int] = []
    postgres = Postgres(
        database_url,
        sessions=2,
        timeout_seconds=5.0,
        name="test.abandoned",
        on_abandoned=lambda: left.append(1),
    )
    sql(database_url, "CREATE TABLE asked (who integer)")
    ask = "INSERT INTO asked VALUES (%(who)s)"
    async with postgres.session(), postgres.session():
        pass
    before = _backends(database_url, "test.abandoned")
    with holding(database_url, "LOCK TABLE asked IN ACCESS EXCLUSIVE MODE"):
        callers = [asyncio.create_task(postgres.fetch(ask, {"who": who})) for who in range(50)]
        await eventually(lambda: waiting_for_locks(database_url) == 2)
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
        assert all(caller.cancelled() for caller in callers)
        assert (postgres.in_use, postgres.waiting) == (2, 0)
        staying = asyncio.create_task(postgres.fetch(ask, {"who": 99}))
        await eventually(lambda: postgres.waiting == 1)
    await staying

    await eventually(lambda: postgres.idle == 2)
    assert sql(database_url, "SELECT who FROM asked ORDER BY who") == [(0,), (1,), (99,)]
    assert _backends(database_url, "test.abandoned") == before
    assert len(left) == 2
    await postgres.finish()


async def test_whoever_leaves_while_a_connection_is_made_leaves_it_to_the_next(
    database_line: Line, database_url: str
) -> None:
    postgres = Postgres(database_line.url, sessions=1, timeout_seconds=5.0, name="test.leaving")
    sql(database_url, "CREATE TABLE asked (who integer)")
    database_line.proxy.delay(0.1)
    caller = asyncio.create_task(postgres.fetch("INSERT INTO asked VALUES (1)"))
    await eventually(lambda: database_line.proxy.connections == 1)
    caller.cancel()
    await eventually(lambda: postgres.idle == 1)
    [connected] = _backends(database_url, "test.leaving")

    database_line.proxy.delay(0)
    assert await postgres.fetch("SELECT count(*) FROM asked") == [(0,)]
    assert _backends(database_url, "test.leaving") == {connected}
    await postgres.finish()


async def test_a_start_waits_for_a_slow_host_longer_than_a_client_would(
    database_line: Line,
) -> None:
    """Whoever serves goes on to the next host; there may be none that answers sooner."""
    line = urlsplit(database_line.url)
    url = line._replace(netloc=f"{line.netloc},{NOBODY_LISTENS}").geturl()
    postgres = Postgres(url, sessions=1, timeout_seconds=5.0, name="test.slow")
    database_line.proxy.delay(0.4)
    with pytest.raises(NotConnected):
        await postgres.fetch("SELECT 1")
    async with open_session(url, connect_seconds=9.0) as patient:
        assert await patient.read("SELECT 1") == [(1,)]
    await postgres.finish()


async def test_who_asks_first_is_served_first(database_url: str) -> None:
    postgres = Postgres(database_url, sessions=1, timeout_seconds=5.0, name="test.line")
    served: list[int] = []

    async def ask(number: int) -> None:
        async with postgres.session():
            served.append(number)

    async with postgres.session():
        callers = [asyncio.create_task(ask(number)) for number in range(3)]
        await eventually(lambda: postgres.waiting == 3)
        callers.append(asyncio.create_task(ask(3)))
    await asyncio.gather(*callers)

    assert served == [0, 1, 2, 3]
    await postgres.finish()


async def test_whoever_leaves_in_the_turn_of_being_served_takes_no_session_along(
    database_url: str,
) -> None:
    postgres = Postgres(database_url, sessions=1, timeout_seconds=5.0, name="test.turn")
    async with postgres.session():
        leaving = asyncio.create_task(postgres.fetch("SELECT 1"))
        await eventually(lambda: postgres.waiting == 1)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)

    assert leaving.cancelled()
    assert await postgres.fetch("SELECT 1") == [(1,)]
    await postgres.finish()


async def test_what_ends_a_pool_ends_what_is_under_way(database_url: str) -> None:
    postgres = Postgres(database_url, sessions=2, timeout_seconds=60.0, name="test.ending")
    staying = asyncio.create_task(postgres.fetch("SELECT pg_sleep(60)"))
    leaving = asyncio.create_task(postgres.fetch("SELECT pg_sleep(60)"))
    await eventually(lambda: len(_backends(database_url, "test.ending")) == 2)
    leaving.cancel()
    await postgres.finish()
    await eventually(lambda: staying.done() and leaving.done())
    await eventually(lambda: not _backends(database_url, "test.ending"))


async def test_what_ends_a_pool_ends_what_has_not_begun(database_url: str) -> None:
    postgres = Postgres(database_url, sessions=1, timeout_seconds=60.0, name="test.begun")
    asked = asyncio.create_task(postgres.fetch("SELECT pg_sleep(60)"))
    await asyncio.sleep(0)  # its statement has a task, which gets its first turn after us
    async with asyncio.timeout(30.0):  # half of what the statement takes
        await postgres.finish()
    await eventually(asked.done)
    assert not _backends(database_url, "test.begun")


async def test_sessions_that_are_open_go_on_while_no_connection_can_be_made(
    database_url: str,
) -> None:
    failures: Counter[str] = Counter()
    postgres = Postgres(
        database_url,
        sessions=4,
        timeout_seconds=20.0,
        name="test.open",
        on_failure=lambda reason: failures.update([reason]),
    )
    await postgres.fetch("SELECT 1")  # opens one of them
    with _closed_to_others(database_url):
        for _ in range(2):
            answers = await asyncio.gather(
                *(postgres.fetch("SELECT pg_sleep(0.01)") for _ in range(40)),
                return_exceptions=True,
            )
            assert not any(isinstance(answer, Exception) for answer in answers)
        assert len(_backends(database_url, "test.open")) == 1
    assert set(failures) == {"refused"}
    assert failures["refused"] < 40  # a moment's rest, and not an attempt for each caller

    async def more_are_open() -> bool:
        await asyncio.gather(*(postgres.fetch("SELECT pg_sleep(0.05)") for _ in range(4)))
        return len(_backends(database_url, "test.open")) == 4

    await eventually(more_are_open)
    await postgres.finish()


@contextmanager
def _closed_to_others(database_url: str) -> Iterator[None]:
    """Who is connected stays so; nobody else gets in."""
    address, _, name = database_url.rpartition("/")
    alter = f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS'
    with closing(psycopg2.connect(f"{address}/postgres")) as connection:
        connection.autocommit = True
        connection.cursor().execute(f"{alter} false")
        try:
            yield
        finally:
            connection.cursor().execute(f"{alter} true")


def _backends(database_url: str, name: str) -> set[tuple[object, ...]]:
    """Who serves these sessions, and since when."""
    address = database_url.rpartition("/")[0]
    statement = "SELECT pid, backend_start FROM pg_stat_activity WHERE application_name = %s"
    return set(sql(f"{address}/postgres", statement, (name,)))


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
    await eventually(lambda: (redis.pool.in_use, redis.pool.idle) == (1, 0))
    await call

    assert (redis.pool.in_use, redis.pool.idle) == (0, 1), (
        f"after {time.monotonic() - started:.1f} s"
    )
    await redis.close()


async def test_an_error_that_a_session_hands_on_is_freed_with_who_hears_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else each request of an outage leaves its statement and its parameters to the collector."""
    nowhere = Postgres(f"postgresql://{NOBODY_LISTENS}/x", sessions=1, timeout_seconds=1, name="x")
    [session] = nowhere._lending.sessions
    heard: list[weakref.ref[Exception]] = []

    async def connect() -> None:
        raise LedgerUnavailable

    monkeypatch.setattr(session._server, "connect", connect)
    gc.disable()
    try:
        for ask in (session.connect, lambda: session.run("SELECT 1")):
            try:
                await ask()
            except LedgerUnavailable as error:
                heard.append(weakref.ref(error))
        assert [each() for each in heard] == [None, None]
    finally:
        gc.enable()
        await nowhere.finish()
