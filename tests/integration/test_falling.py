"""The one door through which scores fall: grants go on meanwhile, and every board is right."""

from __future__ import annotations

import asyncio
from contextlib import closing
from datetime import UTC, datetime, timedelta

import psycopg2
import pytest

from scoreboard.connections.session import Session, TransactionAborted
from scoreboard.errors import LedgerUnavailable
from scoreboard.ledger import falling
from scoreboard.ledger.ledger import Ledger
from scoreboard.model import MAIN, BoardId, Submission
from tests.eventually import eventually
from tests.granting import are_paused, paused_grants
from tests.integration.fall_world import a_held_fall, granted, waits_for_grants
from tests.integration.ledger_world import a_ledger
from tests.world import (
    add_actions,
    add_board,
    add_users,
    entries,
    put_back,
    ranking,
    scores,
    sql,
    waits_for_lock,
)

HOUR = timedelta(hours=1)
DAILY = BoardId("daily")


async def eleven(ledger: Ledger, database_url: str) -> list[str]:
    """Users of whom ten have 100 points, and an action that is worth 5."""
    users = add_users(database_url, 11)
    add_actions(database_url, {"big": 100, "small": 5})
    await ledger.grant([Submission(user, "big") for user in users[:10]])
    return users


async def is_right(ledger: Ledger, database_url: str) -> bool:
    """Whether `main` shows the ranking, and has its last score."""
    board = await ledger.board()
    return [(entry.user_id, entry.score) for entry in board.entries] == ranking(
        database_url
    ) and await ledger.differences() == []


async def test_a_fall_waits_for_a_grant_that_compared_with_a_last_score_from_before(
    ledger: Ledger, database_url: str
) -> None:
    """Else the board lacks who was granted: the score is on it now, and no version says so."""
    users = await eleven(ledger, database_url)
    with closing(psycopg2.connect(database_url)) as other, other.cursor() as cursor:
        assert not granted(cursor, users[10], "small")  # 5 does not reach a last score of 100
        removing = asyncio.create_task(ledger.remove_users(users[:1]))
        await eventually(lambda: removing.done() or waits_for_grants(database_url))
        other.commit()
    _, [board] = await removing

    assert [(entry.user_id, entry.score) for entry in board.entries] == ranking(database_url)


async def test_a_fall_stops_the_grants_of_nobody_else_on_any_board(
    ledger: Ledger, database_url: str
) -> None:
    """Neither to the board on which it is, nor to another one, nor at the end of a batch."""
    users = await eleven(ledger, database_url)
    now = datetime.now(UTC)
    add_board(database_url, DAILY, (now, now + HOUR))
    add_actions(database_url, {"huge": 900})
    async with a_held_fall(database_url, users[:1]) as held:
        for user, action in ((users[10], "small"), (users[5], "huge")):
            settlement = await ledger.grant([Submission(user, action)])
            assert settlement.boards[DAILY].entries
        raised = settlement.boards[MAIN]
        assert raised.entries[0].user_id == users[5]
        [board] = await held.end()

    assert board.version > raised.version
    assert [entry.user_id for entry in board.entries][-1] == users[10]
    assert await is_right(ledger, database_url)
    assert await ledger.differences(DAILY) == []


async def test_a_grant_that_begins_while_scores_fall_takes_its_turn_at_the_board(
    ledger: Ledger, database_url: str
) -> None:
    """It is committed after the fall, and has compared with the last score from before: the fall
    did not wait for it, so there must be none.
    """
    users = await eleven(ledger, database_url)
    with paused_grants(database_url, users[10]) as go_on:
        async with a_held_fall(database_url, users[:1]) as held:
            granting = asyncio.create_task(ledger.grant([Submission(users[10], "small")]))
            await eventually(lambda: are_paused(database_url))
            await held.end()
        go_on()
    assert MAIN in (await granting).boards

    assert await is_right(ledger, database_url)


async def test_a_fall_that_takes_longer_than_a_minute_is_rolled_back(
    ledger: Ledger, database_url: str
) -> None:
    """A board got a last score again meanwhile, which is too high for what would fall."""
    users = await eleven(ledger, database_url)
    add_actions(database_url, {"huge": 900})
    async with a_held_fall(database_url, users[:1]) as held:
        sql(database_url, "UPDATE boards SET falling_at = falling_at - interval '61 s'")
        await ledger.grant([Submission(users[5], "huge")])
        with pytest.raises(TransactionAborted):
            await held.end()

    assert users[0] in scores(database_url)
    assert sql(database_url, "SELECT tenth_score FROM board") == [(100,)]


async def test_who_falls_is_granted_nothing_until_the_fall_is_over(
    ledger: Ledger, database_url: str
) -> None:
    users = await eleven(ledger, database_url)
    async with a_held_fall(database_url, users[:1], removes_first=False) as held:
        granting = asyncio.create_task(ledger.grant([Submission(users[0], "small")]))
        await eventually(lambda: granting.done() or waits_for_lock(database_url))
        assert not granting.done()
        await held.end()
    await granting

    assert users[0] not in scores(database_url)
    assert await is_right(ledger, database_url)


async def test_a_season_that_turns_while_scores_fall_ends_without_what_fell(
    ledger: Ledger, database_url: str
) -> None:
    users = add_users(database_url, 2)
    add_actions(database_url, {"big": 100})
    now = datetime.now(UTC)
    add_board(database_url, DAILY, (now - HOUR, now + HOUR), (now + HOUR, now + 2 * HOUR))
    await ledger.grant([Submission(user, "big") for user in users])
    put_back(database_url, DAILY, HOUR)
    async with a_held_fall(database_url, users[:1]) as held:
        turning = asyncio.create_task(ledger.turn())
        await eventually(lambda: turning.done() or waits_for_lock(database_url))
        await held.end()
    await turning

    [(final,)] = sql(
        database_url, "SELECT final FROM seasons WHERE number = 1 AND board_id = 'daily'"
    )
    assert [line["userId"] for line in final] == users[1:]


async def test_falls_come_one_after_the_other(ledger: Ledger, database_url: str) -> None:
    users = await eleven(ledger, database_url)
    async with a_held_fall(database_url, users[:1]) as held:
        removing = asyncio.create_task(ledger.remove_users(users[1:2]))
        await eventually(lambda: removing.done() or waits_for_lock(database_url))
        assert not removing.done()
        await held.end()
    assert (await removing)[0] == 1

    assert await is_right(ledger, database_url)


async def test_a_board_that_the_user_reaches_just_before_is_renewed_as_well(
    ledger: Ledger, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    [user, other, last] = add_users(database_url, 3)
    add_actions(database_url, {"jump": 5, "run": 100, "hop": 1})
    now = datetime.now(UTC)
    add_board(database_url, DAILY, (now - HOUR, now + HOUR), size=1, counts="listed")
    sql(database_url, "INSERT INTO board_actions VALUES ('daily', 'jump'), ('daily', 'run')")
    await ledger.grant([Submission(other, "jump"), Submission(last, "hop")])
    wait = falling._no_grant_from_before

    async def then_one_more(session: Session) -> None:
        await wait(session)
        await ledger.grant([Submission(user, "run")])

    monkeypatch.setattr(falling, "_no_grant_from_before", then_one_more)
    _, boards = await ledger.remove_users([user])

    shown = {board.board_id: [entry.user_id for entry in board.entries] for board in boards}
    assert shown == {MAIN: [other, last], DAILY: [other]}
    assert await ledger.differences(DAILY) == []


async def test_whoever_leaves_in_the_middle_of_a_fall_leaves_no_lock(database_url: str) -> None:
    async with a_ledger(database_url) as one, a_ledger(database_url, 2.0) as two:
        users = await eleven(one, database_url)
        with closing(psycopg2.connect(database_url)) as other, other.cursor() as cursor:
            granted(cursor, users[10], "small")
            removing = asyncio.create_task(one.remove_users(users[:1]))
            await eventually(lambda: waits_for_grants(database_url))
            removing.cancel()
            await asyncio.wait([removing])
            other.commit()

        assert (await two.remove_users(users[1:2]))[0] == 1
        assert users[0] in scores(database_url)
        assert await is_right(two, database_url)


async def test_a_fall_that_loses_its_connection_changes_nothing_without_its_lock(
    ledger: Ledger, database_url: str
) -> None:
    users = await eleven(ledger, database_url)
    with closing(psycopg2.connect(database_url)) as other, other.cursor() as cursor:
        granted(cursor, users[10], "small")
        removing = asyncio.create_task(ledger.remove_users(users[:1]))
        await eventually(lambda: waits_for_grants(database_url))
        sql(
            database_url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query LIKE %s",
            ("SELECT virtualtransaction%",),
        )
        await eventually(lambda: removing.done() or not waits_for_grants(database_url))
        other.commit()
    with pytest.raises(LedgerUnavailable):
        await removing

    assert users[0] in scores(database_url)


async def test_a_fall_gives_up_on_grants_that_are_stopped_and_gives_the_last_scores_back(
    ledger: Ledger, database_url: str
) -> None:
    users = await eleven(ledger, database_url)
    with closing(psycopg2.connect(database_url)) as other, other.cursor() as cursor:
        granted(cursor, users[10], "small")
        with pytest.raises(TransactionAborted):
            await ledger.remove_users(users[:1])

    assert sql(database_url, "SELECT tenth_score, falling_at FROM board") == [(100, None)]
    assert (await ledger.remove_users(users[:1]))[0] == 1
    assert entries(database_url, DAILY) == {}
