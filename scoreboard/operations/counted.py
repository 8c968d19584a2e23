"""What is counted: the table of all metrics, by part of the service.

The words that a label may say are Literal types, which the code that counts takes from here.
The file is long because it is one table: each section reads by itself.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

from scoreboard import errors
from scoreboard.connections.redis import Failure, Malformed
from scoreboard.operations.declaring import Declares, counter, gauge, histogram

# Why a connection is closed at once: its address has too many, or the process.
ConnectionRefusal = Literal["address", "process"]
# Why a message of the bus is dropped: it is longer than any board; it has no signature, as those of
# version 0.1.0; its signature is of none of our secrets; it is signed, and yet no board; a defect
# of ours.
MessageFault = Literal["size", "unsigned", "signature", "malformed", "failed"]
# Why the hub does not take a board: no history leads to its version; it cannot be encoded.
BoardRefusal = Literal["leap", "unencodable"]
# Why a key that an identity provider publishes may not sign: it is not in its form, its name is no
# name or is taken, it is too short, its private half is beside it, another issuer has it.
ProviderKeyFault = Literal["malformed", "name", "weak", "private", "shared"]
# What a personal stream is told.
PersonalEvent = Literal["place", "overtaken", "granted"]
# How the relay got rid of a board that the ledger does not know.
Mend = Literal["lifted", "renumbered"]
# Why the fences of a ranking are forgotten: another server answers; what moved is partly removed,
# or is too much; the entries were replaced; the counts are wrong.
RankingLoss = Literal["server", "removed", "backlog", "reset", "wrong"]
# What the fences of a ranking are loaded from: what an instance kept, or the entries.
RankingSource = Literal["kept", "scan"]

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
# What results are refused for.
_RESULT_REFUSALS: Final = (
    errors.UnknownUser,
    errors.Banned,
    errors.UnknownBoard,
    errors.BoardClosed,
    errors.PlayedInFuture,
    errors.NoSeason,
    errors.SeasonClosed,
    errors.ValueOutOfRange,
    errors.ScoreOutOfRange,
    errors.ReceiptUsed,
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
    "server_key",
)
# How a log-in at an identity provider ended (`api.login`).
_LOG_INS: Final = (
    "done",
    "denied",
    "expired",
    "refused",
    "unavailable",
    "banned",
    "unknown",
    "limited",
)


class Counted(Declares):
    """Every number that one process counts."""

    # What requests meet first: HTTP, rate limits, full queues.

    requests = counter("http_requests", "Requests answered.", "method", "route", "status")
    requests_malformed = counter("http_malformed", "Requests that were not HTTP.")
    connections = gauge("connections", "Open connections of clients.")
    connections_refused = counter(
        "connections_refused",
        "Connections closed at once because their address, or the process, had too many.",
        "reason",
        known=get_args(ConnectionRefusal),
    )
    request_seconds = histogram("http_request_seconds", "Time to answer.", _SECONDS, "route")
    http_failures = counter(
        "http_failures", "Requests that a defect of ours ended with status 500."
    )
    http_broken_off = counter(
        "http_broken_off", "Answers broken off because their handler failed after they had begun."
    )
    limited = counter("rate_limited", "Requests refused by a rate limit.", "limit", known=_LIMITS)
    limits_local = counter("rate_limit_checks_local", "Rate limits checked by this instance alone.")
    limit_keys_forgotten = counter(
        "rate_limit_keys_forgotten",
        "Counts of rate limits dropped because there were too many to keep without Redis.",
    )
    overloads = counter("overloads", "Calls refused because a queue was full.", "queue")

    # Who is it: refresh tokens, and access tokens that ended before their time.

    refresh_graces = counter(
        "refresh_grace", "Replaced refresh tokens that were answered within the grace."
    )
    refresh_reuses = counter(
        "refresh_reuse", "Log-ins ended because a replaced refresh token was used again."
    )
    revocations_remembered = gauge(
        "revocations_remembered",
        "Users who have access tokens that were ended before their time.",
        workers="livemax",
    )
    revocations_forgotten = counter(
        "revocations_forgotten",
        "Revocations dropped because there were too many; all older tokens ended instead.",
    )
    revocation_reads_failed = counter(
        "revocation_reads_failed", "Reads of revocations that PostgreSQL did not answer."
    )
    provider_keys = gauge(
        "provider_keys", "Keys at hand of an identity provider.", "issuer", workers="livemin"
    )
    provider_reads_failed = counter(
        "provider_reads_failed",
        "Times that an identity provider did not tell its keys; those at hand serve on.",
        "issuer",
    )
    provider_keys_refused = counter(
        "provider_keys_refused",
        "Keys of identity providers that may not sign.",
        "reason",
        known=get_args(ProviderKeyFault),
    )
    users_first_seen = counter(
        "users_first_seen", "Users who were made for the token of an identity provider."
    )

    users_banned = gauge("users_banned", "Users who are banned.", workers="livemax")
    page_log_ins = counter(
        "page_log_ins",
        "Browsers that were sent back to the page from a log-in at an identity provider.",
        "outcome",
        known=_LOG_INS,
    )

    server_keys = gauge("server_keys", "Server keys that are known here.", workers="livemax")
    server_keys_unreadable = gauge(
        "server_keys_unreadable",
        "Server keys whose secrets were sealed under a secret that is not known here.",
        workers="livemax",
    )

    # What counts: submissions, and the board's copies.

    grants = counter("grants", "Submissions granted.")
    refusals = counter(
        "refusals", "Submissions refused.", "code", known=(error.code for error in _REFUSALS)
    )
    results = counter(
        "results",
        "Results of servers, by what became of them.",
        "verdict",
        known=("recorded", "repeated", *(error.code for error in _RESULT_REFUSALS)),
    )
    batch_size = histogram("batch_size", "Submissions in a transaction.", _BATCH)
    batch_seconds = histogram("batch_seconds", "Time to commit a batch.", _SECONDS)
    submissions_waiting = gauge("submissions_waiting", "Submissions that wait for a batch.")
    submissions_waiting_max = gauge(
        "submissions_waiting_max", "Submissions that may wait; more are refused."
    )
    announcements_failed = counter(
        "announcements_failed",
        "Committed batches that a defect kept from being announced or traced.",
    )
    cache_stores_failed = counter(
        "cache_stores_failed", "Boards, or versions of boards, that Redis did not take."
    )
    board_reads_from_ledger = counter(
        "board_reads_from_ledger",
        "Reads of the board from PostgreSQL because the copy in Redis could not be used.",
        "reason",
        known=("away", "missing", "refused", "older", "unconfirmed"),
    )
    board_reads_in_doubt = counter(
        "board_reads_in_doubt",
        "Rounds of reads that got the newest board at hand: neither Redis nor PostgreSQL could "
        "say whether it is the newest.",
    )
    copies_refused = counter(
        "copies_refused",
        "Reads of the copy in Redis that found something else than a board of ours.",
        "reason",
        known=("kind", "size", "unsigned", "signature", "malformed", "leap"),
    )
    copies_forgotten = counter(
        "copies_forgotten",
        "Copies of boards dropped because there were too many to keep; the next read makes them.",
    )
    board_version = gauge(
        "board_version", "A board's version.", "where", "board", workers="livemin"
    )
    board_changes = counter(
        "board_changes", "Boards changed by what this instance committed.", "board"
    )
    season_turns = counter(
        "season_turns", "Times that this instance let seasons begin, end or close."
    )
    season_turns_failed = counter(
        "season_turns_failed",
        "Turns of seasons that PostgreSQL did not answer, or that grants under way held up.",
    )

    # Where everybody stands: the fences of rankings.

    rankings_held = gauge("rankings_held", "Rankings whose fences are held.", workers="livesum")
    rank_entries_held = gauge(
        "rank_entries_held", "Entries of the rankings that are held.", workers="livesum"
    )
    rank_bytes_held = gauge("rank_bytes_held", "Bytes of the fences held.", workers="livesum")
    rank_turn_seconds = histogram(
        "rank_turn_seconds", "Time in which fences follow what has moved.", _SECONDS
    )
    rank_turns_failed = counter(
        "rank_turns_failed", "Turns of fences that failed; what was held is held on."
    )
    rank_moves = counter("rank_moves", "Keys that were added to fences or removed from them.")
    rank_loads = counter(
        "rank_loads", "Rankings loaded, by what from.", "source", known=get_args(RankingSource)
    )
    rank_loads_failed = counter("rank_loads_failed", "Loads of rankings that failed.")
    rankings_lost = counter(
        "rankings_lost",
        "Rankings forgotten because their fences could not be followed, or were wrong.",
        "why",
        known=get_args(RankingLoss),
    )
    fence_rounds_failed = counter(
        "fence_rounds_failed", "Rounds that failed, of keeping fences and removing movements."
    )
    movements_removed = counter(
        "movements_removed", "Movements removed because every instance has had time to see them."
    )

    # How other instances hear of a board, and what they mend when they did not.

    published = counter("events_published", "Boards published and confirmed by the bus.")
    publish_seconds = histogram(
        "event_publish_seconds", "Time until the bus confirmed a message of boards.", _SECONDS
    )
    publish_failures = counter("event_publish_failures", "Failed attempts to publish.")
    events_superseded = counter(
        "events_superseded", "Boards not published because a newer one took their place."
    )
    events_crowded_out = counter(
        "events_crowded_out", "Boards not published because boards of too many other ids waited."
    )
    events_unconfirmed = counter(
        "events_unconfirmed", "Boards given up at an end: the bus had not confirmed them."
    )
    events_received = counter("events_received", "Boards received from the bus.")
    events_refused = counter(
        "events_refused",
        "Messages of the bus dropped because they hold no board that an instance of ours sent.",
        "reason",
        known=get_args(MessageFault),
    )
    events_unfollowed = counter(
        "events_unfollowed", "Boards of the bus passed over unread: nobody here follows them."
    )
    boards_outdated = counter(
        "boards_outdated", "Boards ignored because the hub had one that is as new or newer."
    )
    boards_refused = counter(
        "boards_refused",
        "Boards refused because they cannot be sent, or no history leads to their version.",
        "reason",
        known=get_args(BoardRefusal),
    )
    submit_to_event_seconds = histogram(
        "submit_to_event_seconds",
        "Time from a submission until every subscriber of this instance was sent its board.",
        _WAY,
        "via",
    )
    bus_connected = gauge(
        "bus_connected",
        "Whether boards get through on this side of the bus.",
        "side",
        workers="livemin",
    )
    bus_blocked = gauge(
        "bus_blocked",
        "Whether the bus takes no messages: its memory or its disk is nearly full.",
        "side",
        workers="livemax",
    )
    bus_probes_received = counter(
        "bus_probes_received",
        "Messages without a board: somebody looked whether the bus takes any.",
    )
    bus_connects = counter("bus_connects", "Connections made to the bus.", "side")
    catch_ups = counter(
        "catch_ups", "Copies that missed a board and were given the ledger's.", "copy"
    )
    divergences = counter(
        "divergences",
        "Comparisons that found a board that was shown and that the ledger does not know.",
        "mended",
        known=get_args(Mend),
    )
    reconcile_failures = counter(
        "reconcile_failures", "Comparisons that PostgreSQL did not answer."
    )

    # Who hears of it: streams, and what is written to them.

    subscribers = gauge("subscribers", "Open streams.")
    subscribers_max = gauge("subscribers_max", "Streams that may be open.")
    board_subscribers = gauge("board_subscribers", "Open streams of a board.", "board")
    deliveries = counter("deliveries", "Boards written to a subscriber.")
    board_deliveries = counter(
        "board_deliveries", "Versions of a board written to a subscriber.", "board"
    )
    pushes = counter("pushes", "Walks over all subscribers with a new board.")
    push_seconds = histogram("push_seconds", "Time to write a board to every subscriber.", _SECONDS)
    boards_conflated = counter(
        "boards_conflated", "Boards not pushed because a newer one came before the push."
    )
    deliveries_skipped = counter(
        "deliveries_skipped",
        "Boards not written to a subscriber because earlier bytes were still unsent.",
    )
    personal_streams = gauge(
        "personal_streams", "Open personal streams; subscribers count them too."
    )
    personal_events = counter(
        "personal_events",
        "Frames written to personal streams that tell something of this kind.",
        "kind",
        known=get_args(PersonalEvent),
    )
    personal_places = counter("personal_places", "Places read for personal streams.")
    personal_places_waiting = gauge(
        "personal_places_waiting",
        "Places whose users moved or were overtaken, and that no turn had room for yet.",
    )
    personal_turn_seconds = histogram(
        "personal_turn_seconds",
        "Time to tell personal streams what is new, once a second.",
        _SECONDS,
    )
    personal_turns_failed = counter(
        "personal_turns_failed", "Turns of personal streams that PostgreSQL did not answer."
    )
    personal_moves_left_out = counter(
        "personal_moves_left_out",
        "Moves in a ranking of which nobody was told who overtook whom: too many at once.",
    )
    personal_follows_left_out = counter(
        "personal_follows_left_out",
        "Users who are followed, and not known as such here because there were too many.",
    )
    subscribers_cut_off = counter(
        "subscribers_cut_off", "Subscribers cut off because they took nothing for too long."
    )
    subscribers_vanished = counter(
        "subscribers_vanished",
        "Subscribers given up because nothing was acknowledged for too long.",
    )
    streams_revoked = counter(
        "streams_revoked", "Streams ended because the access token that opened them was ended."
    )
    streams_refused = counter(
        "streams_refused", "Streams refused.", "reason", known=("instance", "address", "user")
    )
    stream_releases_forgotten = counter(
        "stream_releases_forgotten",
        "Closed streams that Redis was not told of because there were too many to remember.",
    )

    # The servers that we depend on: whether they answer, and who waits for them.

    part_up = gauge("part_up", "Whether a server answers.", "part", workers="livemin")
    ready = gauge("ready", "Whether this instance can serve.", workers="livemin")
    postgres_sessions = gauge(
        "postgres_sessions", "Sessions with PostgreSQL, by what they do now.", "pool", "state"
    )
    postgres_waiting = gauge(
        "postgres_waiting", "Callers that wait for a session with PostgreSQL.", "pool"
    )
    postgres_wait_seconds = histogram(
        "postgres_wait_seconds", "Time until a session with PostgreSQL was free.", _SECONDS, "pool"
    )
    postgres_failures = counter(
        "postgres_failures", "Calls that PostgreSQL did not answer, or refused.", "pool", "reason"
    )
    postgres_abandoned = counter(
        "postgres_abandoned",
        "Statements whose caller left before their answer, which is dropped.",
        "pool",
    )
    redis_connections = gauge(
        "redis_connections", "Connections to Redis, by what they do now.", "state"
    )
    redis_failures = counter(
        "redis_failures",
        "Calls that Redis did not answer, or refused.",
        "reason",
        known=get_args(Failure),
    )
    redis_repeats = counter(
        "redis_repeats", "Calls asked once more, because their connection had ended."
    )
    redis_malformed = counter(
        "redis_malformed",
        "Values in Redis that no instance of ours wrote, and that count as absent.",
        "what",
        known=get_args(Malformed),
    )

    # The process itself: what it uses, what it lost, what runs in it.

    task_crashes = counter("task_crashes", "Background tasks that a defect ended.", "task")
    spans_exported = counter("spans_exported", "Spans that the collector took.")
    spans_dropped = counter("spans_dropped", "Spans that never reached the collector.", "reason")
    log_lines_dropped = counter("log_lines_dropped", "Lines of the log that could not be written.")
    loop_delay_seconds = histogram(
        "loop_delay_seconds", "How late the event loop came to what was due.", _SECONDS
    )
    build_info = gauge(
        "build_info",
        "Always 1; its labels say what runs here.",
        "version",
        "python",
        workers="livemax",
    )
    instance_info = gauge(
        "instance_info",
        "Always 1; its labels say which instance this is.",
        "name",
        "role",
        workers="livemax",
    )
    process_start_time = gauge(
        "process_start_time_seconds", "When the process started, in Unix time.", workers="livemax"
    )
    process_cpu = counter("process_cpu_seconds", "Processor time used.")
    process_memory = gauge("process_resident_memory_bytes", "Memory held.")
    process_open_files = gauge("process_open_fds", "Open files, sockets included.")
    process_files_max = gauge("process_max_fds", "Files that may be open.")
