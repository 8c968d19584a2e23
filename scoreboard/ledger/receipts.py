"""What a server sends as a result, and what is recorded of it under its receipt."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from scoreboard.model import BoardId
from scoreboard.timestamps import exact_timestamp

RECEIPT: Final = re.compile(r"[A-Za-z0-9._:-]{1,100}", re.ASCII)
# What `results.value` keeps.
VALUE_MIN: Final = -(2**63)
VALUE_MAX: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Result:
    """A server of `source` says that a user (a UUID as text) reached `value` on a board. Without
    `played_at`, now. `trace` and `began` are as those of a Submission.
    """

    source: str
    receipt: str
    user_id: str
    board_id: str
    value: int
    played_at: datetime | None = None
    trace: str | None = None
    began: float = field(default_factory=time.monotonic, compare=False)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is recorded under a receipt. `user_id` is None if the user was erased since. What is
    recorded at once (not `is_repeated`) is not revoked.
    """

    receipt: str
    user_id: str | None
    board_id: BoardId
    season: int
    value: int
    played_at: datetime
    recorded_at: datetime
    revoked_at: datetime | None = None
    is_repeated: bool = False

    def is_of(self, result: Result) -> bool:
        """Whether this was recorded for the same content. A moment that was a little ahead of our
        clock was taken as that of the recording.
        """
        if self.user_id not in (None, result.user_id):
            return False
        if (self.board_id, self.value) != (result.board_id, result.value):
            return False
        played_at = result.played_at
        if played_at is None or played_at == self.played_at:
            return True
        return self.played_at == self.recorded_at < played_at

    def as_json(self) -> dict[str, Any]:
        """The result as its server sees it. Times are exact, so they can be sent again."""
        return {
            "receipt": self.receipt,
            "userId": self.user_id,
            "boardId": self.board_id,
            "season": self.season,
            "value": self.value,
            "playedAt": exact_timestamp(self.played_at),
            "recordedAt": exact_timestamp(self.recorded_at),
        }
