"""A transaction of one session (the only place that says BEGIN), and the boards that it reads."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from scoreboard.connections.refusals import PostgresRefused
from scoreboard.connections.session import Row, Session, StatementRefused, TransactionAborted
from scoreboard.ledger.queries import SQL
from scoreboard.model import MAIN, Board, BoardId, Entry


class Transaction:
    """Statements that are committed together. BEGIN goes with the first one: a round trip less."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._begin = "BEGIN; "

    async def run(
        self,
        statement: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        prepared: str | None = None,
    ) -> list[Row]:
        """Run a statement as `Session.run` does, and raise what that raises."""
        begin, self._begin = self._begin, ""
        return await self._session.run(begin + statement, parameters, prepared=prepared)

    async def raise_board(
        self, user_ids: Sequence[str]
    ) -> tuple[dict[BoardId, Board], dict[BoardId, int]]:
        """Raise the version of the board if one of these users is on it now, and lock its row.
        Returns the boards that were raised, and the versions that there are now, both by id;
        nothing while nobody has a score. Raises LedgerUnavailable.
        """
        rows = await self.run(SQL["raise_board"], {"user_ids": user_ids})
        if not rows:
            return {}, {}
        version, *_, is_raised = rows[0]
        return {MAIN: board_of(MAIN, rows)} if is_raised else {}, {MAIN: version}


@contextlib.asynccontextmanager
async def transaction(session: Session) -> AsyncIterator[Transaction]:
    """Commit at the end, roll back on an error. Raises LedgerUnavailable."""
    if not session.is_open:  # it was lost, and this is the second attempt
        await session.connect()
    with session.pinned():
        try:
            yield Transaction(session)
        except (StatementRefused, TransactionAborted, PostgresRefused):  # guard: refusal-costs-no
            await session.roll_back()
            raise  # any other error leaves the transaction open, and the session is closed for it
        await session.commit()


def board_of(board_id: BoardId, rows: list[Row]) -> Board:
    """Read a board from rows of version, moment of the change, user id, user name and score."""
    version, changed_at = rows[0][:2]
    entries = tuple(Entry(row[2], row[3], row[4]) for row in rows if row[2] is not None)
    return Board(board_id, version, changed_at, entries)
