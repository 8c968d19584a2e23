"""The ledger: the truth. It grants, and reads boards; what an operator changes goes through it too,
because names, actions and falling scores all change what boards show.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scoreboard.connections.postgres import Postgres
from scoreboard.connections.session import Row
from scoreboard.ledger.batch import Batch
from scoreboard.ledger.queries import SQL
from scoreboard.ledger.transaction import board_of, transaction
from scoreboard.ledger.verdicts import Settlement
from scoreboard.model import LEAP_MAX, MAIN, Board, BoardId, Submission


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
            batch = Batch(session, self._writers)
            settled = await batch.settle(list(dict.fromkeys(s.key for s in submissions)))
            return settled | await batch.settle_renamed(settled.verdicts)

    async def version(self, board_id: BoardId = MAIN) -> int:
        """Read the version of a board."""
        found = await self._queries.read(SQL["read_version"], {"board_id": board_id})
        [(version,)] = self._kept(found)
        return int(version)

    async def board(self, board_id: BoardId = MAIN) -> Board:
        """Read a board as of now, version and entries from one snapshot."""
        found = await self._queries.read(SQL["read_board"], {"board_id": board_id})
        return board_of(board_id, self._kept(found))

    async def lift(self, above: int, board_id: BoardId = MAIN) -> Board:
        """Raise the board's version above one that was shown, unless it is above it already, and
        return the board.

        A ledger that was restored from a backup, or whose promotion lost commits, went back: what
        it commits next would bear versions that were used, and pass for old.
        """
        await self._queries.fetch(SQL["lift_board"], {"above": above, "board_id": board_id})
        return await self.board(board_id)

    async def fall(
        self,
        change: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        above: int = 0,
        leap: int | None = None,
    ) -> tuple[list[Row], Board]:
        """Run a statement that may let scores fall, by its name, and renew the board: the only door
        for that. No grant is under way meanwhile.

        Returns the statement's rows, and the board: if there was a row, under a version higher than
        its own and than `above`. A version that leapt by more than `leap` comes down first. Raises
        TransactionAborted when grants under way hold it up for 2 s.
        """
        async with self._writers.session() as session, transaction(session) as begun:
            await begun.run(SQL["lock_scores"])
            rows = await begun.run(SQL[change], parameters)
            if rows:
                await begun.run(SQL["renew_board"], {"above": above, "leap": leap})
            found = await begun.run(SQL["read_board"], {"board_id": MAIN})
            return rows, board_of(MAIN, self._kept(found))

    async def rebuild(self, above: int = 0, *, renumber: bool = False) -> tuple[int, Board]:
        """Set every score to the sum of its ledger rows, and renew the board.

        Returns how many scores were wrong, and the board under a version higher than its own and
        than `above`, the highest one that a copy is known to hold: after a restore from a backup
        that is ahead of the truth. With `renumber` a version that leapt comes down first to what
        play could have reached.
        """
        leap = LEAP_MAX if renumber else None
        [(corrected,)], board = await self.fall("correct_scores", above=above, leap=leap)
        return corrected, board

    async def remove_users(self, user_ids: Sequence[str]) -> tuple[int, Board | None]:
        """Delete users with scores and ledger rows. Returns how many of them there were, and the
        renewed board; None if there was nobody.
        """
        removed, board = await self.fall("delete_users", {"user_ids": list(user_ids)})
        return len(removed), board if removed else None

    async def rename_user(
        self, user_id: str, username: str, username_key: str
    ) -> tuple[bool, Board | None]:
        """Give a user another name. Returns whether there is such a user, and the board under its
        next version if they are on it, because every copy of the board holds names.

        Raises StatementRefused when somebody has the name.
        """
        change = {"user_id": user_id, "username": username, "username_key": username_key}
        async with self._writers.session() as session, transaction(session) as begun:
            if not await begun.run(SQL["rename_user"], change):
                return False, None
            raised, _ = await begun.raise_board([user_id])
            return True, raised.get(MAIN)

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

    async def differences(self) -> list[str]:
        """Compare scores and the kept tenth score with the ledger: a sentence a difference."""
        rows = await self._queries.read(SQL["compare_scores"])
        found = [f"user {row[1]}: score {row[2]}, ledger {row[3]}" for row in rows]
        if rows and (more := rows[0][0] - len(rows)):
            found.append(f"and {more} more users whose score is not the sum of the ledger")
        [(kept, actual)] = self._kept(await self._queries.read(SQL["compare_tenth"]))
        if kept != actual:
            found.append(f"tenth score: kept {kept}, ranking {actual}")
        return found

    def _kept(self, rows: list[Row]) -> list[Row]:
        """Answer rows of the board, which always has one. Raises PostgresRefused."""
        if not rows:  # guard: board-without-row
            raise self._queries.lacks("board")
        return rows
