"""`GET /api/leaderboard` a second while the board changes, beside the same while it does not.

One instance is read from in both; another one takes the submissions of the players at the top, each
of which changes the board.
"""

from __future__ import annotations

import random
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.benchmarks import wrk
from tests.benchmarks.processes import Service, Stage
from tests.benchmarks.processor import Meter, each
from tests.benchmarks.reads import CONNECTIONS
from tests.benchmarks.wrk import Submitting

AT_REST = "Scoreboard, the board at rest"
CHANGING = "Scoreboard, the board changing"
CHANGES = 200  # a second
PLAYERS = 10
_PLAYING = 16  # connections
_PAUSE_MS = 1_000 * _PLAYING // CHANGES - 5  # an answer takes some 5 ms
_BEFORE_SECONDS = 1


@dataclass(frozen=True)
class Changing:
    """What reads of one instance did; `changes_per_second` is how often the board did change."""

    program: str
    changes_per_second: float
    per_second: float
    p50_ms: float
    p99_ms: float
    # Processor time of a read, and of what was done for the board meanwhile.
    cpu_us: float
    postgres_us: float
    redis_us: float


def measure(stage: Stage, submitting: Submitting, seconds: int, rounds: int) -> list[Changing]:
    """Measure both in each round, in random order."""
    with Service(stage) as read, Service(stage, "--role", "api") as written:
        wrk.reading(read.url, CONNECTIONS, _BEFORE_SECONDS)
        found = []
        for _ in range(rounds):
            for program in random.sample([AT_REST, CHANGING], 2):
                if program == AT_REST:
                    found.append(_reads(program, read, stage, seconds))
                    continue
                with _playing(submitting, written, seconds):
                    found.append(_reads(program, read, stage, seconds))
        return found


@contextmanager
def _playing(submitting: Submitting, service: Service, seconds: int) -> Iterator[None]:
    """Submit from a moment before until a moment after so many seconds."""
    lasts = seconds + 2 * _BEFORE_SECONDS
    playing = threading.Thread(
        target=submitting.run, args=(service.url, _PLAYING, lasts, _PAUSE_MS)
    )
    playing.start()
    time.sleep(_BEFORE_SECONDS)
    yield
    playing.join()


def _reads(program: str, service: Service, stage: Stage, seconds: int) -> Changing:
    meter = Meter(
        {"postgres_us": stage.postgres.pid, "redis_us": stage.redis.pid}, cpu_us=service.pid
    )
    version, began = _version(service), time.monotonic()
    load = wrk.reading(service.url, CONNECTIONS, seconds)
    changes = (_version(service) - version) / (time.monotonic() - began)
    spent = each(meter.seconds(), load.requests)
    if load.errors:
        raise RuntimeError(f"{program}: {load.errors} of {load.requests} reads failed")
    return Changing(program, changes, load.per_second, load.p50_ms, load.p99_ms, **spent)


def _version(service: Service) -> int:
    with urllib.request.urlopen(f"{service.url}/api/leaderboard") as answer:
        return int(answer.headers["ETag"].strip('"'))
