"""A server's program, found in a wheel, and its process from the first answer to an orderly end."""

from __future__ import annotations

import contextlib
import importlib.util
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from scoreboard.embedded.home import EmbeddedServerError, owner_only

_START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 15.0
_POLL_SECONDS: Final = 0.01


def wheel_files(package: str, pattern: str) -> list[Path]:
    """Find files that an installed package brings, without importing it; none if it is missing."""
    spec = importlib.util.find_spec(package)
    return list(Path(spec.origin).parent.glob(pattern)) if spec and spec.origin else []


def failure_text(name: str, problem: str, output: str) -> str:
    """Quote what the server wrote, because the cause is there, and add the two ways out."""
    return (
        f"The embedded {name} {problem}. It said:\n{output.strip()}\n"
        "Removing the directory .scoreboard starts afresh and loses its data; setting "
        "SCOREBOARD_DATABASE_URL and SCOREBOARD_REDIS_URL uses other servers instead."
    )


@contextlib.contextmanager
def running(
    name: str,
    command: list[str],
    log: Path,
    stop_signal: signal.Signals,
    answers: Callable[[], bool],
) -> Iterator[None]:
    """Run a server while the context lasts, from its first answer to its orderly end."""
    with open(log, "wb", opener=owner_only) as output:
        process = subprocess.Popen(  # noqa: S603 - programs of ours, paths of ours
            command,
            cwd=log.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Ctrl-C goes to the whole foreground group; the service must be able to finish first.
            start_new_session=True,
        )
    try:
        _await_answer(name, process, log, answers)
        yield
    finally:
        process.send_signal(stop_signal)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_answer(
    name: str, process: subprocess.Popen[bytes], log: Path, answers: Callable[[], bool]
) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not answers():
        has_ended = process.poll() is not None
        if has_ended or time.monotonic() > deadline:
            late = f"did not answer within {_START_SECONDS:.0f} s"
            output = log.read_text(errors="replace")[-1_500:]
            problem = "ended at its start" if has_ended else late
            raise EmbeddedServerError(failure_text(name, problem, output))
        time.sleep(_POLL_SECONDS)
