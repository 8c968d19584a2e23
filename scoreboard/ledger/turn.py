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

from scoreboard.connections.session import Session
from scoreboard.ledger.queries import SQL
from scoreboard.ledger.transaction import Transaction, board_of, transaction
from scoreboard.model import Board, BoardId
from scoreboard.seasons.periods import following

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
        board_id, period, zone, number, starts_at = row
        while True:
            number += 1
            ends_at = following(period, zone, starts_at)
            seasons.append((board_id, number, starts_at, ends_at))
            if starts_at > moment:
                break
            starts_at = ends_at
    await write_seasons(begun, seasons)


async def write_seasons(begun: Transaction, seasons: Sequence[Written]) -> None:
    """Write seasons that have not begun, those of each board one after the other."""
    if seasons:
        board_ids, numbers, starts, ends = map(list, zip(*seasons, strict=True))
        written = {"board_ids": board_ids, "numbers": numbers, "starts": starts, "ends": ends}
        await begun.run(SQL["write_seasons"], written)


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
