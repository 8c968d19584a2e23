"""What is told, and as which bytes. What is not told yet adds up: nothing is queued."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from scoreboard.live.frames import event
from scoreboard.model import BoardId
from scoreboard.scoring.place import Found, rank_above
from scoreboard.timestamps import timestamp

# Of those who have overtaken somebody, the best placed are named; of grants, the newest.
NAMED_MAX: Final = 3
GRANTS_MAX: Final = 10


@dataclass(frozen=True, slots=True)
class Overtaker:
    """Somebody who has overtaken, and the key of the entry that did it."""

    key: bytes
    user_id: str
    username: str


@dataclass(slots=True)
class Overtaken:
    """How many have overtaken a user, `by` whom above all, and the rank of the user since."""

    count: int
    by: list[Overtaker]
    rank: int | None

    def add(self, later: Overtaken) -> None:
        """Conflate with what came later."""
        self.count += later.count
        self.by = heapq.nsmallest(NAMED_MAX, self.by + later.by, key=lambda each: each.key)
        self.rank = later.rank

    def event(self, board_id: BoardId, season: dict[str, Any] | None) -> bytes:
        """Encode it."""
        by = [{"userId": each.user_id, "username": each.username} for each in self.by]
        document = {"boardId": board_id, "season": season, "by": by}
        return event("me:overtaken", {**document, "count": self.count, "rank": self.rank})


@dataclass(frozen=True, slots=True)
class Grant:
    """What a user was granted."""

    action_id: str
    points: int
    granted_at: datetime

    def as_json(self) -> dict[str, Any]:
        """The grant as clients see it."""
        at = timestamp(self.granted_at)
        return {"actionId": self.action_id, "points": self.points, "grantedAt": at}


@dataclass(slots=True)
class Granted:
    """What a user was granted since it was told last, and the score on `main` now."""

    grants: list[Grant] = field(default_factory=list)  # the newest, in their order
    count: int = 0
    points: int = 0
    score: int = 0

    def add(self, grants: Sequence[Grant], score: int) -> None:
        """Conflate with what came later."""
        self.grants = [*self.grants, *grants][-GRANTS_MAX:]
        self.count += len(grants)
        self.points += sum(grant.points for grant in grants)
        self.score = score

    def event(self) -> bytes:
        """Encode it."""
        grants = [grant.as_json() for grant in self.grants]
        told = {"count": self.count, "points": self.points, "score": self.score}
        return event("me:granted", {"grants": grants, **told})


_OF_PLACES: Final = (
    *("score", "rank", "competitionRank", "denseRank", "total", "percentile", "rankAbove"),
    "next",
)


def place_event(
    found: Found, season: dict[str, Any] | None, user_id: str, hidden_score: int | None = None
) -> bytes:
    """Encode where a user stands on a board. Of one who is hidden only the score is told, and
    nothing of one without an entry.
    """
    place = found.places.get(user_id)
    document: dict[str, Any] = {
        "boardId": found.board_id,
        "season": season,
        **dict.fromkeys(_OF_PLACES),
    }
    if place is None:
        return event("me:place", document | {"score": hidden_score})
    return event(
        "me:place",
        document
        | {
            "score": place.score,
            "rank": place.rank,
            "competitionRank": place.competition_rank,
            "denseRank": place.dense_rank,
            "total": found.total,
            "percentile": found.percentile(place),
            "rankAbove": rank_above([place]),
            "next": place.next and place.next.as_json(),
        },
    )
