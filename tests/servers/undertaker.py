"""Ends the test servers when the test run dies without a word (SIGKILL, `os._exit`).

Runs as a process of its own, started by `process.py`. Its standard input is a pipe that only the
test run holds: when that closes, whatever is still on the list is ended and removed.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

# PostgreSQL gives its shared memory back in a few milliseconds.
_GRACE_SECONDS = 0.5


class Undertaker:
    """The test run's end of the pipe; starts the process with the first entry."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def note(self, kind: str, value: object) -> None:
        """List a process or a directory (`+process`, `+tree`), or take it off (`-`).

        A process is its id and the signal that ends it at once.
        """
        with self._lock:
            pipe = self._started().stdin
            assert pipe is not None
            pipe.write(f"{kind} {value}\n")
            pipe.flush()

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(Path(__file__).resolve())],
                stdin=subprocess.PIPE,
                text=True,
                # Ctrl-C goes to the whole foreground group; this one must outlive it.
                start_new_session=True,
            )
        return self._process

    def dismiss(self) -> None:
        """Close the pipe and wait until everything left on the list is gone."""
        if self._process is not None:
            with suppress(BrokenPipeError):
                self._process.communicate()
            self._process = None


def main() -> None:
    """Keep the list until the pipe closes, then work it off: first processes, then files."""
    listed: dict[str, set[str]] = {"process": set(), "tree": set()}
    for line in sys.stdin:
        kind, value = line.rstrip("\n").split(" ", 1)
        entries = listed[kind[1:]]
        (entries.add if kind[0] == "+" else entries.discard)(value)
    _end([tuple(map(int, process.split())) for process in listed["process"]])
    for tree in listed["tree"]:
        shutil.rmtree(tree, ignore_errors=True)


def _end(processes: list[tuple[int, ...]]) -> None:
    """Signal each process, which leads a group of its own; then kill what is left of the groups."""
    for pid, ending in processes:
        with suppress(ProcessLookupError):
            # One that a fault test has frozen hears nothing until it is woken.
            os.killpg(pid, signal.SIGCONT)
            os.kill(pid, ending)
    time.sleep(_GRACE_SECONDS if processes else 0)
    for pid, _ in processes:
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
