"""Whoever lets a season end is killed at each step of it. Nothing is half done, and whoever comes
next does it all.

The line to PostgreSQL becomes a black hole with the very bytes of a step, and is then cut, as the
kernel of a process cuts the lines of one that was killed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scoreboard.errors import LedgerUnavailable
from scoreboard.ledger.queries import SQL
from scoreboard.model import BoardId, Submission
from tests.eventually import eventually
from tests.integration.ledger_world import a_ledger
from tests.lines import Line
from tests.season_reckoning import reckon_seasons
from tests.world import (
    add_actions,
    add_board,
    add_boards_of_every_kind,
    add_users,
    put_back,
    sql,
    waits_for_lock,
)

HOUR = timedelta(hours=1)
DAILY = BoardId("daily")
# The statements of a turn, in their order.
STATEMENTS = (
    *("lock_seasons", "read_clock", "boards_to_write", "write_seasons", "begin_and_end_seasons"),
    *("show_seasons", "close_seasons", "renew_boards", "read_boards"),
)
COMMIT = "COMMIT"


@dataclass
class Sent:
    """Looks for a statement among the bytes that are sent, behind those that come before it."""

    statement: str

    def __post_init__(self) -> None:
        self._waits_for = [_beginning(name) for name in STATEMENTS]
        if self.statement != COMMIT:
            self._waits_for = self._waits_for[: STATEMENTS.index(self.statement) + 1]
        else:
            self._waits_for.append(b"COMMIT")

    def __call__(self, request: bytes) -> bool:
        if self._waits_for[0] in request:
            self._waits_for.pop(0)
        return not self._waits_for


def _beginning(name: str) -> bytes:
    """What a statement is known by: all of it up to its first value."""
    return SQL[name].partition("%(")[0].encode()


def everything(database_url: str) -> list[list[tuple[Any, ...]]]:
    """All that a turn may change."""
    return [
        sql(database_url, f"SELECT * FROM {table} ORDER BY 1, 2")
        for table in ("boards", "seasons", "season_entries")
    ]


Stop = Callable[[Line, Sent], None]


def before(line: Line, sent: Sent) -> None:
    line.proxy.black_hole_from(sent)


def after(line: Line, sent: Sent) -> None:
    line.proxy.drop_replies_after(sent)


@pytest.mark.parametrize(
    ("stop", "statement"),
    [
        *((before, name) for name in (*STATEMENTS, COMMIT)),
        (after, "close_seasons"),
        (after, COMMIT),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
async def test_who_is_killed_in_a_turn_leaves_nothing_half_done(
    database_url: str, database_line: Line, stop: Stop, statement: str
) -> None:
    users = add_users(database_url, 3)
    add_actions(database_url, {"run": 5, "jump": 7})
    now = datetime.now(UTC)
    seasons = ((now - HOUR, now + HOUR), (now + HOUR, now + 2 * HOUR))
    kinds = add_boards_of_every_kind(database_url, *seasons, listed="run")
    add_board(database_url, DAILY, *seasons, period="day", written_until=seasons[-1][-1])
    board_ids = [*map(BoardId, kinds), DAILY]
    async with (
        a_ledger(database_url) as other,
        a_ledger(database_line.url, timeout_seconds=30.0) as mortal,
    ):
        await other.grant([Submission(user, "run") for user in users])
        put_back(database_url, None, HOUR)
        stop(database_line, Sent(statement))
        await mortal.versions()

        was = everything(database_url)
        turning = asyncio.create_task(mortal.turn())
        await eventually(lambda: database_line.proxy.swallows or turning.done())
        granting = asyncio.create_task(other.grant([Submission(users[0], "jump")]))
        await eventually(lambda: granting.done() or waits_for_lock(database_url))
        await database_line.proxy.cut()
        with suppress(LedgerUnavailable):
            await turning
        await granting

        is_committed = stop is after and statement == COMMIT
        shown = {board.board_id: board for board in await other.boards(board_ids)}
        if not is_committed:
            assert everything(database_url)[1] == was[1]
            assert {board.version for board in shown.values()} == {2}
        turned = await other.turn()

        assert {board.board_id for board in turned} == (set() if is_committed else set(board_ids))
        assert reckon_seasons(database_url) == len(board_ids)
        for board in await other.boards(board_ids):
            assert board.version == (shown[board.board_id].version if is_committed else 3)
            assert board.season is not None
            assert (board.season.number, board.season.state) == (2, "running")
            assert await other.differences(board.board_id) == []
        assert await other.turn() == []
