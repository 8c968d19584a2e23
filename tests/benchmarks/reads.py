"""`GET /api/leaderboard` a second and what processor time one costs, with and without
`If-None-Match`.
"""

from __future__ import annotations

import urllib.request
from dataclasses import dataclass

from tests.benchmarks import wrk
from tests.benchmarks.processes import Measured, Stage
from tests.benchmarks.processor import Meter, each

CONNECTIONS = 64


@dataclass(frozen=True)
class Reads:
    """What one program did."""

    program: str
    conditional: bool
    per_second: float
    p50_ms: float
    p99_ms: float
    # Processor time of a read.
    cpu_us: float
    redis_us: float


def reads(program: str, process: Measured, stage: Stage, seconds: int) -> list[Reads]:
    """Read the whole board, then ask whether it has changed."""
    with urllib.request.urlopen(f"{process.url}/api/leaderboard") as answer:
        etag = answer.headers["ETag"]
    return [_reads(program, process, stage, seconds, held) for held in ("", etag)]


def _reads(program: str, process: Measured, stage: Stage, seconds: int, etag: str) -> Reads:
    meter = Meter({"redis_us": stage.redis.pid}, cpu_us=process.pid)
    load = wrk.reading(process.url, CONNECTIONS, seconds, etag)
    spent = each(meter.seconds(), load.requests)
    if load.errors:
        raise RuntimeError(f"{program}: {load.errors} of {load.requests} reads failed")
    return Reads(program, bool(etag), load.per_second, load.p50_ms, load.p99_ms, **spent)
