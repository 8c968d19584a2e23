"""What a core gives: one worker and two, on cores that they have to themselves as far as there are
enough, and the load with all servers on another one.

A machine of two cores has none left for the load beside two workers. There the second one shares
its core, and `core_gives` says what it would do alone: how many answers a second of processor time
makes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from tests.benchmarks import wrk
from tests.benchmarks.processes import Service, Stage
from tests.benchmarks.processor import Meter, each
from tests.benchmarks.wrk import Load, Submitting

_CONNECTIONS: Final = 64
_WARM_SECONDS: Final = 1


@dataclass(frozen=True)
class Workers:
    """What so many workers did; `cores` is what they had together, `busy` how much of it."""

    asked: str
    program: str
    cores: int
    per_second: float
    p99_ms: float
    cpu_us: float
    busy: float
    core_gives: float


@dataclass(frozen=True)
class Arrangement:
    """So many workers, each on one of so many cores."""

    workers: int
    cores: int

    @property
    def program(self) -> str:
        """What it is called in tables."""
        workers = "1 worker" if self.workers == 1 else f"{self.workers} workers"
        return f"{workers}, {self.cores} core{'s' * (self.cores > 1)}"


ARRANGEMENTS: Final = (Arrangement(1, 1), Arrangement(2, 1), Arrangement(2, 2))


def measure(
    arrangement: Arrangement, stage: Stage, submitting: Submitting, seconds: int
) -> list[Workers]:
    """Measure one arrangement, on an instance of its own."""
    cores = sorted(os.sched_getaffinity(0))
    ours = cores[: arrangement.cores]
    others = cores[arrangement.cores :] or cores[-1:]
    options = ("--workers", str(arrangement.workers)) if arrangement.workers > 1 else ()
    servers = [*stage.server_pids.values(), os.getpid()]
    with Service(stage, *options) as service, _on(others, servers):
        _place(service.pid, ours)
        asked: Mapping[str, Callable[[int], Load]] = {
            "reads": lambda lasts: wrk.reading(service.url, _CONNECTIONS, lasts),
            "grants": lambda lasts: submitting.run(service.url, _CONNECTIONS, lasts),
        }
        return [_measure(name, ask, arrangement, service, seconds) for name, ask in asked.items()]


def _measure(
    asked: str,
    ask: Callable[[int], Load],
    arrangement: Arrangement,
    service: Service,
    seconds: int,
) -> Workers:
    ask(_WARM_SECONDS)
    meter = Meter({}, cpu_us=service.pid)
    load = ask(seconds)
    spent = meter.seconds()
    if load.errors:
        raise RuntimeError(f"{arrangement.program}: {load.errors} of {load.requests} failed")
    cpu_us = each(spent, load.requests)["cpu_us"]
    return Workers(
        asked,
        arrangement.program,
        arrangement.cores,
        load.per_second,
        load.p99_ms,
        cpu_us,
        busy=spent["cpu_us"] / seconds / arrangement.cores,
        core_gives=1e6 / cpu_us,
    )


def _place(pid: int, cores: Sequence[int]) -> None:
    """Give each worker a core of its own, in turn; a single process is its own worker."""
    workers = psutil.Process(pid).children()
    pin(pid, cores)
    for number, worker in enumerate(workers):
        pin(worker.pid, [cores[number % len(cores)]])


@contextmanager
def _on(cores: Sequence[int], pids: Sequence[int]) -> Iterator[None]:
    """Keep these processes on these cores, with what they start meanwhile."""
    before = sorted(os.sched_getaffinity(0))
    try:
        for pid in pids:
            pin(pid, cores)
        yield
    finally:
        for pid in pids:
            pin(pid, before)


def pin(pid: int, cores: Sequence[int]) -> None:
    """Keep a process on these cores, with its threads and all that it has started."""
    root = psutil.Process(pid)
    for process in [root, *root.children(recursive=True)]:
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended
            for thread in Path(f"/proc/{process.pid}/task").iterdir():
                os.sched_setaffinity(int(thread.name), cores)
