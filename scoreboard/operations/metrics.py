"""Every number that we count, in a registry of its own (no globals), and what `/metrics` answers.

Label sets are bounded: routes are the patterns of our own table, codes those of `errors`, boards
the busiest ones (`operations.board_names`), other words those of a Literal type in
`operations.counted`. Whatever is dropped anywhere has a counter there that is named after it.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter as Tally
from collections.abc import Mapping
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
from scoreboard.operations.board_names import OTHER, BoardNames
from scoreboard.operations.counted import Counted

# Prometheus asks every few seconds; one address may ask 600 times at once.
_TEXTS_AT_ONCE: Final = 20
_TEXT_SECONDS: Final = 0.2

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
        self._boards = BoardNames(self._forget)
        self._versions: dict[tuple[Where, BoardId], Gauge] = {}
        self._delivered: dict[str, Counter] = {}
        self._ways: dict[str, Histogram] = {}
        self._subscribed: set[str] = set()

    # Of boards: the busiest by name, the rest together

    def show_version(self, where: Where, board_id: BoardId, version: int) -> None:
        """Show which version of a board somebody has, -1 for none; of a board with a name."""
        gauge = self._versions.get((where, board_id))
        if gauge is None:
            if self._boards.of(board_id, uses=0) == OTHER:
                return
            gauge = self._versions[where, board_id] = self.board_version.labels(where, board_id)
        gauge.set(version)

    def show_subscribers(self, subscribers: Mapping[BoardId, int]) -> None:
        """Show how many streams of each board are open."""
        shown: Tally[str] = Tally()
        for board_id, number in subscribers.items():
            shown[self._boards.of(board_id, uses=0)] += number
        for name in self._subscribed - shown.keys():
            self.board_subscribers.labels(name).set(0)
        for name, number in shown.items():
            self.board_subscribers.labels(name).set(number)
        self._subscribed = set(shown)

    def count_change(self, board_id: BoardId) -> None:
        """Count a new version of a board that this instance has committed."""
        self.board_changes.labels(self._boards.of(board_id)).inc()

    def count_deliveries(self, board_id: BoardId, deliveries: int) -> None:
        """Count a push of a board: how often it was written."""
        self.deliveries.inc(deliveries)
        name = self._boards.of(board_id)
        counter = self._delivered.get(name)
        if counter is None:
            counter = self._delivered[name] = self.board_deliveries.labels(name)
        counter.inc(deliveries)

    def time_way(self, via: str, seconds: float) -> None:
        """Count how long a board was on its way to all subscribers. The children are kept."""
        way = self._ways.get(via)
        if way is None:
            way = self._ways[via] = self.submit_to_event_seconds.labels(via)
        way.observe(seconds)

    def _forget(self, board_id: BoardId) -> None:
        """Take away the series of a board that is one of the others from now on."""
        self._subscribed.discard(board_id)
        self._delivered.pop(board_id, None)
        for counted in (self.board_changes, self.board_deliveries, self.board_subscribers):
            with contextlib.suppress(KeyError):
                counted.remove(board_id)
        for where in get_args(Where):
            if self._versions.pop((where, board_id), None) is not None:
                self.board_version.remove(where, board_id)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request. The children are kept: looking them up costs more than counting."""
        key = (method, route, status)
        children = self._answered.get(key)
        if children is None:
            requests = self.requests.labels(method, route, str(status))
            children = self._answered[key] = requests, self.request_seconds.labels(route)
        requests, seconds_of_route = children
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
