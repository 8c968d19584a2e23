"""The ledger: the truth. It grants, and reads boards; what an operator changes goes through it too,
because names, actions, seasons and falling scores all change what boards show.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from scoreboard.connections.postgres import Postgres
from scoreboard.connections.session import Row
from scoreboard.errors import UnknownBoard
from scoreboard.ledger.batch import Batch, Company
from scoreboard.ledger.queries import SQL
from scoreboard.ledger.shown import board_of, season_of
from scoreboard.ledger.transaction import transaction
from scoreboard.ledger.turn import renew, turn
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
        self._company = Company()

    async def grant(self, submissions: Sequence[Submission]) -> Settlement:
        """Grant what can be granted, in as few transactions as possible. When this raises, no
        session could be had, and nothing was granted.
        """
        async with self._writers.session() as session:
            batch = Batch(session, self._writers, self._company)
            settled = await batch.settle(list(dict.fromkeys(s.key for s in submissions)))
            return settled | await batch.settle_renamed(settled.verdicts)

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

    async def fall(
        self,
        change: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        board_ids: Collection[BoardId] | None = None,
        above: int = 0,
        leap: int | None = None,
    ) -> tuple[list[Row], list[Board]]:
        """Run a statement that may let scores fall, by its name, and renew these boards, or else
        those on which the users are that its parameters name: the only door for that. No grant and
        no turn of seasons is under way meanwhile.

        Returns the statement's rows, and the boards: if there was a row, under versions higher than
        their own and than `above`. A version that leapt by more than `leap` comes down first.
        Raises TransactionAborted when grants under way hold it up for 2 s.
        """
        async with self._writers.session() as session, transaction(session) as begun:
            await begun.run(SQL["lock_scores"])
            if board_ids is None:
                showing = await begun.run(SQL["boards_of_users"], parameters)
                board_ids = [board_id for (board_id,) in self._kept(showing, MAIN)]
            rows = await begun.run(SQL[change], parameters)
            changed = sorted(board_ids) if rows else []
            return rows, await renew(begun, changed, above=above, leap=leap)

    async def rebuild(
        self, above: int = 0, *, board_id: BoardId = MAIN, renumber: bool = False
    ) -> tuple[int, Board]:
        """Set every score of a board to what its ledger rows say, and renew the board.

        Returns how many scores were wrong, and the board under a version higher than its own and
        than `above`, the highest one that a copy is known to hold: after a restore from a backup
        that is ahead of the truth. With `renumber` a version that leapt comes down first to what
        play could have reached. Raises UnknownBoard.
        """
        change = "correct_scores" if board_id == MAIN else "correct_entries"
        leap = LEAP_MAX if renumber else None
        [(corrected,)], boards = await self.fall(
            change, {"board_id": board_id}, board_ids=[board_id], above=above, leap=leap
        )
        return corrected, self._kept(boards, board_id)[0]

    async def remove_users(self, user_ids: Sequence[str]) -> tuple[int, list[Board]]:
        """Delete users with scores and ledger rows. Returns how many of them there were, and the
        renewed boards on which they may have been.
        """
        removed, boards = await self.fall("delete_users", {"user_ids": list(user_ids)})
        return len(removed), boards

    async def rename_user(
        self, user_id: str, username: str, username_key: str
    ) -> tuple[bool, list[Board]]:
        """Give a user another name. Returns whether there is such a user, and the boards that they
        are on, under their next versions, because every copy of a board holds names.

        Raises StatementRefused when somebody has the name.
        """
        change = {"user_id": user_id, "username": username, "username_key": username_key}
        async with self._writers.session() as session, transaction(session) as begun:
            await begun.run(SQL["join_grants"])
            if not await begun.run(SQL["rename_user"], change):
                return False, []
            showing = await begun.run(SQL["boards_of_users"], {"user_ids": [user_id]})
            raised, _ = await begun.raise_boards([(board_id, user_id) for (board_id,) in showing])
            return True, list(raised.values())

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
        found = [f"user {row[1]}: score {row[2]}, ledger {row[3]}" for row in rows]
        if rows and (more := rows[0][0] - len(rows)):
            found.append(f"and {more} more users whose score is not the sum of the ledger")
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


def _state(row: Row) -> State:
    _, version, changed_at, defined_at, _, *season = row
    return State(version, changed_at, defined_at, season_of(season))
