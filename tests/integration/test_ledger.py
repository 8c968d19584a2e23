"""The ledger on a real PostgreSQL: what is granted, once, and what the board's version does."""

from __future__ import annotations

import asyncio
from contextlib import closing

import psycopg2
import pytest

from scoreboard.connections.postgres import Postgres
from scoreboard.connections.refusals import PostgresRefused
from scoreboard.errors import (
    AlreadyGranted,
    LedgerUnavailable,
    ScoreOutOfRange,
    UnknownAction,
    UnknownBoard,
    UnknownUser,
)
from scoreboard.ledger.ledger import Ledger
from scoreboard.ledger.queries import SQL
from scoreboard.ledger.verdicts import Settlement
from scoreboard.model import MAIN, Board, BoardId, Grant, Submission
from tests.eventually import eventually
from tests.granting import grant_by
from tests.integration.ledger_world import a_ledger
from tests.world import (
    add_actions,
    add_users,
    board_version,
    grants,
    ledger_sums,
    ranking,
    scores,
    sql,
    waits_for_lock,
)

NOBODY = "00000000-0000-4000-8000-000000000000"


async def test_a_grant_is_a_ledger_row_and_a_score(ledger: Ledger, database_url: str) -> None:
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})

    settlement = await ledger.grant([Submission(user, "run")])

    grant = settlement.verdicts[user, "run"]
    assert isinstance(grant, Grant)
    assert (grant.points, grant.score) == (50, 50)
    assert grants(database_url) == [(user, "run")]
    assert scores(database_url) == {user: 50}


@pytest.mark.parametrize(
    ("level", "heard", "is_granted"), [("NOTICE", "notice", True), ("WARNING", "error", False)]
)
async def test_a_commit_is_doubted_for_a_warning_and_for_nothing_less(
    database_url: str, level: str, heard: str, is_granted: bool
) -> None:
    """A warning is all that PostgreSQL says of a commit that gave up waiting for its replica,
    and a role may be set to hear of none.
    """
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    sql(
        database_url,
        f"""
        CREATE FUNCTION say() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN RAISE {level} 'by the way'; RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON ledger
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION say();
        DO $$ BEGIN
            EXECUTE format(
                'ALTER DATABASE %I SET client_min_messages = {heard}', current_database()
            );
        END $$
        """,
    )
    async with a_ledger(database_url) as ledger:
        verdict = (await ledger.grant([Submission(user, "run")])).verdicts[user, "run"]

    assert isinstance(verdict, Grant if is_granted else LedgerUnavailable)


async def test_every_refusal_of_a_batch_is_its_own_and_harms_no_neighbour(
    ledger: Ledger, database_url: str
) -> None:
    ada, bob = add_users(database_url, 2)
    add_actions(database_url, {"run": 50, "huge": 2_147_483_647})
    await ledger.grant([Submission(ada, "run")])

    settlement = await ledger.grant(
        [
            Submission(ada, "run"),
            Submission(ada, "huge"),
            Submission(bob, "run"),
            Submission(bob, "missing"),
            Submission(NOBODY, "run"),
        ]
    )

    assert isinstance(settlement.verdicts[ada, "run"], AlreadyGranted)
    assert isinstance(settlement.verdicts[ada, "huge"], ScoreOutOfRange)
    assert isinstance(settlement.verdicts[bob, "run"], Grant)
    assert isinstance(settlement.verdicts[bob, "missing"], UnknownAction)
    assert isinstance(settlement.verdicts[NOBODY, "run"], UnknownUser)
    assert scores(database_url) == ledger_sums(database_url) == {ada: 50, bob: 50}


async def test_a_defect_behind_the_commit_costs_only_the_repeats_their_answer(
    ledger: Ledger, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taken for the batch's, it would be halved and granted again: refused as granted before."""
    one, two = add_users(database_url, 2)
    add_actions(database_url, {"run": 50})
    await ledger.grant([Submission(one, "run")])
    monkeypatch.setitem(SQL, "original_grants", "SELECT 'x'::uuid")

    verdicts = (await ledger.grant([Submission(one, "run"), Submission(two, "run")])).verdicts

    assert isinstance(verdicts[two, "run"], Grant)
    assert isinstance(verdicts[one, "run"], LedgerUnavailable)
    assert len(grants(database_url)) == 2


async def test_the_refusal_of_a_repeat_carries_the_original_grant(
    ledger: Ledger, database_url: str
) -> None:
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    first = (await ledger.grant([Submission(user, "run")])).verdicts[user, "run"]
    sql(database_url, "UPDATE actions SET points = 99")

    refusal = (await ledger.grant([Submission(user, "run")])).verdicts[user, "run"]

    assert isinstance(first, Grant)
    assert isinstance(refusal, AlreadyGranted)
    assert refusal.points == 50
    assert refusal.granted_at == first.granted_at


async def test_text_that_postgresql_cannot_hold_fails_alone(
    ledger: Ledger, database_url: str
) -> None:
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})

    settlement = await ledger.grant(
        [Submission(user, "nul\0"), Submission(user, "run"), Submission(user, "\ud800")]
    )

    assert isinstance(settlement.verdicts[user, "run"], Grant)
    assert not isinstance(settlement.verdicts[user, "nul\0"], Grant)
    assert not isinstance(settlement.verdicts[user, "\ud800"], Grant)


async def test_concurrent_batches_of_two_instances_grant_each_pair_once(database_url: str) -> None:
    """Without ON CONFLICT on unique_user_action this grants twice or fails."""
    users = add_users(database_url, 20)
    add_actions(database_url, {f"a{n}": n + 1 for n in range(5)})
    pairs = [Submission(user, f"a{n}") for user in users for n in range(5)]

    async with a_ledger(database_url) as one, a_ledger(database_url) as two:
        settlements = await asyncio.gather(
            one.grant(pairs), two.grant(pairs[::-1]), one.grant(pairs[50:]), two.grant(pairs[:50])
        )

    granted = [
        key
        for s in settlements
        for key, verdict in s.verdicts.items()
        if isinstance(verdict, Grant)
    ]
    refused = [v for s in settlements for v in s.verdicts.values() if not isinstance(v, Grant)]
    assert sorted(granted) == sorted(s.key for s in pairs)
    assert all(isinstance(verdict, AlreadyGranted) for verdict in refused)
    assert scores(database_url) == ledger_sums(database_url)


async def test_batches_in_opposite_order_never_deadlock(database_url: str) -> None:
    """Without the ORDER BY of `grant` PostgreSQL ends one of them: TransactionAborted."""
    users = add_users(database_url, 200)  # the longer a batch, the surer two of them meet
    add_actions(database_url, {f"a{n}": 1 for n in range(20)})

    async with a_ledger(database_url) as one, a_ledger(database_url) as two:
        for n in range(20):
            forth = [Submission(user, f"a{n}") for user in users]
            back = forth[::-1]
            await asyncio.gather(
                one.grant(forth), two.grant(back), one.grant(back), two.grant(forth)
            )

    deadlocks = sql(
        database_url, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    )
    assert deadlocks == [(0,)]


async def test_the_board_is_returned_with_a_new_version_when_the_top_10_changed(
    ledger: Ledger, database_url: str
) -> None:
    users = add_users(database_url, 11)
    add_actions(database_url, {"low": 1, "mid": 5, "top": 10})
    for user in users[:10]:
        await ledger.grant([Submission(user, "mid")])
    before = board_version(database_url)

    below = await ledger.grant([Submission(users[10], "low")])
    into = await ledger.grant([Submission(users[10], "top")])

    assert not below.boards
    assert MAIN in into.boards
    assert into.boards[MAIN].version == before + 1 == board_version(database_url)
    assert into.boards[MAIN].entries[0].user_id == users[10]
    assert [(e.user_id, e.score) for e in into.boards[MAIN].entries] == ranking(database_url)


async def test_a_tie_with_the_tenth_does_not_change_the_board(
    ledger: Ledger, database_url: str
) -> None:
    users = add_users(database_url, 11)
    add_actions(database_url, {"mid": 5})
    for user in reversed(users[1:]):
        await ledger.grant([Submission(user, "mid")])

    late = await ledger.grant(
        [Submission(users[0], "mid")]
    )  # the lowest user id, but the last to reach 5

    assert not late.boards
    assert users[0] not in [user for user, _ in ranking(database_url)]


async def test_versions_follow_commit_order_and_miss_no_commit(database_url: str) -> None:
    """Without FOR UPDATE a board can carry a higher version and lack a committed score."""
    users = add_users(database_url, 8)
    add_actions(database_url, {f"a{n}": n + 1 for n in range(12)})
    boards: list[Board] = []

    async def play(ledger: Ledger, user: str) -> None:
        for n in range(12):
            settlement = await ledger.grant([Submission(user, f"a{n}")])
            assert MAIN in settlement.boards
            boards.append(settlement.boards[MAIN])

    async with a_ledger(database_url) as one, a_ledger(database_url) as two:
        await asyncio.gather(*(play(one if n % 2 else two, user) for n, user in enumerate(users)))

    boards.sort(key=lambda board: board.version)
    assert [board.version for board in boards] == list(range(2, 2 + len(boards)))
    totals = [sum(entry.score for entry in board.entries) for board in boards]
    assert totals == sorted(totals)
    assert len(set(totals)) == len(totals)


async def test_scores_do_not_fall_where_the_row_of_the_board_is_gone_and_that_is_said(
    ledger: Ledger, database_url: str
) -> None:
    [user] = add_users(database_url, 1)
    with closing(psycopg2.connect(database_url)) as other, other, other.cursor() as cursor:
        cursor.execute("DELETE FROM board")

    with pytest.raises(PostgresRefused, match="the row of boards is gone"):
        await ledger.rebuild()
    with pytest.raises(PostgresRefused, match="the row of boards is gone"):
        await ledger.remove_users([user])

    with closing(psycopg2.connect(database_url)) as other, other.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM users")
        assert cursor.fetchone() == (1,)


async def test_a_grant_that_ties_with_the_tenth_has_seen_the_board_that_it_waited_for(
    ledger: Ledger, database_url: str
) -> None:
    """It compared with a lower tenth score, and is on no board; readers have to see that one."""
    users = add_users(database_url, 11)
    add_actions(database_url, {"five": 5, "one": 1, "four": 4})
    await ledger.grant([Submission(user, "five") for user in users[:9]])
    await ledger.grant([Submission(users[9], "one")])
    with closing(psycopg2.connect(database_url)) as other, other.cursor() as cursor:
        grant_by(cursor, users[9], "four")
        granting = asyncio.create_task(ledger.grant([Submission(users[10], "five")]))
        await eventually(lambda: waits_for_lock(database_url))
        other.commit()
    settlement = await granting

    assert not settlement.boards
    assert settlement.seen[MAIN] == board_version(database_url)


async def test_a_user_whom_two_grants_lift_at_once_is_on_the_board(
    ledger: Ledger, database_url: str
) -> None:
    """Neither grant alone reaches the tenth score; the second one waits for the first one's row,
    and then compares their sum.
    """
    users = add_users(database_url, 11)
    add_actions(database_url, {"big": 100, "one": 60, "two": 60})
    await ledger.grant([Submission(user, "big") for user in users[:10]])
    with closing(psycopg2.connect(database_url)) as other, other.cursor() as cursor:
        assert grant_by(cursor, users[10], "one")["raised"] is None
        granting = asyncio.create_task(ledger.grant([Submission(users[10], "two")]))
        await eventually(lambda: waits_for_lock(database_url))
        other.commit()
    board = (await granting).boards.get(MAIN)

    assert board is not None
    assert (board.entries[0].user_id, board.entries[0].score) == (users[10], 120)


async def test_a_board_that_there_is_not_is_not_read_as_another(ledger: Ledger) -> None:
    before = await ledger.version()

    for ask in (ledger.board, ledger.version):
        with pytest.raises(UnknownBoard):
            await ask(BoardId("weekly"))
    with pytest.raises(UnknownBoard):
        await ledger.lift(900, BoardId("weekly"))
    assert await ledger.version() == before


async def test_rebuild_repairs_scores_and_goes_above_every_known_version(
    ledger: Ledger, database_url: str
) -> None:
    users = add_users(database_url, 3)
    add_actions(database_url, {"run": 50})
    await ledger.grant([Submission(user, "run") for user in users])
    sql(database_url, "UPDATE scores SET score = 7 WHERE user_id = %s", (users[0],))
    sql(database_url, "UPDATE board SET tenth_score = 12345")
    assert len(await ledger.differences()) == 2

    corrected, board = await ledger.rebuild(above=900)

    assert corrected == 1
    assert board.version == 901
    assert await ledger.differences() == []
    assert scores(database_url) == ledger_sums(database_url)


async def test_a_ledger_that_went_back_is_lifted_above_what_was_shown_and_only_once(
    database_url: str,
) -> None:
    """Several instances find it at the same moment; and grants go on meanwhile."""
    users = add_users(database_url, 3)
    add_actions(database_url, {"run": 50})
    async with a_ledger(database_url) as one, a_ledger(database_url) as two:
        before = await one.board()

        lifted = await asyncio.gather(one.lift(900), two.lift(900), two.lift(17))

        assert {board.version for board in lifted} <= {901, before.version, 18}
        after = await two.board()
        assert (after.version, after.entries) == (901, before.entries)
        assert after.changed_at > before.changed_at
        settlements = await asyncio.gather(
            one.grant([Submission(users[0], "run")]),
            two.lift(950),
            two.grant([Submission(users[1], "run")]),
        )
        assert board_version(database_url) in (951, 952, 953)
        assert all(not isinstance(each, Settlement) or each.boards for each in settlements)
        version = board_version(database_url)
        assert (await one.lift(17)).version == version
        assert (await two.lift(950)).version == version == board_version(database_url)


async def test_a_statement_that_takes_too_long_is_unavailability_and_not_cancellation(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Aiopg turns the server's statement_timeout into CancelledError, which would end the caller's
    task, and logs a traceback.
    """
    postgres = Postgres(database_url, sessions=1, timeout_seconds=0.3, name="test")
    with pytest.raises(LedgerUnavailable):
        await postgres.fetch("SELECT pg_sleep(5)")
    assert await postgres.fetch("SELECT 1") == [(1,)]
    assert caplog.messages == []
    postgres.close()


async def test_what_a_grant_asks_is_prepared_once_a_connection(database_url: str) -> None:
    [user] = add_users(database_url, 1)
    add_actions(database_url, {f"run{n}": 1 for n in range(3)})
    postgres = Postgres(database_url, sessions=1, timeout_seconds=2.0, name="test.plans")
    for n in range(3):
        await Ledger(postgres, postgres).grant([Submission(user, f"run{n}")])

    plans = "SELECT name, generic_plans + custom_plans FROM pg_prepared_statements ORDER BY 1"
    assert await postgres.fetch(plans) == [
        ("grant_batch", 3),
    ]
    postgres.close()


async def test_a_warning_to_whoever_connects_is_not_the_commits(
    ledger: Ledger, database_url: str
) -> None:
    """PostgreSQL warns that the machine sorts otherwise than the one on which indexes were made. A
    warning that comes with an answer is that of a commit that did not wait for its replica.
    """
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 1})
    sql(
        database_url,
        "UPDATE pg_database SET datcollversion = '0' WHERE datname = current_database()",
    )

    settled = await ledger.grant([Submission(user, "run")])

    assert isinstance(settled.verdicts[user, "run"], Grant)


async def test_a_warning_of_somebody_elses_trigger_is_not_the_commits(
    ledger: Ledger, database_url: str
) -> None:
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 1})
    sql(
        database_url,
        "CREATE FUNCTION warn() RETURNS TRIGGER LANGUAGE plpgsql"
        " AS 'BEGIN RAISE WARNING ''granted''; RETURN NULL; END';"
        "CREATE TRIGGER warn AFTER INSERT ON ledger FOR EACH ROW EXECUTE FUNCTION warn()",
    )

    settled = await ledger.grant([Submission(user, "run")])

    assert isinstance(settled.verdicts[user, "run"], Grant)


async def test_a_column_that_changes_its_type_costs_no_grant(database_url: str) -> None:
    """The function says what it returns, and PostgreSQL plans anew what is within."""
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 1, "jump": 1})
    postgres = Postgres(database_url, sessions=1, timeout_seconds=2.0, name="test.plans")
    ledger = Ledger(postgres, postgres)
    await ledger.grant([Submission(user, "run")])
    sql(database_url, "ALTER TABLE ledger ALTER COLUMN points_granted TYPE bigint")

    first = await ledger.grant([Submission(user, "jump")])
    second = await ledger.grant([Submission(user, "jump")])

    assert isinstance(first.verdicts[user, "jump"], Grant)
    assert isinstance(second.verdicts[user, "jump"], AlreadyGranted)
    postgres.close()


async def test_killed_connections_are_replaced_without_losing_a_session(database_url: str) -> None:
    postgres = Postgres(database_url, sessions=2, timeout_seconds=2.0, name="test.killed")
    await asyncio.gather(
        postgres.fetch("SELECT pg_sleep(0.05)"), postgres.fetch("SELECT pg_sleep(0.05)")
    )
    sql(
        database_url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'test.killed'",
    )

    failures = 0
    for _ in range(4):
        try:
            await postgres.fetch("SELECT 1")
        except LedgerUnavailable:
            failures += 1

    assert failures <= 2  # each dead connection is found once
    assert await asyncio.gather(*(postgres.fetch("SELECT 1") for _ in range(8))) == [[(1,)]] * 8
    postgres.close()


async def test_who_waits_for_a_session_gets_it_before_who_comes_later(database_url: str) -> None:
    """Without turns, somebody who asks again at once takes the session that he has just given back,
    and whoever waits hears after his deadline that PostgreSQL is away.
    """
    postgres = Postgres(database_url, sessions=1, timeout_seconds=2.0, name="test.turns")
    served: list[str] = []

    async def ask(who: str, times: int) -> None:
        for _ in range(times):
            await postgres.fetch("SELECT 1")
            served.append(who)

    await asyncio.gather(ask("greedy", 50), ask("patient", 1))

    assert served.index("patient") <= 2
    postgres.close()


async def test_a_session_left_within_a_transaction_is_not_inherited(database_url: str) -> None:
    postgres = Postgres(database_url, sessions=1, timeout_seconds=2.0, name="test")
    async with postgres.session() as session:
        await session.run("BEGIN")
    # now() is when the transaction began: in one that was inherited, before this statement.
    assert await postgres.fetch("SELECT now() = statement_timestamp()") == [(True,)]
    postgres.close()


async def test_no_transaction_is_inherited_after_a_cancelled_grant(database_url: str) -> None:
    users = add_users(database_url, 2)
    add_actions(database_url, {"run": 1})
    async with a_ledger(database_url, timeout_seconds=3) as ledger:
        with psycopg2.connect(database_url) as blocker, blocker.cursor() as cursor:
            cursor.execute("LOCK TABLE ledger IN ACCESS EXCLUSIVE MODE")
            stuck = asyncio.create_task(ledger.grant([Submission(users[0], "run")]))
            await eventually(lambda: waits_for_lock(database_url))
            stuck.cancel()
            with pytest.raises(asyncio.CancelledError):
                await stuck
        blocker.close()
        settlement: Settlement = await ledger.grant([Submission(users[1], "run")])
    assert isinstance(settlement.verdicts[users[1], "run"], Grant)
