"""Every figure of docs/benchmarks/: what it is measured on, how often, in which order."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Final

from tests.benchmarks import (
    arrival,
    changing,
    grants,
    growth,
    latency,
    memory,
    noted,
    ranks,
    reads,
    seasons,
    streams,
    workers,
)
from tests.benchmarks.bench import Bench
from tests.benchmarks.processes import Peer, Service, install_peer
from tests.benchmarks.world import a_world, measured_users, settle_down, user_id
from tests.benchmarks.wrk import Submitting

# Some thirty questions of each kind a second, of which one in a hundred is told.
SECONDS_OF_RANKS = 6
# The first action of the latency's players: the grants of the same run have used those before it.
ACTIONS_OF_LATENCY = 5_000
ACTIONS_OF_MEMORY = 7_000  # likewise
ACTIONS_OF_CHANGING = 8_000  # likewise
ACTIONS_OF_WORKERS = 9_000  # likewise


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


def _changing(bench: Bench) -> None:
    players = [user_id(number) for number in range(1, 1 + changing.PLAYERS)]
    submitting = Submitting(bench.tokens(players), bench.directory)
    submitting.skip(ACTIONS_OF_CHANGING)
    extent = bench.extent
    bench.note(
        "changing", *changing.measure(bench.stage, submitting, extent.seconds, extent.rounds)
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


def _workers(bench: Bench) -> None:
    tokens = bench.tokens(measured_users(5_000, bench.extent.users))
    submitting = Submitting(tokens, bench.directory)
    submitting.skip(ACTIONS_OF_WORKERS)
    for _ in range(bench.extent.rounds):
        for arrangement in random.sample(workers.ARRANGEMENTS, len(workers.ARRANGEMENTS)):
            found = workers.measure(arrangement, bench.stage, submitting, bench.extent.seconds)
            bench.note("workers", *found)


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


def _memory(bench: Bench) -> None:
    tokens = bench.tokens(measured_users(5_000, bench.extent.users))
    submitting = Submitting(tokens, bench.directory)
    submitting.skip(ACTIONS_OF_MEMORY)
    for _ in range(bench.extent.rounds):
        bench.note("memory", *memory.measure(bench.stage, submitting, bench.extent.seconds))


FIGURES: Final[Mapping[str, Callable[[Bench], None]]] = {
    "grants": _grants,
    "reads": _reads,
    "changing": _changing,
    "streams": _streams,
    "latency": _latency,
    "arrival": _arrival,
    "memory": _memory,
    "workers": _workers,
    "seasons": _seasons,
    "followed": _followed,
    "turn": _turn,
    "noted": _noted,
    "ranks": _ranks,
    "growth": _growth,
}
