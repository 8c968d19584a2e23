"""Ends the season of a board before its time, and the board itself if that is wanted; and lets
seasons that have dates of their own go on.

Whatever was granted stays in the season that it was granted in: the season ends behind the last row
of the ledger, also when the clock was set back since. Each function here is part of a transaction,
and raises LedgerUnavailable and BoardsRefused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from scoreboard.errors import UnknownBoard
from scoreboard.ledger.defining import BoardsRefused, refuse_crowded
from scoreboard.ledger.queries import SQL
from scoreboard.ledger.transaction import RolledBack, Transaction
from scoreboard.ledger.turn import Written, renew, season_end, turned, write_seasons
from scoreboard.model import MAIN, Board, BoardId
from scoreboard.seasons.periods import Period
from scoreboard.timestamps import timestamp

# How far the clock may have been set back. A season that ends ahead of it takes all boards there.
_AHEAD_MAX: Final = timedelta(hours=1)
# No season is empty, also one that is ended in the instant in which it began.
_SHORTEST: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class _Running:
    """The season of a board that runs."""

    id: int
    number: int
    starts_at: datetime


@dataclass(frozen=True, slots=True)
class _OpenBoard:
    """How a board is that counts; `running` is None if none of its seasons runs."""

    period: Period
    zone: str
    running: _Running | None


class NoSuchBoard(RolledBack, UnknownBoard):
    """There is no board of that id, and nothing was changed."""


async def close_board(begun: Transaction, board_id: BoardId) -> list[Board]:
    """End the season that runs, forget those to come, and let the board count nothing any more. It
    stays readable. Returns the boards that show something else then. Raises UnknownBoard.
    """
    moment, due = await _locked_and_turned(begun, board_id)
    running = (await _open_board(begun, board_id)).running
    at = {"board_id": board_id}
    await begun.run(SQL["forget_seasons_to_come"], at)
    if running is not None:
        moment = max(moment, running.starts_at + _SHORTEST)  # guard: board-ended-at-once
        await begun.run(SQL["end_season"], {"season_id": running.id, "moment": moment})
    await begun.run(SQL["close_board"], at)
    return await _renewed(begun, moment, due)


async def close_season(begun: Transaction, board_id: BoardId) -> list[Board]:
    """End the season that runs, and begin the next one: with a period of the calendar it ends where
    one would end that began by the calendar; seasons with dates of their own keep their dates.
    Returns the boards that show something else then. Raises UnknownBoard.
    """
    moment, due = await _locked_and_turned(begun, board_id)
    board = await _open_board(begun, board_id)
    running = board.running
    if running is None:
        raise BoardsRefused([(board_id, "none of its seasons runs now, so there is none to end")])
    moment = max(moment, running.starts_at + _SHORTEST)  # guard: season-ended-at-once
    following_seasons: Sequence[Written] = ()
    if board.period != "dates":
        await begun.run(SQL["forget_seasons_to_come"], {"board_id": board_id})
        following_seasons = [(board_id, running.number + 1, moment, _end(board_id, board, moment))]
    await begun.run(SQL["end_season"], {"season_id": running.id, "moment": moment})
    await write_seasons(begun, following_seasons)
    return await _renewed(begun, moment, due)


async def go_on(
    begun: Transaction, board_id: BoardId, length: timedelta, ahead: timedelta
) -> list[Board]:
    """Write seasons of that length, one after the other, until the last one ends so far ahead of
    now. The first begins where the last one that is written ends, or now. Returns the boards that
    show something else then. Raises UnknownBoard; BoardsRefused also where all of its seasons were
    over, and its actions count on as many other boards as they may.
    """
    await begun.run(SQL["hold_definitions"])  # guard: place-taken-alone
    moment, due = await _locked_and_turned(begun, board_id)
    if (await _open_board(begun, board_id)).period != "dates":
        text = "its seasons have no dates of their own, and go on by themselves"
        raise BoardsRefused([(board_id, text)])
    [(number, ends_at)] = await begun.run(SQL["last_season"], {"board_id": board_id})
    starts_at, seasons = max(ends_at, moment), list[Written]()
    while starts_at < moment + ahead:
        number += 1
        seasons.append((board_id, number, starts_at, starts_at := starts_at + length))
    if seasons:
        await write_seasons(begun, seasons)
        await refuse_crowded(begun, moment)  # guard: place-of-going-on
    return await _renewed(begun, moment, due)


async def _locked_and_turned(
    begun: Transaction, board_id: BoardId
) -> tuple[datetime, list[BoardId]]:
    """Keep grants out, let seasons turn that are due, and find the moment at which one can end."""
    if board_id == MAIN:
        text = "it counts for ever: its season has no end"
        raise BoardsRefused([(board_id, text)])
    await begun.run(SQL["lock_seasons"])  # guard: season-ended-alone
    [(moment, clock)] = await begun.run(SQL["read_end"])
    # guard: end-in-the-future
    if moment > clock + _AHEAD_MAX:  # all boards would go on from there
        text = (
            f"something was granted at {timestamp(moment)}, and it is {timestamp(clock)} by "
            "PostgreSQL's clock: nothing ends before what was granted. Set the clock right, or wait"
        )
        raise BoardsRefused([(board_id, text)])
    return moment, await turned(begun, moment)


async def _open_board(begun: Transaction, board_id: BoardId) -> _OpenBoard:
    rows = await begun.run(SQL["running_season"], {"board_id": board_id})
    if not rows:
        raise NoSuchBoard
    [(period, zone, closed_at, season_id, number, starts_at)] = rows
    if closed_at is not None:
        text = f"the board was closed at {timestamp(closed_at)}, with all of its seasons"
        raise BoardsRefused([(board_id, text)])
    running = None if season_id is None else _Running(season_id, number, starts_at)
    return _OpenBoard(period, zone, running)


def _end(board_id: BoardId, board: _OpenBoard, starts_at: datetime) -> datetime | None:
    if board.period == "none":
        return None
    return season_end(board_id, board.period, board.zone, starts_at)


async def _renewed(begun: Transaction, moment: datetime, due: list[BoardId]) -> list[Board]:
    return await renew(begun, sorted({*due, *await turned(begun, moment)}))
