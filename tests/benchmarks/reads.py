"""`GET /api/leaderboard` a second, with and without `If-None-Match`."""

from __future__ import annotations

import urllib.request
from dataclasses import dataclass

from tests.benchmarks import wrk
from tests.benchmarks.processes import Measured

CONNECTIONS = 64


@dataclass(frozen=True)
class Reads:
    """What one program did."""

    program: str
    conditional: bool
    per_second: float
    p50_ms: float
    p99_ms: float


def reads(program: str, process: Measured, seconds: int) -> list[Reads]:
    """Read the whole board, then ask whether it has changed."""
    with urllib.request.urlopen(f"{process.url}/api/leaderboard") as answer:
        etag = answer.headers["ETag"]
    return [_reads(program, process, seconds, held) for held in ("", etag)]


def _reads(program: str, process: Measured, seconds: int, etag: str) -> Reads:
    load = wrk.reading(process.url, CONNECTIONS, seconds, etag)
    if load.errors:
        raise RuntimeError(f"{program}: {load.errors} of {load.requests} reads failed")
    return Reads(program, bool(etag), load.per_second, load.p50_ms, load.p99_ms)
