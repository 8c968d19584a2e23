"""Ten thousand subscribers who connect at once, as after a restart: when do all hold the board?"""

from __future__ import annotations

from dataclasses import dataclass

from tests.benchmarks.crowd import a_crowd
from tests.benchmarks.processes import Service, Stage

SUBSCRIBERS = 10_000


@dataclass(frozen=True)
class Arrival:
    """How long it took until everybody held the board, and who never did."""

    instances: int
    subscribers: int
    seconds: float
    errors: int


def measure(stage: Stage, subscribers: int) -> Arrival:
    """One instance, two processes of subscribers."""
    with Service(stage) as service, a_crowd(subscribers, [service.port], processes=2) as crowd:
        return Arrival(1, subscribers, crowd.seconds, crowd.errors)
