"""Results: those of several requests are recorded together, then the boards follow.

They have batches of their own, because no transaction has both grants and results in it. All after
the commit happens in the batch's own task, as for submissions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from scoreboard.configuration.settings import Settings
from scoreboard.connections.coalescing import Coalescer
from scoreboard.errors import LedgerUnavailable, ScoreboardError
from scoreboard.ledger.receipts import Recorded, Result
from scoreboard.ledger.results import Results, Verdict
from scoreboard.ledger.verdicts import Settlement
from scoreboard.model import Board, BoardId, Origin
from scoreboard.operations.metrics import Metrics
from scoreboard.operations.tracing import Span, Tracing
from scoreboard.scoring.following import Following


class ResultBatches:
    """Takes results, many at a time."""

    def __init__(
        self,
        results: Results,
        following: Following,
        metrics: Metrics,
        settings: Settings,
        tracing: Tracing,
    ) -> None:
        self._results = results
        self._following = following
        self._metrics = metrics
        self._tracing = tracing
        self._batches: Coalescer[Result, Verdict] = Coalescer(
            self._settle,
            batch_max=settings.batch_max,
            waiting_max=settings.waiting_max,
            waiting_seconds=settings.database_timeout_seconds,
            # Whoever sends a day's log leaves half of the connections to players.
            concurrency=max(1, settings.ledger_connections // 2),
            on_overload=metrics.overloads.labels("results").inc,
        )

    async def record(self, results: Sequence[Result]) -> list[Verdict]:
        """Record results, and answer a verdict for each, in order; on return what was recorded is
        committed, and whoever reads is shown it. After LedgerUnavailable, Overloaded and
        ShuttingDown among them sending again is safe.
        """
        joined = (self._batches.join(result) for result in results)
        verdicts: list[Verdict] = []
        for verdict in await asyncio.gather(*joined, return_exceptions=True):
            if not isinstance(verdict, Recorded | ScoreboardError):
                raise verdict  # a defect of ours
            self._metrics.results.labels(_word(verdict)).inc()
            verdicts.append(verdict)
        return verdicts

    async def find(self, source: str, receipt: str) -> Recorded:
        """Read what was recorded. Raises UnknownReceipt, LedgerUnavailable."""
        return await self._results.find(source, receipt)

    async def close(self) -> None:
        """Refuse new results and finish those that were accepted."""
        await self._batches.close()

    async def _settle(self, batch: Sequence[Result]) -> Sequence[Verdict]:
        size = {"scoreboard.results": len(batch)}
        with self._tracing.span("scoreboard.batch", batch[0].trace, attributes=size) as span:
            try:
                verdicts, committed = await self._results.record(batch)
            except LedgerUnavailable as error:
                verdicts, committed = [error] * len(batch), Settlement({})
            origin = Origin("submit", batch[0].began, span.trace)
            await self._following.follow(committed, origin, partial(self._storing, span.trace))
        return verdicts

    def _storing(self, trace: str | None, _: dict[BoardId, Board]) -> Span:
        attributes = {"db.system.name": "redis"}
        return self._tracing.span("scoreboard.store", trace, kind="client", attributes=attributes)


def _word(verdict: Verdict) -> str:
    if isinstance(verdict, ScoreboardError):
        return verdict.code
    return "repeated" if verdict.is_repeated else "recorded"
