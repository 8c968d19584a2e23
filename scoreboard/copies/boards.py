"""The boards that this instance knows: how each is defined, and the copy through which it is read.

What operators say is read from the ledger once, and again when the relay's look says that it has
changed. A board that nobody here has heard of is looked for in the ledger before it counts as
unknown, because it may be a moment old.

Bounds: a copy for each board that was read or stored of late, `COPIES_MAX` at most; a crowd that
asks for boards that are not there makes a question every `ASKED_EVERY_SECONDS`, which all share,
and nothing of it is remembered.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from scoreboard.connections.coalescing import Coalescer
from scoreboard.copies.board import CachedBoard
from scoreboard.errors import LedgerUnavailable, UnknownBoard
from scoreboard.ledger.definitions import Defined, Definitions
from scoreboard.ledger.ledger import Ledger, Versions
from scoreboard.model import BOARD_ID, MAIN, BoardId
from scoreboard.seasons.definition import BOARDS_MAX

COPIES_MAX: Final = BOARDS_MAX
ASKED_EVERY_SECONDS: Final = 0.25
_WAITING_MAX: Final = 20_000


class Boards:
    """Knows the boards. `make` makes the copy of one; that of `main` is always there."""

    def __init__(
        self,
        ledger: Ledger,
        definitions: Definitions,
        make: Callable[[BoardId], CachedBoard],
        *,
        copies_max: int = COPIES_MAX,
    ) -> None:
        self._ledger = ledger
        self._definitions = definitions
        self._make = make
        self._copies_max = copies_max
        self._known: dict[BoardId, Defined] = {}
        self._versions: dict[BoardId, int] = {}
        self._learning = asyncio.Lock()
        self._copies: dict[BoardId, CachedBoard] = {}
        self._asked_at = -ASKED_EVERY_SECONDS
        self._questions: Coalescer[None, None] = Coalescer(
            self._ask_for_all, batch_max=_WAITING_MAX, waiting_max=_WAITING_MAX
        )
        self.main: Final = self.copy(MAIN)

    # What operators say

    def all(self) -> list[Defined]:
        """Every board, `main` first, the others by id, as of the last look: a second ago at most
        while the ledger answers. Raises LedgerUnavailable before the first one.
        """
        if not self._known:
            raise LedgerUnavailable
        return list(self._known.values())

    def knows(self, board_id: BoardId) -> bool:
        """Whether this instance has heard of such a board."""
        return board_id in self._known

    def version(self, board_id: BoardId) -> int:
        """The version of a board as of the last look, 0 before the first."""
        return self._versions.get(board_id, 0)

    async def find(self, board_id: str) -> Defined:
        """How a board is defined. Raises UnknownBoard; and LedgerUnavailable and Overloaded when
        nobody can say whether there is one.
        """
        found = self._known.get(BoardId(board_id))
        if found is None and BOARD_ID.fullmatch(board_id):
            await self._questions.join(None)
            found = self._known.get(BoardId(board_id))
        if found is None:
            raise UnknownBoard
        return found

    async def learn(self, versions: Versions) -> None:
        """Bring what is known up to the ledger's word; definitions are read only when one of them
        has changed. Raises LedgerUnavailable.
        """
        async with self._learning:
            defined_at = {board_id: each.defined_at for board_id, each in self._known.items()}
            if defined_at != {board_id: s.defined_at for board_id, s in versions.boards.items()}:
                found = await self._definitions.all()
                self._known = {each.definition.board_id: each for each in found}
            self._versions = {board_id: s.version for board_id, s in versions.boards.items()}
            for board_id, state in versions.boards.items():
                known = self._known.get(board_id)
                if known is not None and known.season != state.season:
                    self._known[board_id] = replace(known, season=state.season)

    # Copies

    async def of(self, board_id: str) -> CachedBoard:
        """The copy through which a board is read. Raises as `find` does; never for `main`."""
        copy = self._copies.get(BoardId(board_id))
        if copy is None:
            copy = self.copy((await self.find(board_id)).definition.board_id)
        return copy

    def copy(self, board_id: BoardId) -> CachedBoard:
        """The copy of a board that the ledger has named."""
        copy = self._copies.get(board_id)
        if copy is None:
            copy = self._copies[board_id] = self._make(board_id)
        return copy

    async def close(self) -> None:
        """Finish what is under way."""
        await self._questions.close()
        for copy in list(self._copies.values()):
            await copy.close()

    async def _ask_for_all(self, asking: Sequence[None]) -> list[Exception | None]:
        """Look once for all who ask for boards that are unknown here, and not too often."""
        await asyncio.sleep(self._asked_at + ASKED_EVERY_SECONDS - time.monotonic())
        self._asked_at = time.monotonic()
        try:
            await self.learn(await self._ledger.versions())
        except LedgerUnavailable as error:
            return [error] * len(asking)
        return [None] * len(asking)
