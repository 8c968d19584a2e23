"""Boards and their seasons on a real PostgreSQL: where a grant counts, and what a turn does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from scoreboard.ledger.ledger import Ledger
from scoreboard.model import MAIN, BoardId, Season, Submission
from scoreboard.seasons.periods import containing
from tests.world import (
    add_actions,
    add_board,
    add_users,
    entries,
    put_back,
    scores,
    sql,
    zone_at_noon,
)

WEEKLY = BoardId("weekly")
HOUR = timedelta(hours=1)


async def test_a_grant_counts_on_every_board_that_counts_its_action(
    ledger: Ledger, database_url: str
) -> None:
    users = add_users(database_url, 2)
    add_actions(database_url, {"run": 50, "jump": 20})
    now = datetime.now(UTC)
    add_board(database_url, "weekly", (now - HOUR, now + HOUR))
    add_board(database_url, "jumps", (now - HOUR, None), counts="listed")
    add_board(database_url, "best", (now - HOUR, None), operator="best", size=1)
    add_board(database_url, "least", (now - HOUR, None), operator="best", direction="low")
    sql(database_url, "INSERT INTO board_actions VALUES ('jumps', 'jump')")

    await ledger.grant([Submission(users[0], "run")])
    settlement = await ledger.grant([Submission(users[0], "jump"), Submission(users[1], "run")])

    assert scores(database_url) == {users[0]: 70, users[1]: 50}
    assert entries(database_url, "weekly") == {users[0]: 70, users[1]: 50}
    assert entries(database_url, "jumps") == {users[0]: 20}
    assert entries(database_url, "best") == {users[0]: 50, users[1]: 50}
    assert entries(database_url, "least") == {users[0]: -20, users[1]: -50}
    # The best of the first stayed, and the second one's tie reaches a board of one that is full.
    assert settlement.boards.keys() == {MAIN, "weekly", "jumps", "least"}
    assert settlement.seen.keys() == {MAIN, "weekly", "jumps", "best", "least"}
    least = settlement.boards[BoardId("least")]
    assert [(entry.user_id, entry.score) for entry in least.entries] == [
        (users[0], 20),
        (users[1], 50),
    ]
    assert least.is_low
    for board_id, board in settlement.boards.items():
        assert await ledger.board(board_id) == board
        assert await ledger.differences(board_id) == []


async def test_a_board_that_is_added_while_an_instance_grants_counts_from_the_next_grant_on(
    ledger: Ledger, database_url: str
) -> None:
    """Until then the instance asks the shorter statement, which knows `main` alone."""
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50, "jump": 20, "leap": 10})
    await ledger.grant([Submission(user, "run")])
    now = datetime.now(UTC)
    add_board(database_url, "weekly", (now - HOUR, now + HOUR))

    first = await ledger.grant([Submission(user, "jump")])
    second = await ledger.grant([Submission(user, "leap")])

    assert scores(database_url) == {user: 80}
    assert entries(database_url, "weekly") == {user: 30}
    assert first.boards.keys() == second.boards.keys() == {MAIN, "weekly"}


async def test_a_turn_ends_a_season_and_shows_the_next_one(
    ledger: Ledger, database_url: str
) -> None:
    users = add_users(database_url, 2)
    add_actions(database_url, {"run": 50, "jump": 20})
    now = datetime.now(UTC)
    add_board(database_url, "weekly", (now - HOUR, now + HOUR), (now + HOUR, now + 2 * HOUR))
    await ledger.grant([Submission(user, "run") for user in users])
    before = await ledger.board(WEEKLY)
    put_back(database_url, WEEKLY, HOUR)

    assert (await ledger.versions()).is_due
    late = await ledger.grant([Submission(users[0], "jump")])
    [turned] = await ledger.turn()

    assert late.is_due
    assert WEEKLY not in late.boards
    assert entries(database_url, "weekly", 1) == dict.fromkeys(users, 50)
    assert entries(database_url, "weekly", 2) == {users[0]: 20}
    assert turned.version == before.version + 1
    assert turned.season is not None
    assert (turned.season.number, turned.season.state) == (2, "running")
    assert [(entry.user_id, entry.score) for entry in turned.entries] == [(users[0], 20)]
    assert turned.before is not None
    assert (turned.before.season.number, turned.before.season.state) == (1, "final")
    assert turned.before.entries == before.entries
    assert await ledger.turn() == []
    assert not (await ledger.versions()).is_due
    assert await ledger.board(WEEKLY) == turned


async def test_seasons_that_nobody_was_there_to_write_are_written_before_a_grant(
    ledger: Ledger, database_url: str
) -> None:
    """All instances were down for some days."""
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    zone, day = zone_at_noon(), timedelta(days=1)
    today, _ = containing("day", zone, datetime.now(UTC))
    starts_at = today - 3 * day
    add_board(
        database_url,
        "daily",
        (starts_at, starts_at + day),
        (starts_at + day, starts_at + 2 * day),
        period="day",
        zone=zone,
        written_until=starts_at + 2 * day,
    )

    await ledger.grant([Submission(user, "run")])

    board = await ledger.board(BoardId("daily"))
    assert board.season == Season(4, today, today + day, "running")
    assert entries(database_url, "daily", 4) == {user: 50}
    assert [(entry.user_id, entry.score) for entry in board.entries] == [(user, 50)]
    states = sql(
        database_url, "SELECT number, state FROM seasons WHERE board_id = 'daily' ORDER BY 1"
    )
    assert states == [(1, "final"), (2, "final"), (3, "final"), (4, "running"), (5, "upcoming")]
