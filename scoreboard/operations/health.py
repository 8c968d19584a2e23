"""Which of the servers that we depend on is away, since when, and what that means.

Readiness asks whether this instance can show a board, not whether every part is up: an outage of
PostgreSQL that took all instances out of the load balancer would take the reads with it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

import structlog

from scoreboard.connections.redis import RedisUnavailable
from scoreboard.errors import ScoreboardError
from scoreboard.operations.metrics import Metrics
from scoreboard.timestamps import timestamp

log = structlog.get_logger("scoreboard.health")

_LOOK_SECONDS: Final = 0.02
# What it means when a part is away: for one that takes submissions, and for one that only shows.
_EFFECTS: Final = {
    "postgresql": (
        "submissions and accounts are answered with 503; the board goes on",
        "the catalogue and users' own scores are answered with 503; the board goes on",
    ),
    "redis": ("the board is read from PostgreSQL; limits count per instance",) * 2,
    "rabbitmq": (
        "boards reach other instances, and this one, up to 2 s late, by comparing versions",
        "boards reach this instance up to 2 s late, by comparing versions",
    ),
}


def effect(part: str, *, takes_submissions: bool) -> str:
    """What operators have to know while this part is away."""
    writes, reads = _EFFECTS[part]
    return writes if takes_submissions else reads


@dataclass(slots=True)
class Part:
    """A server; `probe` returns when it is up and raises when it is away. `refused` says what the
    latest refusal of what we need of it meant, "" if there was none of late: it may be up, and
    refuse.
    """

    name: str
    effect: str
    probe: Callable[[], Awaitable[object]]
    refused: Callable[[], str] = lambda: ""
    up: bool = False
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    _has_been_up: bool = False
    _due: asyncio.Event = field(default_factory=asyncio.Event)

    def probe_now(self) -> None:
        """Do not wait for the next probe: it may have changed."""
        self._due.set()

    async def pause(self, seconds: float) -> None:
        """Wait for as long, or until `probe_now`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._due.wait()
        self._due.clear()

    async def ask(self) -> None:
        """Probe once and note a change."""
        error: Exception | None = None
        try:
            await self.probe()
        except (ScoreboardError, RedisUnavailable, ConnectionError) as failure:
            error = failure
        if (error is None) != self.up:
            self._change(error)

    def _change(self, error: Exception | None) -> None:
        """Note it, and log it unless it is the first time up: that is only the start."""
        self.up, self.since = error is None, datetime.now(UTC)
        if error is not None:
            cause = error.__cause__ or error
            log.warning("scoreboard.health.away", part=self.name, error=str(cause).strip())
        elif self._has_been_up:
            log.info("scoreboard.health.back", part=self.name)
        self._has_been_up = True

    def as_json(self) -> dict[str, Any]:
        """The part as operators see it."""
        state: dict[str, Any] = {"name": self.name, "up": self.up, "since": timestamp(self.since)}
        if refused := self.refused():
            state["refused"] = refused
        return state if self.up else state | {"effect": self.effect}


class Health:
    """Probes the parts in the background, every `probe_seconds`, so that asking costs nothing and
    never waits. `version` answers that of the board which readiness needs, -1 without one.
    """

    def __init__(
        self,
        instance: str,
        role: str,
        version: Callable[[], int],
        parts: Sequence[Part],
        metrics: Metrics,
        *,
        probe_seconds: float = 2.0,
    ) -> None:
        self.probe_seconds = probe_seconds
        self._instance = instance
        self._role = role
        self._version = version
        self._parts = parts
        self._metrics = metrics
        self._leaving = False
        self._succeeded = False

    async def run(self) -> None:
        """Probe until cancelled: each part by itself, because one that hangs would make what is
        known of the others old.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._note_readiness())
            for part in self._parts:
                tasks.create_task(self._watch(part))

    def probe_now(self, name: str) -> None:
        """Probe this part now."""
        for part in self._parts:
            if part.name == name:
                part.probe_now()

    async def _watch(self, part: Part) -> None:
        while True:
            await part.ask()
            self._metrics.part_up.labels(part.name).set(part.up)
            await part.pause(self.probe_seconds)

    async def _note_readiness(self) -> None:
        while True:
            self._metrics.ready.set(self.state == "ready")
            await asyncio.sleep(self.probe_seconds)

    def leave(self) -> None:
        """Say from now on that requests should go elsewhere."""
        self._leaving = True

    def be_succeeded(self) -> None:
        """Do not say so: another process listens in our place and answers all who come after our
        end. Those whom we let in before are still answered.
        """
        self._succeeded = True

    async def becomes_ready(self) -> None:
        """Wait until there is a board to show, as there is mostly from the start."""
        while self.state == "starting":  # noqa: ASYNC110 - it is a look at somebody else's board
            await asyncio.sleep(_LOOK_SECONDS)

    @property
    def state(self) -> Literal["starting", "ready", "leaving"]:
        """Where this instance is in its life: without a board it has nothing to show yet."""
        if self._leaving and not self._succeeded:
            return "leaving"
        return "ready" if self._version() >= 0 else "starting"  # guard: outage-server-takes

    def report(self) -> dict[str, Any]:
        """Whether this instance is ready, and the state of each part."""
        return {
            "ready": self.state == "ready",
            "state": self.state,
            "instance": self._instance,
            "role": self._role,
            "version": self._version(),
            "parts": [part.as_json() for part in self._parts],
        }
