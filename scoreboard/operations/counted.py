"""What is counted, one class for each part; `operations.metrics` puts them together.

The words that a label may say are Literal types, which the code that counts takes from here.
The file is long because it is one table: each class reads by itself.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

from scoreboard import errors
from scoreboard.connections.redis import Failure, Malformed
from scoreboard.operations.declaring import Declaring

# Why a connection is closed at once: its address has too many, or the process.
ConnectionRefusal = Literal["address", "process"]
# Why a message of the bus is dropped: it is longer than any board; it has no signature, as those of
# version 0.1.0; its signature is of none of our secrets; it is signed, and yet no board; a defect
# of ours.
MessageFault = Literal["size", "unsigned", "signature", "malformed", "failed"]
# Why the hub does not take a board: no history leads to its version; it cannot be encoded; there
# are as many channels as there may be.
BoardRefusal = Literal["leap", "unencodable", "channels"]
# How the relay got rid of a board that the ledger does not know.
Mend = Literal["lifted", "renumbered"]

# From a reply out of the cache to the longest wait that we allow.
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# Finest around what is promised for a submission's way to the clients, 150 ms.
_WAY: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0)
_BATCH: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500)
# What `submit` raises.
_REFUSALS: Final = (
    errors.AlreadyGranted,
    errors.UnknownAction,
    errors.ActionDisabled,
    errors.UnknownUser,
    errors.ScoreOutOfRange,
    errors.LedgerUnavailable,
    errors.Overloaded,
    errors.ShuttingDown,
)
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


class EdgeMetrics:
    """What requests meet first: HTTP, rate limits, full queues."""

    def __init__(self, declare: Declaring) -> None:
        self.requests = declare.counter(
            "http_requests", "Requests answered.", "method", "route", "status"
        )
        self.requests_malformed = declare.counter("http_malformed", "Requests that were not HTTP.")
        self.connections = declare.gauge("connections", "Open connections of clients.")
        self.connections_refused = declare.counter(
            "connections_refused",
            "Connections closed at once because their address, or the process, had too many.",
            "reason",
            known=get_args(ConnectionRefusal),
        )
        self.request_seconds = declare.histogram(
            "http_request_seconds", "Time to answer.", _SECONDS, "route"
        )
        self.http_failures = declare.counter(
            "http_failures", "Requests that a defect of ours ended with status 500."
        )
        self.http_broken_off = declare.counter(
            "http_broken_off",
            "Answers broken off because their handler failed after they had begun.",
        )
        self.limited = declare.counter(
            "rate_limited", "Requests refused by a rate limit.", "limit", known=_LIMITS
        )
        self.limits_local = declare.counter(
            "rate_limit_checks_local", "Rate limits checked by this instance alone."
        )
        self.limit_keys_forgotten = declare.counter(
            "rate_limit_keys_forgotten",
            "Counts of rate limits dropped because there were too many to keep without Redis.",
        )
        self.overloads = declare.counter(
            "overloads", "Calls refused because a queue was full.", "queue"
        )


class AccountMetrics:
    """Who is it: refresh tokens, and access tokens that ended before their time."""

    def __init__(self, declare: Declaring) -> None:
        self.refresh_graces = declare.counter(
            "refresh_grace", "Replaced refresh tokens that were answered within the grace."
        )
        self.refresh_reuses = declare.counter(
            "refresh_reuse", "Log-ins ended because a replaced refresh token was used again."
        )
        self.revocations_remembered = declare.gauge(
            "revocations_remembered",
            "Users who have access tokens that were ended before their time.",
            workers="livemax",
        )
        self.revocations_forgotten = declare.counter(
            "revocations_forgotten",
            "Revocations dropped because there were too many; all older tokens ended instead.",
        )
        self.revocation_reads_failed = declare.counter(
            "revocation_reads_failed", "Reads of revocations that PostgreSQL did not answer."
        )


class ScoringMetrics:
    """What counts: submissions, and the board's copies."""

    def __init__(self, declare: Declaring) -> None:
        self.grants = declare.counter("grants", "Submissions granted.")
        self.refusals = declare.counter(
            "refusals", "Submissions refused.", "code", known=(error.code for error in _REFUSALS)
        )
        self.batch_size = declare.histogram("batch_size", "Submissions in a transaction.", _BATCH)
        self.batch_seconds = declare.histogram("batch_seconds", "Time to commit a batch.", _SECONDS)
        self.submissions_waiting = declare.gauge(
            "submissions_waiting", "Submissions that wait for a batch."
        )
        self.submissions_waiting_max = declare.gauge(
            "submissions_waiting_max", "Submissions that may wait; more are refused."
        )
        self.announcements_failed = declare.counter(
            "announcements_failed",
            "Committed batches that a defect kept from being announced or traced.",
        )
        self.cache_stores_failed = declare.counter(
            "cache_stores_failed", "Boards that Redis did not take."
        )
        self.board_reads_from_ledger = declare.counter(
            "board_reads_from_ledger",
            "Reads of the board from PostgreSQL because the copy in Redis could not be used.",
            "reason",
            known=("away", "missing", "refused", "older", "unconfirmed"),
        )
        self.board_reads_in_doubt = declare.counter(
            "board_reads_in_doubt",
            "Rounds of reads that got the newest board at hand: neither Redis nor PostgreSQL could "
            "say whether it is the newest.",
        )
        self.copies_refused = declare.counter(
            "copies_refused",
            "Reads of the copy in Redis that found something else than a board of ours.",
            "reason",
            known=("kind", "size", "unsigned", "signature", "malformed", "leap"),
        )
        self.board_version = declare.gauge(
            "board_version", "A board's version.", "where", "board", workers="livemin"
        )


class BusMetrics:
    """How other instances hear of a board, and what they mend when they did not."""

    def __init__(self, declare: Declaring) -> None:
        self.published = declare.counter(
            "events_published", "Boards published and confirmed by the bus."
        )
        self.publish_seconds = declare.histogram(
            "event_publish_seconds", "Time until the bus confirmed a board.", _SECONDS
        )
        self.publish_failures = declare.counter(
            "event_publish_failures", "Failed attempts to publish."
        )
        self.events_superseded = declare.counter(
            "events_superseded", "Boards not published because a newer one took their place."
        )
        self.events_crowded_out = declare.counter(
            "events_crowded_out",
            "Boards not published because boards of too many other ids waited.",
        )
        self.events_unconfirmed = declare.counter(
            "events_unconfirmed", "Boards given up at an end: the bus had not confirmed them."
        )
        self.events_received = declare.counter("events_received", "Boards received from the bus.")
        self.events_refused = declare.counter(
            "events_refused",
            "Messages of the bus dropped because they hold no board that an instance of ours sent.",
            "reason",
            known=get_args(MessageFault),
        )
        self.boards_outdated = declare.counter(
            "boards_outdated", "Boards ignored because the hub had one that is as new or newer."
        )
        self.boards_refused = declare.counter(
            "boards_refused",
            "Boards refused because they cannot be sent, or no history leads to their version, or "
            "there are too many boards.",
            "reason",
            known=get_args(BoardRefusal),
        )
        self.submit_to_event_seconds = declare.histogram(
            "submit_to_event_seconds",
            "Time from a submission until every subscriber of this instance was sent its board.",
            _WAY,
            "via",
        )
        self.bus_connected = declare.gauge(
            "bus_connected",
            "Whether boards get through on this side of the bus.",
            "side",
            workers="livemin",
        )
        self.bus_blocked = declare.gauge(
            "bus_blocked",
            "Whether the bus takes no messages: its memory or its disk is nearly full.",
            "side",
            workers="livemax",
        )
        self.bus_probes_received = declare.counter(
            "bus_probes_received",
            "Messages without a board: somebody looked whether the bus takes any.",
        )
        self.bus_connects = declare.counter("bus_connects", "Connections made to the bus.", "side")
        self.catch_ups = declare.counter(
            "catch_ups", "Copies that missed a board and were given the ledger's.", "copy"
        )
        self.divergences = declare.counter(
            "divergences",
            "Comparisons that found a board that was shown and that the ledger does not know.",
            "mended",
            known=get_args(Mend),
        )
        self.reconcile_failures = declare.counter(
            "reconcile_failures", "Comparisons that PostgreSQL did not answer."
        )


class StreamMetrics:
    """Who hears of it: streams, and what is written to them."""

    def __init__(self, declare: Declaring) -> None:
        self.subscribers = declare.gauge("subscribers", "Open streams.")
        self.subscribers_max = declare.gauge("subscribers_max", "Streams that may be open.")
        self.deliveries = declare.counter("deliveries", "Boards written to a subscriber.")
        self.pushes = declare.counter("pushes", "Walks over all subscribers with a new board.")
        self.push_seconds = declare.histogram(
            "push_seconds", "Time to write a board to every subscriber.", _SECONDS
        )
        self.boards_conflated = declare.counter(
            "boards_conflated", "Boards not pushed because a newer one came before the push."
        )
        self.deliveries_skipped = declare.counter(
            "deliveries_skipped",
            "Boards not written to a subscriber because earlier bytes were still unsent.",
        )
        self.subscribers_cut_off = declare.counter(
            "subscribers_cut_off", "Subscribers cut off because they took nothing for too long."
        )
        self.subscribers_vanished = declare.counter(
            "subscribers_vanished",
            "Subscribers given up because nothing was acknowledged for too long.",
        )
        self.streams_revoked = declare.counter(
            "streams_revoked", "Streams ended because the access token that opened them was ended."
        )
        self.streams_refused = declare.counter(
            "streams_refused", "Streams refused.", "reason", known=("instance", "address", "user")
        )
        self.stream_releases_forgotten = declare.counter(
            "stream_releases_forgotten",
            "Closed streams that Redis was not told of because there were too many to remember.",
        )


class ServerMetrics:
    """The servers that we depend on: whether they answer, and who waits for them."""

    def __init__(self, declare: Declaring) -> None:
        self.part_up = declare.gauge(
            "part_up", "Whether a server answers.", "part", workers="livemin"
        )
        self.ready = declare.gauge("ready", "Whether this instance can serve.", workers="livemin")
        self.postgres_sessions = declare.gauge(
            "postgres_sessions", "Sessions with PostgreSQL, by what they do now.", "pool", "state"
        )
        self.postgres_waiting = declare.gauge(
            "postgres_waiting", "Callers that wait for a session with PostgreSQL.", "pool"
        )
        self.postgres_wait_seconds = declare.histogram(
            "postgres_wait_seconds",
            "Time until a session with PostgreSQL was free.",
            _SECONDS,
            "pool",
        )
        self.postgres_failures = declare.counter(
            "postgres_failures",
            "Calls that PostgreSQL did not answer, or refused.",
            "pool",
            "reason",
        )
        self.postgres_abandoned = declare.counter(
            "postgres_abandoned",
            "Statements whose caller left before their answer, which is dropped.",
            "pool",
        )
        self.redis_connections = declare.gauge(
            "redis_connections", "Connections to Redis, by what they do now.", "state"
        )
        self.redis_failures = declare.counter(
            "redis_failures",
            "Calls that Redis did not answer, or refused.",
            "reason",
            known=get_args(Failure),
        )
        self.redis_repeats = declare.counter(
            "redis_repeats", "Calls asked once more, because their connection had ended."
        )
        self.redis_malformed = declare.counter(
            "redis_malformed",
            "Values in Redis that no instance of ours wrote, and that count as absent.",
            "what",
            known=get_args(Malformed),
        )


class ProcessMetrics:
    """The process itself: what it uses, what it lost, what runs in it."""

    def __init__(self, declare: Declaring) -> None:
        self.task_crashes = declare.counter(
            "task_crashes", "Background tasks that a defect ended.", "task"
        )
        self.spans_exported = declare.counter("spans_exported", "Spans that the collector took.")
        self.spans_dropped = declare.counter(
            "spans_dropped", "Spans that never reached the collector.", "reason"
        )
        self.log_lines_dropped = declare.counter(
            "log_lines_dropped", "Lines of the log that could not be written."
        )
        self.loop_delay_seconds = declare.histogram(
            "loop_delay_seconds", "How late the event loop came to what was due.", _SECONDS
        )
        self.build_info = declare.gauge(
            "build_info",
            "Always 1; its labels say what runs here.",
            "version",
            "python",
            workers="livemax",
        )
        self.instance_info = declare.gauge(
            "instance_info",
            "Always 1; its labels say which instance this is.",
            "name",
            "role",
            workers="livemax",
        )
        self.process_start_time = declare.gauge(
            "process_start_time_seconds",
            "When the process started, in Unix time.",
            workers="livemax",
        )
        self.process_cpu = declare.counter("process_cpu_seconds", "Processor time used.")
        self.process_memory = declare.gauge("process_resident_memory_bytes", "Memory held.")
        self.process_open_files = declare.gauge("process_open_fds", "Open files, sockets included.")
        self.process_files_max = declare.gauge("process_max_fds", "Files that may be open.")
