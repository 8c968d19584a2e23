"""The hub hands each new board to every subscriber of this instance without waking anybody.

It keeps one channel for each board that came or that has subscribers, and walks them by its own
timers: no task and no queue belongs to a subscriber.

Bursts are conflated: the first change goes out at once, later ones at most every
`push_interval_seconds`, and the last one always. All boards keep one rhythm: what has changed on
any of them goes out in the same walk.

Bound: `CHANNELS_MAX` channels. A board of one more is refused and counted, and its subscribers are
told that the instance is overloaded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog

from scoreboard.errors import Overloaded
from scoreboard.live.channel import Channel
from scoreboard.live.frames import Frame, closing, score_update
from scoreboard.model import LEAP_MAX, MAIN, Board, BoardId, Origin
from scoreboard.operations.counted import BoardRefusal
from scoreboard.operations.logs import Seldom
from scoreboard.operations.metrics import Metrics
from scoreboard.operations.tracing import Tracing

log = structlog.get_logger("scoreboard.hub")

CHANNELS_MAX: Final = 1_000
_TEND_SECONDS: Final = 0.1


class Hub:
    """Keeps the channels. `on_newer` says, by the id of a board, who is told of each that is newer
    than the one before.
    """

    def __init__(
        self,
        metrics: Metrics,
        tracing: Tracing,
        *,
        on_newer: Mapping[BoardId, Callable[[Board], None]],
        push_interval_seconds: float,
        heartbeat_seconds: float,
        stuck_after_seconds: float,
        channels_max: int = CHANNELS_MAX,
    ) -> None:
        self._metrics = metrics
        self._tracing = tracing
        self._on_newer = on_newer
        self._push_interval_seconds = push_interval_seconds
        self._heartbeat_seconds = heartbeat_seconds
        self._stuck_after_seconds = stuck_after_seconds
        self._channels_max = channels_max
        self._seldom = Seldom()
        self._farewell: Frame | None = None
        self._changed = asyncio.Event()
        self._channels: dict[BoardId, Channel] = {}
        self.channel(MAIN)

    def __len__(self) -> int:
        """How many subscribers there are, of all boards."""
        return sum(len(channel.subscribers) for channel in self._channels.values())

    def channel(self, board_id: BoardId) -> Channel:
        """The channel of a board, made if it is new. Raises Overloaded when there is no room for
        one more.
        """
        channel = self._channels.get(board_id)
        if channel is None:
            if len(self._channels) >= self._channels_max:  # guard: channels-hub-bounded
                raise Overloaded
            channel = self._channels[board_id] = Channel(
                self._metrics, self._tracing, stuck_after_seconds=self._stuck_after_seconds
            )
            if self._farewell is not None:
                channel.close(self._farewell)
        return channel

    def version(self, board_id: BoardId) -> int:
        """The version of the newest board of this id, -1 before the first."""
        channel = self._channels.get(board_id)
        return -1 if channel is None else channel.version

    def offer(self, board: Board, origin: Origin | None = None) -> None:
        """Take a board that came, whoever made it, unless the one that we have is as new, or this
        one is so far ahead that no history leads there. Without an origin nobody times its way.
        """
        # guard: version-no-history-not
        if 0 <= self.version(board.board_id) < board.version - LEAP_MAX:
            self._refuse(board, "leap")
            return
        self._take(board, origin)

    # For the relay

    async def held(self) -> Sequence[Board]:
        """The boards that subscribers may have seen."""
        return [c.board for c in self._channels.values() if c.board is not None]

    def lags(self, board: Board) -> bool:
        """Whether subscribers have seen an older one than this, which may come by itself."""
        return -1 < self.version(board.board_id) < board.version

    async def take(self, board: Board) -> bool:
        """Take the ledger's board if it is newer; however far ahead, it is the truth."""
        return board.version > self.version(board.board_id) and self._take(board)

    async def begin_anew(self, board: Board) -> None:
        """Take the ledger's board though it is older, and end the streams that show a newer one:
        the next ones begin with this.
        """
        channel = self._channels.get(board.board_id)
        if channel is not None and channel.version > board.version:
            channel.begin_anew()
            self._take(board)

    async def run(self) -> None:
        """Push, send heartbeats and cut off the stuck, until cancelled."""
        for channel in self._channels.values():
            # After a crash, somebody may lack the board that was being pushed.
            channel.has_news = channel.board is not None
        self._changed.set()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._push_changes())
            tasks.create_task(self._beat())
            tasks.create_task(self._tend())

    def close(self, code: str, message: str) -> None:
        """Tell every subscriber that this is the end, and end its stream."""
        self._farewell = Frame.of(closing(code, message))
        for channel in self._channels.values():
            channel.close(self._farewell)

    def _take(self, board: Board, origin: Origin | None = None) -> bool:
        """Take a newer board, encoded first: one that cannot be sent never becomes the one to send.
        Answers whether it was taken.
        """
        if board.version <= self.version(board.board_id):  # guard: hub-never-takes
            self._metrics.boards_outdated.inc()
            return False
        try:
            channel = self.channel(board.board_id)
            frame = Frame.of(score_update(board))
        except Overloaded:
            self._refuse(board, "channels")
            return False
        except (TypeError, ValueError, OverflowError):  # guard: board-cannot-sent
            self._refuse(board, "unencodable")
            return False
        channel.show(board, frame, origin)
        if (told := self._on_newer.get(board.board_id)) is not None:  # guard: board-told-copy
            told(board)
        self._changed.set()
        return True

    def _refuse(self, board: Board, reason: BoardRefusal) -> None:
        self._metrics.boards_refused.labels(reason).inc()
        if self._seldom.due(reason):
            log.error(
                "scoreboard.hub.refused",
                reason=reason,
                board=board.board_id,
                version=board.version,
            )

    async def _push_changes(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            for channel in list(self._channels.values()):
                if channel.has_news:
                    await channel.push()
            await asyncio.sleep(self._push_interval_seconds)  # guard: last-burst-never

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_seconds)
            for channel in list(self._channels.values()):
                await channel.beat()

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(_TEND_SECONDS)
            for channel in list(self._channels.values()):
                if channel.behind:
                    await channel.tend()
