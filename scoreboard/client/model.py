"""What game servers send, and what they are answered. A `user_id` that is sent is a UUID, or the
game's own id of somebody (1 to 100 characters); what is answered is always the UUID.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

Act = Literal[
    "hide",
    "show",
    "ban",
    "unban",
    "rename",
    "correct",
    "revoke_grant",
    "revoke_result",
    "erase",
]
# Refused for now: the service could not do it, and the client had no patience left.
UNAVAILABLE: Final = "unavailable"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something was refused."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Grant:
    """Somebody completed an action."""

    user_id: str
    action_id: str

    def as_json(self) -> dict[str, Any]:
        """The members of the request."""
        return {"userId": self.user_id, "actionId": self.action_id}


@dataclass(frozen=True, slots=True)
class Result:
    """A value that somebody reached on a board. `receipt` is the id that makes it count once, for
    ever: 1 to 100 of A-Z a-z 0-9 . _ : -. `played_at`, with its zone, decides the season; None
    stands for now.
    """

    receipt: str
    user_id: str
    board_id: str
    value: int
    played_at: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """The members of the request. Raises ValueError for a time without a zone."""
        said: dict[str, Any] = {
            "receipt": self.receipt,
            "userId": self.user_id,
            "boardId": self.board_id,
            "value": self.value,
        }
        if self.played_at is not None:
            if self.played_at.utcoffset() is None:
                raise ValueError(f"played_at of {self.receipt} has no zone: {self.played_at}")
            said["playedAt"] = self.played_at.isoformat()
        return said


@dataclass(frozen=True, slots=True)
class Kept:
    """A result as it was recorded. `season` is its number; whoever was erased has no `user_id`."""

    receipt: str
    user_id: str | None
    board_id: str
    season: int
    value: int
    played_at: datetime
    recorded_at: datetime
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class GrantVerdict:
    """What became of a grant. `repeated`: it was granted before, and then the rest says how.
    `score` is that on `main`, of a fresh grant.
    """

    verdict: Literal["granted", "repeated", "refused", "unavailable"]
    grant: Grant
    user_id: str | None = None
    points: int | None = None
    granted_at: datetime | None = None
    score: int | None = None
    error: Problem | None = None

    @property
    def counts(self) -> bool:
        """Whether it counts, now or from before."""
        return self.verdict in ("granted", "repeated")


@dataclass(frozen=True, slots=True)
class ResultVerdict:
    """What became of a result. `repeated`: it was recorded before, and `kept` says how; so it does
    where the receipt was used for another result, which is refused.
    """

    verdict: Literal["recorded", "repeated", "refused", "unavailable"]
    result: Result
    kept: Kept | None = None
    error: Problem | None = None

    @property
    def counts(self) -> bool:
        """Whether it counts, now or from before."""
        return self.verdict in ("recorded", "repeated")


@dataclass(frozen=True, slots=True)
class User:
    """A player of the game's own."""

    user_id: str
    username: str
    is_new: bool


@dataclass(frozen=True, slots=True)
class Moderated:
    """What an operator did; `is_repeated` if the same request had done it before."""

    audit_id: int
    act: Act
    user_id: str | None
    at: datetime
    is_repeated: bool


def grant_verdict(grant: Grant, said: Mapping[str, Any]) -> GrantVerdict:
    """Read the verdict on a grant."""
    return GrantVerdict(
        said["verdict"],
        grant,
        said.get("userId"),
        said.get("points"),
        _moment(said.get("grantedAt")),
        said.get("score"),
        _problem(said.get("error")),
    )


def result_verdict(result: Result, said: Mapping[str, Any]) -> ResultVerdict:
    """Read the verdict on a result."""
    counts = said["verdict"] in ("recorded", "repeated")
    found = said if counts else said.get("original")
    kept = None if found is None else kept_result(found)
    return ResultVerdict(said["verdict"], result, kept, _problem(said.get("error")))


def kept_result(said: Mapping[str, Any]) -> Kept:
    """Read a result as it was recorded."""
    return Kept(
        said["receipt"],
        said["userId"],
        said["boardId"],
        said["season"],
        said["value"],
        datetime.fromisoformat(said["playedAt"]),
        datetime.fromisoformat(said["recordedAt"]),
        _moment(said.get("revokedAt")),
    )


def user(said: Mapping[str, Any]) -> User:
    """Read a player."""
    return User(said["userId"], said["username"], said["isNew"])


def moderated(said: Mapping[str, Any]) -> Moderated:
    """Read what an operator did."""
    at = datetime.fromisoformat(said["at"])
    return Moderated(said["auditId"], said["act"], said.get("userId"), at, said["isRepeated"])


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _problem(said: Mapping[str, Any] | None) -> Problem | None:
    return None if said is None else Problem(said["code"], said["message"])
