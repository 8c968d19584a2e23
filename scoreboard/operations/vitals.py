"""What cannot be counted where it happens, and is looked at once a second instead: what the process
uses, how late its loop is, how the pools are used, who waits for them, what of its log was lost.

prometheus_client's own collector of the process would show, of several workers, only the one that
answers the scrape.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import resource
import sys
import time
from collections.abc import Callable, Mapping
from typing import Final

from scoreboard import __version__
from scoreboard.connections.postgres import Postgres
from scoreboard.connections.redis_pool import Pool
from scoreboard.operations import logs
from scoreboard.operations.metrics import Metrics

_LOOK_SECONDS: Final = 1.0
_FILES: Final = "/proc/self/fd"


class Vitals:
    """Looks once a second."""

    def __init__(
        self,
        metrics: Metrics,
        *,
        instance: str,
        role: str,
        postgres: Mapping[str, Postgres],
        redis: Pool,
        submissions_waiting: Callable[[], int],
    ) -> None:
        self._metrics = metrics
        self._postgres = postgres
        self._redis = redis
        self._submissions_waiting = submissions_waiting
        self._cpu_seconds = 0.0  # as much of it as was counted
        self._lines_dropped = 0  # likewise
        metrics.build_info.labels(__version__, platform.python_version()).set(1)
        metrics.instance_info.labels(instance, role).set(1)
        metrics.process_start_time.set(time.time())

    async def run(self) -> None:
        """Look until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self.look()
            due = loop.time() + _LOOK_SECONDS
            await asyncio.sleep(_LOOK_SECONDS)
            self._metrics.loop_delay_seconds.observe(max(0.0, loop.time() - due))

    def look(self) -> None:
        """Bring the gauges up to date."""
        metrics = self._metrics
        for name, pool in self._postgres.items():
            metrics.postgres_sessions.labels(name, "in_use").set(pool.in_use)
            metrics.postgres_sessions.labels(name, "idle").set(pool.idle)
            metrics.postgres_waiting.labels(name).set(pool.waiting)
        metrics.redis_connections.labels("in_use").set(self._redis.in_use)
        metrics.redis_connections.labels("idle").set(self._redis.idle)
        metrics.submissions_waiting.set(self._submissions_waiting())
        cpu_seconds = time.process_time()
        metrics.process_cpu.inc(cpu_seconds - self._cpu_seconds)
        self._cpu_seconds = cpu_seconds
        lines_dropped = logs.lines_dropped()
        # Fewer than before: logging was set up anew, and counts from 0 again.
        metrics.log_lines_dropped.inc(max(0, lines_dropped - self._lines_dropped))
        self._lines_dropped = lines_dropped
        metrics.process_memory.set(_memory_bytes())
        with contextlib.suppress(OSError):  # no file is left to look with: the last number stays
            metrics.process_open_files.set(_open_files())
        metrics.process_files_max.set(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def _memory_bytes() -> int:
    """What the process holds in memory now; where that cannot be read (no /proc, no file left),
    the most that it ever held.
    """
    with contextlib.suppress(OSError), open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024  # macOS counts it in bytes


def _open_files() -> int:
    """How many files are open. Linux knows the number since 6.2; listing 15,000 takes 10 ms."""
    with contextlib.suppress(OSError):
        return os.stat(_FILES).st_size or len(os.listdir(_FILES))
    return len(os.listdir("/dev/fd"))
