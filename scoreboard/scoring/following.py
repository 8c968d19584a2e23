"""What follows a commit of grants or results: everybody hears of the boards that changed.

    hub here, bus to the others ─▶ Redis ─▶ nobody reads less than was seen ─▶ a turn, if due

Nothing of it can fail the reply: each part counts what it drops, and the relay catches up by the
version.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import structlog

from scoreboard.copies.boards import Boards
from scoreboard.ledger.verdicts import Settlement
from scoreboard.live.announcer import Announcer
from scoreboard.model import Board, BoardId, Origin
from scoreboard.operations.metrics import Metrics
from scoreboard.operations.tracing import Span

log = structlog.get_logger("scoreboard.submit")


class AfterCommit:
    """What is done within follows a commit: not even a defect of ours in it may turn the replies of
    the batch into errors.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def __enter__(self) -> None:
        """Nothing is to be done before."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        """Count and log an error, and let nothing but a cancellation pass."""
        if not isinstance(error, Exception):
            return False
        self._metrics.announcements_failed.inc()
        log.exception("scoreboard.submit.announcement_failed", exc_info=error)
        return True


class Following:
    """Lets everybody follow what was committed. `on_due` is told of seasons that are due."""

    def __init__(
        self,
        boards: Boards,
        announcer: Announcer,
        metrics: Metrics,
        *,
        on_due: Callable[[], None],
    ) -> None:
        self._boards = boards
        self._announcer = announcer
        self.failing_no_reply = AfterCommit(metrics)
        self._on_due = on_due

    async def follow(
        self,
        committed: Settlement,
        origin: Origin,
        storing: Callable[[Mapping[BoardId, Board]], Span],
    ) -> None:
        """Tell of the boards, in the span that `storing` begins; on return nobody reads an older
        board than the batch has seen.
        """
        with self.failing_no_reply:
            if boards := committed.boards:
                with storing(boards) as span:
                    if not await self._announcer.announce(boards.values(), origin):
                        span.fail("RedisUnavailable")
            # A batch in parts may raise a board, and then see a newer one of another's.
            await self._boards.reach(committed.seen_of_others)  # guard: reply-waits-board
            if committed.is_due:
                self._on_due()  # guard: batch-starts-turn
