"""The hub hands each new board to every subscriber of this instance without waking anybody.

It keeps one channel for each board that somebody here follows, and walks them, and other crowds, by
its own timers: no task and no queue belongs to a subscriber. A channel that nobody has followed for
`IDLE_SECONDS` is dropped; a board without a channel is only told to its copy.

Bursts are conflated: the first change of a board goes out at once, later ones at most every
`push_interval_seconds`, and the last one always. Each board keeps this rhythm by itself.

Bound: `CHANNELS_MAX` channels. Subscribers of one board more are told that the instance is
overloaded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Any, Final, Protocol

import structlog

from scoreboard.errors import Overloaded
from scoreboard.ledger.ledger import Versions
from scoreboard.live.channel import Channel
from scoreboard.live.crowd import STRIDE, Crowd
from scoreboard.live.frames import BOARD_IS_GONE, Frame, closing, score_update, turn_of
from scoreboard.model import LEAP_MAX, MAIN, Board, BoardId, Origin
from scoreboard.operations.counted import BoardRefusal
from scoreboard.operations.logs import Seldom
from scoreboard.operations.metrics import Metrics
from scoreboard.operations.tracing import Tracing

log = structlog.get_logger("scoreboard.hub")

CHANNELS_MAX: Final = 1_000
IDLE_SECONDS: Final = 60.0
_TEND_SECONDS: Final = 0.1


class Copies(Protocol):
    """Who else has the boards: what this instance reads."""

    def version(self, board_id: BoardId) -> int | None:
        """The version of the newest board of this id, -1 for none; None if it is not read here."""

    def hear_of(self, board: Board) -> None:
        """Know of a board that came."""


class Hub:
    """Keeps the channels, and tells `copies` of each board that is newer than the one before."""

    def __init__(
        self,
        metrics: Metrics,
        tracing: Tracing,
        *,
        copies: Copies,
        push_interval_seconds: float,
        heartbeat_seconds: float,
        stuck_after_seconds: float,
        channels_max: int = CHANNELS_MAX,
    ) -> None:
        self._metrics = metrics
        self._tracing = tracing
        self._copies = copies
        self._push_interval_seconds = push_interval_seconds
        self._heartbeat_seconds = heartbeat_seconds
        self._stuck_after_seconds = stuck_after_seconds
        self._channels_max = channels_max
        self._seldom = Seldom()
        self._farewell: Frame | None = None
        self._news: dict[Channel, None] = {}  # the channels with a board that is to be pushed
        self._changed = asyncio.Event()
        self._channels: dict[BoardId, Channel] = {}
        self._others: list[Crowd[Any]] = []
        self.channel(MAIN)

    def __len__(self) -> int:
        """How many subscribers there are."""
        return sum(len(crowd.subscribers) for crowd in self._crowds())

    def attend(self, crowd: Crowd[Any]) -> None:
        """Send heartbeats to another crowd as well, tend it, and end its streams with the others:
        one whose streams follow no board.
        """
        self._others.append(crowd)

    def channel(self, board_id: BoardId) -> Channel:
        """The channel of a board that somebody is about to follow, made if it is new; without a
        board before the next one comes, within a second. Raises Overloaded when there is no room
        for one more.
        """
        channel = self._channels.get(board_id)
        if channel is None:
            if len(self._channels) >= self._channels_max:
                self._drop_idle(0.0)
            if len(self._channels) >= self._channels_max:  # guard: channels-hub-bounded
                raise Overloaded
            channel = self._channels[board_id] = Channel(
                self._metrics, self._tracing, stuck_after_seconds=self._stuck_after_seconds
            )
            if self._farewell is not None:
                channel.close(self._farewell)
        channel.touch()
        return channel

    def version(self, board_id: BoardId) -> int:
        """The version of the newest board of this id that is streamed, -1 before the first."""
        channel = self._channels.get(board_id)
        return -1 if channel is None else channel.version

    def newest(self, board_id: BoardId) -> Board | None:
        """The newest board of this id, if streams of this instance show one."""
        channel = self._channels.get(board_id)
        return None if channel is None else channel.board

    def known(self, board_id: BoardId) -> int | None:
        """The version of the newest board of this id that is known here, -1 for none; None if it is
        neither streamed nor read.
        """
        if board_id in self._channels:
            return self.version(board_id)
        return self._copies.version(board_id)

    def offer(self, board: Board, origin: Origin | None = None) -> None:
        """Take a board that came, whoever made it, unless the one that we have is as new, or this
        one is so far ahead that no history leads there. Without an origin nobody times its way.
        """
        known = self.known(board.board_id)
        # guard: version-no-history-not
        if known is not None and 0 <= known < board.version - LEAP_MAX:
            self._refuse(board, "leap")
            return
        self._take(board, origin)

    # For the relay

    def followed(self) -> Collection[BoardId]:
        """The boards that have a channel."""
        return self._channels.keys()

    async def note(self, versions: Versions) -> None:
        """Hear what boards there are: streams of one that is gone end."""
        for board_id in self._channels.keys() - versions.boards.keys():
            self._channels.pop(board_id).close(BOARD_IS_GONE)

    async def held(self) -> Sequence[Board]:
        """The boards that subscribers may have seen."""
        self._metrics.show_subscribers(
            {board_id: len(channel.subscribers) for board_id, channel in self._channels.items()}
        )
        held = [c.board for c in self._channels.values() if c.board is not None]
        for board in held:
            self._metrics.show_version("hub", board.board_id, board.version)
        return held

    def lacks(self, board_id: BoardId) -> bool:
        """Whether there is a channel that has no board."""
        channel = self._channels.get(board_id)
        return channel is not None and channel.board is None

    def lags(self, board: Board) -> bool:
        """Whether subscribers have seen an older one than this, which may come by itself."""
        return -1 < self.version(board.board_id) < board.version

    async def take(self, board: Board) -> bool:
        """Take the ledger's board if it is newer; however far ahead, it is the truth."""
        is_streamed = board.board_id in self._channels
        return is_streamed and board.version > self.version(board.board_id) and self._take(board)

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
            self._news[channel] = None
        self._changed.set()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._push_changes())
            tasks.create_task(self._beat())
            tasks.create_task(self._tend())

    def close(self, code: str, message: str) -> None:
        """Tell every subscriber that this is the end, and end its stream."""
        self._farewell = Frame.of(closing(code, message))
        for crowd in self._crowds():
            crowd.close(self._farewell)

    def _crowds(self) -> list[Crowd[Any]]:
        return [*self._channels.values(), *self._others]

    def _take(self, board: Board, origin: Origin | None = None) -> bool:
        """Take a newer board, encoded first: one that cannot be sent never becomes the one to send.
        Answers whether it was taken.
        """
        channel = self._channels.get(board.board_id)
        if channel is None:
            self._copies.hear_of(board)  # guard: copies-hear-unstreamed
            return False
        if board.version <= channel.version:  # guard: hub-never-takes
            self._metrics.boards_outdated.inc()
            return False
        try:
            event = score_update(board)
            turn = b"" if channel.board is None else turn_of(channel.board, board)
        except (TypeError, ValueError, OverflowError):  # guard: board-cannot-sent
            self._refuse(board, "unencodable")
            return False
        channel.show(board, event, turn, origin)
        self._copies.hear_of(board)  # guard: board-told-copy
        if channel not in self._news:
            self._news[channel] = None
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
        """Walk the channels that have news, as one crowd."""
        loop = asyncio.get_running_loop()
        timer: asyncio.TimerHandle | None = None
        walked = 0
        while True:
            await self._changed.wait()
            self._changed.clear()
            for channel in list(self._news):
                if channel.rests_until <= loop.time():
                    del self._news[channel]
                    for stride in channel.push():
                        walked += stride
                        if walked >= STRIDE:  # guard: push-gives-turns
                            walked = 0
                            await asyncio.sleep(0)
                    channel.rests_until = loop.time() + self._push_interval_seconds
            if timer is not None:
                timer.cancel()
            if self._news:  # guard: last-burst-never
                soonest = min(channel.rests_until for channel in self._news)
                timer = loop.call_at(soonest, self._changed.set)

    def _drop_idle(self, idle_seconds: float) -> None:
        """Drop the channels that nobody has followed for so long."""
        for board_id, channel in list(self._channels.items()):
            if board_id != MAIN and channel.idle_seconds > idle_seconds:
                del self._channels[board_id]  # guard: channels-idle-dropped

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_seconds)
            self._drop_idle(IDLE_SECONDS)
            for crowd in self._crowds():
                await crowd.beat()

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(_TEND_SECONDS)
            for crowd in self._crowds():
                if crowd.behind:
                    await crowd.tend()
