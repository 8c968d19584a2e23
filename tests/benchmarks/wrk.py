"""wrk, the load generator, and what it reports."""

from __future__ import annotations

import itertools
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.installation import WRK
from tests.benchmarks.world import ACTIONS

_SCRIPTS = Path(__file__).parent


@dataclass(frozen=True)
class Load:
    """What wrk saw: answers per second, how long they took, and how many were no success."""

    requests: int
    per_second: float
    p50_ms: float
    p99_ms: float
    worst_ms: float
    errors: int


class Submitting:
    """Submissions of fresh (user, action) pairs: every run takes up where the last one ended."""

    def __init__(self, tokens: Sequence[str], directory: Path) -> None:
        self._file = directory / "tokens"
        self._file.write_text("".join(f"{token}\n" for token in tokens))
        self._users = len(tokens)
        self._first_action = 0

    def skip(self, actions: int) -> None:
        """Begin with a later action: those before it belong to somebody else."""
        self._first_action += actions

    def run(self, url: str, connections: int, seconds: int, pause_ms: int = 0) -> Load:
        """Submit for so long; each connection pauses about `pause_ms` between two submissions."""
        if self._first_action >= ACTIONS:
            raise RuntimeError(f"the catalogue's {ACTIONS} actions are used up")
        arguments = (self._file, self._first_action, pause_ms)
        load = _run(url, "submit.lua", connections, seconds, *arguments)
        # A pair that was sent and not answered counts as used.
        self._first_action += 1 + (load.requests + connections) // self._users
        return load


def reading(url: str, connections: int, seconds: int, etag: str = "") -> Load:
    """Read the board for so long."""
    return _run(url, "read.lua", connections, seconds, etag)


def _run(url: str, script: str, connections: int, seconds: int, *arguments: object) -> Load:
    # One thread: it sends up to 30,000 requests a second, and the rest of the machine is needed.
    command = itertools.chain(
        [WRK.path(), "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"],
        ["-s", _SCRIPTS / script, url, "--"],
        arguments,
    )
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=True,
        timeout=seconds + 60,
    )
    return Load(**json.loads(done.stdout.rpartition("REPORT ")[2]))
