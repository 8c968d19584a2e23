"""What the tables of docs/benchmarks/ tell of each figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Ratio:
    """A value beside those of other programs (the part of the group that is replaced)."""

    column: str
    anchors: tuple[str, ...]
    target: str = ""  # what it has to reach


@dataclass(frozen=True)
class Table:
    """How a figure's results become a table. Rows are grouped by some columns, and values are shown
    as median (range).
    """

    figure: str
    title: str
    about: str
    group: tuple[str, ...]
    values: dict[str, tuple[str, str]]  # column: (heading, format)
    ratios: tuple[Ratio, ...] = ()
    # Which values are shown beside those of another row of the same figure, round by round.
    compared: tuple[str, ...] = ()
    compared_with: tuple[Any, ...] = ()


TABLES = (
    Table(
        "grants",
        "`POST /api/actions`: granted submissions",
        "Rate limiting on, `synchronous_commit` on, 100,000 users, 5,000 of them submitting, one "
        "submission in 250 by a player at the top. After each run the ledger's new rows are held "
        "against the answers. The peer grants in a transaction (BEGIN, two statements, COMMIT); "
        "its variant and pgbench in one statement. (pgbench: average latency, 64 clients at most.)",
        ("program", "connections"),
        {
            "per_second": ("granted/s", "{:,.0f}"),
            "p50_ms": ("p50 ms", "{:,.1f}"),
            "p99_ms": ("p99 ms", "{:,.1f}"),
        },
        (
            Ratio(
                "per_second",
                ("Fastify peer", "Fastify peer, one statement", "pgbench, one statement"),
            ),
        ),
    ),
    Table(
        "grants",
        "`POST /api/actions`: processor time of a grant",
        "Of the same runs: what each process took from the first request until the last grant, "
        "with its children, divided by the grants. It says the same on a machine that has other "
        "work, where grants a second do not.",
        ("program", "connections"),
        {
            "cpu_us": ("program µs", "{:,.0f}"),
            "postgres_us": ("PostgreSQL µs", "{:,.0f}"),
            "redis_us": ("Redis µs", "{:,.0f}"),
            "broker_us": ("RabbitMQ µs", "{:,.0f}"),
        },
        (
            Ratio("cpu_us", ("Fastify peer", "Fastify peer, one statement")),
            Ratio("postgres_us", ("Fastify peer",)),
        ),
    ),
    Table(
        "reads",
        "`GET /api/leaderboard`",
        "64 connections, one process, rate limiting on. Every read asks Redis: the peer for the "
        "board, Scoreboard for its version, which comes with the limit check ([0013]"
        "(../decisions/0013-reads-without-a-call.md)). `conditional`: with the board's "
        "`If-None-Match`, answered 304. In µs: processor time of a read.",
        ("program", "conditional"),
        {
            "per_second": ("reads/s", "{:,.0f}"),
            "p50_ms": ("p50 ms", "{:,.1f}"),
            "p99_ms": ("p99 ms", "{:,.1f}"),
            "cpu_us": ("program µs", "{:,.0f}"),
            "redis_us": ("Redis µs", "{:,.0f}"),
        },
        (Ratio("per_second", ("Fastify peer",)), Ratio("cpu_us", ("Fastify peer",))),
    ),
    Table(
        "changing",
        "`GET /api/leaderboard` while the board changes",
        "64 connections to one instance. Players at the top submit through another one, some 200 "
        "times a second, or nobody does. In µs: processor time of a read; that of PostgreSQL and "
        "Redis is of the submissions as well.",
        ("program",),
        {
            "changes_per_second": ("changes/s", "{:,.0f}"),
            "per_second": ("reads/s", "{:,.0f}"),
            "p50_ms": ("p50 ms", "{:,.1f}"),
            "p99_ms": ("p99 ms", "{:,.1f}"),
            "cpu_us": ("program µs", "{:,.0f}"),
            "postgres_us": ("PostgreSQL µs", "{:,.0f}"),
            "redis_us": ("Redis µs", "{:,.0f}"),
        },
        (
            Ratio("per_second", ("Scoreboard, the board at rest",), "0.9 at least"),
            Ratio("cpu_us", ("Scoreboard, the board at rest",)),
        ),
    ),
    Table(
        "streams",
        "Deliveries over SSE",
        "The same event bytes for all. Processor time: of the senders at 8 boards a second. "
        "Deliveries/s: at 50 boards a second offered, of which Scoreboard leaves out those that "
        "are not the newest any more. Memory: of idle subscribers. Scoreboard's boards come from "
        "submissions to an instance of its own, through RabbitMQ; push interval 0. What a board "
        "costs beside its deliveries (a message from RabbitMQ, an eighth of what an idle instance "
        "does in a second: together about 1.5 ms) is counted too, and shows at 100 subscribers.",
        ("program", "subscribers"),
        {
            "cpu_us": ("CPU µs per delivery", "{:.1f}"),
            "per_second": ("deliveries/s", "{:,.0f}"),
            "rss_kib": ("RSS KiB per subscriber", "{:.1f}"),
        },
        (Ratio("cpu_us", ("bare send loop", "nginx + nchan")),),
    ),
    Table(
        "latency",
        "From a submission to the event",
        "Two instances, 2,000 subscribers on both, `push_interval_seconds` 0.1, other players "
        "submitting meanwhile. From before the request is sent to the event's arrival, for every "
        "subscriber and every one of the probes.",
        (),
        {
            "submissions_per_second": ("submissions/s meanwhile", "{:,.0f}"),
            "p50_ms": ("p50 ms", "{:,.0f}"),
            "p99_ms": ("p99 ms", "{:,.0f}"),
            "worst_ms": ("worst ms", "{:,.0f}"),
            "lost": ("never arrived", "{:,.0f}"),
        },
    ),
    Table(
        "arrival",
        "Everybody at once",
        "Subscribers that connect in the same moment to one instance, until each holds the board.",
        ("subscribers",),
        {"seconds": ("seconds", "{:.1f}"), "errors": ("errors", "{:,.0f}")},
    ),
    Table(
        "memory",
        "What is left for the garbage collector",
        "What a full collection finds that nobody could reach, after so many streams, reads and "
        "grants have ended, and how long it takes, in an instance that never collects by itself. "
        "Objects of the start are not looked at, as in every instance. `open streams`: while they "
        "are. ([0070](../decisions/0070-joins-and-memory.md) says what is found.)",
        ("after",),
        {
            "count": ("of them", "{:,.0f}"),
            "found": ("objects found", "{:,.0f}"),
            "looked_at": ("objects looked at", "{:,.0f}"),
            "pause_ms": ("pause ms", "{:,.1f}"),
            "rss_mib": ("RSS MiB", "{:,.0f}"),
        },
    ),
    Table(
        "workers",
        "What a core gives",
        "`serve --workers`: each worker is kept on one of so many cores, and the load and all "
        "servers on another one; where a machine has only two, the second worker shares its core "
        "with them. `a core gives`: answers for a second of the workers' processor time.",
        ("asked", "program"),
        {
            "per_second": ("a second", "{:,.0f}"),
            "p99_ms": ("p99 ms", "{:,.1f}"),
            "cpu_us": ("program µs", "{:,.0f}"),
            "busy": ("of these cores busy", "{:.0%}"),
            "core_gives": ("a core gives", "{:,.0f}"),
        },
    ),
    Table(
        "seasons",
        "Grants that count on several boards",
        "An instance with `main` alone, and one whose actions count on a board of the day, of the "
        "week and of the month as well, each with a database of its own on the same server. After "
        "the run the entries are held against the ledger.",
        ("program", "connections"),
        {
            "per_second": ("granted/s", "{:,.0f}"),
            "p50_ms": ("p50 ms", "{:,.1f}"),
            "p99_ms": ("p99 ms", "{:,.1f}"),
        },
        (Ratio("per_second", ("Scoreboard, main alone",), "0.6 at least"),),
    ),
    Table(
        "followed",
        "Subscribers of several boards",
        "2,000 subscribers who all follow `main`, or who are spread over 20 boards, which every "
        "submission changes at once. Processor time of an instance at 8 submissions a second, as "
        "above.",
        ("program", "subscribers"),
        {
            "cpu_us": ("CPU µs per delivery", "{:.1f}"),
            "per_second": ("deliveries/s", "{:,.0f}"),
            "rss_kib": ("RSS KiB per subscriber", "{:.1f}"),
        },
        (Ratio("cpu_us", ("Scoreboard, 1 board",), "1.15 at most"),),
    ),
    Table(
        "turn",
        "The end of a hundred seasons in one moment",
        "16 connections that submit without a pause for 5 s before the moment and 5 s after it; "
        "each action counts on 20 of the boards. `switched`: from the moment until an instance "
        "lists the new season of every board. To be reached: no refusal, p99 of 500 ms at most, "
        "switched within 1 s.",
        ("boards",),
        {
            "grants_per_second": ("granted/s", "{:,.0f}"),
            "p50_ms": ("p50 ms", "{:,.1f}"),
            "p99_ms": ("p99 ms", "{:,.1f}"),
            "worst_ms": ("worst ms", "{:,.0f}"),
            "refused": ("refused", "{:,.0f}"),
            "switched_ms": ("switched ms", "{:,.0f}"),
        },
    ),
    Table(
        "noted",
        "What it costs a grant to write down how rankings move",
        "Processor time of the PostgreSQL backend for a batch of submissions, with the triggers of "
        "`movements` and, on databases without them, beside it.",
        ("program", "boards", "batch"),
        {"cpu_us": ("CPU µs per batch", "{:,.0f}")},
        (Ratio("cpu_us", ("without the triggers",), "1.15 at most"),),
    ),
    Table(
        "fences",
        "An instance that begins, and what it keeps in memory",
        "From the first question for the last rank until a fresh instance tells it: by walking "
        "along the whole ranking (`scan`), or from what another instance kept in the database. To "
        "be reached: 5 s at ten million entries, and 100 KiB for a million entries.",
        ("source", "users"),
        {
            "seconds": ("seconds", "{:.2f}"),
            "kib_per_million": ("KiB of memory a million entries", "{:.0f}"),
        },
    ),
    Table(
        "ranks",
        "Where anybody stands",
        "Random users and ranks among all entries, a tenth of which has moved since the table was "
        "vacuumed; one entry in ten is in the season as well. One connection, each kind of "
        "question in turn, with grants through another instance beside it and without. A rank "
        "comes from `GET /api/boards/{board}/users/{userId}`, a window of 11 lines from `…/me`, a "
        "page of 50 from `…/entries`. To be reached: p99 of 5 ms for a rank, of 10 ms for a window "
        "and a page. At the end ranks are held against a full count of the same snapshot.",
        ("program", "beside", "users"),
        {
            "p50_ms": ("p50 ms", "{:,.2f}"),
            "p99_ms": ("p99 ms", "{:,.2f}"),
            "grants_per_second": ("grants/s beside", "{:,.0f}"),
        },
        (Ratio("p50_ms", ("Scoreboard, the board alone",)),),
    ),
    Table(
        "growth",
        "How cost grows",
        "One ledger row per user, ten million of them in the last row. Grants of random users in "
        "batches of 50 on one connection, fsync on. In the middle of a checkpoint interval (30 "
        "minutes), and right after a checkpoint, when each page goes whole into the log once. "
        "`board rebuild` reads the whole ledger and every score. PostgreSQL is set up as "
        "[operations](../operations.md#postgresql) says, at every size alike.",
        ("users",),
        {
            "grant_us": ("grant µs", "{:,.0f}"),
            "fresh_grant_us": ("after a checkpoint µs", "{:,.0f}"),
            "top_us": ("top 10 µs", "{:,.0f}"),
            "rank_index_mib": ("rank index MiB", "{:,.1f}"),
            "rebuild_seconds": ("board rebuild s", "{:,.1f}"),
        },
        compared=("grant_us", "top_us"),
        compared_with=(100_000,),
    ),
)
