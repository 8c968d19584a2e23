"""Locks that others hold, and lines that end at the worst moment: what is committed is answered."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import psutil
import psycopg2
import pytest
import uvloop

from scoreboard.connections import lending as module
from scoreboard.connections.postgres import Postgres
from scoreboard.connections.server import NotConnected
from scoreboard.errors import AlreadyGranted, LedgerUnavailable, ScoreboardError
from scoreboard.ledger.ledger import Ledger
from scoreboard.ledger.receipts import Recorded, Result
from scoreboard.ledger.results import Results
from scoreboard.model import MAIN, Grant, Submission
from scoreboard.parts import PARTS
from tests.eventually import eventually
from tests.instances import Instance, Start
from tests.lines import Line
from tests.servers import PostgresServer
from tests.world import add_actions, add_users, grants, holding, sql, waiting_for_locks


async def submit_together(instance: Instance, *pairs: tuple[str, str]) -> list[Any]:
    """As one batch: they are joined in one turn of the loop."""
    submit = instance.app[PARTS].submissions.submit
    submissions = [Submission(user, action) for user, action in pairs]
    return await asyncio.gather(*map(submit, submissions), return_exceptions=True)


@pytest.mark.parametrize("the_lock_ends", [False, True])
async def test_a_lock_right_behind_the_commit_takes_no_neighbours_200(
    start: Start, database_url: str, the_lock_ends: bool
) -> None:
    """DDL that queued behind the batch has its lock before a repeat's grant can be looked up."""
    one = await start(database_timeout_seconds=4.0, ledger_connections=1)
    ada, bob = add_users(database_url, 2)
    add_actions(database_url, {"run": 5})
    assert (await one.submit(ada, "run"))[0] == 200
    with (
        holding(database_url, "SELECT FROM board FOR UPDATE") as board_row,
        closing(psycopg2.connect(database_url)) as ddl,
    ):
        answering = asyncio.create_task(submit_together(one, (ada, "run"), (bob, "run")))
        await eventually(lambda: waiting_for_locks(database_url) == 1)
        lock = "LOCK TABLE ledger IN ACCESS EXCLUSIVE MODE"
        locking = threading.Thread(target=lambda: ddl.cursor().execute(lock))
        locking.start()
        await eventually(lambda: waiting_for_locks(database_url) == 2)
        board_row.rollback()
        await asyncio.to_thread(locking.join)
        if the_lock_ends:
            await eventually(lambda: waiting_for_locks(database_url) == 1)
            ddl.rollback()
        repeat, fresh = await answering
        ddl.rollback()

    assert isinstance(fresh, Grant)
    assert isinstance(repeat, AlreadyGranted if the_lock_ends else LedgerUnavailable)


async def test_the_half_of_a_batch_that_was_committed_is_answered_so(
    start: Start, database_url: str
) -> None:
    """One cannot be sent, so the batch is halved; the second half then meets its own pair, which
    somebody else has inserted and does not commit.
    """
    one = await start(database_timeout_seconds=1.0, ledger_connections=1, reconcile_seconds=60.0)
    ada, bob, odd, stuck = add_users(database_url, 4)
    add_actions(database_url, {"run": 5, "swim": 5})
    insert = f"""INSERT INTO ledger (user_id, action_id, points_granted, submitted_at)
        VALUES ('{stuck}', 'swim', 5, now())"""
    with holding(database_url, insert):
        answers = await submit_together(
            one, (ada, "run"), (bob, "run"), (odd, "nul\0"), (stuck, "swim")
        )

    assert [type(answer) for answer in answers[:2]] == [Grant, Grant]
    assert isinstance(answers[2], ScoreboardError)
    assert isinstance(answers[3], LedgerUnavailable)
    assert (stuck, "swim") not in grants(database_url)
    board = one.app[PARTS].hub.channel(MAIN).board
    assert board is not None  # and announced, though a part of the batch failed
    assert {ada, bob} <= {entry.user_id for entry in board.entries}


async def test_a_lock_that_is_held_is_503_and_ends_no_background_task(
    start: Start, database_url: str
) -> None:
    one = await start(database_timeout_seconds=1.0)
    [user] = add_users(database_url, 1)
    failures = one.metric("reconcile_failures_total")
    with holding(database_url, "LOCK TABLE users, board, actions IN ACCESS EXCLUSIVE MODE"):
        async with one.client.get("/api/me", headers=one.bearer(user)) as response:
            assert response.status == 503
        async with one.client.get("/api/actions") as response:
            assert response.status == 503
        await eventually(lambda: one.metric("reconcile_failures_total") > failures)
    assert one.metric("task_crashes_total", task="relay") == 0
    assert one.metric("task_crashes_total", task="health") == 0


async def test_what_is_rolled_back_before_it_began_leaves_no_warning_in_the_servers_log(
    database_url: str, own_postgres_server: PostgresServer
) -> None:
    """A PREPARE that waits for a lock comes before BEGIN; what cannot be sent, before anything.

    By results: a batch of grants is one statement, of which nothing is left to roll back.
    """
    [user] = add_users(database_url, 1)
    postgres = Postgres(database_url, sessions=1, timeout_seconds=0.5, name="test.warnings")
    logged = own_postgres_server.log.stat().st_size

    async def recorded(receipt: str) -> object:
        [verdict], _ = await Results(postgres, postgres).record(
            [Result("arena", receipt, user, MAIN, 5)]
        )
        return verdict

    with holding(database_url, "LOCK TABLE results IN ACCESS EXCLUSIVE MODE"):
        assert isinstance(await recorded("first"), LedgerUnavailable)
    await recorded("nul\0")
    with holding(database_url, "LOCK TABLE results IN ACCESS EXCLUSIVE MODE"):
        await recorded("first")  # prepared by now, so it is in a transaction
    last = await recorded("first")
    await postgres.finish()

    assert isinstance(last, Recorded)
    log = own_postgres_server.log.read_bytes()[logged:].decode()
    assert "canceling statement due to lock timeout" in log
    assert "WARNING" not in log


async def test_a_connection_lost_within_a_transaction_is_not_replaced_by_another(
    database_url: str,
) -> None:
    """The next statements would run outside of it, and its COMMIT would commit nothing."""
    [user] = add_users(database_url, 1)
    postgres = Postgres(database_url, sessions=1, timeout_seconds=5.0, name="test.lost")
    async with postgres.session() as session:
        await session.connect()
        with session.pinned():
            await session.run("BEGIN; LOCK TABLE scores")
            session.close()
            with pytest.raises(LedgerUnavailable):
                await session.run(f"DELETE FROM users WHERE user_id = '{user}'")
    postgres.close()
    assert sql(database_url, "SELECT count(*) FROM users") == [(1,)]


async def test_an_operators_command_does_not_hold_all_grants_up(database_url: str) -> None:
    """Its lock waits for another's. A turn of seasons waits behind it, and every grant behind that,
    so it gives up soon.
    """
    [user] = add_users(database_url, 1)
    postgres = Postgres(database_url, sessions=2, timeout_seconds=600.0, name="test.command")
    ledger = Ledger(postgres, postgres)
    with holding(database_url, f"SELECT FROM users WHERE user_id = '{user}' FOR KEY SHARE"):
        async with asyncio.timeout(10):
            with pytest.raises(LedgerUnavailable):
                await ledger.remove_users([user])
    postgres.close()


async def test_while_nobody_can_connect_those_who_wait_hear_of_it_at_once(
    database_line: Line,
) -> None:
    postgres = Postgres(
        database_line.url, sessions=1, timeout_seconds=5.0, name="test.rest", rest_seconds=3.0
    )
    await database_line.proxy.cut()
    with pytest.raises(LedgerUnavailable):
        await postgres.fetch("SELECT 1")
    for _ in range(100):
        with pytest.raises(NotConnected) as refusal:
            await postgres.fetch("SELECT 1")
        assert refusal.value.__cause__ is None  # nothing was even tried

    await database_line.proxy.heal()
    await eventually(lambda: _answers(postgres))
    postgres.close()


async def test_who_waits_for_a_session_hears_of_a_failed_connection_at_once(
    database_line: Line,
) -> None:
    """Each in turn would else wait out the same silence, and who comes last all of them."""
    postgres = Postgres(database_line.url, sessions=1, timeout_seconds=30.0, name="test.line")
    database_line.proxy.black_hole()

    failures = await asyncio.gather(
        *(postgres.fetch("SELECT 1") for _ in range(4)), return_exceptions=True
    )

    assert [type(failure) for failure in failures] == [NotConnected] * 4
    tried = [failure for failure in failures if getattr(failure, "__cause__", None)]
    assert len(tried) == 1
    postgres.close()


@pytest.mark.parametrize(
    "new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
def test_attempts_to_connect_leave_no_file_open(
    monkeypatch: pytest.MonkeyPatch, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """Aiopg left one open at every second attempt, for as long as PostgreSQL was away."""
    monkeypatch.setattr(module.Lending, "rest", lambda _: None)

    async def attempts() -> None:
        nobody = "postgresql://nobody@127.0.0.1:1/nothing"
        postgres = Postgres(nobody, sessions=1, timeout_seconds=1.0, name="test.files")
        counts = set()
        for _ in range(10):
            with pytest.raises(NotConnected) as refusal:
                await postgres.fetch("SELECT 1")
            assert isinstance(refusal.value.__cause__, psycopg2.OperationalError)
            counts.add(psutil.Process().num_fds())
        postgres.close()
        assert len(counts) == 1

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(attempts())


async def _answers(postgres: Postgres) -> bool:
    try:
        return await postgres.fetch("SELECT 1") == [(1,)]
    except LedgerUnavailable:
        return False


async def test_a_stream_that_joins_after_the_farewell_ends_as_well(
    start: Start, redis_line: Line
) -> None:
    one = await start(redis_url=redis_line.url, shutdown_seconds=30.0)
    await one.board()
    redis_line.proxy.delay(0.2)
    opening = asyncio.create_task(one.open_stream())
    await eventually(lambda: one.app[PARTS].streams._leases._running)

    async with asyncio.timeout(20):  # far below what open streams may take
        await one.runner.cleanup()

    stream = await opening
    await eventually(lambda: stream.ended)
    assert stream.events[-1].name == "closing"
