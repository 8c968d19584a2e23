"""Every number that we count, under `scoreboard_`, in a registry of its own (no globals).

Label sets are bounded: routes are the patterns of our own table, codes those of `errors`. Whatever
is dropped anywhere has a counter here that is named after it.
"""

from __future__ import annotations

import os
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.multiprocess import MultiProcessCollector

# From a reply out of the cache to the longest wait that we allow.
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_BATCH: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500)

# What becomes of a gauge when several workers serve one port: their sum, or the worst of them.
_Together = Literal["livesum", "livemin"]


class Metrics:
    """The counters of one process."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()

        def counter(name: str, doc: str, *labels: str) -> Counter:
            return Counter(f"scoreboard_{name}", doc, labels, registry=registry)

        def gauge(name: str, doc: str, *labels: str, together: _Together = "livesum") -> Gauge:
            return Gauge(
                f"scoreboard_{name}", doc, labels, registry=registry, multiprocess_mode=together
            )

        def histogram(name: str, doc: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"scoreboard_{name}", doc, labels, registry=registry, buckets=buckets)

        # the edge
        self.requests = counter("http_requests", "Requests answered.", "method", "route", "status")
        self.requests_malformed = counter("http_malformed", "Requests that were not HTTP.")
        self.request_seconds = histogram(
            "http_request_seconds", "Time to answer.", _SECONDS, "route"
        )
        self._answered: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self.limited = counter("rate_limited", "Requests refused by a rate limit.", "limit")
        self.limits_local = counter("rate_limit_checks_local", "Limits checked without Redis.")

        # scoring
        self.grants = counter("grants", "Submissions granted.")
        self.refusals = counter("refusals", "Submissions refused.", "code")
        self.batch_size = histogram("batch_size", "Submissions in a transaction.", _BATCH)
        self.batch_seconds = histogram("batch_seconds", "Time to commit a batch.", _SECONDS)
        self.submissions_waiting = gauge(
            "submissions_waiting", "Submissions that wait for a batch."
        )
        self.announcements_failed = counter("announcements_failed", "Boards untold by a defect.")
        self.cache_stores_failed = counter("cache_stores_failed", "Boards that Redis did not take.")
        self.board_reads_from_ledger = counter(
            "board_reads_from_ledger", "Rounds of reads that Redis did not answer.", "reason"
        )
        self.board_version = gauge(
            "board_version", "The board's version.", "where", together="livemin"
        )

        # live
        self.published = counter("events_published", "Boards that the bus confirmed.")
        self.publish_failures = counter("event_publish_failures", "Failed attempts to publish.")
        self.events_superseded = counter(
            "events_superseded", "Boards replaced by a newer one unpublished."
        )
        self.events_received = counter("events_received", "Boards received from the bus.")
        self.events_malformed = counter("events_malformed", "Messages dropped as not a board.")
        self.bus_connected = gauge(
            "bus_connected",
            "Whether this side of the bus is connected.",
            "side",
            together="livemin",
        )
        self.bus_connects = counter("bus_connects", "Connections made to the bus.", "side")
        self.catch_ups = counter(
            "catch_ups", "Copies that had to catch up with the ledger.", "copy"
        )
        self.reconcile_failures = counter(
            "reconcile_failures", "Comparisons that PostgreSQL did not answer."
        )
        self.subscribers = gauge("subscribers", "Open streams.")
        self.deliveries = counter("deliveries", "Boards written to a subscriber.")
        self.pushes = counter("pushes", "Rounds of deliveries.")
        self.boards_conflated = counter(
            "boards_conflated", "Boards replaced by a newer one before a push."
        )
        self.deliveries_skipped = counter(
            "deliveries_skipped", "Boards not written: bytes were still unsent."
        )
        self.subscribers_cut_off = counter(
            "subscribers_cut_off", "Subscribers that were stuck too long."
        )
        self.task_crashes = counter("task_crashes", "Background tasks that a defect ended.", "task")
        self.streams_refused = counter("streams_refused", "Streams refused.", "reason")

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request. The children are kept: looking them up costs more than counting."""
        key = (method, route, status)
        if key not in self._answered:
            requests = self.requests.labels(method, route, str(status))
            self._answered[key] = requests, self.request_seconds.labels(route)
        requests, seconds_of_route = self._answered[key]
        requests.inc()
        seconds_of_route.observe(seconds)

    def of_all_workers(self) -> CollectorRegistry:
        """What `/metrics` shows: of all processes on this port, whichever of them is asked."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return self.registry
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return together
