"""Sessions of PostgreSQL that end at the worst moment: whoever waits hears of it at once, and what
was not done is done by another session where that is safe.
"""

from __future__ import annotations

import asyncio
import os
import resource
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
import pytest
import uvloop

from scoreboard.connections.connection import Connection
from scoreboard.connections.postgres import Postgres
from scoreboard.connections.server import NotConnected
from scoreboard.connections.session import ConnectionLost, StatementRefused
from scoreboard.errors import AlreadyGranted, LedgerUnavailable
from scoreboard.ledger.ledger import Ledger
from scoreboard.model import Grant, Submission
from tests.resetting import resetting
from tests.world import add_actions, add_users, grants, sql

# Far longer than any test: whoever waits for it has not heard of the end.
DEADLINE_SECONDS = 120.0
NAME = "test.resets"
TERMINATED = b"terminating connection due to administrator command"
MARK = "SELECT 'it arrived'"

Run = Callable[[Callable[[], Awaitable[None]]], None]


@pytest.fixture(params=[uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run something on one of the two loops, within a time."""

    def run_one(work: Callable[[], Awaitable[None]]) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(20):
                await work()

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(bounded())

    return run_one


def postgres_at(url: str, *, sessions: int = 1, **more: Any) -> Postgres:
    return Postgres(url, sessions=sessions, timeout_seconds=DEADLINE_SECONDS, name=NAME, **more)


def fatal(sqlstate: bytes, text: bytes) -> bytes:
    """What a server says before it closes a connection."""
    fields = b"".join([b"SFATAL\0VFATAL\0C", sqlstate, b"\0M", text, b"\0\0"])
    return b"E" + (len(fields) + 4).to_bytes(4, "big") + fields


def end_all(database_url: str) -> int:
    """End every session of ours and wait until they are gone."""
    statement = f"""SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
        WHERE application_name = '{NAME}'"""
    return len(sql(database_url, statement))


@pytest.mark.parametrize("last_words", [fatal(b"57P01", TERMINATED), b""], ids=["told", "silent"])
def test_whoever_waits_for_a_session_that_is_reset_hears_of_it_at_once(
    run: Run, database_url: str, last_words: bytes
) -> None:
    async def lost() -> None:
        async with resetting(database_url) as line:
            postgres = postgres_at(line.url)
            await postgres.fetch("SELECT 1")
            line.reset_at(lambda sent: MARK.encode() in sent, last_words)
            with pytest.raises(ConnectionLost):
                await postgres.fetch(MARK)

            assert await postgres.fetch(MARK) == [("it arrived",)]
            await postgres.finish()

    run(lost)


def test_a_session_that_is_reset_while_it_is_written_to_is_lost_at_once(
    run: Run, database_url: str
) -> None:
    """More than the sockets on the way hold."""
    long = f"{MARK}, '{'x' * 20_000_000}'"

    async def lost() -> None:
        async with resetting(database_url) as line:
            postgres = postgres_at(line.url)
            line.reset_at(lambda sent: b"xxx" in sent, fatal(b"57P01", TERMINATED))
            with pytest.raises(ConnectionLost):
                await postgres.fetch(long)
            await postgres.finish()

    run(lost)


@pytest.mark.parametrize("last_words", [fatal(b"57P01", TERMINATED), b""], ids=["told", "silent"])
def test_a_connection_that_is_reset_while_it_is_made_is_given_up_at_once(
    run: Run, database_url: str, last_words: bytes
) -> None:
    async def refused() -> None:
        async with resetting(database_url) as line:
            postgres = postgres_at(line.url)
            line.reset_at(lambda sent: NAME.encode() in sent, last_words)
            with pytest.raises(NotConnected) as refusal:
                await postgres.fetch(MARK)
            assert isinstance(refusal.value.__cause__, psycopg2.OperationalError)
            await postgres.finish()

    run(refused)


def test_the_next_address_of_a_host_is_tried_when_the_first_one_refuses(
    run: Run, database_url: str
) -> None:
    """By libpq itself, with another socket, which may have the number of the first."""
    parts = psycopg2.extensions.parse_dsn(database_url)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(fatal(b"57P03", b"the database system is starting up"))
        writer.close()

    async def connected() -> None:
        server = await asyncio.start_server(answer, "127.0.0.2", int(parts["port"]))
        several = {"host": f"127.0.0.2,{parts['host']}", "sslmode": "disable"}
        dsn = psycopg2.extensions.make_dsn(**parts | several)
        connection = Connection(dsn, 10.0, enable_hstore=False)
        await connection
        async with connection.cursor() as cursor:
            await cursor.execute(MARK, timeout=10.0)
            assert await cursor.fetchall() == [("it arrived",)]
        await connection.close()
        server.close()
        await server.wait_closed()

    run(connected)


def test_a_session_that_ended_while_nobody_used_it_fails_nobody(
    run: Run, database_url: str
) -> None:
    """Also where its user comes before the loop has noticed: nothing was sent yet."""
    failures: list[str] = []

    async def served() -> None:
        postgres = postgres_at(database_url, sessions=2, on_failure=failures.append)
        for _ in range(3):
            async with postgres.session(), postgres.session():
                pass  # both are open
            assert end_all(database_url) == 2
            assert await postgres.fetch(MARK) == [("it arrived",)]
        await postgres.finish()

    run(served)
    assert failures == []


def test_what_was_read_is_asked_again_and_what_may_have_changed_something_is_not(
    run: Run, database_url: str
) -> None:
    asked: list[bytes] = []

    def is_asked(sent: bytes) -> bool:
        if MARK.encode() in sent:
            asked.append(sent)
        return MARK.encode() in sent

    async def repeated() -> None:
        async with resetting(database_url) as line:
            postgres = postgres_at(line.url)
            line.reset_at(is_asked, fatal(b"57P01", TERMINATED))
            assert await postgres.read(MARK) == [("it arrived",)]
            line.reset_at(is_asked, fatal(b"57P01", TERMINATED))
            with pytest.raises(ConnectionLost):
                await postgres.fetch(MARK)
            await postgres.finish()

    run(repeated)
    assert len(asked) == 2  # each by the proxy, which looks no more after a reset


async def test_a_batch_whose_session_ends_is_granted_once_by_that_or_by_another(
    database_url: str,
) -> None:
    ada, bob = add_users(database_url, 2)
    add_actions(database_url, {"run": 5})
    async with resetting(database_url) as line:
        postgres = postgres_at(line.url)
        ledger = Ledger(postgres, postgres)
        line.reset_at(lambda sent: b"EXECUTE grant_" in sent)
        settled = await ledger.grant([Submission(ada, "run")])
        assert isinstance(settled.verdicts[ada, "run"], Grant)

        # It was granted, and nobody can say by whom: 409 would be as wrong as a second 200.
        line.reset_at(lambda sent: b"EXECUTE grant_" in sent, after=True)
        settled = await ledger.grant([Submission(bob, "run")])
        assert isinstance(settled.verdicts[bob, "run"], LedgerUnavailable)
        settled = await ledger.grant([Submission(bob, "run")])
        assert isinstance(settled.verdicts[bob, "run"], AlreadyGranted)
        await postgres.finish()

    assert sorted(grants(database_url)) == sorted([(ada, "run"), (bob, "run")])


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE users SET banned_at = now()",
        "UPDATE actions SET claim = 'server'",
        "INSERT INTO actions (action_id, points) VALUES ('sprint', 5);"
        "UPDATE ledger SET action_id = 'sprint'; DELETE FROM actions WHERE action_id = 'run';"
        "INSERT INTO former_action_ids (former_id, action_id, renamed_at)"
        " VALUES ('run', 'sprint', now())",
    ],
    ids=["banned", "for servers", "renamed"],
)
async def test_what_a_lost_batch_may_have_granted_is_not_refused_for_what_changed_since(
    database_url: str, change: str
) -> None:
    """That is, before another session grants it once more."""
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 5})
    async with resetting(database_url) as line:
        postgres = postgres_at(line.url, on_failure=lambda _: sql(database_url, change))
        line.reset_at(lambda sent: b"EXECUTE grant_" in sent, after=True)
        settled = await Ledger(postgres, postgres).grant([Submission(user, "run")])
        assert isinstance(settled.verdicts[user, "run"], LedgerUnavailable)
        await postgres.finish()

    assert len(grants(database_url)) == 1


async def test_a_warning_to_who_grants_by_a_new_session_is_not_the_commits(
    database_url: str,
) -> None:
    """PostgreSQL warns each session of a machine that sorts otherwise than the one on which indexes
    were made.
    """
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 5})
    sql(
        database_url,
        "UPDATE pg_database SET datcollversion = '0' WHERE datname = current_database()",
    )
    async with resetting(database_url) as line:
        postgres = postgres_at(line.url)
        line.reset_at(lambda sent: b"EXECUTE grant_" in sent)
        settled = await Ledger(postgres, postgres).grant([Submission(user, "run")])
        await postgres.finish()

    assert isinstance(settled.verdicts[user, "run"], Grant)


@contextmanager
def many_files() -> Iterator[None]:
    """As a process has that holds streams: the next one's number is above 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    opened: list[int] = []
    try:
        while not opened or opened[-1] < 1100:
            opened.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        for number in opened:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_refusal_is_one_also_in_a_process_with_many_files(run: Run, database_url: str) -> None:
    async def refused() -> None:
        postgres = postgres_at(database_url)
        # One that comes with the first look, and one that the loop calls for.
        for statement in ("SELECT 1 / 0", "SELECT pg_sleep(0.1); SELECT 1 / 0"):
            with pytest.raises(StatementRefused, match="22012"):
                await postgres.fetch(statement)
        with pytest.raises(ConnectionLost):
            await postgres.fetch("SELECT pg_terminate_backend(pg_backend_pid())")
        assert await postgres.fetch(MARK) == [("it arrived",)]
        await postgres.finish()

    with many_files():
        run(refused)


def test_nobody_waits_out_a_deadline_while_every_session_is_ended_again_and_again(
    run: Run, database_url: str
) -> None:
    over = time.monotonic() + 2
    outcomes: list[BaseException | None] = []

    def end_them() -> None:
        while time.monotonic() < over:
            end_all(database_url)
            time.sleep(0.01)

    async def ask(postgres: Postgres) -> None:
        while time.monotonic() < over:
            try:
                await postgres.read("SELECT count(*) FROM generate_series(1, 20000)")
                outcomes.append(None)
            except LedgerUnavailable as error:
                outcomes.append(error.__cause__)
                await asyncio.sleep(0.01)

    async def play() -> None:
        postgres = postgres_at(database_url, sessions=3)
        ending = asyncio.create_task(asyncio.to_thread(end_them))
        await asyncio.gather(*(ask(postgres) for _ in range(6)), ending)
        await postgres.finish()

    run(play)
    assert not any(isinstance(each, TimeoutError) for each in outcomes)
