"""What it means when a call to Redis fails: is Redis away, has a connection ended, does Redis
refuse, or is the mistake ours?

A refusal is Redis's own answer: a right, room, its disk or the primary is missing. It is not away,
and it does not heal by itself, so somebody has to be told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import structlog
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import InvalidResponse, NoScriptError, RedisError
from redis.exceptions import TimeoutError as NoTime

from scoreboard.connections.hints import REDIS
from scoreboard.connections.redis_pool import NotConnected
from scoreboard.connections.reports import Reports

log = structlog.get_logger("scoreboard.redis")

# away     nobody answers, not even a new connection; or whoever answers, answers nobody
# ended    a connection is of no use; a new one may be
# refused  Redis will not, whoever asks again
# type     a key is not ours
# defect   Redis did not say this, or we asked what it does not know
Failing = Literal["away", "ended", "refused", "type", "defect"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """What Redis refuses with these `words`; what `passes` is nothing for an operator."""

    words: tuple[str, ...]
    meaning: str
    to_do: str
    failing: Failing = "refused"
    passes: bool = False


SINGLE: Final = "Redis Cluster is not supported: name a single server."
# As versions word it, with and without the code: redis-py takes it away from some. A connection to
# a replica, or one that is no longer let in, is of no use: a new one may lead to the primary.
_REFUSALS: Final = (
    Refusal(
        ("NOPERM", "no permissions", "can't run this command", "can't access"),
        "a right is missing",
        "Give its user these commands and keys (docs/operations.md, Rights).",
    ),
    Refusal(
        ("WRONGTYPE",),  # within a script's error too
        "a key is not ours",
        "Somebody else uses this database: give each deployment one of its own.",
        "type",
    ),
    Refusal(("READONLY", "read only replica"), "it is a replica", "Name the primary.", "ended"),
    Refusal(
        ("OOM", "used memory > 'maxmemory'"),
        "its memory is full",
        "Choose the policy volatile-ttl, or raise maxmemory.",
    ),
    Refusal(
        ("max number of clients",),
        "it has no connection left",
        "Raise maxclients, or end what holds its connections.",
        "ended",
    ),
    Refusal(
        ("nknown command", "nknown Redis command"),
        "it lacks a command",
        "Give that command its name back, or upgrade it.",
    ),
    Refusal(("MISCONF",), "it cannot save to its disk", "Mend that, or switch saving off."),
    Refusal(
        ("NOREPLICAS",),
        "too few replicas follow it",
        "Start replicas, or lower min-replicas-to-write.",
    ),
    Refusal(
        ("MASTER is down",), "it is a replica that lost its primary", "Name the primary.", "ended"
    ),
    Refusal(
        ("LOADING", "loading the dataset"),
        "it is reading its data",
        "Wait until it has.",
        "away",
        passes=True,
    ),
    Refusal(("BUSY",), "a script does not end", "Stop it: SCRIPT KILL.", "away"),
    Refusal(
        ("in a cluster node", "cluster is down", "CROSSSLOT", "same slot"),
        "it is a node of Redis Cluster",
        SINGLE,
    ),
    Refusal(
        ("WRONGPASS", "invalid username-password", "invalid password"),
        "it does not let this user in",
        "Mend the user or the password in SCOREBOARD_REDIS_URL.",
        "ended",
    ),
    Refusal(
        ("NOAUTH", "Authentication required", "already authenticated"),
        "it asks for a password",
        "Put user and password into SCOREBOARD_REDIS_URL.",
        "ended",
    ),
)


def refusal_in(text: str) -> Refusal | None:
    """What Redis refuses in this text, if we know it."""
    found = (one for one in _REFUSALS if any(word in text for word in one.words))
    return next(found, None)


def failing_of(error: Exception) -> Failing:
    """What it means that a call failed with this."""
    if isinstance(error, NotConnected | TimeoutError | NoTime):
        return "away"
    if isinstance(error, RedisError) and (refusal := refusal_in(str(error))) is not None:
        return refusal.failing
    # A script is sent when Redis lacks it: who lacks it then was restarted in between.
    if isinstance(error, NoConnection | InvalidResponse | NoScriptError | OSError):
        return "ended"
    return "defect"


class RedisReports(Reports):
    """Logs what Redis refuses, and what is a defect of ours."""

    def note(self, error: Exception) -> bool:
        """Say whether this is a refusal that somebody has to mend, and log it."""
        text = str(error)[:300]
        refusal = refusal_in(text)
        if refusal is None or refusal.passes:
            return False
        self.remember(refusal.meaning)
        if self.is_due(refusal.meaning):
            log.error(
                "scoreboard.redis.refused", error=text, meaning=refusal.meaning, to_do=refusal.to_do
            )
        return True

    def note_defect(self, error: Exception) -> None:
        """Log it with its traceback: requests may meet it without end."""
        if self.is_due(type(error).__name__):
            log.error("scoreboard.redis.defect", exc_info=error)


def to_do(said: str, url: str = "") -> str:
    """What mends it, by what Redis said, or the way to it."""
    refusal = refusal_in(said)
    return refusal.to_do if refusal else REDIS.to_do(said, url)
