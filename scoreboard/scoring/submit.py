"""Submit: the plot. A submission is granted, the board follows, everybody hears of it.

    join a batch ─▶ ledger commits it ─▶ hub here, bus to the others ─▶ Redis ─▶ a verdict for each

All after the commit happens in the batch's own task, so it is finished even when every client of
the batch has hung up; and nothing of it can fail the reply: each part counts what it drops, and the
relay catches up by the version.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol

import structlog

from scoreboard.bus.bus import Bus
from scoreboard.configuration.settings import Settings
from scoreboard.connections.coalescing import Coalescer
from scoreboard.errors import AlreadyGranted, LedgerUnavailable, ScoreboardError, UnknownAction
from scoreboard.ledger.verdicts import Key, Settlement, Verdict
from scoreboard.model import Board, Grant, Origin, Submission
from scoreboard.operations import logs
from scoreboard.operations.metrics import Metrics
from scoreboard.operations.tracing import OFF, Span, Tracing, is_sampled, trace_id
from scoreboard.scoring.action_ids import composed

log = structlog.get_logger("scoreboard.submit")

_POSTGRESQL: Final = {"db.system.name": "postgresql"}
_REDIS: Final = {"db.system.name": "redis"}


class GrantsBatches(Protocol):
    """The ledger, as far as it is needed here."""

    async def grant(self, submissions: Sequence[Submission]) -> Settlement:
        """Commit a batch. Raises LedgerUnavailable."""


class KeepsCopy(Protocol):
    """The board's copy, as far as it is needed here."""

    async def store(self, board: Board) -> bool:
        """Store unless it holds a newer one; answer whether Redis took it."""

    async def reach(self, version: int) -> None:
        """Store the board if it is not known to hold one as new as this."""


class Submissions:
    """Takes submissions, many at a time."""

    def __init__(
        self,
        ledger: GrantsBatches,
        board: KeepsCopy,
        offer: Callable[[Board, Origin], None],
        bus: Bus,
        metrics: Metrics,
        settings: Settings,
        tracing: Tracing = OFF,
    ) -> None:
        self._tracing = tracing
        self._ledger = ledger
        self._board = board
        self._offer = offer
        self._bus = bus
        self._metrics = metrics
        self._batches: Coalescer[Submission, Grant] = Coalescer(
            self._settle,
            batch_max=settings.batch_max,
            waiting_max=settings.waiting_max,
            waiting_seconds=settings.database_timeout_seconds,
            concurrency=settings.ledger_connections,
            on_overload=metrics.overloads.labels("submissions").inc,
        )
        metrics.submissions_waiting_max.set(settings.waiting_max)

    async def submit(self, submission: Submission) -> Grant:
        """Grant one submission; on return it is committed and the board's copy is as new.

        Raises AlreadyGranted (with the original grant), UnknownAction, UnknownUser,
        ScoreOutOfRange; LedgerUnavailable, Overloaded and ShuttingDown, after which a retry is
        safe.
        """
        self._metrics.submissions_waiting.set(self._batches.waiting + 1)
        try:
            grant = await self._join(submission)
        except ScoreboardError as refusal:
            self._metrics.refusals.labels(refusal.code).inc()
            raise
        self._metrics.grants.inc()
        return grant

    async def _join(self, submission: Submission) -> Grant:
        """Join a batch. An id that nobody knows is tried once more in the composed form, in which
        the catalogue keeps it: some keyboards and file systems write `é` as two characters.
        """
        try:
            return await self._batches.join(submission)
        except UnknownAction:
            action_id = composed(submission.action_id)
            if action_id == submission.action_id:
                raise
        return await self._batches.join(dataclasses.replace(submission, action_id=action_id))

    async def close(self) -> None:
        """Refuse new submissions and finish those that were accepted."""
        await self._batches.close()

    async def _settle(self, batch: Sequence[Submission]) -> list[Grant | Exception]:
        self._metrics.submissions_waiting.set(self._batches.waiting)
        results: list[Grant | Exception] = []
        board: Board | None = None
        span = self._span(batch)
        with logs.about(partial(_facts, span.trace)):
            try:
                with span:
                    settlement = await self._commit(batch, span.trace)
                    board = settlement.board
                    results = _one_verdict_each(batch, settlement.verdicts)
                    await self._announce(board, batch, span)
                    await self._board.reach(settlement.seen)
                    self._trace_each(batch, results, span.trace)
            except Exception:
                if not results:
                    raise
                self._note_defect(board)
        return results

    async def _commit(self, batch: Sequence[Submission], trace: str | None) -> Settlement:
        settlement: Settlement | None = None
        started = time.perf_counter()
        try:
            with self._tracing.span(
                "scoreboard.commit", trace, kind="client", attributes=_POSTGRESQL
            ) as span:
                try:
                    settlement = await self._ledger.grant(batch)
                except LedgerUnavailable as error:
                    span.fail("LedgerUnavailable")
                    return Settlement({submission.key: error for submission in batch})
                if any(isinstance(v, LedgerUnavailable) for v in settlement.verdicts.values()):
                    span.fail("LedgerUnavailable")
            self._metrics.batch_seconds.observe(time.perf_counter() - started)
            self._metrics.batch_size.observe(len(batch))
        except Exception:
            if settlement is None:
                raise
            self._note_defect(settlement.board)
        return settlement

    def _note_defect(self, board: Board | None) -> None:
        """The batch is committed: not even a defect of ours may turn its replies into errors."""
        self._metrics.announcements_failed.inc()
        log.exception("scoreboard.submit.announcement_failed", version=board and board.version)

    async def _announce(
        self, board: Board | None, batch: Sequence[Submission], batch_span: Span
    ) -> None:
        """Tell everybody. Only the copy is waited for: the next read must find it."""
        if board is None:
            return
        origin = Origin("submit", batch[0].began, batch_span.trace)
        self._offer(board, origin)
        self._bus.publish(board, origin)
        with self._tracing.span(
            "scoreboard.store", origin.trace, kind="client", attributes=_REDIS
        ) as span:
            if not await self._board.store(board):
                span.fail("RedisUnavailable")
        batch_span.note({"scoreboard.version": board.version})

    def _span(self, batch: Sequence[Submission]) -> Span:
        """The batch's span: below the first of its submissions that is traced, with links to the
        others. It belongs to all of them, but a span has one parent.
        """
        traces = [s.trace for s in batch if is_sampled(s.trace)] if self._tracing.on else []
        parent, others = (traces[0], traces[1:]) if traces else (batch[0].trace, traces)
        size = {"scoreboard.submissions": len(batch)}
        return self._tracing.span("scoreboard.batch", parent, links=others, attributes=size)

    def _trace_each(
        self, batch: Sequence[Submission], results: Sequence[Grant | Exception], trace: str | None
    ) -> None:
        """Say in each submission's own trace how long it took, and in which batch."""
        if not self._tracing.on or trace is None:
            return
        for submission, result in zip(batch, results, strict=True):
            outcome = result.code if isinstance(result, ScoreboardError) else "granted"
            attributes = {"scoreboard.outcome": outcome}
            if isinstance(result, Grant | AlreadyGranted):  # else it may be any text
                attributes["scoreboard.action_id"] = submission.action_id
            self._tracing.span(
                "scoreboard.submission",
                submission.trace,
                links=[trace],
                attributes=attributes,
                began=submission.began,
            ).end()


def _facts(trace: str | None) -> dict[str, str]:
    return {} if trace is None else {"trace_id": trace_id(trace)}


def _one_verdict_each(
    batch: Sequence[Submission], verdicts: dict[Key, Verdict]
) -> list[Grant | Exception]:
    """Give each submission its verdict; the grant goes to the first of those that are the same."""
    answered: dict[Key, Grant] = {}
    results: list[Grant | Exception] = []
    for submission in batch:
        # One that is missing is a defect of ours, and its outcome unknown.
        verdict = verdicts.get(submission.key) or LedgerUnavailable()
        if (first := answered.get(submission.key)) is not None:
            verdict = AlreadyGranted(first.action_id, first.points, first.granted_at)
        elif isinstance(verdict, Grant):
            answered[submission.key] = verdict
        results.append(verdict)
    return results
