"""`make bench`: measure every figure and write docs/benchmarks/. It takes most of an hour, and
25 GB of disk for ten million users.

`make bench BENCH=--quick` takes a few minutes: fewer sizes, one short round each, and nothing
is written but to the terminal.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import resource
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.benchmarks import report, scaling
from tests.benchmarks.bench import FULL, QUICK, Bench, Extent
from tests.benchmarks.figures import FIGURES
from tests.benchmarks.installation import PROGRAMS
from tests.benchmarks.processes import Stage
from tests.benchmarks.world import a_world, administer
from tests.servers import PostgresServer, ProgramsMissingError, RabbitServer, RedisServer
from tests.servers.installation import POSTGRES, RABBITMQ, REDIS, provide


def main() -> int:
    """Measure what was asked for."""
    arguments = _arguments()
    try:
        provide([*POSTGRES, *REDIS, *RABBITMQ, *PROGRAMS])
    except ProgramsMissingError as missing:
        print(missing, file=sys.stderr)  # noqa: T201
        return 3
    _allow_many_files()
    extent = QUICK if arguments.quick else FULL
    if arguments.rounds:
        extent = dataclasses.replace(extent, rounds=arguments.rounds)
    if arguments.connections:
        extent = dataclasses.replace(extent, connections=tuple(arguments.connections))
    if arguments.ranked:
        extent = dataclasses.replace(extent, ranked=arguments.ranked)
    with _bench(extent) as bench:
        facts = report.facts(bench.stage, " ".join(sys.argv[1:]))
        for figure in arguments.only or FIGURES:
            FIGURES[figure](bench)
            if not arguments.quick:  # at once: the next one may take long, and be interrupted
                report.write(bench.results, facts)
                scaling.main()
    report.show(bench.results)
    return 0


def _allow_many_files() -> None:
    """Raise the limit on open files as far as we may, for us and for all that we start."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few minutes")
    parser.add_argument("--rounds", type=int, help="how often each comparison is repeated")
    parser.add_argument(
        "--connections", type=int, action="append", help="at so many connections alone"
    )
    parser.add_argument("--ranked", type=int, help="how many entries ranks are measured among")
    parser.add_argument("--only", action="append", choices=tuple(FIGURES), help="this figure alone")
    return parser.parse_args()


@contextmanager
def _bench(extent: Extent) -> Iterator[Bench]:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scoreboard-")))
        postgres = stack.enter_context(PostgresServer(fsync=True))
        _size(postgres)
        stage = Stage(
            postgres, stack.enter_context(RedisServer()), stack.enter_context(RabbitServer())
        )
        url = stack.enter_context(a_world(postgres, "bench", extent.users))
        yield Bench(extent, directory, dataclasses.replace(stage, database_url=url))


def _size(postgres: PostgresServer) -> None:
    """Set PostgreSQL up as docs/operations.md tells an operator to."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    settings = {
        "shared_buffers": f"{max(1024, memory // 4)}MB",
        "max_wal_size": "16GB",
        "checkpoint_timeout": "30min",
        "wal_compression": "lz4",
    }
    for name, value in settings.items():
        administer(postgres, f"ALTER SYSTEM SET {name} = '{value}'")
    postgres.restart()


if __name__ == "__main__":
    sys.exit(main())
