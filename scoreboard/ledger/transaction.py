"""A transaction of one session: the only place that says BEGIN."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Collection, Mapping
from typing import Any, Final

from scoreboard.connections.refusals import PostgresRefused
from scoreboard.connections.session import Row, Session, StatementRefused, TransactionAborted
from scoreboard.ledger.queries import SQL
from scoreboard.ledger.shown import raised_of
from scoreboard.model import Board, BoardId

_BEGIN: Final = "BEGIN; "
_BEGIN_SNAPSHOT: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; "


class RolledBack(Exception):
    """Whoever raises one of these wants nothing of the transaction to stay."""


class Transaction:
    """Statements that are committed together. BEGIN goes with the first one: a round trip less."""

    def __init__(self, session: Session, begin: str = _BEGIN) -> None:
        self._session = session
        self._begin = begin

    async def run(
        self,
        statement: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        prepared: tuple[str, ...] = (),
    ) -> list[Row]:
        """Run a statement as `Session.run` does, and raise what that raises."""
        begin, self._begin = self._begin, ""
        return await self._session.run(begin + statement, parameters, prepared=prepared)

    async def raise_boards(
        self, reaching: Collection[tuple[BoardId, str]]
    ) -> tuple[dict[BoardId, Board], dict[BoardId, int]]:
        """Raise the version of each board on which one of these users is now, and lock its row.
        Returns the boards that were raised, and the versions that there are now, both by id.
        Raises LedgerUnavailable.
        """
        pairs = {
            "board_ids": [board_id for board_id, _ in reaching],
            "user_ids": [user_id for _, user_id in reaching],
        }
        return raised_of(await self.run(SQL["raise_boards"], pairs))


def transaction(session: Session) -> contextlib.AbstractAsyncContextManager[Transaction]:
    """Commit at the end, roll back on an error. Raises LedgerUnavailable."""
    return _begun(session, _BEGIN)


def snapshot(session: Session) -> contextlib.AbstractAsyncContextManager[Transaction]:
    """The same for statements that change nothing, and all see what the first one saw."""
    return _begun(session, _BEGIN_SNAPSHOT)


@contextlib.asynccontextmanager
async def _begun(session: Session, begin: str) -> AsyncIterator[Transaction]:
    if not session.is_open:  # it was lost, and this is the second attempt
        await session.connect()
    with session.pinned():
        try:
            yield Transaction(session, begin)
        # guard: refusal-costs-no
        except (RolledBack, StatementRefused, TransactionAborted, PostgresRefused):
            await session.roll_back()
            raise  # any other error leaves the transaction open, and the session is closed for it
        await session.commit()
