"""A transaction of one session (the only place that says BEGIN), and the boards that it reads."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any, Final

import orjson

from scoreboard.connections.refusals import PostgresRefused
from scoreboard.connections.session import Row, Session, StatementRefused, TransactionAborted
from scoreboard.ledger.queries import SQL
from scoreboard.model import Board, BoardId, Ended, Entry, Season

_RAISE: Final = (SQL["prepare_lock_boards"], SQL["prepare_raise_boards"])


class RolledBack(Exception):
    """Whoever raises one of these wants nothing of the transaction to stay."""


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
        rows = await self.run(SQL["raise_boards"], pairs, prepared=_RAISE)
        boards = {board.board_id: board for board in map(board_of, rows)}
        raised = {board_id: boards[board_id] for board_id, *_, is_raised in rows if is_raised}
        return raised, {board_id: board.version for board_id, board in boards.items()}


@contextlib.asynccontextmanager
async def transaction(session: Session) -> AsyncIterator[Transaction]:
    """Commit at the end, roll back on an error. Raises LedgerUnavailable."""
    if not session.is_open:  # it was lost, and this is the second attempt
        await session.connect()
    with session.pinned():
        try:
            yield Transaction(session)
        # guard: refusal-costs-no
        except (RolledBack, StatementRefused, TransactionAborted, PostgresRefused):
            await session.roll_back()
            raise  # any other error leaves the transaction open, and the session is closed for it
        await session.commit()


def board_of(row: Row) -> Board:
    """Read a board from a row of `{shown}`."""
    board_id, version, changed_at, is_low, *rest = row
    season, entries, before = _season(rest[:4]), _entries(rest[4]), _season(rest[5:9])
    ended = None if before is None else Ended(before, _entries(rest[9]))
    return Board(board_id, version, changed_at, entries, season, ended, is_low)


def _season(columns: Sequence[Any]) -> Season | None:
    return None if columns[0] is None else Season(*columns)


def _entries(text: str | None) -> tuple[Entry, ...]:
    """Read a list of user id, user name and score, in JSON; None is an empty one."""
    return () if text is None else tuple(Entry(*each) for each in orjson.loads(text))
