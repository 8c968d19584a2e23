"""The ledger: the truth. It grants, and reads boards; what an operator changes goes through it too,
because names, actions, seasons and falling scores all change what boards show.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from scoreboard.connections.postgres import Postgres
from scoreboard.connections.session import Row
from scoreboard.errors import UnknownBoard, UnknownUser
from scoreboard.ledger.batch import Batch
from scoreboard.ledger.falling import Refused, fall
from scoreboard.ledger.finals import renew_finals
from scoreboard.ledger.queries import SQL
from scoreboard.ledger.recount import rebuild
from scoreboard.ledger.shown import board_of, season_of
from scoreboard.ledger.transaction import Transaction, transaction
from scoreboard.ledger.turn import turn
from scoreboard.ledger.verdicts import Settlement
from scoreboard.model import LEAP_MAX, MAIN, Board, BoardId, Season, Submission

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class State:
    """How a board is, without its entries: what it shows changed at `changed_at`, and what an
    operator says of it at `defined_at`. `season` is the one that it shows.
    """

    version: int
    changed_at: datetime
    defined_at: datetime
    season: Season | None


@dataclass(frozen=True, slots=True)
class Versions:
    """How all boards are, by id; and in how many seconds the next season is due to begin, end or
    close: in none, or less, if it is due; None if there is no such season.
    """

    boards: dict[BoardId, State]
    due_in_seconds: float | None

    @property
    def is_due(self) -> bool:
        """Whether a season is due."""
        return self.due_in_seconds is not None and self.due_in_seconds <= 0


class Ledger:
    """Grants, and reads the truth. `writers` are connections of its own, so that no query delays a
    grant. Everything here raises LedgerUnavailable.
    """

    def __init__(self, writers: Postgres, queries: Postgres) -> None:
        self._writers = writers
        self._queries = queries

    async def grant(self, submissions: Sequence[Submission]) -> Settlement:
        """Grant what can be granted, in as few transactions as possible. When this raises, no
        session could be had, and nothing was granted.
        """
        async with self._writers.session() as session:
            by_server = frozenset(s.key for s in submissions if s.by_server)
            batch = Batch(session, self._writers, by_server)
            settled = await batch.settle(list(dict.fromkeys(s.key for s in submissions)))
            return await batch.settle_renamed(settled)

    async def version(self, board_id: BoardId = MAIN) -> int:
        """Read the version of a board. Raises UnknownBoard."""
        found = await self._queries.read(SQL["read_version"], {"board_id": board_id})
        [(version,)] = self._kept(found, board_id)
        return int(version)

    async def versions(self) -> Versions:
        """Read how every board is, without its entries, in one question."""
        found = self._kept(await self._queries.read(SQL["read_versions"]), MAIN)
        return Versions({row[0]: _state(row) for row in found}, due_in_seconds=found[0][4])

    async def boards(self, board_ids: Collection[BoardId]) -> list[Board]:
        """Read these boards as of now, all from one snapshot; one that is not there is left out."""
        parameters = {"board_ids": list(board_ids)}
        return [board_of(row) for row in await self._queries.read(SQL["read_boards"], parameters)]

    async def board(self, board_id: BoardId = MAIN) -> Board:
        """Read a board as of now, version and entries from one snapshot. Raises UnknownBoard."""
        found = await self._queries.read(SQL["read_boards"], {"board_ids": [board_id]})
        return board_of(self._kept(found, board_id)[0])

    async def lift(self, above: int, board_id: BoardId = MAIN) -> Board:
        """Raise the board's version above one that was shown, unless it is above it already, and
        return the board.

        A ledger that was restored from a backup, or whose promotion lost commits, went back: what
        it commits next would bear versions that were used, and pass for old.
        """
        await self._queries.fetch(SQL["lift_board"], {"above": above, "board_id": board_id})
        return await self.board(board_id)

    async def turn(self) -> list[Board]:
        """Let every season begin, end and close that is due, and return the boards that changed.
        Whoever comes second finds nothing to do. Raises TransactionAborted when grants under way
        hold it up for 2 s.
        """
        async with self._writers.session() as session:
            return await turn(session)

    async def rebuild(
        self, above: int = 0, *, board_id: BoardId = MAIN, renumber: bool = False
    ) -> tuple[int, Board]:
        """Set every score of a board to what it is to be, and renew the board. Grants go on, but
        for those to users whose scores were wrong.

        Returns how many scores were wrong, and the board under a version higher than its own and
        than `above`, the highest one that a copy is known to hold: after a restore from a backup
        that is ahead of the truth. With `renumber` a version that leapt comes down first to what
        play could have reached. Raises UnknownBoard.
        """
        leap, corrected = LEAP_MAX if renumber else None, 0
        try:
            async with self._writers.session() as session:
                corrected, boards = await rebuild(session, board_id, above=above, leap=leap)
        except UnknownBoard:
            boards = []
        return corrected, self._kept(boards, board_id)[0]

    async def remove_users(self, user_ids: Sequence[str]) -> tuple[int, list[Board]]:
        """Delete users with scores and ledger rows. Returns how many of them there were, and the
        renewed boards on which they may have been.
        """

        async def remove(begun: Transaction) -> tuple[int, list[BoardId]]:
            removed = await begun.run(SQL["delete_users"], {"user_ids": list(user_ids)})
            if not removed:
                raise Refused(UnknownUser())
            return len(removed), await renew_finals(begun, user_ids)

        try:
            async with self._writers.session() as session:
                return await fall(session, user_ids, remove)
        except UnknownUser:
            return 0, []
        except UnknownBoard:
            raise self._queries.lacks("boards") from None

    async def rename_action(self, action_id: str, new_id: str) -> int | None:
        """Give an action another id, with its ledger rows, and keep the id that it had as a former
        one. Returns how many rows there were; None if there was no such action.

        Grants of this action wait meanwhile, and so does what shares a batch with one. Raises
        StatementRefused when another action has the new id.
        """
        ids = {"action_id": action_id, "new_id": new_id}
        async with self._writers.session() as session, transaction(session) as begun:
            if not await begun.run(SQL["hold_action"], ids):
                return None
            [(moved,)] = await begun.run(SQL["give_action_id"], ids)
            await begun.run(SQL["leave_action_id"], ids)
            return int(moved)

    async def differences(self, board_id: BoardId = MAIN) -> list[str]:
        """Compare a board's scores and its kept last score with the ledger: a sentence a
        difference. Raises UnknownBoard.
        """
        is_main = board_id == MAIN
        statement = SQL["compare_scores" if is_main else "compare_entries"]
        rows = await self._queries.read(statement, {"board_id": board_id})
        found = [_difference(*row[1:]) for row in rows]
        if rows and (more := rows[0][0] - len(rows)):
            found.append(f"and {more} more users whose score is not what it is to be")
        last = await self._queries.read(SQL["compare_last"], {"board_ids": [board_id]})
        [(_, kept, actual)] = self._kept(last, board_id)
        if kept != actual:
            found.append(f"{'tenth' if is_main else 'last'} score: kept {kept}, ranking {actual}")
        return found

    def _kept(self, rows: list[Found], board_id: BoardId) -> list[Found]:
        """Answer what was found of a board. Raises UnknownBoard; PostgresRefused where `main` is
        gone, which is always there.
        """
        if not rows and board_id == MAIN:  # guard: board-without-row
            raise self._queries.lacks("boards")
        if not rows:
            raise UnknownBoard
        return rows


def _difference(
    user_id: str, score: int | None, derived: int | None, is_hidden: bool, is_to_be_hidden: bool
) -> str:
    """Say how a user's score, or whether it is shown, differs from what it is to be."""
    if score != derived or is_hidden == is_to_be_hidden:
        return f"user {user_id}: score {score}, ledger {derived}"
    here, there = ("hidden", "shown") if is_hidden else ("shown", "hidden")
    return f"user {user_id}: {here}, and is to be {there}"


def _state(row: Row) -> State:
    _, version, changed_at, defined_at, _, *season = row
    return State(version, changed_at, defined_at, season_of(season))
