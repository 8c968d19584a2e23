"""The turn of seasons: what is due begins, ends and closes, in one transaction with no grant in it.

    lock        grants under way are waited for, and those that come wait
    write       the next season of each board, ahead of time (seasons/periods.py says when it ends)
    begin, end  running seasons whose end has come, and those that begin
    close       the last entries of what has ended are kept; after its grace it is final
    show        each board that changed gets its new season, and a higher version

Nobody is appointed to do this: whoever sees first that a season is due does it, and the others find
nothing left to do. Time decides to which season a grant belongs, so a turn that comes late changes
nothing but what is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import structlog

from scoreboard.connections.session import Session
from scoreboard.ledger.queries import SQL
from scoreboard.ledger.shown import board_of
from scoreboard.ledger.transaction import Transaction, transaction
from scoreboard.model import Board, BoardId
from scoreboard.seasons.periods import Period, following
from scoreboard.seasons.zones import UnknownZone

log = structlog.get_logger("scoreboard.ledger")

# A season to write: its board, its number, when it begins, and when it ends (None: never).
Written = tuple[BoardId, int, datetime, datetime | None]


async def turn(session: Session) -> list[Board]:
    """Turn every season that is due, and return the boards that changed. Raises LedgerUnavailable;
    TransactionAborted when grants under way hold it up for 2 s.
    """
    async with transaction(session) as begun:
        await begun.run(SQL["lock_seasons"])  # guard: turn-alone
        [(moment,)] = await begun.run(SQL["read_clock"])
        return await renew(begun, await turned(begun, moment))


async def _write_ahead(begun: Transaction, moment: datetime) -> None:
    """Write, for each board with a period, all seasons that have begun and the one after them."""
    seasons: list[Written] = []
    for row in await begun.run(SQL["boards_to_write"], {"moment": moment}):
        board_id, period, zone, number, ends_at = row
        seasons += seasons_after(board_id, period, zone, number, ends_at, moment)
    await write_seasons(begun, seasons)


async def write_seasons(begun: Transaction, seasons: Sequence[Written]) -> None:
    """Write seasons that have not begun, those of each board one after the other."""
    if seasons:
        board_ids, numbers, starts, ends = map(list, zip(*seasons, strict=True))
        written = {"board_ids": board_ids, "numbers": numbers, "starts": starts, "ends": ends}
        await begun.run(SQL["write_seasons"], written)


def seasons_after(
    board_id: BoardId, period: Period, zone: str, number: int, ends_at: datetime, moment: datetime
) -> list[Written]:
    """The seasons after this number and its end, up to the first one that begins after `moment`."""
    seasons: list[Written] = []
    starts_at = None
    while starts_at is None or starts_at <= moment:
        number, starts_at = number + 1, ends_at
        ends_at = season_end(board_id, period, zone, starts_at)
        seasons.append((board_id, number, starts_at, ends_at))
    return seasons


def season_end(board_id: BoardId, period: Period, zone: str, starts_at: datetime) -> datetime:
    """When the season ends. Another instance, with newer data, may have taken a zone that is not
    known here: then midnight is that of UTC, because without a season nobody could be granted.
    """
    try:
        return following(period, zone, starts_at)
    except UnknownZone:
        log.error("scoreboard.ledger.zone_unknown", board=board_id, zone=zone)
        return following(period, "UTC", starts_at)


async def turned(begun: Transaction, moment: datetime) -> list[BoardId]:
    """Write ahead; begin, end and close what is due; name the boards that show something else then.
    No grant may be under way.
    """
    await _write_ahead(begun, moment)
    at = {"moment": moment}
    rows = await begun.run(SQL["begin_and_end_seasons"], at)
    changed = {board_id for (board_id,) in rows}
    if changed:
        await begun.run(SQL["show_seasons"], {"board_ids": sorted(changed)})
    closed = await begun.run(SQL["close_seasons"], at)
    return sorted(changed.union(board_id for board_id, is_shown in closed if is_shown))


async def renew(
    begun: Transaction, board_ids: list[BoardId], *, above: int = 0, leap: int | None = None
) -> list[Board]:
    """Give these boards higher versions and the last scores of now, and read them. No grant may be
    under way.
    """
    if not board_ids:
        return []
    await begun.run(SQL["renew_boards"], {"board_ids": board_ids, "above": above, "leap": leap})
    rows = await begun.run(SQL["read_boards"], {"board_ids": board_ids})
    return [board_of(row) for row in rows]
