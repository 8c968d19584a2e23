"""What each act of moderation changes, within the transaction in which scores may fall.

Locks are taken in one order: the user, the audit, scores, entries, final boards, boards. Each
function here returns what was done, and the boards that show another final board since. It raises
Refused with the error that says why, Repeated, and LedgerUnavailable.
"""

from __future__ import annotations

import secrets
import string
import uuid
from typing import Final, Literal

from scoreboard.errors import (
    AlreadyRevoked,
    NotGranted,
    ScoreOutOfRange,
    UnknownAction,
    UnknownBoard,
    UnknownReceipt,
    UnknownSeason,
    UnknownUser,
)
from scoreboard.ledger.audited import About, Done, Order, audited
from scoreboard.ledger.falling import Refused
from scoreboard.ledger.finals import name_finals, raise_boards, renew_finals, renew_season
from scoreboard.ledger.queries import SQL
from scoreboard.ledger.recount import correct_scores
from scoreboard.ledger.transaction import Transaction
from scoreboard.model import MAIN, Board, BoardId

Mark = Literal["hide", "show", "ban", "unban"]
Acted = tuple[Done, list[BoardId]]

_NOT_BEGUN: Final = "The board has no such season that has begun, so it has no scores to correct."
_LETTERS: Final = string.ascii_lowercase + string.digits
_NAME_LENGTH: Final = 6


async def mark(begun: Transaction, what: Mark, user_id: str, order: Order) -> Acted:
    """Hide, show, ban or unban a user."""
    await _hold(begun, user_id)
    done = await audited(begun, About(what, user_id), order)
    await begun.run(SQL[f"{what}_user"], {"user_id": user_id})
    await begun.run(SQL["hide_entries"], {"user_id": user_id})
    return done, await renew_finals(begun, [user_id])  # guard: marked-on-finals


async def correct(
    begun: Transaction,
    user_id: str,
    board_id: BoardId,
    points: int,
    order: Order,
    season: int | None,
) -> Acted:
    """Add points to a user's score in a season, or take some."""
    await _hold(begun, user_id)
    rows = await begun.run(SQL["find_season"], {"board_id": board_id, "season": season})
    if not rows:
        raise Refused(UnknownBoard())
    [(season_id, number, is_kept)] = rows
    if season_id is None:
        raise Refused(UnknownSeason(_NOT_BEGUN))
    about = About("correct", user_id, board_id, number, {"points": points})
    done = await audited(begun, about, order)
    where = {"user_id": user_id, "season_id": season_id}
    added = where | {"points": points, "audit_id": done.audit_id}
    await begun.run(SQL["add_correction"], added)
    await _settle(begun, user_id, [(season_id, board_id, is_kept)])
    [(is_possible,)] = await begun.run(SQL["is_possible_score"], where)
    if not is_possible:  # guard: corrected-in-range
        raise Refused(ScoreOutOfRange())
    return done, await renew_season(begun, board_id, number)  # guard: corrected-on-final


async def revoke_grant(begun: Transaction, user_id: str, action_id: str, order: Order) -> Acted:
    """Take a grant back wherever it counts."""
    await _hold(begun, user_id)
    rows = await begun.run(SQL["find_grant"], {"user_id": user_id, "action_id": action_id})
    if not rows:
        raise Refused(UnknownAction())
    [(present_id, ledger_id, points, is_revoked)] = rows
    if ledger_id is None:
        raise Refused(NotGranted())
    if is_revoked:
        raise Refused(AlreadyRevoked())
    about = About("revoke_grant", user_id, details={"actionId": present_id, "points": points})
    done = await audited(begun, about, order)
    seasons = await begun.run(SQL["seasons_counting"], {"ledger_id": ledger_id})
    season_ids = [season_id for season_id, _, _ in seasons]
    revoked = {"ledger_id": ledger_id, "season_ids": season_ids, "audit_id": done.audit_id}
    await begun.run(SQL["revoke_grant"], revoked)
    await _settle(begun, user_id, seasons)
    return done, await renew_finals(begun, [user_id])  # guard: revoked-on-finals


async def revoke_result(
    begun: Transaction, user_id: str, source: str, receipt: str, order: Order
) -> Acted:
    """Take a result of the user back where it counts."""
    await _hold(begun, user_id)
    rows = await begun.run(SQL["find_result"], {"source": source, "receipt": receipt})
    if not rows or rows[0][1] != user_id:  # removed, or erased, since it was looked for
        raise Refused(UnknownReceipt())
    [(result_id, _, board_id, season_id, number, value, is_kept, is_revoked)] = rows
    if is_revoked:
        raise Refused(AlreadyRevoked())
    details = {"source": source, "receipt": receipt, "value": value}
    about = About("revoke_result", user_id, board_id, number, details)
    done = await audited(begun, about, order)
    revoked = {"result_id": result_id, "audit_id": done.audit_id}
    await begun.run(SQL["revoke_result"], revoked)
    await _settle(begun, user_id, [(season_id, board_id, is_kept)])
    return done, await renew_season(begun, board_id, number)


async def erase(begun: Transaction, user_id: str, order: Order) -> Acted:
    """Delete a user, and leave to a nameless one what the user had but for what is personal."""
    await _hold(begun, user_id)
    done = await audited(begun, About("erase", user_id), order)
    left = {"user_id": user_id, "nameless_id": str(uuid.uuid4())}
    while not await begun.run(SQL["add_nameless_user"], left | {"name": _nameless()}):
        pass  # somebody has that name
    await begun.run(SQL["leave_to_nameless"], left)
    await begun.run(SQL["hide_entries"], {"user_id": left["nameless_id"]})
    await begun.run(SQL["delete_users"], {"user_ids": [user_id]})
    return done, await renew_finals(begun, list(left.values()))  # guard: erased-on-finals


async def rename(
    begun: Transaction, user_id: str, username: str, username_key: str, order: Order
) -> tuple[Done, list[Board]]:
    """Give a user another name, on final boards too, and the boards that show it their next
    versions, because every copy of a board holds names. No score falls, so this is a transaction
    of its own. Raises StatementRefused when somebody has the name.
    """
    await begun.run(SQL["begin_change"])  # guard: rename-beside-turn
    await _hold(begun, user_id)
    done = await audited(begun, About("rename", user_id), order)
    named = {"user_id": user_id, "username": username, "username_key": username_key}
    await begun.run(SQL["write_names"], named | {"audit_id": done.audit_id})
    await begun.run(SQL["rename_user"], named)
    finals = await name_finals(begun, [user_id])  # guard: renamed-on-finals
    showing = await begun.run(SQL["boards_of_users"], {"user_ids": [user_id]})
    reaching = [(board_id, user_id) for (board_id,) in showing]
    return done, await raise_boards(begun, finals, reaching)


async def _hold(begun: Transaction, user_id: str) -> None:
    """Hold the user, or go on doing so."""
    if not await begun.run(SQL["hold_users"], {"user_ids": [user_id]}):
        raise Refused(UnknownUser())


async def _settle(
    begun: Transaction, user_id: str, seasons: list[tuple[int, BoardId, bool]]
) -> None:
    """Count the user's scores anew in these seasons, of boards: those that have entries still."""
    kept = [season_id for season_id, board_id, is_kept in seasons if is_kept and board_id != MAIN]
    on_main = any(board_id == MAIN for _, board_id, _ in seasons)
    await correct_scores(begun, [user_id], kept, on_main=on_main)


def _nameless() -> str:
    return "erased-" + "".join(secrets.choice(_LETTERS) for _ in range(_NAME_LENGTH))
