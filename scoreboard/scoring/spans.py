"""The spans of a batch, as traces show them.

scoreboard.batch          below the first of its submissions that is traced, with links to the
  scoreboard.commit       others: it belongs to all of them, but a span has one parent
  scoreboard.store        for all boards that changed
scoreboard.submission     in each submission's own trace, with a link to the batch
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from scoreboard.errors import AlreadyGranted, LedgerUnavailable, ScoreboardError
from scoreboard.model import MAIN, Board, BoardId, Grant, Submission
from scoreboard.operations.tracing import Span, Tracing, is_sampled, trace_id

_POSTGRESQL: Final = {"db.system.name": "postgresql"}
_REDIS: Final = {"db.system.name": "redis"}


class BatchSpans:
    """The spans of one batch, which is about to be committed."""

    def __init__(self, tracing: Tracing, batch: Sequence[Submission]) -> None:
        self._tracing = tracing
        self._submissions = batch
        traces = [s.trace for s in batch if is_sampled(s.trace)] if tracing.on else []
        parent, others = (traces[0], traces[1:]) if traces else (batch[0].trace, traces)
        size = {"scoreboard.submissions": len(batch)}
        self._batch = tracing.span("scoreboard.batch", parent, links=others, attributes=size)
        self.trace = self._batch.trace
        self._commit = self._client("scoreboard.commit", _POSTGRESQL)

    def facts(self) -> dict[str, str]:
        """What lines of the log say of the batch."""
        return {} if self.trace is None else {"trace_id": trace_id(self.trace)}

    def committed(self, answers: Sequence[Grant | Exception]) -> None:
        """End the span of the commit."""
        if any(isinstance(answer, LedgerUnavailable) for answer in answers):
            self._commit.fail("LedgerUnavailable")
        self._commit.end()

    def fail(self, error: Exception) -> None:
        """End the spans of a batch that a defect of ours ended."""
        for span in (self._commit, self._batch):
            span.fail(type(error).__name__)  # not its text: that may quote what nobody should read
            span.end()

    def storing(self, boards: Mapping[BoardId, Board]) -> Span:
        """Begin the span in which boards are told of and stored."""
        one = boards.get(MAIN) or next(iter(boards.values()))
        names = ",".join(boards)
        self._batch.note({"scoreboard.boards": names, "scoreboard.version": one.version})
        return self._client("scoreboard.store", _REDIS)

    def end(self, answers: Sequence[Grant | Exception]) -> None:
        """End the batch's span, and write one for each submission."""
        self._batch.end()
        if not self._tracing.on or self.trace is None:
            return
        for submission, answer in zip(self._submissions, answers, strict=True):
            outcome = answer.code if isinstance(answer, ScoreboardError) else "granted"
            attributes = {"scoreboard.outcome": outcome}
            if isinstance(answer, Grant | AlreadyGranted):  # else it may be any text
                attributes["scoreboard.action_id"] = submission.action_id
            self._tracing.span(
                "scoreboard.submission",
                submission.trace,
                links=[self.trace],
                attributes=attributes,
                began=submission.began,
            ).end()

    def _client(self, name: str, attributes: dict[str, str]) -> Span:
        return self._tracing.span(name, self.trace, kind="client", attributes=attributes)
