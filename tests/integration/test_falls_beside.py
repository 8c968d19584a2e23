"""What may come between the steps of a fall, or beside it: the same request, a rename, a lost
machine, a cancellation at any moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import psycopg2
import pytest

from scoreboard.connections.postgres import Postgres
from scoreboard.connections.session import Session
from scoreboard.ledger import acts
from scoreboard.ledger.definitions import Definitions
from scoreboard.ledger.falling import fall
from scoreboard.ledger.ledger import Ledger
from scoreboard.ledger.moderation import Done, Moderation, Order
from scoreboard.ledger.queries import FALLS_LOCK, SQL
from scoreboard.ledger.transaction import Transaction
from scoreboard.model import MAIN, BoardId, Submission
from tests.eventually import eventually
from tests.integration.fall_world import ORDER
from tests.integration.ledger_world import DAILY
from tests.world import add_actions, add_board, add_users, holding, sql, waits_for_lock

LOW: Final = BoardId("low")
FALLS_HELD: Final = (
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
    f" AND (classid::bigint << 32) + objid::bigint = {FALLS_LOCK}"
)


@pytest.fixture
def moderation(postgres: Postgres) -> Moderation:
    return Moderation(postgres)


@pytest.fixture
async def others(database_url: str) -> AsyncIterator[Postgres]:
    """The connections of a second instance."""
    made = Postgres(database_url, sessions=2, timeout_seconds=5, name="test.others")
    yield made
    made.close()


@asynccontextmanager
async def _hiding(postgres: Postgres, user: str) -> AsyncIterator[None]:
    """A user is hidden, and that is committed at the end."""
    did, go = asyncio.Event(), asyncio.Event()

    async def hide(begun: Transaction) -> tuple[Done, Collection[BoardId]]:
        done = await acts.mark(begun, "hide", user, ORDER)
        did.set()
        await go.wait()
        return done

    async def hiding() -> None:
        async with postgres.session() as session:
            await fall(session, [user], hide)

    task = asyncio.create_task(hiding())
    await did.wait()
    try:
        yield
    finally:
        go.set()
        await task


@pytest.mark.parametrize("act", ["revoke_grant", "erase"])
async def test_the_same_request_twice_at_once_is_answered_twice_what_was_done(
    ledger: Ledger, moderation: Moderation, others: Postgres, database_url: str, act: str
) -> None:
    """Also where the second finds nothing left to do, because the first has done it."""
    [ada] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    await ledger.grant([Submission(ada, "run")])
    order = Order("key_arena", "a test", "request-1")

    async def asked(by: Moderation) -> Done:
        if act == "erase":
            return await by.erase(ada, order)
        return await by.revoke_grant(ada, "run", order)

    held = f"SELECT FROM users WHERE user_id = '{ada}' FOR UPDATE"
    with holding(database_url, held) as other:  # so that both have looked before one is done
        first = asyncio.create_task(asked(moderation))
        await eventually(lambda: first.done() or waits_for_lock(database_url))
        second = asyncio.create_task(asked(Moderation(others)))
        await asyncio.sleep(0.1)
        other.commit()
    dones = await asyncio.gather(first, second)

    assert sorted(done.is_repeated for done in dones) == [False, True]
    assert len({done.audit_id for done in dones}) == 1


async def test_whoever_is_renamed_while_a_fall_brings_them_to_a_final_board_has_the_new_name_there(
    ledger: Ledger, others: Postgres, database_url: str
) -> None:
    definitions = Definitions(others)
    users = add_users(database_url, 2)
    add_actions(database_url, {"run": 50, "hop": 5})
    await definitions.add([replace(DAILY, size=1)])
    await ledger.grant([Submission(users[0], "run"), Submission(users[1], "hop")])
    await definitions.close_season(DAILY.board_id)
    async with _hiding(others, users[0]):
        renaming = asyncio.create_task(Moderation(others).rename(users[1], "New", "new", ORDER))
        await eventually(lambda: renaming.done() or waits_for_lock(database_url))
    await renaming

    kept = await definitions.season(DAILY.board_id, 1)
    assert [(entry.user_id, entry.username) for entry, _ in kept.entries] == [(users[1], "New")]


async def test_whoever_rises_by_what_is_taken_back_is_on_the_board_under_a_new_version(
    ledger: Ledger, moderation: Moderation, database_url: str
) -> None:
    """On a board where low scores win a correction may be better than the value that it was of."""
    ada, eve = add_users(database_url, 2)
    add_actions(database_url, {"run": 50, "hop": 5})
    now = datetime.now(UTC)
    add_board(database_url, LOW, (now, None), operator="best", direction="low", size=1)
    await ledger.grant([Submission(ada, "run"), Submission(eve, "hop")])
    await moderation.correct(ada, LOW, -4, ORDER)
    before = await ledger.board(LOW)
    assert [entry.user_id for entry in before.entries] == [eve]

    done = await moderation.revoke_grant(ada, "run", ORDER)

    board = await ledger.board(LOW)
    assert [entry.user_id for entry in board.entries] == [ada]
    assert board in done.boards
    assert board.version > before.version
    assert await ledger.differences(LOW) == []


async def test_a_final_board_whose_entries_are_gone_stays_when_others_are_kept_longer(
    ledger: Ledger, moderation: Moderation, postgres: Postgres, database_url: str
) -> None:
    definitions = Definitions(postgres)
    users = add_users(database_url, 3)
    add_actions(database_url, {"run": 50, "jump": 20, "hop": 5})
    await definitions.add([replace(DAILY, size=2, keep_full_seconds=0)])
    granted = zip(users, ("run", "jump", "hop"), strict=True)
    await ledger.grant([Submission(user, action) for user, action in granted])
    await definitions.close_season(DAILY.board_id)
    assert await definitions.purge() == 3
    await definitions.update([replace(DAILY, size=2, keep_full_seconds=None)])

    await moderation.hide(users[0], ORDER)

    kept = await definitions.season(DAILY.board_id, 1)
    assert [entry.user_id for entry, _ in kept.entries] == users[1:]
    assert await definitions.verify_season(DAILY.board_id, 1) == []


async def test_whoever_was_erased_can_be_hidden_on_final_boards_and_is_shown_on_no_new_one(
    ledger: Ledger, moderation: Moderation, postgres: Postgres, database_url: str
) -> None:
    definitions = Definitions(postgres)
    ada, eve = add_users(database_url, 2)
    add_actions(database_url, {"run": 50})
    await definitions.add([DAILY])
    await ledger.grant([Submission(ada, "run"), Submission(eve, "run")])
    await definitions.close_season(DAILY.board_id)
    await moderation.erase(ada, ORDER)

    async def lines() -> set[str]:
        kept = await definitions.season(DAILY.board_id, 1)
        return {entry.user_id for entry, _ in kept.entries}

    [nameless] = await lines() - {eve}
    await moderation.hide(nameless, ORDER)
    assert await lines() == {eve}
    await moderation.show(nameless, ORDER)
    assert await lines() == {eve, nameless}
    everything = replace(DAILY, board_id=BoardId("everything"), period="none")
    await definitions.add([everything])
    [board] = await ledger.boards([everything.board_id])
    assert [entry.user_id for entry in board.entries] in ([], [eve])
    for board_id in (MAIN, DAILY.board_id, everything.board_id):
        assert await ledger.differences(board_id) == []


async def test_a_session_whose_machine_is_gone_keeps_nobody_from_falling(database_url: str) -> None:
    """PostgreSQL hears nothing of it, and there is no transaction that it could end."""
    statement = SQL["hold_falls"].replace("10s", "200ms")
    with closing(psycopg2.connect(database_url)) as gone:
        gone.autocommit = True
        gone.cursor().execute(statement)
        await eventually(lambda: sql(database_url, FALLS_HELD) == [(0,)])


@pytest.mark.parametrize("comes_first", [True, False])
async def test_whoever_leaves_at_any_step_of_a_fall_leaves_no_lock_and_all_or_nothing(
    ledger: Ledger,
    postgres: Postgres,
    others: Postgres,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    comes_first: bool,
) -> None:
    """At whatever statement, before it is sent or once it is answered."""
    add_actions(database_url, {"run": 50, "hop": 5})
    asks, steps, step = Session.run, 0, 0
    leaver: asyncio.Task[Any] | None = None

    async def run(self: Session, *args: Any, **named: Any) -> Any:
        nonlocal steps
        if asyncio.current_task() is not leaver:
            return await asks(self, *args, **named)
        steps += 1
        leaves = leaver is not None and steps == step
        if leaves and comes_first and leaver is not None:
            leaver.cancel()
        rows = await asks(self, *args, **named)
        if leaves and not comes_first and leaver is not None:
            leaver.cancel()
        return rows

    monkeypatch.setattr(Session, "run", run)
    has_ended = False
    while not has_ended:
        step, steps = step + 1, 0
        users = add_users(database_url, 2)
        await ledger.grant([Submission(user, "run") for user in users])
        leaver = asyncio.create_task(Moderation(postgres).hide(users[0], ORDER))
        await asyncio.wait([leaver])
        has_ended = not leaver.cancelled() and steps < step
        await eventually(lambda: sql(database_url, FALLS_HELD) == [(0,)])
        sql(database_url, "UPDATE boards SET falling_at = falling_at - interval '61 s'")
        await Moderation(others).hide(users[1], ORDER)
        assert await ledger.differences() == []
        statement = (
            "SELECT hidden = EXISTS (SELECT FROM audit WHERE audit.user_id = scores.user_id)"
            " FROM scores WHERE user_id = %s"
        )
        assert sql(database_url, statement, (users[0],)) == [(True,)]
    assert step > 8
    async with postgres.session() as session:
        assert await session.run("SHOW idle_session_timeout") == [("0",)]
