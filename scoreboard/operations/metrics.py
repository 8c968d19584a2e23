"""Every number that we count, in a registry of its own (no globals), and what `/metrics` answers.

Label sets are bounded: routes are the patterns of our own table, codes those of `errors`, other
words those of a Literal type in `operations.counted`. Whatever is dropped anywhere has a counter
there that is named after it.
"""

from __future__ import annotations

import os
import time
from typing import Final, Literal, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from scoreboard.model import BoardId
from scoreboard.operations.counted import Counted

# Prometheus asks every few seconds; one address may ask 600 times at once.
_TEXTS_AT_ONCE: Final = 20
_TEXT_SECONDS: Final = 0.2
# Of so many boards the versions are shown: of those that this process met first.
_BOARDS_SHOWN_MAX: Final = 100

# Who has a board of some version.
Where = Literal["ledger", "redis", "hub"]


class Metrics(Counted):
    """The counters of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        # Else each counter has a second series, the time when it was made, which nobody needs.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        super().__init__(self.registry)
        self._text, self._text_paid_until = b"", 0.0
        self._answered: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._versions: dict[tuple[Where, BoardId], Gauge] = {}

    def show_version(self, where: Where, board_id: BoardId, version: int) -> None:
        """Show which version of a board somebody has, -1 for none."""
        gauge = self._versions.get((where, board_id))
        if gauge is None:
            if len(self._versions) >= _BOARDS_SHOWN_MAX * len(get_args(Where)):
                return
            gauge = self._versions[where, board_id] = self.board_version.labels(where, board_id)
        gauge.set(version)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request. The children are kept: looking them up costs more than counting."""
        key = (method, route, status)
        if key not in self._answered:
            requests = self.requests.labels(method, route, str(status))
            self._answered[key] = requests, self.request_seconds.labels(route)
        requests, seconds_of_route = self._answered[key]
        requests.inc()
        seconds_of_route.observe(seconds)

    def text(self) -> bytes:
        """What `/metrics` answers. Writing it takes milliseconds, so it is written anew twenty
        times at once and then five times a second; those who ask more often get the latest.
        """
        now = time.monotonic()
        if self._text_paid_until <= now + _TEXTS_AT_ONCE * _TEXT_SECONDS:  # guard: metrics-written
            self._text = generate_latest(self._of_all_workers())
            self._text_paid_until = max(now, self._text_paid_until) + _TEXT_SECONDS
        return self._text

    def _of_all_workers(self) -> CollectorRegistry:
        """The counters of all processes on this port, whichever of them is asked."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return self.registry
        workers = CollectorRegistry()
        MultiProcessCollector(workers)  # type: ignore[no-untyped-call]
        return workers
