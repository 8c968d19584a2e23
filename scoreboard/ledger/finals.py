"""Writes anew what is kept of seasons that have ended, once their scores or names are others.

Each function here is part of a transaction that has changed them, with no turn of seasons under way
meanwhile. It holds rows of `seasons`, in their order: after those of users and entries, and before
those of boards. What is kept is read once they are held, so of two changes the later one writes
what both have made. Grants wait for none of this.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

from scoreboard.ledger.queries import SQL
from scoreboard.ledger.shown import board_of
from scoreboard.ledger.transaction import Transaction
from scoreboard.model import Board, BoardId

# Seasons that one statement writes: some ms where their entries are kept. Where they are gone, it
# reads the rows of the ledger that were granted in them, for 10 ms each or more.
AT_ONCE: Final = 25


async def renew_finals(begun: Transaction, user_ids: Collection[str]) -> list[BoardId]:
    """Write the final boards anew that name one of these users, or that have room for what one of
    them reached: with the scores, the hidden users and the names of now.

    Returns the boards that show one that changed, as their season or as the one before.
    """
    held = await begun.run(SQL["hold_finals"], {"user_ids": sorted(user_ids)})
    return await _written(begun, "renew_finals", held)


async def renew_season(begun: Transaction, board_id: BoardId, number: int) -> list[BoardId]:
    """Write the final board of a season anew, if it has ended. Returns what `renew_finals` does."""
    held = await begun.run(SQL["hold_season"], {"board_id": board_id, "number": number})
    return await _written(begun, "renew_finals", held)


async def name_finals(begun: Transaction, user_ids: Collection[str]) -> list[BoardId]:
    """Give these users the names of now on the final boards that name them; nothing else of these
    changes, and so their digests stay. Returns what `renew_finals` does.
    """
    held = await begun.run(SQL["hold_named"], {"user_ids": sorted(user_ids)})
    return await _written(begun, "name_finals", held)


async def raise_boards(
    begun: Transaction, showing: Collection[BoardId], reaching: Collection[tuple[BoardId, str]]
) -> list[Board]:
    """Raise the versions of boards that show another final board, and of those on which one of
    these users is now. Returns both.
    """
    board_ids = sorted({*showing, *(board_id for board_id, _ in reaching)})
    await begun.run(SQL["hold_shown"], {"board_ids": board_ids})
    raised, _ = await begun.raise_boards(reaching)
    left = {"board_ids": sorted(set(showing) - raised.keys())}
    if left["board_ids"]:
        await begun.run(SQL["raise_shown"], left)  # guard: board-shows-final
        raised |= {row[0]: board_of(row) for row in await begun.run(SQL["read_boards"], left)}
    return list(raised.values())


async def _written(
    begun: Transaction, statement: str, held: Sequence[Sequence[Any]]
) -> list[BoardId]:
    season_ids = [season_id for (season_id,) in held]
    showing: set[BoardId] = set()
    for at in range(0, len(season_ids), AT_ONCE):
        these = {"season_ids": season_ids[at : at + AT_ONCE]}
        rows = await begun.run(SQL[statement], these)
        showing.update(board_id for board_id, is_shown in rows if is_shown)
    return sorted(showing)
