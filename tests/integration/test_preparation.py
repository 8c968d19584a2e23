"""What was granted before a board is added counts on it once, while grants go on."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import pytest

from scoreboard.errors import LedgerUnavailable
from scoreboard.ledger import preparation
from scoreboard.ledger.definitions import Definitions
from scoreboard.ledger.ledger import Ledger
from scoreboard.ledger.queries import SQL
from scoreboard.ledger.transaction import Transaction
from scoreboard.model import MAIN, BoardId, Submission
from scoreboard.seasons.definition import Definition
from scoreboard.seasons.periods import FIRST_MOMENT
from tests.integration.ledger_world import DAILY, HOUR, JUMPS, LEAST, defined, under_way, who_ran
from tests.world import (
    add_actions,
    add_board,
    add_users,
    entries,
    holding,
    put_back,
    sql,
)


def count_in_steps(
    monkeypatch: pytest.MonkeyPatch, *, at_once: int, step: int | None = None
) -> None:
    """Take more rows than so many for much; and count that, with a step, so many rows at a time."""
    monkeypatch.setattr(preparation, "_ROWS_AT_ONCE", at_once)
    if step is not None:
        for bound in ("_ROWS_FIRST", "_ROWS_MIN", "_ROWS_MAX"):
            monkeypatch.setattr(preparation, bound, step)


async def its_day_comes(ledger: Ledger, database_url: str, ahead: timedelta) -> None:
    """Let so much time go by, and every season that is due then turn."""
    put_back(database_url, None, ahead)
    await ledger.turn()


async def test_much_that_was_granted_before_is_counted_while_grants_go_on(
    ledger: Ledger, definitions: Definitions, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    count_in_steps(monkeypatch, at_once=8, step=3)
    users = add_users(database_url, 10)
    add_actions(database_url, {"run": 50, "jump": 20, "hop": 5})
    await ledger.grant([Submission(user, "run") for user in users])
    now = datetime.now(UTC)
    event = Definition(
        BoardId("event"),
        "Event",
        period="dates",
        seasons=((now - HOUR, now - HOUR / 2), (now - HOUR / 2, now + HOUR)),
    )
    # One row of a season that is over, and one from before all.
    for user, hours in zip(users, (0.7, 40), strict=False):
        sql(
            database_url,
            "UPDATE ledger SET submitted_at = now() - %s WHERE user_id = %s",
            (HOUR * hours, user),
        )
    told: list[tuple[int, int]] = []
    granting: list[asyncio.Task[object]] = []

    def granted_meanwhile(counted: int, rows: int) -> None:
        told.append((counted, rows))
        if len(told) == 1:
            late = [Submission(user, "jump") for user in users[:3]]
            granting.append(asyncio.ensure_future(ledger.grant(late)))

    said = [DAILY, JUMPS, LEAST, event]
    written = await definitions.add(said, granted_meanwhile)
    await granting[0]
    await ledger.grant([Submission(users[9], "hop")])

    assert told[-1][0] == told[-1][1]
    assert len(told) > 2
    assert written.added == tuple(each.board_id for each in said)
    assert entries(database_url, "event", 1) == {users[0]: 50}
    assert entries(database_url, "jumps") == dict.fromkeys(users[:3], 20)
    assert entries(database_url, "least")[users[0]] == -20
    assert len(entries(database_url, "daily")) == 10
    for each in said:
        assert await ledger.differences(each.board_id) == []
    assert await definitions.verify_season(event.board_id, 1) == []
    assert sql(database_url, "SELECT * FROM preparations") == []


@pytest.mark.parametrize(
    "then",
    [
        "UPDATE former_action_ids SET renamed_at = '-infinity'",
        "DELETE FROM former_action_ids WHERE former_id = 'hop'",
    ],
    ids=["the clock is set back", "its former id is forgotten"],
)
async def test_an_action_that_is_renamed_while_it_is_counted_counts_all_the_same(
    ledger: Ledger,
    definitions: Definitions,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    then: str,
) -> None:
    count_in_steps(monkeypatch, at_once=5, step=2)
    users = add_users(database_url, 9)
    add_actions(database_url, {"jump": 20})
    await ledger.grant([Submission(user, "jump") for user in users])

    ids = iter((("jump", "hop"), ("hop", "jump")))

    def renamed(counted: int, rows: int) -> None:
        """There and back between two steps."""
        if step := next(ids, None):
            renaming = f"{SQL['give_action_id']}; {SQL['leave_action_id']}; {then}"
            sql(database_url, renaming, dict(zip(("action_id", "new_id"), step, strict=True)))

    await definitions.add([JUMPS], renamed)

    assert entries(database_url, "jumps") == dict.fromkeys(users, 20)


async def test_what_a_command_counted_that_was_ended_is_removed(
    ledger: Ledger, definitions: Definitions, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    count_in_steps(monkeypatch, at_once=2, step=3)
    await who_ran(ledger, database_url, 9)
    kept = "SELECT count(*) FROM season_entries"

    def ended(counted: int, rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await definitions.add([LEAST], ended)

    assert list(await defined(definitions)) == [MAIN]
    assert sql(database_url, kept) == [(3,)]
    assert await definitions.purge() == 0  # it may still be at work
    sql(database_url, "UPDATE preparations SET renewed_at = now() - interval '61 minutes'")
    assert await definitions.purge() == 3
    assert sql(database_url, kept) == [(0,)]
    assert sql(database_url, "SELECT * FROM preparations") == []
    await definitions.add([LEAST])
    assert await ledger.differences(LEAST.board_id) == []


async def test_who_counts_for_so_long_that_it_was_given_up_adds_nothing(
    ledger: Ledger, definitions: Definitions, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    count_in_steps(monkeypatch, at_once=2, step=3)
    await who_ran(ledger, database_url, 9)

    told: list[int] = []

    def given_up(counted: int, rows: int) -> None:
        told.append(counted)
        sql(database_url, "UPDATE preparations SET renewed_at = '-infinity'")

    with pytest.raises(LedgerUnavailable):
        await definitions.add([LEAST], given_up)

    assert told == [3]  # and it goes on no further
    assert list(await defined(definitions)) == [MAIN]


async def test_the_best_that_was_granted_before_counts_since_it_was_reached_first(
    ledger: Ledger, definitions: Definitions, database_url: str
) -> None:
    users = add_users(database_url, 20)
    add_actions(database_url, {"walk": 5, "run": 50, "jump": 20, "sprint": 50, "rest": 5})
    for action in ("walk", "run", "jump", "sprint", "rest"):
        await ledger.grant([Submission(user, action) for user in users])

    most = Definition(BoardId("most"), "Most", operator="best")
    await definitions.add([LEAST, most])

    assert entries(database_url, most.board_id) == dict.fromkeys(users, 50)
    assert entries(database_url, LEAST.board_id) == dict.fromkeys(users, -5)
    for board_id in (most.board_id, LEAST.board_id):
        assert await ledger.differences(board_id) == []


async def test_what_was_given_up_behind_its_last_step_is_not_adopted(
    ledger: Ledger, definitions: Definitions, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its entries are being removed, and the board would begin without those."""
    count_in_steps(monkeypatch, at_once=2)
    users = await who_ran(ledger, database_url, 9)

    def given_up(counted: int, rows: int) -> None:
        assert counted == rows == len(users)
        sql(database_url, "UPDATE preparations SET renewed_at = '-infinity'")

    with pytest.raises(LedgerUnavailable):
        await definitions.add([LEAST], given_up)

    assert list(await defined(definitions)) == [MAIN]
    assert await definitions.purge() == len(users)


async def test_of_a_thousand_seasons_those_are_counted_that_contain_rows(
    ledger: Ledger, definitions: Definitions, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    await ledger.grant([Submission(user, "run")])
    first = datetime.now(UTC) - HOUR / 2
    dates = tuple((first + n * HOUR, first + (n + 1) * HOUR) for n in range(1000))
    counted: list[int] = []
    run = Transaction.run

    async def spy(self: Transaction, statement: str, asked: Any = None, **more: Any) -> Any:
        if statement == SQL["add_entries"]:
            counted.append(len(asked["season_ids"]))
        return await run(self, statement, asked, **more)

    monkeypatch.setattr(Transaction, "run", spy)
    event = Definition(BoardId("event"), "Event", period="dates", seasons=dates)
    await definitions.add([event])

    assert counted == [1]
    assert entries(database_url, "event") == {user: 50}
    # No season reads the ledger that begins after its last row.
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute(
            f"EXPLAIN (ANALYZE, FORMAT JSON) {SQL['compare_entries']}",
            {"board_id": event.board_id},
        )
        [([explained],)] = cursor.fetchall()
    assert scans_of("ledger", explained["Plan"]) < 10


async def test_what_it_takes_to_write_seasons_grows_with_their_number(database_url: str) -> None:
    """Also those of a file with many boards, each with many dates: no row is looked for among all
    the others.
    """
    boards, seasons = 4, 50
    numbers = range(1, seasons + 1)
    dates = [datetime.now(UTC) + number * HOUR for number in numbers]
    for board in range(boards):
        add_board(database_url, f"b{board}")
    asked = {
        "board_ids": [f"b{board}" for board in range(boards) for _ in numbers],
        "numbers": [*numbers] * boards,
        "starts": dates * boards,
        "ends": [date + HOUR for date in dates] * boards,
    }
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {SQL['write_seasons']}", asked)
        [([explained],)] = cursor.fetchall()

    assert rows_seen(explained["Plan"]) < 20 * boards * seasons


def rows_seen(plan: dict[str, Any]) -> int:
    """How many rows the parts of a plan have looked at, one part after the other."""
    own = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
    own *= plan["Actual Loops"]
    return int(own) + sum(rows_seen(part) for part in plan.get("Plans", ()))


def scans_of(table: str, plan: dict[str, Any]) -> int:
    """How often a plan has read a table."""
    own = plan["Actual Loops"] if plan.get("Relation Name") == table else 0
    return int(own) + sum(scans_of(table, part) for part in plan.get("Plans", ()))


async def test_what_a_clock_that_was_wrong_dated_days_ahead_counts_on_an_added_board(
    ledger: Ledger, definitions: Definitions, database_url: str
) -> None:
    users = add_users(database_url, 2)
    add_actions(database_url, {"run": 50})
    days = timedelta(days=3)
    await ledger.grant([Submission(user, "run") for user in users])
    sql(
        database_url,
        "UPDATE ledger SET submitted_at = submitted_at + %s WHERE user_id = %s",
        (days, users[0]),
    )

    await definitions.add([replace(DAILY, zone="UTC")])
    await its_day_comes(ledger, database_url, days)

    assert entries(database_url, DAILY.board_id, 4) == {users[0]: 50}
    assert await ledger.differences(DAILY.board_id) == []


async def test_what_was_counted_for_seasons_that_are_over_is_counted_anew(
    ledger: Ledger, definitions: Definitions, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that took days, or was suspended for so long."""
    count_in_steps(monkeypatch, at_once=8)
    users = add_users(database_url, 10)
    add_actions(database_url, {"run": 50})
    days = timedelta(days=3)
    await ledger.grant([Submission(user, "run") for user in users[1:]])
    late = iter(users[:1])

    def days_later(counted: int, rows: int) -> None:
        for user in late:
            sql(
                database_url,
                "INSERT INTO ledger (user_id, action_id, points_granted, submitted_at)"
                " VALUES (%s, 'run', 50, clock_timestamp() + %s)",
                (user, days),
            )

    await definitions.add([replace(DAILY, zone="UTC")], days_later)
    await its_day_comes(ledger, database_url, days)

    assert entries(database_url, DAILY.board_id, 4) == {users[0]: 50}
    assert await ledger.differences(DAILY.board_id) == []


async def test_what_was_counted_for_other_boards_is_not_taken(
    ledger: Ledger, definitions: Definitions, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file is loaded while somebody adds one of its boards."""
    count_in_steps(monkeypatch, at_once=8)
    await who_ran(ledger, database_url, 9)
    other = replace(LEAST, board_id=BoardId("other"))
    adding = iter((other,))

    def added(counted: int, rows: int) -> None:
        if board := next(adding, None):
            add_board(
                database_url,
                board.board_id,
                (FIRST_MOMENT, None),
                title=board.title,
                operator="best",
                direction="low",
                size=3,
            )

    written = await definitions.load([other, LEAST], added)

    assert (written.added, written.unchanged) == (("least",), ("other",))
    assert await ledger.differences(LEAST.board_id) == []


async def test_a_grant_that_is_under_way_counts_on_a_board_that_is_added_meanwhile(
    ledger: Ledger, definitions: Definitions, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    count_in_steps(monkeypatch, at_once=0)
    user, other = add_users(database_url, 2)
    add_actions(database_url, {"run": 50})

    async def grant_and_add() -> None:
        await ledger.grant([Submission(other, "run")])  # the later row is there before the other
        await definitions.add([DAILY])

    await under_way(database_url, user, grant_and_add)

    assert entries(database_url, "daily") == {user: 50, other: 50}
    assert await ledger.differences(DAILY.board_id) == []


async def test_a_grant_that_is_under_way_when_boards_begin_to_count_is_waited_for(
    ledger: Ledger, definitions: Definitions, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    adopt, adopted = preparation.Prepared.adopt, asyncio.Event()
    granting = asyncio.Event()

    async def adopt_and_wait(
        prepared: preparation.Prepared, begun: Transaction
    ) -> preparation.Prepared:
        found = await adopt(prepared, begun)
        adopted.set()
        await granting.wait()
        return found

    monkeypatch.setattr(preparation.Prepared, "adopt", adopt_and_wait)
    adding = asyncio.ensure_future(definitions.add([DAILY]))
    await adopted.wait()

    async def go_on() -> None:
        granting.set()
        await adding

    await under_way(database_url, user, go_on)

    assert entries(database_url, "daily") == {user: 50}
    assert await ledger.differences(DAILY.board_id) == []


async def test_grants_go_on_while_boards_are_written(
    ledger: Ledger, definitions: Definitions, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    count_in_steps(monkeypatch, at_once=2)
    users = add_users(database_url, 5)
    add_actions(database_url, {"jump": 50})
    with holding(database_url, "LOCK TABLE board_actions IN SHARE MODE") as held:
        adding = asyncio.ensure_future(definitions.add([JUMPS, DAILY]))
        await asyncio.wait([adding], timeout=0.2)
        await ledger.grant([Submission(user, "jump") for user in users])
        assert not adding.done()
        held.commit()
        await adding

    for each in (JUMPS, DAILY):
        assert entries(database_url, each.board_id) == dict.fromkeys(users, 50)
        assert await ledger.differences(each.board_id) == []
