"""What operators do to users, scores and receipts, each with a reason and a row of the audit.

Whoever asks twice with one `request_id` is answered what was done, and nothing is done again.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Collection
from typing import Final

from scoreboard.connections.postgres import Postgres
from scoreboard.connections.session import StatementRefused
from scoreboard.errors import (
    LedgerUnavailable,
    ScoreboardError,
    ScoreOutOfRange,
    UnknownBoard,
    UnknownReceipt,
)
from scoreboard.ledger import acts
from scoreboard.ledger.audited import Done, Order, Repeated
from scoreboard.ledger.falling import Change, Refused, fall
from scoreboard.ledger.queries import SQL
from scoreboard.ledger.transaction import transaction
from scoreboard.model import MAIN, BoardId

__all__ = ["Done", "Moderation", "Order"]

_OUT_OF_RANGE: Final = "22003"


class Moderation:
    """Each of these writes its row of the audit in the transaction of what it does, and raises
    UnknownUser where there is no such user, and LedgerUnavailable. Whoever is cancelled here does
    not know whether it was done.
    """

    def __init__(self, writers: Postgres) -> None:
        self._writers = writers
        # Falls come one after the other. Those that wait here take no session from grants.
        self._falling = asyncio.Lock()

    async def hide(self, user_id: str, order: Order) -> Done:
        """Show the user nowhere; what they do counts all the same."""
        return await self._fall(lambda b: acts.mark(b, "hide", user_id, order), order, user_id)

    async def show(self, user_id: str, order: Order) -> Done:
        """Show a user again who was hidden."""
        return await self._fall(lambda b: acts.mark(b, "show", user_id, order), order, user_id)

    async def ban(self, user_id: str, order: Order) -> Done:
        """Show the user nowhere, and refuse what they send, until they are unbanned."""
        return await self._fall(lambda b: acts.mark(b, "ban", user_id, order), order, user_id)

    async def unban(self, user_id: str, order: Order) -> Done:
        """Take a ban back. Who was hidden as well stays hidden."""
        return await self._fall(lambda b: acts.mark(b, "unban", user_id, order), order, user_id)

    async def rename(self, user_id: str, username: str, username_key: str, order: Order) -> Done:
        """Give the user another name. Raises StatementRefused when somebody has it."""
        if before := await self._before(order):
            return before
        try:
            async with self._writers.session() as session, transaction(session) as begun:
                done, boards = await acts.rename(begun, user_id, username, username_key, order)
        except Repeated:
            return await self._repeated(order)
        except Refused as refused:
            if before := await self._before(order):
                return before
            raise refused.error from None
        return dataclasses.replace(done, boards=tuple(boards))

    async def correct(
        self,
        user_id: str,
        board_id: BoardId,
        points: int,
        order: Order,
        season: int | None = None,
    ) -> Done:
        """Add points to the user's score in a season of a board, or take some (negative); without a
        number, the season that the board shows. Raises UnknownBoard, UnknownSeason;
        ScoreOutOfRange where the score would leave its range.
        """
        try:
            return await self._fall(
                lambda begun: acts.correct(begun, user_id, board_id, points, order, season),
                order,
                user_id,
                [board_id],
            )
        except StatementRefused as refusal:
            if refusal.sqlstate != _OUT_OF_RANGE:
                raise
            raise ScoreOutOfRange from None

    async def revoke_grant(self, user_id: str, action_id: str, order: Order) -> Done:
        """Take a grant back, wherever it counts. The action stays granted: it is not granted again.
        Raises UnknownAction, NotGranted, AlreadyRevoked.
        """
        return await self._fall(
            lambda begun: acts.revoke_grant(begun, user_id, action_id, order), order, user_id
        )

    async def board_of_result(self, source: str, receipt: str) -> BoardId:
        """The board of a result, which never changes. Raises UnknownReceipt."""
        _, board_id = await self._result(source, receipt)
        return board_id

    async def revoke_result(self, source: str, receipt: str, order: Order) -> Done:
        """Take a result back. The receipt stays used. Raises UnknownReceipt, AlreadyRevoked."""
        user_id, board_id = await self._result(source, receipt)
        return await self._fall(
            lambda begun: acts.revoke_result(begun, user_id, source, receipt, order),
            order,
            user_id,
            [board_id],
        )

    async def erase(self, user_id: str, order: Order) -> Done:
        """Delete the user with all that is personal. Ledger, results and corrections stay, under a
        neutral name, and so do lines of final boards; lines of boards that run vanish.
        """
        return await self._fall(lambda b: acts.erase(b, user_id, order), order, user_id)

    async def _result(self, source: str, receipt: str) -> tuple[str, BoardId]:
        """The user and the board of a result. Raises UnknownReceipt."""
        rows = await self._writers.read(SQL["find_result"], {"source": source, "receipt": receipt})
        if not rows:
            raise UnknownReceipt
        _, user_id, board_id, *_ = rows[0]
        return user_id, board_id

    async def _fall(
        self,
        act: Change[Done],
        order: Order,
        user_id: str,
        board_ids: Collection[BoardId] | None = None,
    ) -> Done:
        """Do it, once for each request, where scores of the user may fall: on these boards, or else
        on all that the user is on.
        """
        if before := await self._before(order):
            return before
        try:
            async with self._falling, self._writers.session() as session:
                done, boards = await fall(session, [user_id], act, board_ids=board_ids)
        except Repeated:
            return await self._repeated(order)
        except UnknownBoard:
            if board_ids is not None and set(board_ids) != {MAIN}:
                raise
            raise self._writers.lacks("boards") from None
        except LedgerUnavailable:
            raise
        except ScoreboardError:  # for what the same request did, while this one was on its way
            if before := await self._before(order):  # guard: repeat-beside-first
                return before
            raise
        return dataclasses.replace(done, boards=tuple(boards))

    async def _before(self, order: Order) -> Done | None:
        """What was done when this was asked before; None if it was not."""
        if order.request_id is None:
            return None
        asked = {"made_by": order.made_by, "request_id": order.request_id}
        rows = await self._writers.read(SQL["read_audited"], asked)
        if not rows:
            return None
        [(audit_id, act, user_id, at)] = rows
        return Done(audit_id, act, user_id, at, is_repeated=True)

    async def _repeated(self, order: Order) -> Done:
        done = await self._before(order)
        if done is None:
            raise self._writers.lacks("audit")
        return done
