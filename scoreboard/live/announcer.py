"""Everybody hears of a new board the same way, whoever made it: a batch or a turn of seasons.

    hub here ─▶ bus to the other instances ─▶ Redis

Nothing of it can fail what was committed: each part counts what it drops, and the relay catches up
by the version.
"""

from __future__ import annotations

from collections.abc import Collection

import structlog

from scoreboard.bus.bus import Bus
from scoreboard.copies.boards import Boards
from scoreboard.live.hub import Hub
from scoreboard.model import Board, Origin
from scoreboard.operations.metrics import Metrics

log = structlog.get_logger("scoreboard.announcer")


class Announcer:
    """Tells the hub, the bus and the copies."""

    def __init__(self, hub: Hub, bus: Bus, boards: Boards, metrics: Metrics) -> None:
        self._hub = hub
        self._bus = bus
        self._boards = boards
        self._metrics = metrics

    async def announce(self, boards: Collection[Board], origin: Origin | None = None) -> bool:
        """Tell everybody. Only the copies are waited for, because the next read has to find these
        boards there. Answers whether Redis took them.
        """
        if not boards:  # somebody is renamed who is on none
            return True
        for board in boards:
            try:
                self._hub.offer(board, origin)
                self._bus.publish(board, origin)
                self._metrics.count_change(board.board_id)
            except Exception:  # a defect of ours, which costs no other board
                self._metrics.announcements_failed.inc()
                log.exception(
                    "scoreboard.announcer.failed", board=board.board_id, version=board.version
                )
        return await self._boards.store(list(boards))
