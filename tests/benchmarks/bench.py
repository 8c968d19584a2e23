"""One run of the bench: how much is measured, where, and what it has found."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scoreboard.accounts.access import AccessTokens
from tests.benchmarks import arrival, grants
from tests.benchmarks.processes import Stage
from tests.instances import test_settings


@dataclass(frozen=True)
class Extent:
    """How much is measured."""

    rounds: int
    seconds: int
    users: int
    connections: tuple[int, ...]
    subscribers: tuple[int, ...]
    arriving: int
    sizes: tuple[int, ...]
    ranked: int


FULL = Extent(
    rounds=5,
    seconds=5,
    users=100_000,
    connections=grants.CONNECTIONS,
    subscribers=(100, 1_000, 2_000, 5_000),
    arriving=arrival.SUBSCRIBERS,
    sizes=(10_000, 100_000, 1_000_000, 10_000_000),
    ranked=10_000_000,
)
QUICK = Extent(
    rounds=1,
    seconds=2,
    users=20_000,
    connections=(64,),
    subscribers=(1_000,),
    arriving=2_000,
    sizes=(10_000, 100_000),
    ranked=100_000,
)


@dataclass
class Bench:
    """One run: where it takes place, what it measures, and what it has found."""

    extent: Extent
    directory: Path
    stage: Stage
    results: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    top_actions: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def note(self, figure: str, *found: Any) -> None:
        """Keep results, and show them as they come."""
        for one in found:
            row = dataclasses.asdict(one)
            self.results.setdefault(figure, []).append(row)
            shown = (
                f"{key} {value:,.1f}" if isinstance(value, float) else f"{key} {value}"
                for key, value in row.items()
            )
            print(f"{figure}: {', '.join(shown)}", flush=True)  # noqa: T201

    def tokens(self, users: list[str]) -> list[str]:
        """Access tokens that outlive the run."""
        settings = test_settings(access_token_seconds=86_400)
        return [AccessTokens(settings).issue(user) for user in users]
