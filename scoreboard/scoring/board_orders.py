"""What server keys say of boards: written one after the other, to the end, and announced."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Final

from scoreboard.errors import BoardRefused, UnknownBoard
from scoreboard.keys.answered import Answered, Asked
from scoreboard.ledger.defining import BoardsRefused
from scoreboard.ledger.definitions import Defined, Definitions
from scoreboard.live.announcer import Announcer
from scoreboard.model import Board, BoardId
from scoreboard.scoring.finishing import Finishing
from scoreboard.seasons.definition import Definition

# Those of one instance: each holds up all others that define boards.
_RUNNING_MAX: Final = 8

_Write = Callable[[], Awaitable[Collection[Board]]]


class BoardOrders:
    """Puts and closes boards. Everything here raises LedgerUnavailable, Overloaded; and
    BoardRefused, which says what cannot be.
    """

    def __init__(self, definitions: Definitions, announcer: Announcer, answered: Answered) -> None:
        self._definitions = definitions
        self._announcer = announcer
        self._answered = answered
        self._writing = asyncio.Lock()
        self._finishing = Finishing(_RUNNING_MAX)

    async def put(self, said: Definition, asked: Asked) -> Defined:
        """Let there be a board that is so: added, changed or left alone."""

        async def load() -> Collection[Board]:
            return (await self._definitions.load([said])).boards

        return await self._do(said.board_id, load, asked)

    async def close(self, board_id: BoardId, asked: Asked) -> Defined:
        """Let a board count nothing any more. Raises UnknownBoard."""
        return await self._do(board_id, lambda: self._definitions.close(board_id), asked)

    async def finish(self) -> None:
        """Wait for those that were begun."""
        await self._finishing.close()

    async def _do(self, board_id: BoardId, write: _Write, asked: Asked) -> Defined:
        """Do it, also when the client leaves; once for each request."""
        if not await self._answered.has(asked):  # guard: board-of-before
            await self._finishing.finish(lambda: self._written(write, asked))
        for found in await self._definitions.all():
            if found.definition.board_id == board_id:
                return found
        raise UnknownBoard

    async def _written(self, write: _Write, asked: Asked) -> None:
        try:
            async with self._writing:
                boards = await write()
        except BoardsRefused as refused:
            text = "; ".join(text for _, text in refused.problems)
            raise BoardRefused(f"The board cannot be so: {text}.") from None
        await self._announcer.announce(boards)
        await self._answered.note(asked)
