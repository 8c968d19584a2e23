"""The copies of boards in Redis, as commands read and replace them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Final

from scoreboard.configuration.signatures import Signatures
from scoreboard.connections.redis import Redis, RedisUnavailable
from scoreboard.console.terminal import note
from scoreboard.copies.copy import RedisCopy, store_together
from scoreboard.model import Board, BoardId

_NOT_STORED: Final = (
    "scoreboard: Redis did not take the new board. Running instances mend that within a second of "
    "its return; `scoreboard board verify --all` tells."
)


class Copies:
    """The copy of every board."""

    def __init__(self, redis: Redis, signatures: Signatures | None) -> None:
        self._redis = redis
        self._signatures = signatures

    def of(self, board_id: BoardId) -> RedisCopy:
        """The copy of one board."""
        return RedisCopy(self._redis, self._signatures, board_id)

    async def store(self, boards: Iterable[Board]) -> None:
        """Give Redis boards that have changed. The change is made whatever Redis does, so a copy
        that missed it is a remark and no failure.
        """
        stored = [(self.of(board.board_id), board) for board in boards]
        try:
            await store_together(stored)
        except RedisUnavailable:
            # A Redis that is there and does not take the boards must not show the older ones; one
            # that is away is not asked a thousand times.
            with contextlib.suppress(RedisUnavailable):
                for copy, board in stored:
                    await copy.drop(older_than=board.version)
            note(_NOT_STORED)
