"""What streams and requests leave behind that only the garbage collector frees, and what it takes
to find it.

What counting references frees is gone when the last one goes, at no cost to anybody else. What
stands in a circle stays until a collection, which holds everything up for as long as it looks.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.benchmarks import wrk
from tests.benchmarks.collecting import SAYS
from tests.benchmarks.crowd import a_crowd
from tests.benchmarks.processes import Service, Stage, clean_environment
from tests.benchmarks.wrk import Submitting

STREAMS = 1_000
_CONNECTIONS = 64
_SETTLE_SECONDS = 2.0  # places of streams are given up within one


@dataclass(frozen=True)
class Left:
    """What a full collection finds after so many of something have ended."""

    after: str  # what has ended, or what is open
    count: int
    found: int  # objects that nobody could reach
    pause_ms: float  # processor time of the collection, in which nothing else runs
    looked_at: int  # objects that were there, those of the start apart
    rss_mib: float


class CollectingService(Service):
    """The service, which collects garbage when it is told to and at no other time."""

    def launch(self) -> subprocess.Popen[bytes]:
        return self.spawn(
            [sys.executable, "-m", "tests.benchmarks.collecting", "serve", *self._options],
            environment=clean_environment() | self._environment,
            stdin=subprocess.PIPE,
        )

    def collect(self) -> dict[str, Any]:
        """Collect everything; what was found."""
        assert self._process is not None
        assert self._process.stdin is not None
        before = len(self._said())
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()
        self.until(lambda: len(self._said()) > before)
        found: dict[str, Any] = json.loads(self._said()[-1])
        return found

    def _said(self) -> list[str]:
        lines = self.log.read_text().splitlines(keepends=True)
        said = [line.removeprefix(SAYS) for line in lines if line.startswith(SAYS)]
        return [line for line in said if line.endswith("\n")]


def measure(stage: Stage, submitting: Submitting, seconds: int) -> list[Left]:
    """Measure once, on an instance of its own."""
    with CollectingService(stage) as service:
        return [
            _left(service, "reads", lambda: _reads(service, seconds)),
            _left(service, "grants", lambda: _grants(service, submitting, seconds)),
            _left(service, "closed streams", lambda: _streams(service)),
            _with_streams(service),
        ]


def _reads(service: Service, seconds: int) -> int:
    return wrk.reading(service.url, _CONNECTIONS, seconds).requests


def _grants(service: Service, submitting: Submitting, seconds: int) -> int:
    return submitting.run(service.url, _CONNECTIONS, seconds).requests


def _streams(service: Service) -> int:
    with a_crowd(STREAMS, [service.port]) as crowd:
        if crowd.errors:
            raise RuntimeError(f"{crowd.errors} subscribers got no board")
    return STREAMS


def _left(service: CollectingService, after: str, make: Callable[[], int]) -> Left:
    make()  # what the first ones bring in (code, caches) stays
    time.sleep(_SETTLE_SECONDS)
    service.collect()
    count = make()
    time.sleep(_SETTLE_SECONDS)
    return _collected(service, after, count)


def _with_streams(service: CollectingService) -> Left:
    with a_crowd(STREAMS, [service.port]):
        return _collected(service, "open streams", STREAMS)


def _collected(service: CollectingService, after: str, count: int) -> Left:
    rss = service.rss_bytes()
    found = service.collect()
    kinds = ", ".join(f"{number} {kind}" for kind, number in found.pop("kinds").items())
    print(f"memory: after {count} {after}: {kinds or 'nothing'}", flush=True)  # noqa: T201
    return Left(after, count, **found, rss_mib=rss / 2**20)
