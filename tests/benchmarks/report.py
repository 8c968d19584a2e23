"""Writes docs/benchmarks/: the table with ranges and ratios, the raw results, and the plots."""

from __future__ import annotations

import json
import os
import platform
import re
import statistics
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from scoreboard import __version__
from tests.benchmarks import plots
from tests.benchmarks.installation import NODE, WRK
from tests.benchmarks.processes import Stage
from tests.servers.installation import NGINX, REDIS_SERVER
from tests.world import sql

DIRECTORY = Path(__file__).parents[2] / "docs" / "benchmarks"
_PACKAGES = ("aiohttp", "aiohttp-sse", "aiopg", "aio-pika", "redis", "uvloop")
_OURS = "Scoreboard"

_INTRODUCTION = """\
Written by `make bench` (tests/benchmarks/); do not edit. Medians of the rounds, with the range in
brackets. Programs are measured in turn within each round, because the pace of a shared machine
changes from minute to minute; a ratio is the median of the rounds' own ratios. Raw results:
[results.json](results.json).
"""

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Facts:
    """Where, when and with what it was measured."""

    when: str
    command: str
    machine: str
    versions: str


def facts(stage: Stage, arguments: str) -> Facts:
    """Gather them; nothing here names the machine."""
    [(postgres,)] = sql(stage.postgres.url, "SHOW server_version")
    versions = [
        f"Scoreboard {__version__}",
        f"CPython {platform.python_version()}",
        *(f"{package} {version(package)}" for package in _PACKAGES),
        f"PostgreSQL {postgres.split()[0]}",
        f"Redis {_said(REDIS_SERVER.path(), '--version')}",
        f"RabbitMQ {_rabbit_version(stage)}",
        f"nginx {_said(NGINX.path(), '-v')}",
        f"Node {_said(NODE.path(), '--version')}",
        f"wrk {_said(WRK.path(), '--version')}",
    ]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**30
    return Facts(
        when=datetime.now(UTC).strftime("%Y-%m-%d"),
        command=f"python -m tests.benchmarks {arguments}".strip(),
        machine=f"{os.cpu_count()} cores ({platform.machine()}), {memory} GiB, Linux "
        f"{platform.release().split('-')[0]}; all servers, programs and load generators share it",
        versions=", ".join(versions),
    )


def _said(program: Path, option: str) -> str:
    done = subprocess.run([str(program), option], capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+(?:\.\d+)?", done.stdout + done.stderr)
    return found[0] if found else "?"


def _rabbit_version(stage: Stage) -> str:
    return stage.rabbit.evaluate("rabbit_misc:version()").strip('"')


# What is told of each figure: rows are grouped by some columns, values shown as median (range).


@dataclass(frozen=True)
class Table:
    """How a figure's results become a table."""

    figure: str
    title: str
    about: str
    group: tuple[str, ...]
    values: dict[str, tuple[str, str]]  # column: (heading, format)
    # Which value is compared, and with which programs (the part of the group that is replaced).
    ratio: str = ""
    anchors: tuple[str, ...] = ()
    target: str = ""  # what the ratio has to reach
    # Which values are shown beside those of another row of the same figure, round by round.
    compared: tuple[str, ...] = ()
    compared_with: tuple[Any, ...] = ()


_TABLES = (
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
        "per_second",
        ("Fastify peer", "Fastify peer, one statement", "pgbench, one statement"),
    ),
    Table(
        "reads",
        "`GET /api/leaderboard`",
        "64 connections, one process, rate limiting on. Every read asks Redis: the peer for the "
        "board, Scoreboard for its version, which comes with the limit check ([0013]"
        "(../decisions/0013-reads-without-a-call.md)). `conditional`: with the board's "
        "`If-None-Match`, answered 304.",
        ("program", "conditional"),
        {
            "per_second": ("reads/s", "{:,.0f}"),
            "p50_ms": ("p50 ms", "{:,.1f}"),
            "p99_ms": ("p99 ms", "{:,.1f}"),
        },
        "per_second",
        ("Fastify peer",),
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
        "cpu_us",
        ("bare send loop", "nginx + nchan"),
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
        "per_second",
        ("Scoreboard, main alone",),
        "0.6 at least",
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
        "cpu_us",
        ("Scoreboard, 1 board",),
        "1.15 at most",
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


def show(results: dict[str, Rows]) -> None:
    """Print the tables."""
    print("\n".join(_sections(results)))  # noqa: T201


def write(results: dict[str, Rows], found: Facts) -> None:
    """Write everything; figures that were not measured this time keep their last results."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    path = DIRECTORY / "results.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    kept |= {figure: {"facts": found.__dict__, "rows": rows} for figure, rows in results.items()}
    path.write_text(json.dumps(kept, indent=1) + "\n")
    render(kept)


def render(kept: dict[str, Any]) -> None:
    """Write document and plots from all results that are kept."""
    rows = {figure: kept[figure]["rows"] for figure in kept}
    for name, drawing in plots.draw(rows).items():
        (DIRECTORY / name).write_text(drawing)
    (DIRECTORY / "README.md").write_text("\n".join(_document(kept, rows)).rstrip("\n") + "\n")


def _document(kept: dict[str, Any], rows: dict[str, Rows]) -> Iterable[str]:
    yield "# Measured\n"
    yield _INTRODUCTION
    runs: dict[tuple[str, ...], list[str]] = {}
    for figure, result in kept.items():
        runs.setdefault(tuple(result["facts"].values()), []).append(figure)
    for (when, command, machine, versions), figures in runs.items():
        yield f"- {', '.join(figures)}: {when}, `{command}`"
        yield f"  - {machine}"
        yield f"  - {versions}\n"
    yield from _sections(rows)


def _sections(results: dict[str, Rows]) -> Iterable[str]:
    for table in _TABLES:
        if rows := results.get(table.figure):
            yield f"## {table.title}\n"
            yield f"{table.about}\n"
            yield from _lines(table, rows)
            yield ""
            for name in plots.names_of(table.figure):
                yield f"![{table.title}]({name})\n"


def _lines(table: Table, rows: Rows) -> Iterable[str]:
    target = f" ({table.target})" if table.target else ""
    ratios = [f"{anchor} = 1{target}" for anchor in table.anchors]
    ratios += [
        f"{table.values[column][0]}, {_cell(table.compared_with[0])} = 1"
        for column in table.compared
    ]
    headings = [*table.group, *(heading for heading, _ in table.values.values()), *ratios]
    yield f"| {' | '.join(headings)} |"
    yield f"|{'---|' * len(headings)}"
    for key, members in _grouped(rows, table.group).items():
        cells = [_cell(value) for value in key]
        cells += [
            _median_and_range(
                [member[column] for member in members if member[column] is not None], form
            )
            for column, (_, form) in table.values.items()
        ]
        cells += [_ratio(table, rows, key, members, anchor) for anchor in table.anchors]
        cells += [_beside(table, rows, members, column) for column in table.compared]
        yield f"| {' | '.join(cells)} |"


def _grouped(rows: Rows, columns: Sequence[str]) -> dict[tuple[Any, ...], Rows]:
    groups: dict[tuple[Any, ...], Rows] = {}
    for row in rows:
        groups.setdefault(tuple(row[column] for column in columns), []).append(row)
    return dict(sorted(groups.items(), key=lambda item: item[0][1:] or item[0]))


def _ratio(table: Table, rows: Rows, key: tuple[Any, ...], members: Rows, anchor: str) -> str:
    """The median of the rounds' ratios: what shook one round shook both."""
    others = _grouped(rows, table.group).get((anchor, *key[1:]))
    if others is None or not str(key[0]).startswith(_OURS):
        return ""
    pairs = zip(members, others, strict=False)
    return f"{statistics.median(a[table.ratio] / b[table.ratio] for a, b in pairs):.2f}"


def _beside(table: Table, rows: Rows, members: Rows, column: str) -> str:
    others = _grouped(rows, table.group).get(table.compared_with)
    if others is None:
        return ""
    pairs = zip(members, others, strict=False)
    return f"{statistics.median(a[column] / b[column] for a, b in pairs):.2f}"


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _median_and_range(values: Sequence[float], form: str) -> str:
    if not values:
        return ""
    shown: Callable[[float], str] = form.format
    middle = shown(statistics.median(values))
    if len(values) == 1:
        return middle
    return f"{middle} ({shown(min(values))} to {shown(max(values))})"
