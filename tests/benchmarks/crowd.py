"""The subscribers' processes, as the measurements use them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

# One process can hold this many connections below the usual limit on open files.
_MOST = 8_000


@dataclass(frozen=True)
class Crowd:
    """Subscribers that all hold a board. `seconds` is how long that took, `errors` who never got
    one.
    """

    processes: tuple[subprocess.Popen[str], ...]
    seconds: float
    errors: int

    def boards(self) -> int:
        """How many boards have come so far, to all together."""
        return sum(int(answer["boards"]) for answer in self._ask("count"))

    def trace(self) -> None:
        """Begin to note what comes when."""
        self._ask("trace")

    def times(self) -> list[list[tuple[int, float]]]:
        """What came since: per subscriber, (top score, when by the monotonic clock)."""
        return [seen for answer in self._ask("times") for seen in answer]

    def lost(self) -> int:
        """How many connections have failed."""
        return sum(int(answer["errors"]) for answer in self._ask("count"))

    def _ask(self, command: str) -> list[Any]:
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.write(f"{command}\n")
            process.stdin.flush()
        return [_answer(process) for process in self.processes]


@contextmanager
def a_crowd(
    count: int, ports: Sequence[int], processes: int = 1, boards: Sequence[str] = ("-",)
) -> Iterator[Crowd]:
    """Connect `count` subscribers, spread over the ports and the boards (`-` is `main` by its own
    route), and wait until each holds a board.
    """
    processes = max(processes, -(-count // _MOST))
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks.listeners",
        str(count // processes),
        ",".join(boards),
    ]
    began = time.monotonic()
    started = tuple(
        subprocess.Popen(
            [*command, *map(str, ports)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(processes)
    )
    try:
        answers = [_answer(process) for process in started]
        seconds = max(answer["seconds"] for answer in answers)
        assert seconds <= time.monotonic() - began
        yield Crowd(started, seconds, sum(answer["errors"] for answer in answers))
    finally:
        for process in started:
            process.kill()
            process.communicate()


def _answer(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError("the subscribers' process has ended")
    return json.loads(line)
