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
from tests.benchmarks.tables import TABLES, Ratio, Table
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
    drawn = set()
    for table in TABLES:
        rows = results.get(table.figure, [])
        if _measured(rows).isdisjoint(table.values):
            continue
        yield f"## {table.title}\n"
        yield f"{table.about}\n"
        yield from _lines(table, rows)
        yield ""
        if table.figure not in drawn:  # it may have several tables
            drawn.add(table.figure)
            for name in plots.names_of(table.figure):
                yield f"![{table.title}]({name})\n"


def _lines(table: Table, rows: Rows) -> Iterable[str]:
    measured = _measured(rows)
    values = {column: shown for column, shown in table.values.items() if column in measured}
    ratios = [ratio for ratio in table.ratios if ratio.column in measured]
    headings = [
        *table.group,
        *(heading for heading, _ in values.values()),
        *(heading for ratio in ratios for heading in _headings(table, ratio)),
        *(f"{values[column][0]}, {_cell(table.compared_with[0])} = 1" for column in table.compared),
    ]
    yield f"| {' | '.join(headings)} |"
    yield f"|{'---|' * len(headings)}"
    for key, members in _grouped(rows, table.group).items():
        cells = [
            *map(_cell, key),
            *(
                _median_and_range(_values(members, column), form)
                for column, (_, form) in values.items()
            ),
            *(
                _ratio(table, ratio, rows, key, members, anchor)
                for ratio in ratios
                for anchor in ratio.anchors
            ),
            *(_beside(table, rows, members, column) for column in table.compared),
        ]
        yield f"| {' | '.join(cells)} |"


def _measured(rows: Rows) -> set[str]:
    """The columns that there are: results that are kept may be from before one was measured."""
    return {column for row in rows for column in row}


def _values(members: Rows, column: str) -> list[float]:
    """What a column says, of those that it says something of."""
    return [member[column] for member in members if member[column] is not None]


def _headings(table: Table, ratio: Ratio) -> Iterable[str]:
    """Of a ratio to each of its anchors; where several values are compared, it says which."""
    value = f"{table.values[ratio.column][0]}, " if len(table.ratios) > 1 else ""
    target = f" ({ratio.target})" if ratio.target else ""
    for anchor in ratio.anchors:
        yield f"{value}{anchor} = 1{target}"


def _grouped(rows: Rows, columns: Sequence[str]) -> dict[tuple[Any, ...], Rows]:
    groups: dict[tuple[Any, ...], Rows] = {}
    for row in rows:
        groups.setdefault(tuple(row[column] for column in columns), []).append(row)
    return dict(sorted(groups.items(), key=lambda item: item[0][1:] or item[0]))


def _ratio(
    table: Table, ratio: Ratio, rows: Rows, key: tuple[Any, ...], members: Rows, anchor: str
) -> str:
    """The median of the rounds' ratios: what shook one round shook both."""
    others = _grouped(rows, table.group).get((anchor, *key[1:]))
    if others is None or not str(key[0]).startswith(_OURS):
        return ""
    return _median_ratio(members, others, ratio.column)


def _beside(table: Table, rows: Rows, members: Rows, column: str) -> str:
    others = _grouped(rows, table.group).get(table.compared_with)
    if others is None:
        return ""
    return _median_ratio(members, others, column)


def _median_ratio(members: Rows, others: Rows, column: str) -> str:
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
