"""Submit: the plot. A submission is granted, the boards follow, everybody hears of it.

    join a batch ─▶ ledger commits it ─▶ hub here, bus to the others ─▶ Redis ─▶ an answer for each

A batch that was granted something in a season that its board does not show yet starts a turn of
seasons, which nobody waits for.

All after the commit (`following`) happens in the batch's own task, so it is finished even when
every client of the batch has hung up.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import Final

from scoreboard.action_ids import composed
from scoreboard.configuration.settings import Settings
from scoreboard.connections.coalescing import Coalescer
from scoreboard.errors import LedgerUnavailable, ScoreboardError, UnknownAction
from scoreboard.ledger.ledger import Ledger
from scoreboard.ledger.verdicts import Settlement
from scoreboard.model import Grant, Origin, Submission
from scoreboard.operations import logs
from scoreboard.operations.metrics import Metrics
from scoreboard.operations.tracing import Tracing
from scoreboard.scoring.following import Following
from scoreboard.scoring.spans import BatchSpans

# One part of the submissions is in PostgreSQL while another one is answered here.
_PARTS: Final = 2
# A batch of fewer costs PostgreSQL more by itself than by its members, which take a seventh of that
# each (docs/decisions/0072).
_PART_MIN: Final = 16


class Submissions:
    """Takes submissions, many at a time."""

    def __init__(
        self,
        ledger: Ledger,
        following: Following,
        metrics: Metrics,
        settings: Settings,
        tracing: Tracing,
    ) -> None:
        self._tracing = tracing
        self._ledger = ledger
        self._following = following
        self._metrics = metrics
        self._batches: Coalescer[Submission, Grant] = Coalescer(
            self._settle,
            batch_max=settings.batch_max,
            waiting_max=settings.waiting_max,
            waiting_seconds=settings.database_timeout_seconds,
            concurrency=settings.ledger_connections,
            parts=_PARTS,
            part_min=_PART_MIN,
            on_overload=metrics.overloads.labels("submissions").inc,
        )
        metrics.submissions_waiting_max.set(settings.waiting_max)

    @property
    def waiting(self) -> int:
        """How many submissions wait for a batch, right now."""
        return self._batches.waiting

    async def submit(self, submission: Submission) -> Grant:
        """Grant one submission; on return it is committed, and whoever reads is shown it.

        Raises AlreadyGranted (with the original grant), UnknownAction, UnknownUser, Banned,
        NotClaimable, ActionDisabled, ScoreOutOfRange; LedgerUnavailable, Overloaded and
        ShuttingDown, after which a retry is safe.
        """
        try:
            grant = await self._join(submission)
        except ScoreboardError as refusal:
            self._metrics.refusals.labels(refusal.code).inc()
            raise
        self._metrics.grants.inc()
        return grant

    async def close(self) -> None:
        """Refuse new submissions and finish those that were accepted."""
        await self._batches.close()

    async def _join(self, submission: Submission) -> Grant:
        """Join a batch. An id that nobody knows is tried once more in the composed form, in which
        the catalogue keeps it: some keyboards and file systems write `é` as two characters.
        """
        try:
            return await self._batches.join(submission)
        except UnknownAction:
            action_id = composed(submission.action_id)  # guard: action-another-composition
            if action_id == submission.action_id:
                raise
        return await self._batches.join(dataclasses.replace(submission, action_id=action_id))

    async def _settle(self, batch: Sequence[Submission]) -> list[Grant | Exception]:
        """Commit the batch, tell everybody of the boards that changed, and answer each."""
        spans = BatchSpans(self._tracing, batch)
        with logs.about(spans.facts):
            settlement = await self._commit(batch, spans)
            answers = settlement.answers(batch)
            with self._following.failing_no_reply:  # guard: defect-end-commits
                spans.committed(answers)
            origin = Origin("submit", batch[0].began, spans.trace)
            await self._following.follow(settlement, origin, spans.storing)
            with self._following.failing_no_reply:  # guard: nothing-behind-commit
                spans.end(answers)
        return answers

    async def _commit(self, batch: Sequence[Submission], spans: BatchSpans) -> Settlement:
        started = time.perf_counter()
        try:
            settlement = await self._ledger.grant(batch)
        except LedgerUnavailable as error:
            return Settlement({submission.key: error for submission in batch})
        except Exception as defect:
            spans.fail(defect)
            raise
        with self._following.failing_no_reply:
            self._metrics.batch_seconds.observe(time.perf_counter() - started)
            self._metrics.batch_size.observe(len(batch))
        return settlement
