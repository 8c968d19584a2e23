"""One board on this instance: its newest version that came, and its subscribers.

A board is encoded once, and before it is taken: one that cannot be sent never becomes the one to
send.
"""

from __future__ import annotations

from typing import Final

import structlog

from scoreboard.live.arrivals import Arrivals
from scoreboard.live.audience import Audience
from scoreboard.live.frames import RENUMBERED, Frame, Update, closing
from scoreboard.live.subscriber import Subscriber
from scoreboard.model import LEAP_MAX, Board, Origin
from scoreboard.operations.counted import BoardRefusal
from scoreboard.operations.logs import Seldom
from scoreboard.operations.metrics import Metrics
from scoreboard.operations.tracing import Tracing

log = structlog.get_logger("scoreboard.hub")

_BEGINS_ANEW: Final = Frame.of(
    closing(
        RENUMBERED,
        "The board is numbered anew. Forget the highest id that you have seen, and reconnect.",
    )
)


class Refusals:
    """Counts and logs the boards that are not taken."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._seldom = Seldom()

    def note(self, board: Board, reason: BoardRefusal) -> None:
        """Count one; log it if none was logged for this reason of late."""
        self._metrics.boards_refused.labels(reason).inc()
        if self._seldom.due(reason):
            log.error(
                "scoreboard.hub.refused",
                reason=reason,
                board=board.board_id,
                version=board.version,
            )


class Channel:
    """One board and its audience. `board` is the newest that came, `has_news` says that it was not
    pushed yet.
    """

    def __init__(
        self,
        metrics: Metrics,
        tracing: Tracing,
        refusals: Refusals,
        *,
        stuck_after_seconds: float,
    ) -> None:
        self.board: Board | None = None
        self.audience = Audience(metrics, stuck_after_seconds=stuck_after_seconds)
        self.has_news = False
        self._farewell: Frame | None = None
        self._arrivals = Arrivals(metrics, tracing)
        self._refusals = refusals
        self._metrics = metrics

    @property
    def version(self) -> int:
        """The version of the newest board, -1 before the first."""
        return self.board.version if self.board else -1

    @property
    def newest(self) -> bytes:
        """The newest board as an event, b"" before the first."""
        return b"" if self.audience.update is None else self.audience.update.frame.plain

    def offer(self, board: Board, origin: Origin | None) -> bool:
        """Take a board, whoever made it, unless the one that we have is as new, or this one is so
        far ahead that no history leads there. Without an origin nobody times its way. Answers
        whether it was taken.
        """
        # guard: version-no-history-not
        if self.board is not None and board.version - self.board.version > LEAP_MAX:
            self._refusals.note(board, "leap")
            return False
        return self.take(board, origin)

    def take(self, board: Board, origin: Origin | None = None) -> bool:
        """Take a board that is newer, however far ahead. Answers whether it was taken."""
        if board.version <= self.version:  # guard: hub-never-takes
            self._metrics.boards_outdated.inc()
            return False
        try:
            update = Update.of(board)
        except (TypeError, ValueError, OverflowError):  # guard: board-cannot-sent
            self._refusals.note(board, "unencodable")
            return False
        if origin is not None:
            self._arrivals.note(board, origin)
        if self.has_news:
            self._metrics.boards_conflated.inc()
        self.board, self.audience.update, self.has_news = board, update, True
        self._metrics.show_version("hub", board.board_id, board.version)
        return True

    def begin_anew(self, board: Board) -> bool:
        """Take the ledger's board though it is older. Subscribers are told to forget the one that
        we had: their streams end, and the next ones begin with this. Answers whether it was taken.
        """
        if self.version <= board.version:
            return False
        self.board, self.audience.update, self.has_news = None, None, False
        is_taken = self.take(board)
        self.audience.dismiss(_BEGINS_ANEW)
        return is_taken

    def join(self, subscriber: Subscriber) -> None:
        """Add a subscriber; it gets the newest board now, unless it has that."""
        self.audience.join(subscriber)
        # It may have been on its way in when the others were told.
        if self._farewell is not None:  # guard: streams-join-after
            subscriber.dismiss(self._farewell)
        elif subscriber.version - self.version > LEAP_MAX:  # guard: stream-way-when
            subscriber.dismiss(_BEGINS_ANEW)

    def leave(self, subscriber: Subscriber, *, vanished: bool = False) -> None:
        """Forget a subscriber; one that `vanished` acknowledged nothing until the kernel gave it
        up.
        """
        if vanished:
            self._metrics.subscribers_vanished.inc()
        self.audience.leave(subscriber)

    async def push(self) -> None:
        """Write the newest board to every subscriber that has an older one."""
        self.has_news = False
        self._metrics.pushes.inc()
        with self._arrivals.pushed(self.audience):
            await self.audience.push()

    def close(self, farewell: Frame) -> None:
        """End every stream with these words, also those that are on their way in."""
        self._farewell = farewell
        self.audience.dismiss(farewell)
