"""What `make bench` writes: its tables, and the processor time in them."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks import collecting, report, workers
from tests.benchmarks.processor import Meter, each, process_seconds, tree_seconds

# So much processor time is far more than a tick, and than what is taken beside it.
_WORK_SECONDS = 0.2
_WORKS = f"""
import time
while time.process_time() < {_WORK_SECONDS}:
    pass
"""


def work() -> None:
    """Take that much, in this thread."""
    while time.thread_time() < _WORK_SECONDS:
        pass


def granting(program: str, round_: int, **columns: float | None) -> dict[str, Any]:
    return {
        "program": program,
        "connections": 64,
        "per_second": 100.0 * round_,
        "p50_ms": 1.0,
        "p99_ms": None,
        **columns,
    }


def section(document: str, title: str) -> list[list[str]]:
    """The cells of the table under a heading, by lines."""
    _, _, rest = document.partition(f"## {title}\n")
    lines = [line for line in rest.partition("\n## ")[0].splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def shown(results: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> str:
    report.show(results)
    return capsys.readouterr().out


def test_a_ratio_is_the_median_of_the_rounds_own(capsys: pytest.CaptureFixture[str]) -> None:
    servers = {"postgres_us": 70.0, "redis_us": 13.0, "broker_us": 4.0}
    ours, theirs = (100.0, 300.0, 200.0), (400.0, 600.0, 1_000.0)
    rows = [
        granting(program, number, cpu_us=cpu, **servers)
        for program, all_cpu in (("Scoreboard", ours), ("Fastify peer", theirs))
        for number, cpu in enumerate(all_cpu, 1)
    ]

    document = shown({"grants": rows}, capsys)

    headings, *lines = section(document, "`POST /api/actions`: processor time of a grant")
    row = dict(zip(headings, next(line for line in lines if line[0] == "Scoreboard"), strict=True))
    assert row["program µs"] == "200 (100 to 300)"
    assert row["PostgreSQL µs"] == "70 (70 to 70)"
    assert row["program µs, Fastify peer = 1"] == "0.25"  # of 0.25, 0.50 and 0.20
    assert row["PostgreSQL µs, Fastify peer = 1"] == "1.00"
    assert row["program µs, Fastify peer, one statement = 1"] == ""


def test_a_program_that_says_nothing_has_an_empty_cell(capsys: pytest.CaptureFixture[str]) -> None:
    nothing = {"cpu_us": None, "redis_us": None, "broker_us": None}
    rows = [granting("pgbench, one statement", 1, postgres_us=50.0, **nothing)]

    document = shown({"grants": rows}, capsys)

    _, line = section(document, "`POST /api/actions`: processor time of a grant")
    assert line[2:6] == ["", "50", "", ""]


def test_results_from_before_a_column_are_shown_without_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [granting("Scoreboard", 1), granting("Fastify peer", 1)]

    document = shown({"grants": rows}, capsys)

    assert "processor time" not in document
    headings, *lines = section(document, "`POST /api/actions`: granted submissions")
    assert headings[2] == "granted/s"
    assert len(lines) == 2


def test_a_process_that_has_ended_counts_as_its_parents() -> None:
    meter = Meter({"here": os.getpid()})
    subprocess.run([sys.executable, "-c", _WORKS], check=True)

    # What has ended counts in whole ticks: of its own work, and of the kernel's for it.
    assert meter.seconds()["here"] >= _WORK_SECONDS - 2 / os.sysconf("SC_CLK_TCK")


def test_a_process_that_lives_counts_as_its_parents() -> None:
    before = tree_seconds(os.getpid())
    command = [sys.executable, "-c", f"{_WORKS}\nprint(flush=True)\ninput()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        of_child = process_seconds(child.pid)
        after = tree_seconds(os.getpid())
        child.communicate(b"\n")

    assert of_child >= _WORK_SECONDS
    assert after - before >= of_child


def test_a_thread_that_has_ended_counts_as_its_process() -> None:
    before = process_seconds(os.getpid())
    working = threading.Thread(target=work)
    working.start()
    working.join()

    assert process_seconds(os.getpid()) - before >= _WORK_SECONDS


def test_what_was_taken_is_told_for_each() -> None:
    assert each({"cpu_us": 0.5, "redis_us": 0.1}, 1_000) == {"cpu_us": 500.0, "redis_us": 100.0}


class Circle:
    """Something that only a collection frees."""

    def __init__(self) -> None:
        self.itself = self


def test_a_collection_tells_what_was_left_for_it() -> None:
    gc.collect()
    gc.disable()
    try:
        for _ in range(100):
            Circle()
        found = collecting.collect()
        nothing = collecting.collect()
    finally:
        gc.enable()

    assert found["found"] >= 100
    assert found["kinds"][f"{__name__}.Circle"] == 100
    assert found["pause_ms"] > 0
    assert found["looked_at"] > found["found"]
    assert f"{__name__}.Circle" not in nothing["kinds"]
    assert gc.get_debug() == 0


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="a system without affinity")
def test_a_process_is_kept_on_a_core_with_its_threads_and_children() -> None:
    core, *_ = sorted(os.sched_getaffinity(0))
    sleeps = [sys.executable, "-c", "input()"]
    starts = f"""
import subprocess, threading
threading.Thread(target=threading.Event().wait, daemon=True).start()
with subprocess.Popen({sleeps!r}, stdin=subprocess.PIPE) as child:
    print(child.pid, flush=True)
    input()
    child.communicate(b"\\n")
"""
    command = [sys.executable, "-c", starts]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())

        workers.pin(process.pid, [core])

        threads = [int(each.name) for each in Path(f"/proc/{process.pid}/task").iterdir()]
        kept = [os.sched_getaffinity(thread) for thread in [*threads, child]]
        process.communicate(b"\n")
    assert len(threads) == 2
    assert kept == [{core}] * 3
