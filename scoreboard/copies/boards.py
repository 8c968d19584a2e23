"""The boards that this instance knows: how each is defined, and the copy through which it is read.

What operators say is read from the ledger once, and again when the relay's look says that it has
changed. A board that nobody here has heard of is looked for in the ledger before it counts as
unknown, because it may be a moment old.

A copy that somebody has read within `FOLLOWED_SECONDS` is compared with the ledger once a second;
the others are not, and none of these is trusted before it is compared again, so it is read from the
ledger first. `main` is always followed.

Bounds: a copy for each board that was read or stored of late, `COPIES_MAX` at most, of which the
one that was unused for longest gives way; a crowd that asks for boards that are not there makes a
question every `ASKED_EVERY_SECONDS`, which all share, and nothing of it is remembered.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from scoreboard.connections.coalescing import Coalescer
from scoreboard.copies.board import CachedBoard, reach_versions, store_boards
from scoreboard.copies.comparison import look_together
from scoreboard.errors import LedgerUnavailable, UnknownBoard
from scoreboard.ledger.definitions import Defined, Definitions
from scoreboard.ledger.ledger import Ledger, Versions
from scoreboard.model import BOARD_ID, MAIN, Board, BoardId
from scoreboard.operations.metrics import Metrics
from scoreboard.seasons.definition import BOARDS_MAX

COPIES_MAX: Final = BOARDS_MAX
FOLLOWED_SECONDS: Final = 60.0
ASKED_EVERY_SECONDS: Final = 0.25
_WAITING_MAX: Final = 20_000


class Boards:
    """Knows the boards. `make` makes the copy of one; that of `main` is always there. `shown`
    answers what streams of this instance show of one.
    """

    def __init__(
        self,
        ledger: Ledger,
        definitions: Definitions,
        make: Callable[[BoardId], CachedBoard],
        metrics: Metrics,
        *,
        shown: Callable[[BoardId], Board | None] = lambda _: None,
        copies_max: int = COPIES_MAX,
    ) -> None:
        self._ledger = ledger
        self._definitions = definitions
        self._make = make
        self._shown = shown
        self._metrics = metrics
        self._copies_max = copies_max
        self._known: dict[BoardId, Defined] = {}
        self._versions: dict[BoardId, int] = {}
        self._learning = asyncio.Lock()
        self._copies: dict[BoardId, CachedBoard] = {}
        self._looked: set[BoardId] = set()  # those that the last look was at
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

    def newest_version(self, board_id: BoardId) -> int:
        """The version of a board as of the last look, or a newer one that was heard of since; 0
        before the first look.
        """
        return max(self._versions.get(board_id, 0), self.version(board_id) or 0)

    async def find(self, board_id: str) -> Defined:
        """How a board is defined. Raises UnknownBoard; and LedgerUnavailable and Overloaded when
        nobody can say whether there is one.
        """
        known = BoardId(board_id)
        if known not in self._known and BOARD_ID.fullmatch(board_id):
            try:
                await self._questions.join(None)
            except LedgerUnavailable:
                # The relay may have heard of it meanwhile.
                if known not in self._known:  # guard: heard-of-meanwhile
                    raise
        if known not in self._known:
            raise UnknownBoard
        return self._known[known]

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
        """The copy through which a board is read. Raises as `find` does, but never for `main`."""
        copy = self._copies.get(BoardId(board_id))
        if copy is None:
            copy = self.copy((await self.find(board_id)).definition.board_id)
            if (board := self._shown(copy.board_id)) is not None:
                copy.hear_of(board)  # guard: shown-board-read
        return copy

    def copy(self, board_id: BoardId) -> CachedBoard:
        """The copy of a board that the ledger has named, made if it is new."""
        copy = self._copies.get(board_id)
        if copy is None:
            self._make_room()
            copy = self._copies[board_id] = self._make(board_id)
        return copy

    async def store(self, boards: Sequence[Board]) -> bool:
        """Store boards that the ledger has committed, in one call. Answers as `CachedBoard.store`
        does, for all of them.
        """
        return await store_boards([(self.copy(board.board_id), board) for board in boards])

    async def reach(self, versions: Mapping[BoardId, int]) -> None:
        """Let nobody be shown older boards than of these versions.

        A batch that changes no board may have seen one that another instance has committed and not
        yet stored, and its users find that in the next read.
        """
        copies = ((self.copy(board_id), version) for board_id, version in versions.items())
        missing = [(copy, version) for copy, version in copies if not copy.has_reached(version)]
        if missing:
            await reach_versions(missing)

    # For the hub, and the bus

    def version(self, board_id: BoardId) -> int | None:
        """The version of the newest board of this id that is known here, -1 for none; None if it
        is neither read nor stored here.
        """
        copy = self._copies.get(board_id)
        return None if copy is None else copy.version

    def hear_of(self, board: Board) -> None:
        """Know of a board, if it is read or stored here."""
        copy = self._copies.get(board.board_id)
        if copy is not None:
            copy.hear_of(board)

    # For the relay

    def followed(self) -> list[BoardId]:
        """The boards that were read of late."""
        since = time.monotonic() - FOLLOWED_SECONDS
        return [
            board_id
            for board_id, copy in self._copies.items()
            if copy is self.main or copy.read_at >= since
        ]

    async def held(self) -> Sequence[Board]:
        """The boards that reads may have shown, as `CachedBoard.held` has them, of all that are
        followed; the other copies rest from now on.
        """
        self._looked = set(self.followed())
        for board_id, copy in list(self._copies.items()):
            if board_id not in self._looked:
                copy.comparison.rest()
                self._forget_unused(copy)
        return await look_together([self._copies[each].comparison for each in self._looked])

    async def note(self, versions: Versions) -> None:
        """Hear what boards there are: as `learn`, and the copies of those that are gone are taken
        away. Raises LedgerUnavailable.
        """
        await self.learn(versions)
        for board_id in self._copies.keys() - versions.boards.keys() - self._known.keys():
            copy = self._copies.pop(board_id)
            self._looked.discard(board_id)
            await copy.forget()

    def lacks(self, board_id: BoardId) -> bool:
        """Whether a copy that was looked at has no board."""
        return board_id in self._looked and self._copies[board_id].comparison.lacks()

    def lags(self, board: Board) -> bool:
        """As `Comparison.lags`."""
        looked = board.board_id in self._looked
        return looked and self._copies[board.board_id].comparison.lags(board)

    async def take(self, board: Board) -> bool:
        """As `Comparison.take`; what was not looked at only hears of it."""
        if board.board_id in self._looked:
            return await self._copies[board.board_id].comparison.take(board)
        self.hear_of(board)
        return False

    async def begin_anew(self, board: Board) -> None:
        """As `CachedBoard.begin_anew`."""
        if (copy := self._copies.get(board.board_id)) is not None:
            await copy.begin_anew(board)

    async def close(self) -> None:
        """Finish what is under way."""
        await self._questions.close()
        for copy in list(self._copies.values()):
            await copy.close()

    def _make_room(self) -> None:
        """Forget the copy that was unused for longest, if there are as many as there may be."""
        if len(self._copies) >= self._copies_max:  # guard: copies-bounded
            others = (copy for copy in self._copies.values() if copy is not self.main)
            oldest = min(others, key=lambda copy: copy.used_at)
            self._metrics.copies_forgotten.inc()
            self._drop(oldest)

    def _forget_unused(self, copy: CachedBoard) -> None:
        if copy.is_at_rest and copy.used_at < time.monotonic() - FOLLOWED_SECONDS:
            self._drop(copy)

    def _drop(self, copy: CachedBoard) -> None:
        del self._copies[copy.board_id]
        self._looked.discard(copy.board_id)

    async def _ask_for_all(self, asking: Sequence[None]) -> list[Exception | None]:
        """Look once for all who ask for boards that are unknown here, and not too often."""
        rest_seconds = self._asked_at + ASKED_EVERY_SECONDS - time.monotonic()
        await asyncio.sleep(rest_seconds)  # guard: unknown-boards-shared
        self._asked_at = time.monotonic()
        try:
            await self.learn(await self._ledger.versions())
        except LedgerUnavailable as error:
            return [error] * len(asking)
        return [None] * len(asking)
