"""What is granted around the end of a season is counted in exactly one, and what is kept of a
season that has ended is what the ledger says, whoever comes first and whatever clocks do.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import re
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import pytest

from scoreboard.connections.session import TransactionAborted
from scoreboard.ledger.ledger import Ledger
from scoreboard.ledger.queries import SQL
from scoreboard.model import MAIN, BoardId, Grant, Submission
from scoreboard.seasons.periods import Period, containing, following
from tests.eventually import eventually
from tests.granting import are_paused, paused_grants
from tests.integration.ledger_world import a_ledger, renamed
from tests.ledger_clock import LedgerClock
from tests.season_reckoning import reckon_seasons
from tests.world import (
    add_actions,
    add_board,
    add_boards_of_every_kind,
    add_users,
    entries,
    ledger_sums,
    put_back,
    scores,
    sql,
    waiting_for_locks,
    waits_for_lock,
)

HOUR = timedelta(hours=1)
TEN_MINUTES = timedelta(minutes=10)
DAILY = BoardId("daily")


def deadlocks(database_url: str) -> int:
    """How many PostgreSQL has ended in this database."""
    statement = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    return int(sql(database_url, statement)[0][0])


async def turned(ledger: Ledger) -> None:
    """What the relay does each time it looks."""
    if (await ledger.versions()).is_due:
        await ledger.turn()


async def test_a_grant_that_is_under_way_at_the_end_of_its_season_is_on_the_final_board(
    ledger: Ledger, database_url: str
) -> None:
    """Its statement was sent before the end, and its commit comes after it. Without the lock that
    it shares with other grants, or the turn's own, the final board lacks it.
    """
    users = add_users(database_url, 2)
    add_actions(database_url, {"run": 50})
    now = datetime.now(UTC)
    add_board(database_url, DAILY, (now - HOUR, now + HOUR), (now + HOUR, now + 2 * HOUR))
    await ledger.grant([Submission(users[0], "run")])
    with paused_grants(database_url, users[1]) as go_on:
        granting = asyncio.create_task(ledger.grant([Submission(users[1], "run")]))
        await eventually(lambda: are_paused(database_url))
        put_back(database_url, DAILY, HOUR)
        turning = asyncio.create_task(ledger.turn())
        await eventually(lambda: turning.done() or waiting_for_locks(database_url) > 1)
        go_on()
    await granting
    [board] = await turning

    assert entries(database_url, DAILY, 1) == dict.fromkeys(users, 50)
    assert board.before is not None
    assert {entry.user_id for entry in board.before.entries} == set(users)


async def test_a_grant_that_waits_for_a_turn_counts_where_the_turn_left_it(
    ledger: Ledger, database_url: str
) -> None:
    """The other way round: its moment, and the last score that it compares with, are read once the
    turn is over. With what it saw before it would reach no board: the last score of the season that
    has ended is higher.
    """
    users = add_users(database_url, 2)
    add_actions(database_url, {"big": 50, "small": 1})
    now = datetime.now(UTC)
    add_board(database_url, DAILY, (now - HOUR, now + HOUR), (now + HOUR, now + 2 * HOUR), size=1)
    await ledger.grant([Submission(users[0], "big")])
    put_back(database_url, DAILY, HOUR)
    with closing(psycopg2.connect(database_url)) as other, other.cursor() as cursor:
        cursor.execute(SQL["lock_seasons"])
        granting = asyncio.create_task(ledger.grant([Submission(users[1], "small")]))
        await eventually(lambda: granting.done() or waits_for_lock(database_url))
        moment = {"moment": datetime.now(UTC)}
        cursor.execute(SQL["begin_and_end_seasons"], moment)
        cursor.execute(SQL["show_seasons"], {"board_ids": [DAILY]})
        cursor.execute(SQL["close_seasons"], moment)
        cursor.execute(SQL["renew_boards"], {"board_ids": [DAILY], "above": 0, "leap": None})
        other.commit()
    settlement = await granting

    board = settlement.boards[DAILY]
    assert [entry.user_id for entry in board.entries] == [users[1]]
    assert board == await ledger.board(DAILY)
    assert reckon_seasons(database_url) == 1


async def test_a_grant_that_waits_for_an_added_board_counts_on_it(
    ledger: Ledger, database_url: str
) -> None:
    """Its instance knows `main` alone, and whoever adds a board has read the ledger already."""
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"big": 50, "small": 1})
    await ledger.grant([Submission(user, "big")])
    with closing(psycopg2.connect(database_url)) as other, other.cursor() as cursor:
        cursor.execute(SQL["lock_seasons"])
        granting = asyncio.create_task(ledger.grant([Submission(user, "small")]))
        await eventually(lambda: granting.done() or waits_for_lock(database_url))
        add_board(database_url, DAILY, (datetime.now(UTC) - HOUR, None))
        other.commit()
    settlement = await granting

    assert settlement.boards.keys() == {MAIN, DAILY}
    assert entries(database_url, DAILY) == {user: 1}


@pytest.mark.parametrize("operator", ["sum", "best"])
async def test_what_is_granted_once_the_clock_was_set_back_counts_in_the_season_that_began(
    ledger: Ledger, database_url: str, operator: str
) -> None:
    """The clock ran ten minutes ahead when the season turned. Without the moment that no ended
    season is behind, what is granted for the next ten minutes would be counted in no season.
    """
    users = add_users(database_url, 3)
    add_actions(database_url, {"run": 50, "jump": 20})
    now = datetime.now(UTC)
    ends_at = now + TEN_MINUTES
    add_board(
        database_url,
        DAILY,
        (now - HOUR, ends_at),
        (ends_at, ends_at + HOUR),
        operator=operator,
    )
    put_back(database_url, DAILY, TEN_MINUTES)
    await ledger.turn()
    put_back(database_url, DAILY, -TEN_MINUTES)

    granted = [
        await ledger.grant([Submission(user, action) for user in users])
        for action in ("jump", "run")
    ]

    assert entries(database_url, DAILY, 2).keys() == set(users)
    assert reckon_seasons(database_url) == 1
    for settlement in granted:
        assert DAILY in settlement.boards
        assert not settlement.is_due
    assert not (await ledger.versions()).is_due
    assert await ledger.turn() == []
    assert await ledger.differences(DAILY) == []


async def test_grants_raced_over_the_ends_of_many_seasons_are_each_counted_once(
    database_url: str,
) -> None:
    """Two instances grant as fast as they can while the seasons of boards of every kind end four
    times a second, and whoever comes first lets them.
    """
    users = add_users(database_url, 60)
    actions = {f"a{n}": n % 7 + 1 for n in range(40)}
    add_actions(database_url, actions)
    pairs = [Submission(user, action) for user in users for action in actions]
    random.Random(12).shuffle(pairs)
    now = datetime.now(UTC)
    ends = [now + n * timedelta(seconds=0.25) for n in range(13)]
    kinds = add_boards_of_every_kind(
        database_url, *itertools.pairwise(ends), (ends[-1], None), listed="a3"
    )
    board_ids = [BoardId(kind) for kind in kinds]

    async def play(one: Ledger, submissions: list[Submission]) -> None:
        for start in range(0, len(submissions), 4):
            settlement = await one.grant(submissions[start : start + 4])
            assert all(isinstance(each, Grant) for each in settlement.verdicts.values())

    async def keep_turning(one: Ledger) -> None:
        while True:
            await turned(one)
            await asyncio.sleep(0.01)

    async with a_ledger(database_url) as one, a_ledger(database_url) as two:
        async with asyncio.TaskGroup() as group:
            turners = [group.create_task(keep_turning(each)) for each in (one, two)]
            async with asyncio.TaskGroup() as players:
                for n, each in enumerate((one, two, one, two)):
                    players.create_task(play(each, pairs[n::4]))
            await eventually(lambda: sql(database_url, "SELECT now() > %s", (ends[-1],))[0][0])
            for turner in turners:
                turner.cancel()
        await turned(one)

        assert deadlocks(database_url) == 0  # boards are locked in one order
        assert reckon_seasons(database_url) >= 12 * len(board_ids)
        assert scores(database_url) == ledger_sums(database_url)
        for board_id in board_ids:
            assert await one.differences(board_id) == []


async def test_batches_in_opposite_order_over_many_boards_never_deadlock(
    database_url: str,
) -> None:
    """Between turns, falls, renames and rebuilds, which lock rows of their own."""
    users = add_users(database_url, 100)
    add_actions(database_url, {f"a{n}": n % 7 + 1 for n in range(12)})
    now = datetime.now(UTC)
    ends = [now + n * timedelta(seconds=0.3) for n in range(20)]
    kinds = add_boards_of_every_kind(database_url, *itertools.pairwise(ends), listed="a3")
    board_ids = [BoardId(kind) for kind in kinds]
    leaving = add_users(database_url, 12, "leaving")

    async def change(one: Ledger, n: int) -> None:
        await turned(one)
        await renamed(database_url, users[n], f"renamed{n}")
        await one.rebuild(board_id=board_ids[n % len(board_ids)])
        await one.remove_users([leaving[n]])
        await one.rename_action(f"a{n}", f"b{n}")

    async with a_ledger(database_url) as one, a_ledger(database_url) as two:
        for n in range(12):
            forth = [Submission(user, f"a{n}") for user in [*users, leaving[n]]]
            back = forth[::-1]
            await asyncio.gather(
                one.grant(forth), two.grant(back), change(one, n), one.grant(back), two.grant(forth)
            )
        await turned(one)

    assert deadlocks(database_url) == 0
    reckon_seasons(database_url)
    assert scores(database_url) == ledger_sums(database_url)


async def test_a_user_who_is_renamed_while_a_season_turns_is_on_the_new_board_by_the_new_name(
    ledger: Ledger, database_url: str
) -> None:
    """The rename waits: the boards that the user is on are known once the turn is over."""
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50, "jump": 20})
    now = datetime.now(UTC)
    add_board(database_url, DAILY, (now - HOUR, now + HOUR), (now + HOUR, now + 2 * HOUR), size=1)
    await ledger.grant([Submission(user, "run")])
    put_back(database_url, DAILY, HOUR)
    await ledger.grant([Submission(user, "jump")])
    with closing(psycopg2.connect(database_url)) as other, other.cursor() as cursor:
        cursor.execute(SQL["lock_seasons"])
        renaming = asyncio.create_task(renamed(database_url, user, "ada"))
        await eventually(lambda: renaming.done() or waits_for_lock(database_url))
        moment = {"moment": datetime.now(UTC)}
        cursor.execute(SQL["begin_and_end_seasons"], moment)
        cursor.execute(SQL["show_seasons"], {"board_ids": [DAILY]})
        cursor.execute(SQL["close_seasons"], moment)
        cursor.execute(SQL["renew_boards"], {"board_ids": [DAILY], "above": 0, "leap": None})
        other.commit()
    done = await renaming

    [daily] = [board for board in done.boards if board.board_id == DAILY]
    assert daily == await ledger.board(DAILY)
    assert daily.version == 4
    assert daily.season is not None
    assert daily.season.number == 2
    assert [(entry.username, entry.score) for entry in daily.entries] == [("ada", 20)]


async def test_the_halves_of_a_batch_may_be_of_two_seasons(
    ledger: Ledger, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL refuses one of its submissions, so it is halved, and a season ends in between."""
    users = add_users(database_url, 2)
    add_actions(database_url, {"run": 50})
    now = datetime.now(UTC)
    clock = LedgerClock(database_url, monkeypatch)
    clock.set(now)
    ends_at = now + HOUR
    add_board(database_url, DAILY, (now - HOUR, ends_at), (ends_at, ends_at + HOUR))
    clock.end_with_the_next_grant(ends_at)

    settlement = await ledger.grant(
        [Submission(users[0], "run"), Submission(users[1], "nul\0"), Submission(users[1], "run")]
    )
    clock.close()

    assert entries(database_url, DAILY, 1) == {users[0]: 50}
    assert entries(database_url, DAILY, 2) == {users[1]: 50}
    assert settlement.is_due
    assert settlement.boards[DAILY].version == settlement.seen[DAILY] == 2
    [turned] = await ledger.turn()
    assert [entry.user_id for entry in turned.entries] == [users[1]]
    assert reckon_seasons(database_url) == 1


async def test_scores_are_locked_before_entries_whatever_the_plan(database_url: str) -> None:
    """Of two batches with different plans, one in each order, PostgreSQL would end one. A nested
    loop asks for each score when its turn comes, and for an entry in between.
    """
    users = add_users(database_url, 20)
    add_actions(database_url, {"run": 5, "jump": 5})
    now = datetime.now(UTC)
    add_boards_of_every_kind(database_url, (now - HOUR, now + HOUR), listed="run")
    grant = {
        "user_ids": users,
        "action_ids": ["run"] * len(users),
        "by_server": [False] * len(users),
    }
    async with a_ledger(database_url) as ledger:
        await ledger.grant([Submission(user, "jump") for user in users])
    with (
        closing(psycopg2.connect(database_url)) as holder,
        closing(psycopg2.connect(database_url)) as other,
        holder.cursor() as held,
        other.cursor() as cursor,
    ):
        held.execute("SELECT FROM season_entries WHERE user_id = %s FOR UPDATE", (users[0],))
        cursor.execute("SET jit = off; SET enable_hashjoin = off; SET enable_mergejoin = off")
        granting = asyncio.create_task(asyncio.to_thread(cursor.execute, SQL["grant"], grant))
        await eventually(lambda: waits_for_lock(database_url))
        free = sql(database_url, "SELECT user_id FROM scores FOR UPDATE SKIP LOCKED")
        holder.rollback()
        await granting
    assert free == []


@pytest.mark.parametrize("off", ["hashjoin, enable_mergejoin", "nestloop", "material"])
def test_no_plan_begins_with_bests_before_sums_are_over(database_url: str, off: str) -> None:
    """As grants are written now, PostgreSQL comes to the entries of boards that keep the best last
    by itself; this is what holds it to that.
    """
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        for setting in off.split(", enable_"):
            cursor.execute(f"SET enable_{setting} = off")
        nothing = dict.fromkeys(re.findall(r"%\((\w+)\)s", SQL["explained_counting"]))
        cursor.execute(f"EXPLAIN (FORMAT JSON) {SQL['explained_counting']}", nothing)
        [([explained],)] = cursor.fetchall()

    [bettered] = [
        node for node in nodes(explained["Plan"]) if node.get("Subplan Name") == "CTE bettered"
    ]
    assert "added" in {node.get("CTE Name") for node in nodes(bettered)}


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A node of a plan, and all that are within it."""
    yield plan
    for each in plan.get("Plans", []):
        yield from nodes(each)


async def test_a_turn_gives_up_soon_and_later_succeeds(database_url: str) -> None:
    """Grants wait behind a turn that waits; so it does not wait for long, and comes again."""
    users = add_users(database_url, 2)
    add_actions(database_url, {"run": 50})
    now = datetime.now(UTC)
    add_board(database_url, DAILY, (now - HOUR, now + HOUR), (now + HOUR, None))
    async with (
        a_ledger(database_url, timeout_seconds=60.0) as ledger,
        a_ledger(database_url, timeout_seconds=60.0) as other,
    ):
        with paused_grants(database_url, users[1]) as go_on:
            granting = asyncio.create_task(other.grant([Submission(users[1], "run")]))
            await eventually(lambda: are_paused(database_url))
            put_back(database_url, DAILY, HOUR)
            turning = asyncio.create_task(ledger.turn())
            await eventually(lambda: turning.done() or waiting_for_locks(database_url) > 1)
            async with asyncio.timeout(20):
                settlement = await ledger.grant([Submission(users[0], "run")])
                with pytest.raises(TransactionAborted):
                    await turning
            go_on()
        await granting

        assert isinstance(settlement.verdicts[users[0], "run"], Grant)
        assert settlement.is_due
        [board] = await ledger.turn()
        assert [entry.user_id for entry in board.entries] == [users[0]]


def written(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}Z")


# Where clocks skip a midnight, the day begins when they do; where midnight comes twice, at the
# first; and where they are set back to the evening before, when the evening is over.
ODD_MIDNIGHTS = [
    ("day", "America/Santiago", "09-06T04:00", "09-07T03:00"),
    ("day", "America/Santiago", "04-05T04:00", "04-06T04:00"),
    ("day", "Africa/Cairo", "04-23T22:00", "04-24T21:00"),
    ("day", "Africa/Cairo", "10-29T22:00", "10-30T22:00"),
    ("day", "America/Havana", "03-08T05:00", "03-09T04:00"),
    ("day", "America/Havana", "11-01T04:00", "11-02T05:00"),
    ("week", "Africa/Cairo", "04-19T22:00", "04-26T21:00"),
    ("month", "America/Havana", "11-01T04:00", "12-01T05:00"),
]


@pytest.mark.parametrize(("period", "zone", "begins", "ends"), ODD_MIDNIGHTS)
async def test_after_days_without_anybody_nothing_is_counted_in_no_season_at_odd_midnights(
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    period: Period,
    zone: str,
    begins: str,
    ends: str,
) -> None:
    """All instances were down while the seasons passed that were written, and the first grant
    comes around a midnight that is skipped or repeated.
    """
    boundary = written(begins)
    second, microsecond = timedelta(seconds=1), timedelta(microseconds=1)
    after = [timedelta(minutes=minutes) for minutes in (0, 30, 59, 60, 61, 90)]
    moments = [boundary - HOUR, boundary - microsecond, *(boundary + each for each in after)]
    moments += [written(ends) - second, written(ends), written(ends) + 40 * timedelta(days=1)]
    [user] = add_users(database_url, 1)
    add_actions(database_url, {f"a{n}": 1 for n in range(len(moments))})
    first = containing(period, zone, boundary - 70 * timedelta(days=1))
    second_ends_at = following(period, zone, first[1])
    clock = LedgerClock(database_url, monkeypatch)
    add_board(
        database_url,
        DAILY,
        first,
        (first[1], second_ends_at),
        period=period,
        zone=zone,
        written_until=second_ends_at,
    )
    async with a_ledger(database_url) as ledger:
        for n, moment in enumerate(moments):
            clock.set(moment)
            verdict = (await ledger.grant([Submission(user, f"a{n}")])).verdicts[user, f"a{n}"]
            assert isinstance(verdict, Grant)
            assert verdict.granted_at == moment
        await ledger.turn()
    clock.close()

    seasons = sql(
        database_url,
        "SELECT starts_at, ends_at, coalesce(score, 0)"
        " FROM seasons LEFT JOIN season_entries USING (season_id)"
        " WHERE board_id = %s ORDER BY number",
        (DAILY,),
    )
    for (_, ends_at, _), (starts_at, _, _) in itertools.pairwise(seasons):
        assert ends_at == starts_at
    counted = {starts_at: score for starts_at, _, score in seasons}
    # Six around its beginning and one before its end; the next season has one at its beginning.
    assert (counted[boundary], counted[written(ends)]) == (7, 1)
    assert sum(counted.values()) == len(moments)
    assert reckon_seasons(database_url) == len(seasons) - 2


async def test_a_season_that_closes_behind_the_one_that_is_shown_raises_the_version(
    ledger: Ledger, database_url: str
) -> None:
    """A board says how the season before ended, and in which state that is."""
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    now = datetime.now(UTC)
    seasons = ((now - HOUR, now + HOUR), (now + HOUR, None))
    add_board(database_url, DAILY, *seasons, grace_seconds=3600)
    await ledger.grant([Submission(user, "run")])
    put_back(database_url, DAILY, HOUR)
    [ended] = await ledger.turn()
    put_back(database_url, DAILY, HOUR)
    [closed] = await ledger.turn()

    assert ended.before is not None
    assert closed.before is not None
    assert (ended.before.season.state, closed.before.season.state) == ("ended", "final")
    assert closed.version == ended.version + 1
    assert await ledger.board(DAILY) == closed
    assert await ledger.turn() == []


async def test_of_equal_bests_the_earlier_moment_counts_whichever_was_committed_first(
    ledger: Ledger, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = add_users(database_url, 2)
    add_actions(database_url, {"run": 50, "jump": 50})
    now = datetime.now(UTC)
    clock = LedgerClock(database_url, monkeypatch)
    add_board(database_url, DAILY, (now - HOUR, None), operator="best")
    for seconds, user, action in ((9, 0, "run"), (5, 1, "run"), (1, 0, "jump"), (3, 1, "jump")):
        clock.set(now + timedelta(seconds=seconds))
        await ledger.grant([Submission(users[user], action)])
    clock.close()

    board = await ledger.board(DAILY)
    assert [entry.user_id for entry in board.entries] == users
    reckon_seasons(database_url)
    assert await ledger.differences(DAILY) == []


async def test_a_board_whose_first_season_has_begun_is_due(
    ledger: Ledger, database_url: str
) -> None:
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    now = datetime.now(UTC)
    add_board(database_url, DAILY, (now - HOUR, None), state="upcoming")

    settlement = await ledger.grant([Submission(user, "run")])
    [begun] = await ledger.turn()

    assert settlement.is_due
    assert DAILY not in settlement.boards
    assert [entry.user_id for entry in begun.entries] == [user]
