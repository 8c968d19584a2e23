"""Counts scores anew: what they are to be follows from the ledger, results and corrections alone
(`{derived}` in seasons.sql).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from scoreboard.connections.session import Session
from scoreboard.ledger.falling import fall
from scoreboard.ledger.finals import renew_season
from scoreboard.ledger.queries import SQL
from scoreboard.ledger.transaction import Transaction
from scoreboard.model import MAIN, Board, BoardId

# Users whose scores are set at once: for so long, some 50 ms, grants to them wait.
_USERS_AT_ONCE: Final = 1_000


async def correct_scores(
    begun: Transaction,
    user_ids: Sequence[str],
    season_ids: Collection[int],
    *,
    on_main: bool = False,
) -> int:
    """Set the entries of these users in these seasons, and their scores `on_main`, to what they are
    to be, and return how many were wrong. The users are held: what is granted to them later is
    added to that. Raises LedgerUnavailable, StatementRefused.
    """
    corrected = 0
    if on_main:
        [(count,)] = await begun.run(SQL["correct_scores"], {"user_ids": list(user_ids)})
        corrected += count
    if season_ids:
        these = {"user_ids": list(user_ids), "season_ids": sorted(season_ids)}
        [(count,)] = await begun.run(SQL["correct_entries"], these)
        corrected += count
    return corrected


async def count_corrected(
    begun: Transaction, user_ids: Collection[str]
) -> list[tuple[BoardId, str, int]]:
    """Count the entries of these users anew that keep the best and were corrected: the best value
    counts with the corrections, and what a result compares and sets lacks them. A result of each
    was recorded in this transaction. Who was corrected is told by `users.corrected_at`, so most
    users cost nothing here. (Grants do the same within their statement.)

    Returns the boards, the users and the kept scores. Raises LedgerUnavailable, StatementRefused.
    """
    if not user_ids:
        return []
    rows = await begun.run(SQL["count_corrected"], {"user_ids": sorted(user_ids)})
    return [(board_id, user_id, score) for board_id, user_id, score in rows]


async def rebuild(
    session: Session, board_id: BoardId, *, above: int = 0, leap: int | None = None
) -> tuple[int, list[Board]]:
    """Set the scores of a board that are wrong to what they are to be, and renew the board. Returns
    how many were wrong.

    They are looked for in one snapshot, in which a score that a grant has raised is right. Raises
    UnknownBoard; LedgerUnavailable, and then what was set until then stays, and is right.
    """
    on_main = board_id == MAIN
    wrong = await _wrong(session, board_id)
    corrected = 0
    while True:
        some, wrong = wrong[:_USERS_AT_ONCE], wrong[_USERS_AT_ONCE:]
        user_ids = [user_id for user_id, _ in some]
        season_ids = {season_id for _, these in some for season_id in these}

        async def correct(
            begun: Transaction,
            user_ids: Sequence[str] = user_ids,
            season_ids: Collection[int] = season_ids,
        ) -> tuple[int, list[BoardId]]:
            count = await correct_scores(begun, user_ids, season_ids, on_main=on_main)
            ended = await begun.run(SQL["numbers_of_ended"], {"season_ids": sorted(season_ids)})
            finals = [await renew_season(begun, board_id, number) for (number,) in ended]
            return count, [board_id for boards in finals for board_id in boards]

        count, boards = await fall(
            session,
            user_ids,
            correct,
            board_ids=[board_id],
            above=0 if wrong else above,
            leap=None if wrong else leap,
        )
        corrected += count
        if not wrong:
            return corrected, boards


async def _wrong(session: Session, board_id: BoardId) -> list[tuple[str, list[int]]]:
    """The users whose scores on a board are wrong, each with the seasons in which they are; on
    `main` with none.
    """
    statement = SQL["wrong_scores" if board_id == MAIN else "wrong_entries"]
    rows = await session.run(statement, {"board_id": board_id})
    return [(user_id, season_ids[0] if season_ids else []) for user_id, *season_ids in rows]
