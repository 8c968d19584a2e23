"""Every number that we count, under `scoreboard_`, in a registry of its own (no globals).

Label sets are bounded: routes are the patterns of our own table, codes those of `errors`. Whatever
is dropped anywhere has a counter here that is named after it. Values of a label that are known
stand at 0 from the start: of a series that begins with its first count, no rate shows that count.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import Final, Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from scoreboard.errors import (
    ActionDisabled,
    AlreadyGranted,
    LedgerUnavailable,
    Overloaded,
    ScoreOutOfRange,
    ShuttingDown,
    UnknownAction,
    UnknownUser,
)

# From a reply out of the cache to the longest wait that we allow.
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# Finest around what is promised for a submission's way to the clients, 150 ms.
_WAY: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0)
# Whoever scrapes asks every few seconds; one address may ask 600 times at once.
_TEXTS_AT_ONCE: Final = 20
_TEXT_SECONDS: Final = 0.2
_BATCH: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500)

_LIMITS: Final = (
    "ip",
    "ip_users",
    "user",
    "accounts",
    "login",
    "guesses",
    "family",
    "tokens",
    "operations",
)
_REFUSED_COPIES: Final = ("kind", "size", "unsigned", "signature", "malformed", "leap")
_REFUSED_EVENTS: Final = ("size", "unsigned", "signature", "malformed", "failed")
# What `submit` raises.
_REFUSALS: Final = (
    AlreadyGranted,
    UnknownAction,
    ActionDisabled,
    UnknownUser,
    ScoreOutOfRange,
    LedgerUnavailable,
    Overloaded,
    ShuttingDown,
)

# What becomes of a gauge when several workers serve one port: their sum, or the worst of them.
_Together = Literal["livesum", "livemin", "livemax"]


class _Maker:
    """Makes what counts, all in one registry and under one prefix."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def counter(self, name: str, doc: str, *labels: str, known: Iterable[str] = ()) -> Counter:
        counter = Counter(f"scoreboard_{name}", doc, labels, registry=self._registry)
        for value in known:
            counter.labels(value)
        return counter

    def gauge(self, name: str, doc: str, *labels: str, together: _Together = "livesum") -> Gauge:
        return Gauge(
            f"scoreboard_{name}", doc, labels, registry=self._registry, multiprocess_mode=together
        )

    def histogram(self, name: str, doc: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(
            f"scoreboard_{name}", doc, labels, registry=self._registry, buckets=buckets
        )


class Metrics:
    """The counters of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        # Each counter's time of birth, as a series of its own, that nobody asks for.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        make = _Maker(self.registry)
        self._count_the_edge(make)
        self._count_accounts(make)
        self._count_scoring(make)
        self._count_the_bus(make)
        self._count_streams(make)
        self._count_servers(make)
        self._count_the_process(make)
        self._text, self._text_paid_until = b"", 0.0
        self._answered: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def _count_the_edge(self, make: _Maker) -> None:
        """What requests meet first."""
        self.requests = make.counter(
            "http_requests", "Requests answered.", "method", "route", "status"
        )
        self.requests_malformed = make.counter("http_malformed", "Requests that were not HTTP.")
        self.connections = make.gauge("connections", "Open connections of clients.")
        self.connections_refused = make.counter(
            "connections_refused",
            "Connections closed at once because their address, or the process, had too many.",
            "reason",
            known=("address", "process"),
        )
        self.request_seconds = make.histogram(
            "http_request_seconds", "Time to answer.", _SECONDS, "route"
        )
        self.http_failures = make.counter(
            "http_failures", "Requests that a defect of ours ended with status 500."
        )
        self.http_broken_off = make.counter(
            "http_broken_off",
            "Answers broken off because their handler failed after they had begun.",
        )
        self.limited = make.counter(
            "rate_limited", "Requests refused by a rate limit.", "limit", known=_LIMITS
        )
        self.limits_local = make.counter(
            "rate_limit_checks_local", "Rate limits checked by this instance alone."
        )
        self.limit_keys_forgotten = make.counter(
            "rate_limit_keys_forgotten",
            "Counts of rate limits dropped because there were too many to keep without Redis.",
        )
        self.overloads = make.counter(
            "overloads", "Calls refused because a queue was full.", "queue"
        )

    def _count_accounts(self, make: _Maker) -> None:
        """Who is it."""
        self.refresh_graces = make.counter(
            "refresh_grace", "Replaced refresh tokens that were answered within the grace."
        )
        self.refresh_reuses = make.counter(
            "refresh_reuse", "Log-ins ended because a replaced refresh token was used again."
        )
        self.revocations_remembered = make.gauge(
            "revocations_remembered",
            "Users who have access tokens that were ended before their time.",
            together="livemax",
        )
        self.revocations_forgotten = make.counter(
            "revocations_forgotten",
            "Revocations dropped because there were too many; all older tokens ended instead.",
        )
        self.revocation_reads_failed = make.counter(
            "revocation_reads_failed", "Reads of revocations that PostgreSQL did not answer."
        )

    def _count_scoring(self, make: _Maker) -> None:
        """What counts."""
        self.grants = make.counter("grants", "Submissions granted.")
        self.refusals = make.counter(
            "refusals", "Submissions refused.", "code", known=(error.code for error in _REFUSALS)
        )
        self.batch_size = make.histogram("batch_size", "Submissions in a transaction.", _BATCH)
        self.batch_seconds = make.histogram("batch_seconds", "Time to commit a batch.", _SECONDS)
        self.submissions_waiting = make.gauge(
            "submissions_waiting", "Submissions that wait for a batch."
        )
        self.submissions_waiting_max = make.gauge(
            "submissions_waiting_max", "Submissions that may wait; more are refused."
        )
        self.announcements_failed = make.counter(
            "announcements_failed",
            "Committed batches that a defect kept from being announced or traced.",
        )
        self.cache_stores_failed = make.counter(
            "cache_stores_failed", "Boards that Redis did not take."
        )
        self.board_reads_from_ledger = make.counter(
            "board_reads_from_ledger",
            "Reads of the board from PostgreSQL because the copy in Redis could not be used.",
            "reason",
            known=("away", "missing", "refused", "older", "unconfirmed"),
        )
        self.board_reads_in_doubt = make.counter(
            "board_reads_in_doubt",
            "Rounds of reads that got the newest board at hand: neither Redis nor PostgreSQL could "
            "say whether it is the newest.",
        )
        self.copies_refused = make.counter(
            "copies_refused",
            "Reads of the copy in Redis that found something else than a board of ours.",
            "reason",
            known=_REFUSED_COPIES,
        )
        self.board_version = make.gauge(
            "board_version", "The board's version.", "where", together="livemin"
        )

    def _count_the_bus(self, make: _Maker) -> None:
        """How other instances hear of it, and what they mend when they did not."""
        self.published = make.counter(
            "events_published", "Boards published and confirmed by the bus."
        )
        self.publish_seconds = make.histogram(
            "event_publish_seconds", "Time until the bus confirmed a board.", _SECONDS
        )
        self.publish_failures = make.counter(
            "event_publish_failures", "Failed attempts to publish."
        )
        self.events_superseded = make.counter(
            "events_superseded", "Boards not published because a newer one took their place."
        )
        self.events_unconfirmed = make.counter(
            "events_unconfirmed", "Boards given up at an end: the bus had not confirmed them."
        )
        self.events_received = make.counter("events_received", "Boards received from the bus.")
        self.events_refused = make.counter(
            "events_refused",
            "Messages of the bus dropped because they hold no board that an instance of ours sent.",
            "reason",
            known=_REFUSED_EVENTS,
        )
        self.boards_outdated = make.counter(
            "boards_outdated", "Boards ignored because the hub had one that is as new or newer."
        )
        self.boards_refused = make.counter(
            "boards_refused",
            "Boards refused because they cannot be sent, or no history leads to their version.",
            "reason",
            known=("leap", "unencodable"),
        )
        self.submit_to_event_seconds = make.histogram(
            "submit_to_event_seconds",
            "Time from a submission until every subscriber of this instance was sent its board.",
            _WAY,
            "via",
        )
        self.bus_connected = make.gauge(
            "bus_connected",
            "Whether boards get through on this side of the bus.",
            "side",
            together="livemin",
        )
        self.bus_blocked = make.gauge(
            "bus_blocked",
            "Whether the bus takes no messages: its memory or its disk is nearly full.",
            "side",
            together="livemax",
        )
        self.bus_probes_received = make.counter(
            "bus_probes_received",
            "Messages without a board: somebody looked whether the bus takes any.",
        )
        self.bus_connects = make.counter("bus_connects", "Connections made to the bus.", "side")
        self.catch_ups = make.counter(
            "catch_ups", "Copies that missed a board and were given the ledger's.", "copy"
        )
        self.divergences = make.counter(
            "divergences",
            "Comparisons that found a board that was shown and that the ledger does not know.",
            "mended",
            known=("lifted", "renumbered"),
        )
        self.reconcile_failures = make.counter(
            "reconcile_failures", "Comparisons that PostgreSQL did not answer."
        )

    def _count_streams(self, make: _Maker) -> None:
        """Who hears of it."""
        self.subscribers = make.gauge("subscribers", "Open streams.")
        self.subscribers_max = make.gauge("subscribers_max", "Streams that may be open.")
        self.deliveries = make.counter("deliveries", "Boards written to a subscriber.")
        self.pushes = make.counter("pushes", "Walks over all subscribers with a new board.")
        self.push_seconds = make.histogram(
            "push_seconds", "Time to write a board to every subscriber.", _SECONDS
        )
        self.boards_conflated = make.counter(
            "boards_conflated", "Boards not pushed because a newer one came before the push."
        )
        self.deliveries_skipped = make.counter(
            "deliveries_skipped",
            "Boards not written to a subscriber because earlier bytes were still unsent.",
        )
        self.subscribers_cut_off = make.counter(
            "subscribers_cut_off", "Subscribers cut off because they took nothing for too long."
        )
        self.subscribers_vanished = make.counter(
            "subscribers_vanished",
            "Subscribers given up because nothing was acknowledged for too long.",
        )
        self.streams_revoked = make.counter(
            "streams_revoked", "Streams ended because the access token that opened them was ended."
        )
        self.streams_refused = make.counter(
            "streams_refused", "Streams refused.", "reason", known=("instance", "address", "user")
        )
        self.stream_releases_forgotten = make.counter(
            "stream_releases_forgotten",
            "Closed streams that Redis was not told of because there were too many to remember.",
        )

    def _count_servers(self, make: _Maker) -> None:
        """The servers that we depend on."""
        self.part_up = make.gauge(
            "part_up", "Whether a server answers.", "part", together="livemin"
        )
        self.ready = make.gauge("ready", "Whether this instance can serve.", together="livemin")
        self.postgres_sessions = make.gauge(
            "postgres_sessions", "Sessions with PostgreSQL, by what they do now.", "pool", "state"
        )
        self.postgres_waiting = make.gauge(
            "postgres_waiting", "Callers that wait for a session with PostgreSQL.", "pool"
        )
        self.postgres_wait_seconds = make.histogram(
            "postgres_wait_seconds",
            "Time until a session with PostgreSQL was free.",
            _SECONDS,
            "pool",
        )
        self.postgres_failures = make.counter(
            "postgres_failures",
            "Calls that PostgreSQL did not answer, or refused.",
            "pool",
            "reason",
        )
        self.postgres_abandoned = make.counter(
            "postgres_abandoned",
            "Statements whose caller left before their answer, which is dropped.",
            "pool",
        )
        self.redis_connections = make.gauge(
            "redis_connections", "Connections to Redis, by what they do now.", "state"
        )
        self.redis_failures = make.counter(
            "redis_failures",
            "Calls that Redis did not answer, or refused.",
            "reason",
            known=("no_answer", "resting", "ended", "refused", "defect"),
        )
        self.redis_repeats = make.counter(
            "redis_repeats", "Calls asked once more, because their connection had ended."
        )
        self.redis_malformed = make.counter(
            "redis_malformed",
            "Values in Redis that no instance of ours wrote, and that count as absent.",
            "what",
            known=("limit", "streams", "answer", "type"),
        )

    def _count_the_process(self, make: _Maker) -> None:
        """The process itself."""
        self.task_crashes = make.counter(
            "task_crashes", "Background tasks that a defect ended.", "task"
        )
        self.spans_exported = make.counter("spans_exported", "Spans that the collector took.")
        self.spans_dropped = make.counter(
            "spans_dropped", "Spans that never reached the collector.", "reason"
        )
        self.log_lines_dropped = make.counter(
            "log_lines_dropped", "Lines of the log that could not be written."
        )
        self.loop_delay_seconds = make.histogram(
            "loop_delay_seconds", "How late the event loop came to what was due.", _SECONDS
        )
        self.build_info = make.gauge(
            "build_info",
            "Always 1; its labels say what runs here.",
            "version",
            "python",
            together="livemax",
        )
        self.instance_info = make.gauge(
            "instance_info",
            "Always 1; its labels say which instance this is.",
            "name",
            "role",
            together="livemax",
        )
        self.process_start_time = make.gauge(
            "process_start_time_seconds",
            "When the process started, in Unix time.",
            together="livemax",
        )
        self.process_cpu = make.counter("process_cpu_seconds", "Processor time used.")
        self.process_memory = make.gauge("process_resident_memory_bytes", "Memory held.")
        self.process_open_files = make.gauge("process_open_fds", "Open files, sockets included.")
        self.process_files_max = make.gauge("process_max_fds", "Files that may be open.")

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
        """What `/metrics` answers. It takes milliseconds to write, so it is written anew twenty
        times at once and then five times a second; whoever asks more often gets the latest.
        """
        now = time.monotonic()
        if self._text_paid_until <= now + _TEXTS_AT_ONCE * _TEXT_SECONDS:
            self._text = generate_latest(self._of_all_workers())
            self._text_paid_until = max(now, self._text_paid_until) + _TEXT_SECONDS
        return self._text

    def _of_all_workers(self) -> CollectorRegistry:
        """Of all processes on this port, whichever of them is asked."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return self.registry
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return together
