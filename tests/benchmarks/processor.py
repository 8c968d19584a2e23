"""The processor time of processes: the figure that says the same on a busy machine.

    meter = Meter(stage.server_pids, cpu_us=service.pid)
    load = submitting.run(...)
    each(meter.seconds(), load.requests)  # {"postgres_us": 71.3, …, "cpu_us": 180.2}

What each process takes by itself while nobody asks anything of it is counted too.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import psutil

# The lowest bits of a clock's number: the processor time of a process, as the scheduler counts it.
_CPUCLOCK_SCHED: Final = 2


class Meter:
    """The processor time of some processes since it was made, each with all that it has started."""

    def __init__(self, pids: Mapping[str, int], **more: int) -> None:
        self._pids = {**pids, **more}
        self._began = self._now()

    def seconds(self) -> dict[str, float]:
        """What each has taken, by its name."""
        return {name: now - self._began[name] for name, now in self._now().items()}

    def _now(self) -> dict[str, float]:
        return {name: tree_seconds(pid) for name, pid in self._pids.items()}


def each(seconds: Mapping[str, float], count: int) -> dict[str, float]:
    """What was taken for each of so many things done, in µs."""
    return {name: taken / count * 1e6 for name, taken in seconds.items()}


def tree_seconds(pid: int) -> float:
    """Processor time so far of a process and of all that it has started, be it over: PostgreSQL has
    a process for each connection. What is over counts in ticks of the system's clock, of 10 ms.
    """
    root = psutil.Process(pid)
    seconds = 0.0
    for process in [root, *root.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess, ProcessLookupError):  # its parent has its time now
            times = process.cpu_times()
            seconds += process_seconds(process.pid)
            seconds += times.children_user + times.children_system
    return seconds


def process_seconds(pid: int) -> float:
    """Processor time so far of a process with its threads, also those that have ended: in
    nanoseconds where the system has a clock for each process, else in ticks.
    """
    try:
        # What clock_getcpuclockid(3) answers.
        return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)
    except OSError:
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system)
