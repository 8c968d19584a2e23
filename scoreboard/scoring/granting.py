"""Many grants at once, each with a verdict of its own: what a server sends together need not be
granted together, and one that is refused keeps none of the others up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from scoreboard.errors import NO_PLAYER, AlreadyGranted, ScoreboardError, Unavailable, UnknownUser
from scoreboard.model import Grant, Submission
from scoreboard.scoring.submit import Submissions
from scoreboard.timestamps import timestamp

Word = Literal["granted", "repeated", "refused", "unavailable"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one grant. `score` is that of a new one; `error` says why there is none."""

    word: Word
    user_id: str
    action_id: str
    points: int | None = None
    granted_at: datetime | None = None
    score: int | None = None
    error: ScoreboardError | None = None

    def as_json(self) -> dict[str, Any]:
        """The verdict, as servers see it."""
        said: dict[str, Any] = {
            "verdict": self.word,
            "userId": self.user_id,
            "actionId": self.action_id,
        }
        if self.error is not None:
            return said | {"error": {"code": self.error.code, "message": self.error.message}}
        if self.granted_at is not None:
            said |= {"points": self.points, "grantedAt": timestamp(self.granted_at)}
        return said if self.score is None else said | {"score": self.score}


async def grant_all(submissions: Submissions, asked: Sequence[Submission]) -> list[Verdict]:
    """Grant all of these that can be granted, and say of each in their order what became of it.
    They join the batches of everybody; what finds no room there is `unavailable`.

    Raises Unavailable where nothing of it could be tried.
    """
    answers = await asyncio.gather(*map(submissions.submit, asked), return_exceptions=True)
    verdicts = [_verdict(*each) for each in zip(asked, answers, strict=True)]
    errors = [each.error for each in verdicts if each.word == "unavailable"]
    if errors and len(errors) == len(verdicts) and errors[0] is not None:
        raise errors[0]
    return verdicts


def _verdict(asked: Submission, answer: Grant | BaseException) -> Verdict:
    named = (asked.user_id, asked.action_id)
    match answer:
        case Grant(action_id, points, granted_at, score):
            return Verdict("granted", asked.user_id, action_id, points, granted_at, score)
        case AlreadyGranted() as before:
            which = (asked.user_id, before.action_id)
            return Verdict("repeated", *which, before.points, before.granted_at)
        case Unavailable() as error:
            return Verdict("unavailable", *named, error=error)
        case UnknownUser():
            return Verdict("refused", *named, error=UnknownUser(NO_PLAYER))
        case ScoreboardError() as error:
            return Verdict("refused", *named, error=error)
    raise answer  # a defect of ours, or the end of this task
