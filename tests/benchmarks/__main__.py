"""`make bench`: measure every figure and write docs/benchmarks/. It takes most of an hour, and
25 GB of disk for ten million users.

`make bench BENCH=--quick` takes under two minutes: fewer sizes, one short round each, and nothing
is written but to the terminal.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import os
import random
import resource
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scoreboard.accounts.access import AccessTokens
from tests.benchmarks import (
    arrival,
    grants,
    growth,
    latency,
    noted,
    ranks,
    reads,
    report,
    scaling,
    seasons,
    streams,
)
from tests.benchmarks.installation import PROGRAMS
from tests.benchmarks.processes import Peer, Service, Stage, install_peer
from tests.benchmarks.world import a_world, administer, measured_users, settle_down, user_id
from tests.benchmarks.wrk import Submitting
from tests.instances import test_settings
from tests.servers import PostgresServer, ProgramsMissingError, RabbitServer, RedisServer
from tests.servers.installation import POSTGRES, RABBITMQ, REDIS, provide

FIGURES = (
    *("grants", "reads", "streams", "latency", "arrival"),
    *("seasons", "followed", "turn", "noted", "ranks", "growth"),
)


@dataclass(frozen=True)
class Extent:
    """How much is measured."""

    rounds: int
    seconds: int
    users: int
    connections: tuple[int, ...]
    subscribers: tuple[int, ...]
    arriving: int
    sizes: tuple[int, ...]
    ranked: int


FULL = Extent(
    rounds=5,
    seconds=5,
    users=100_000,
    connections=grants.CONNECTIONS,
    subscribers=(100, 1_000, 2_000, 5_000),
    arriving=arrival.SUBSCRIBERS,
    sizes=(10_000, 100_000, 1_000_000, 10_000_000),
    ranked=10_000_000,
)
QUICK = Extent(
    rounds=1,
    seconds=2,
    users=20_000,
    connections=(64,),
    subscribers=(1_000,),
    arriving=2_000,
    sizes=(10_000, 100_000),
    ranked=100_000,
)


@dataclass
class Bench:
    """One run: where it takes place, what it measures, and what it has found."""

    extent: Extent
    directory: Path
    stage: Stage
    results: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    top_actions: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def note(self, figure: str, *found: Any) -> None:
        """Keep results, and show them as they come."""
        for one in found:
            row = dataclasses.asdict(one)
            self.results.setdefault(figure, []).append(row)
            shown = (
                f"{key} {value:,.1f}" if isinstance(value, float) else f"{key} {value}"
                for key, value in row.items()
            )
            print(f"{figure}: {', '.join(shown)}", flush=True)  # noqa: T201

    def tokens(self, users: list[str]) -> list[str]:
        """Access tokens that outlive the run."""
        settings = test_settings(access_token_seconds=86_400)
        return [AccessTokens(settings).issue(user) for user in users]


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
            globals()[f"_{figure}"](bench)
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
    parser.add_argument("--quick", action="store_true", help="under two minutes")
    parser.add_argument("--rounds", type=int, help="how often each comparison is repeated")
    parser.add_argument(
        "--connections", type=int, action="append", help="at so many connections alone"
    )
    parser.add_argument("--ranked", type=int, help="how many entries ranks are measured among")
    parser.add_argument("--only", action="append", choices=FIGURES, help="this figure alone")
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


def _grants(bench: Bench) -> None:
    stage, extent = bench.stage, bench.extent
    tokens = bench.tokens(measured_users(5_000, extent.users))
    submitting = Submitting(tokens, bench.directory)
    home = install_peer(bench.directory)
    with ExitStack() as stack:
        programs = {
            "Scoreboard": stack.enter_context(Service(stage)),
            "Fastify peer": stack.enter_context(Peer(stage, home)),
            "Fastify peer, one statement": stack.enter_context(Peer(stage, home, "statement")),
        }
        for process in programs.values():  # until every token was seen and the code is warm
            submitting.run(process.url, 64, 5)
        for _ in range(extent.rounds):
            settle_down(stage.database_url)
            for connections in extent.connections:
                measured = list(programs.items())
                random.shuffle(measured)
                for program, process in measured:
                    found = grants.submissions(
                        program,
                        process,
                        stage,
                        submitting,
                        connections,
                        extent.seconds,
                    )
                    bench.note("grants", found)
                found = grants.pgbench(
                    stage, bench.directory, extent.users, connections, extent.seconds
                )
                bench.note("grants", found)


def _reads(bench: Bench) -> None:
    home = bench.directory / "peer"
    home = home if home.exists() else install_peer(bench.directory)
    with Service(bench.stage) as service, Peer(bench.stage, home) as peer:
        for _ in range(bench.extent.rounds):
            programs = [("Scoreboard", service), ("Fastify peer", peer)]
            random.shuffle(programs)
            for program, process in programs:
                bench.note(
                    "reads", *reads.reads(program, process, bench.stage, bench.extent.seconds)
                )


def _streams(bench: Bench) -> None:
    [token] = bench.tokens([user_id(1)])
    for _ in range(bench.extent.rounds):
        for subscribers in bench.extent.subscribers:
            bench.note(
                "streams",
                *streams.measure(
                    bench.stage, token, bench.top_actions, subscribers, bench.extent.seconds
                ),
            )


def _latency(bench: Bench) -> None:
    [token] = bench.tokens([user_id(1)])
    # Players below the top, so that only the probes change its first line.
    others = measured_users(2_000, bench.extent.users)[1:]
    submitting = Submitting(bench.tokens(others), bench.directory)
    submitting.skip(ACTIONS_OF_LATENCY)
    for _ in range(bench.extent.rounds):
        found = latency.measure(
            bench.stage, token, bench.top_actions, submitting, bench.extent.seconds * 2
        )
        bench.note("latency", found)


def _arrival(bench: Bench) -> None:
    for _ in range(bench.extent.rounds):
        bench.note("arrival", arrival.measure(bench.stage, bench.extent.arriving))


def _seasons(bench: Bench) -> None:
    extent, boards = bench.extent, seasons.running()
    tokens = bench.tokens(measured_users(5_000, extent.users))
    with ExitStack() as stack:
        stages = {
            program: stack.enter_context(seasons.a_stage(bench.stage, name, extent.users, there))
            for program, name, there in (
                (seasons.MAIN_ALONE, "alone", ()),
                (seasons.WITH_SEASONS, "seasons", boards),
            )
        }
        services = {
            program: stack.enter_context(Service(stage)) for program, stage in stages.items()
        }
        submitting = {program: Submitting(tokens, bench.directory) for program in stages}
        for program, service in services.items():
            submitting[program].run(service.url, 64, 5)
        for _ in range(extent.rounds):
            for stage in stages.values():
                settle_down(stage.database_url)
            for connections in extent.connections:
                for program in random.sample(list(stages), len(stages)):
                    found = grants.submissions(
                        program,
                        services[program],
                        stages[program],
                        submitting[program],
                        connections,
                        extent.seconds,
                    )
                    bench.note("seasons", found)
        seasons.compare(stages[seasons.WITH_SEASONS], [board.board_id for board in boards])


def _followed(bench: Bench) -> None:
    extent, boards = bench.extent, seasons.followed()
    [token] = bench.tokens([user_id(1)])
    with (
        seasons.a_stage(bench.stage, "alone", extent.users) as alone,
        seasons.a_stage(bench.stage, "followed", extent.users, boards) as many,
    ):
        stages = [(alone, itertools.count(1), []), (many, itertools.count(1), boards)]
        for _ in range(extent.rounds):
            for stage, actions, there in random.sample(stages, 2):
                # Three times as long as elsewhere: the first seconds are not like the others.
                found = seasons.deliveries(stage, token, actions, there, 3 * extent.seconds)
                bench.note("followed", found)


def _turn(bench: Bench) -> None:
    tokens = bench.tokens(measured_users(2_000, bench.extent.users))
    for _ in range(bench.extent.rounds):
        users = bench.extent.users
        bench.note("turn", seasons.turn(bench.stage, users, tokens, bench.directory))


def _noted(bench: Bench) -> None:
    stage, users, some = bench.stage, bench.extent.users, seasons.running()
    stages = {
        "main": (("alone", ()), ("bare", ())),
        "main, daily, weekly, monthly": (("seasons", some), ("bare_seasons", some)),
    }
    with ExitStack() as stack:
        urls = {
            boards: [
                stack.enter_context(seasons.a_stage(stage, name, users, there)).database_url
                for name, there in pair
            ]
            for boards, pair in stages.items()
        }
        bench.note("noted", *noted.measure(urls, users, bench.extent.rounds))


def _ranks(bench: Bench) -> None:
    extent = bench.extent
    submitting = Submitting(
        bench.tokens(measured_users(5_000, min(extent.users, extent.ranked))), bench.directory
    )
    with ranks.a_long_ranking(bench.stage, extent.ranked) as stage:
        for found in ranks.fresh(stage, extent.ranked):
            bench.note("fences", found)
        seconds = SECONDS_OF_RANKS * extent.seconds
        for lookup in ranks.lookups(stage, extent.ranked, seconds, submitting, extent.rounds):
            bench.note("ranks", lookup)


def _growth(bench: Bench) -> None:
    with ExitStack() as stack:
        urls = {
            users: stack.enter_context(a_world(bench.stage.postgres, f"growth_{users}", users))
            for users in bench.extent.sizes
        }
        bench.note("growth", *growth.measure(urls, bench.extent.rounds))


# Some thirty questions of each kind a second, of which one in a hundred is told.
SECONDS_OF_RANKS = 6
# The first action of the latency's players: the grants of the same run have used those before it.
ACTIONS_OF_LATENCY = 5_000

if __name__ == "__main__":
    sys.exit(main())
