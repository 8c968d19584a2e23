"""The one door through which scores fall. No grant waits for it, but those to the same users.

A grant compares the score that it makes with the last score of each board, and takes a turn at the
board's row only if it reaches that. This is safe while last scores only rise. So, before any falls:

    alone     falls come one after the other, on all instances
    forget    the boards have no last score from here on: every later grant takes a turn at them
    wait      for grants that are under way, because they may have compared with the old one
    change    with the users held, and no turn of seasons under way; renew the boards; COMMIT

Whoever is ended in between leaves boards without a last score. That costs time and nothing else,
and the next board that is raised has one, at the latest a minute later (`falling_at`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from scoreboard.connections.refusals import PostgresRefused
from scoreboard.connections.session import Session, StatementRefused, TransactionAborted
from scoreboard.errors import LedgerUnavailable, ScoreboardError, UnknownBoard
from scoreboard.ledger.queries import SQL
from scoreboard.ledger.transaction import RolledBack, Transaction, transaction
from scoreboard.ledger.turn import renew
from scoreboard.model import MAIN, Board, BoardId

Made = TypeVar("Made")
# What it made, and the boards that show something else for another reason than a fallen score.
Change = Callable[[Transaction], Awaitable[tuple[Made, Collection[BoardId]]]]

# Grants take some milliseconds. One that is held up longer may be stopped for any time.
_GRANTS_SECONDS: Final = 2.0
_PAUSE_SECONDS: Final = 0.005
# Each time the users were found on a board on which they had not been a moment before.
_ATTEMPTS_MAX: Final = 5
_LOCK_NOT_AVAILABLE: Final = "55P03"
# After these nothing stayed, and the session is as good as before.
_ROLLED_BACK: Final = (RolledBack, StatementRefused, TransactionAborted, PostgresRefused)


class Refused(RolledBack):
    """A change finds that it cannot be made: nothing of it stays, and `error` says why."""

    def __init__(self, error: ScoreboardError) -> None:
        super().__init__()
        self.error = error


class _Elsewhere(RolledBack):
    """The users are on other boards as well by now, of which the last scores are not forgotten."""


@dataclass(frozen=True, slots=True)
class Falling:
    """Boards whose last scores are forgotten since `falling_at`."""

    board_ids: frozenset[BoardId]
    falling_at: datetime

    def as_parameters(self) -> dict[str, object]:
        """Both, for the statements of the door."""
        return {"board_ids": sorted(self.board_ids), "falling_at": self.falling_at}


async def fall(
    session: Session,
    user_ids: Collection[str],
    change: Change[Made],
    *,
    board_ids: Collection[BoardId] | None = None,
    above: int = 0,
    leap: int | None = None,
) -> tuple[Made, list[Board]]:
    """Make a change by which scores of these users may fall, on these boards, or else on those that
    the users are on. It finds the users held, as far as there are any. Returns what it made, and
    the boards under their next versions (`above` and `leap` are those of `renew`).

    Raises what the change is Refused for; UnknownBoard; LedgerUnavailable, as TransactionAborted
    when somebody holds it up for 2 s.
    """
    users = {"user_ids": sorted(user_ids)}
    async with _alone(session):
        before: frozenset[BoardId] = frozenset()
        for _ in range(_ATTEMPTS_MAX):
            async with _forgetting(session, users, board_ids, before) as falling:
                try:
                    async with transaction(session) as begun:
                        await begun.run(SQL["begin_change"])  # guard: fall-beside-turn
                        await begun.run(SQL["hold_users"], users)  # guard: fall-holds-users
                        if board_ids is None:
                            await _stay(begun, users, falling)  # guard: fall-elsewhere
                        made, others = await change(begun)
                        if board_ids is None:  # guard: fall-that-rises
                            others = {*others, *await _boards(begun, users)}
                        return made, await _renewed(begun, falling, others, above, leap)
                except _Elsewhere:
                    before = falling.board_ids
        raise LedgerUnavailable


async def _stay(begun: Transaction, users: Mapping[str, Any], falling: Falling) -> None:
    """Raise _Elsewhere where the users are on other boards as well by now."""
    if not falling.board_ids.issuperset(await _boards(begun, users)):
        raise _Elsewhere


async def _boards(begun: Transaction, users: Mapping[str, Any]) -> set[BoardId]:
    """The boards on which the users may be now. Who loses a value may rise where the correction of
    it stays.
    """
    rows = await begun.run(SQL["boards_of_users"], users)
    return {board_id for (board_id,) in rows}


@contextlib.asynccontextmanager
async def _alone(session: Session) -> AsyncIterator[None]:
    """Let no other fall begin on any instance. If the connection is lost, so is this, and what was
    under way is rolled back.
    """
    with session.pinned():  # guard: fall-on-one
        try:
            await session.run(SQL["hold_falls"])  # guard: fall-alone
            yield
        except _ROLLED_BACK as error:
            await _leave(session)
            if isinstance(error, Refused):
                raise error.error from None
            raise
        except BaseException:
            session.close()  # guard: fall-leaves-no
            raise
        await _leave(session)


async def _leave(session: Session) -> None:
    """Let others fall. What was committed is, whatever becomes of the session."""
    try:
        await session.run(SQL["leave_falls"])
    except LedgerUnavailable:
        session.close()


@contextlib.asynccontextmanager
async def _forgetting(
    session: Session,
    users: Mapping[str, Any],
    board_ids: Collection[BoardId] | None,
    before: Collection[BoardId],
) -> AsyncIterator[Falling]:
    """Let boards forget their last scores, and wait for the grants that may have read them. Who
    leaves with a transaction that was rolled back gives them back.
    """
    async with transaction(session) as begun:
        await begun.run(SQL["begin_change"])
        if board_ids is None:
            board_ids = {MAIN, *before, *await _boards(begun, users)}
        these = {"board_ids": sorted(board_ids), "falling_at": None}
        await begun.run(SQL["hold_boards"], these)
        rows = await begun.run(SQL["let_fall"], these)  # guard: fall-forgets-last
        if len(rows) < len(board_ids):
            raise Refused(UnknownBoard())
    falling = Falling(frozenset(board_ids), rows[0][0])
    try:
        await _no_grant_from_before(session)  # guard: fall-waits-grants
        yield falling
    except _ROLLED_BACK:
        with contextlib.suppress(LedgerUnavailable):
            await _given_up(session, falling)
        raise


async def _no_grant_from_before(session: Session) -> None:
    """Wait for the grants that are under way now, as CREATE INDEX CONCURRENTLY waits for writers:
    those that begin later are none of them. Raises TransactionAborted after 2 s.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + _GRANTS_SECONDS
    left = await _under_way(session)
    while left:
        if clock() > deadline:
            raise TransactionAborted(_LOCK_NOT_AVAILABLE)
        await asyncio.sleep(_PAUSE_SECONDS)
        left &= await _under_way(session)


async def _under_way(session: Session) -> set[str]:
    return {transaction_id for (transaction_id,) in await session.run(SQL["grants_under_way"])}


async def _given_up(session: Session, falling: Falling) -> None:
    async with transaction(session) as begun:
        await begun.run(SQL["begin_change"])
        await begun.run(SQL["hold_boards"], falling.as_parameters())
        await begun.run(SQL["give_up_fall"], falling.as_parameters())


async def _renewed(
    begun: Transaction,
    falling: Falling,
    others: Collection[BoardId],
    above: int,
    leap: int | None,
) -> list[Board]:
    """Give the boards, and those others, their last scores and higher versions; none falls any
    more. Raises TransactionAborted where one has a last score again, because it took a minute: a
    grant may have compared with that.
    """
    board_ids = sorted(falling.board_ids.union(others))
    asked = {"board_ids": board_ids, "falling_at": falling.falling_at}
    held: dict[BoardId, bool] = dict(await begun.run(SQL["hold_boards"], asked))
    if not all(held.get(board_id) for board_id in falling.board_ids):
        raise TransactionAborted(_LOCK_NOT_AVAILABLE)  # guard: fall-took-long
    await begun.run(SQL["end_fall"], falling.as_parameters())
    return await renew(begun, board_ids, above=above, leap=leap)
