"""Where anybody stands among many: how long it takes to say so, and what it takes to know.

Everything that is compared takes turns, one question each, so that all meet the same moments of
the machine: ranks, windows and pages, a read of the board, which asks for nothing deep, and what
PostgreSQL would do alone. A tenth of all entries has moved since the table was vacuumed, as in an
installation that lives.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from scoreboard.seasons.definition import Definition
from tests.benchmarks import seasons
from tests.benchmarks.asking import IN_SEASON, SEASON, Asking, Plain
from tests.benchmarks.processes import Service, Stage
from tests.benchmarks.world import NOTES_AGAIN, NOTES_NOTHING, settle_down, user_id
from tests.benchmarks.wrk import Load, Submitting
from tests.world import sql

_ACTIONS_OF_SEASON = 1_000
_CONNECTIONS = 32
_PAUSE_MS = 30  # 32 connections that pause so long make about 1,000 submissions a second
_MOVED = 0.1
_LONG = 100_000  # entries; the fences of more are kept in the database
_AHEAD_SECONDS = 0.5  # grants begin so long before the questions
_LOAD_SECONDS = 5  # of grants while ranks are compared
_SLOW_TIMES = 10  # questions in a round of what takes a second
_KEPT_SECONDS = 180.0


@dataclass(frozen=True)
class Lookup:
    """How long one program took to answer, with so many grants a second beside it."""

    program: str
    beside: str
    users: int
    p50_ms: float
    p99_ms: float
    grants_per_second: float


@dataclass(frozen=True)
class Fences:
    """What it takes to hold a ranking: the time from the first question until a fresh instance
    tells the last rank, and the memory that fences take.
    """

    source: str
    users: int
    seconds: float
    kib_per_million: float


@contextmanager
def a_long_ranking(stage: Stage, users: int) -> Iterator[Stage]:
    """Servers with so many entries on `main`, and a tenth of them in a season."""
    board = Definition(
        SEASON,
        "Season",
        counts="listed",
        actions=tuple(f"a{n}" for n in range(_ACTIONS_OF_SEASON)),
        period="month",
    )
    with seasons.a_stage(stage, "ranks", users, [board]) as own:
        sql(
            own.database_url,
            f"""
            SET session_replication_role = replica;
            {NOTES_NOTHING};
            INSERT INTO season_entries (season_id, user_id, score, updated_at)
            SELECT boards.season_id, scores.user_id, scores.score, scores.updated_at
            FROM boards
            CROSS JOIN scores
            WHERE boards.board_id = '{SEASON}'
            AND scores.user_id IN (
                SELECT md5('user' || n)::uuid FROM generate_series(1, {users}, {IN_SEASON}) AS n
            );
            {NOTES_AGAIN};
            """,
        )
        # What nobody vacuums meanwhile stays as it was left.
        sql(own.database_url, "ALTER TABLE scores SET (autovacuum_enabled = off)")
        settle_down(own.database_url)
        yield own


def fresh(stage: Stage, users: int) -> Iterator[Fences]:
    """Let instances begin: on a table that was just vacuumed; with what the first one kept; and
    the same after a tenth of the entries has moved.
    """
    yield _begin(stage, users, "scan, vacuumed", stays=users > _LONG)
    if users > _LONG:
        yield _begin(stage, users, "kept")
    sql(stage.database_url, "UPDATE scores SET score = score + 1 WHERE random() < %s", (_MOVED,))
    sql(stage.database_url, "TRUNCATE fences")
    yield _begin(stage, users, "scan, a tenth moved", stays=users > _LONG)
    if users > _LONG:
        yield _begin(stage, users, "kept, a tenth moved")


def _begin(stage: Stage, users: int, source: str, *, stays: bool = False) -> Fences:
    """Start an instance and ask it for the last rank until it tells; then, if it `stays`, wait
    until it has kept what it counted.
    """
    # Who kept fences before is gone; nobody has to wait until that shows.
    sql(stage.database_url, "UPDATE movements_removed SET kept_at = '-infinity'")
    with Service(stage) as service, Plain(service) as plain:
        began = time.monotonic()
        while not plain.rank("main", user_id(users)):
            time.sleep(0.02)
        seconds = time.monotonic() - began
        held, entries = plain.metric("rank_bytes_held"), plain.metric("rank_entries_held")
        until = time.monotonic() + _KEPT_SECONDS
        while stays and not sql(stage.database_url, "SELECT FROM fences WHERE ranking_id = 0"):
            if time.monotonic() > until:
                raise RuntimeError("an instance does not keep what it has counted")
            time.sleep(0.2)
    return Fences(source, users, seconds, held / 1024 / entries * 1e6)


def lookups(
    stage: Stage, users: int, seconds: int, submitting: Submitting, rounds: int
) -> Iterator[Lookup]:
    """Ask for so long in each round, with grants beside it and without. Raises RuntimeError when a
    rank differs from a full count of the same snapshot.
    """
    with (
        Service(stage) as service,
        Service(stage) as granting,
        Asking(stage.database_url, service, users) as asking,
    ):
        submitting.run(granting.url, _CONNECTIONS, 2)
        for _ in range(rounds):
            yield from _round(asking, users, seconds, slow=True)
            with _grants(submitting, granting, seconds + 1) as loads:
                found = list(_round(asking, users, seconds))
            [load] = loads
            for one in found:
                yield replace(one, beside="grants", grants_per_second=load.per_second)
        with _grants(submitting, granting, _LOAD_SECONDS):
            asking.compare()


def _round(asking: Asking, users: int, seconds: int, *, slow: bool = False) -> Iterator[Lookup]:
    asked: dict[str, list[float]] = {program: [] for program in asking.programs}
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for program in random.sample(list(asked), len(asked)):
            asked[program].append(asking.programs[program]())
    if slow:
        asked |= {
            program: [ask() for _ in range(_SLOW_TIMES)] for program, ask in asking.slow.items()
        }
    for program, times in asked.items():
        times.sort()
        p50, p99 = times[len(times) // 2], times[len(times) * 99 // 100]
        yield Lookup(program, "", users, p50 * 1_000, p99 * 1_000, 0.0)


@contextmanager
def _grants(submitting: Submitting, service: Service, seconds: int) -> Iterator[list[Load]]:
    """Submit meanwhile; how that went is there at the end."""
    loads: list[Load] = []
    playing = threading.Thread(
        target=lambda: loads.append(submitting.run(service.url, _CONNECTIONS, seconds, _PAUSE_MS))
    )
    playing.start()
    time.sleep(_AHEAD_SECONDS)
    yield loads
    playing.join()
