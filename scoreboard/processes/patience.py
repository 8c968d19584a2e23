"""How long a supervisor waits for its workers, and when it starts the next one."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

Clock = Callable[[], float]  # seconds; only differences count

_DOUBLED_MAX: Final = 10  # times; a power of two without end is no number of seconds


@dataclass(frozen=True, slots=True)
class Patience:
    """The seconds that a supervisor waits for what its workers do."""

    start_seconds: float = 60.0  # until all of the first ones are up
    ready_seconds: float = 45.0  # from the first attempt at a successor until one is ready
    attempts: int = 3  # at a successor
    grace_seconds: float = 10.0  # for an end, past what the settings allow: parts close in turn
    healthy_seconds: float = 10.0  # a worker that lived this long did not die of its start
    pause_seconds: float = 0.5  # before a dead worker is replaced; doubled with each early death
    pause_max_seconds: float = 30.0


class Pauses:
    """When the next worker may be started: those that die of their start again and again are
    replaced ever more slowly.
    """

    def __init__(self, patience: Patience, clock: Clock = time.monotonic) -> None:
        self._patience = patience
        self._clock = clock
        self.forgive()

    def forgive(self) -> None:
        """Start the next worker at once: what ended the others may be mended."""
        self._early_deaths = 0
        self._next_start = -math.inf

    def note_death(self, lived_seconds: float) -> None:
        """Note that a worker has died after so many seconds."""
        is_early = lived_seconds < self._patience.healthy_seconds
        self._early_deaths = self._early_deaths + 1 if is_early else 0
        if is_early:
            self._pause(2 ** min(self._early_deaths, _DOUBLED_MAX))  # guard: crash-loop-many

    def note_failure(self) -> None:
        """Note that the system gave us no process."""
        self._pause(1)

    def _pause(self, times: int) -> None:
        seconds = min(self._patience.pause_seconds * times, self._patience.pause_max_seconds)
        self._next_start = self._clock() + seconds

    @property
    def are_over(self) -> bool:
        """Whether a worker may be started now."""
        return self._clock() >= self._next_start


class Renewal:
    """The attempts and the time that are left for one worker to be succeeded. The time begins with
    the first attempt, so a worker that takes long to leave takes none of the next successor's.
    """

    def __init__(self, patience: Patience, clock: Clock = time.monotonic) -> None:
        self._ready_seconds = patience.ready_seconds
        self._attempts_left = patience.attempts
        self._clock = clock
        self._deadline = math.inf  # guard: time-worker-leaves

    def begin_attempt(self) -> None:
        """Note that a successor is started."""
        self._deadline = min(self._deadline, self._clock() + self._ready_seconds)

    def note_death(self) -> None:
        """Note that a successor has died before it was ready."""
        self._attempts_left -= 1

    @property
    def is_over(self) -> bool:
        """Whether the successor is to be given up."""
        # guard: successor-not
        return self._attempts_left <= 0 or self._clock() > self._deadline  # guard: successors-die
