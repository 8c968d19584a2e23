"""One guard's trial: its test, in a copy of the sources that lacks it."""

from __future__ import annotations

import asyncio
import compileall
import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.guards.guard import AnyGuard
from tests.guards.loan import Loan

ROOT: Final = Path(__file__).resolve().parents[2]
COPIED: Final = (
    ".make",
    "Makefile",
    "requirements.lock",
    "requirements-embedded.lock",
    "requirements-dev.lock",
    "scoreboard",
    "tests",
    "docs",
    "migrations",
    "config",
    "pyproject.toml",
    "setup.cfg",
    "docker",
)
SECONDS: Final = 180
TEST_SECONDS: Final = 40


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a guard's trial; `output` is all that pytest said."""

    guard: AnyGuard
    noticed: bool
    outcome: str
    output: str
    seconds: float


def snapshot(directory: Path) -> Path:
    """Copy the sources as they are now, compiled, so that no trial has to do it again."""
    directory.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, directory / name, ignore=ignored)
        else:
            shutil.copy(source, directory / name)
    compileall.compile_dir(directory, quiet=1)
    return directory


async def try_one(guard: AnyGuard, sources: Path, room: Path, loan: Loan | None) -> Verdict:
    """Run the guard's test without it, in a copy at `room`, on the servers that are lent."""
    began = time.monotonic()
    try:
        shutil.copytree(sources, room)
        file, without = guard.take_out(sources)
        (room / file).write_text(without, encoding="utf-8")
        lent = await asyncio.to_thread(loan.lend) if loan else {}
        status, output = await _run(guard.test, room, lent)
    finally:
        shutil.rmtree(room, ignore_errors=True)
    return Verdict(
        guard,
        noticed=status == 1,  # tests ran and failed; anything else is another mistake
        outcome=f"no end in {SECONDS} s" if status is None else f"pytest said {status}",
        output=output,
        seconds=time.monotonic() - began,
    )


async def _run(test: str, directory: Path, lent: dict[str, str]) -> tuple[int | None, str]:
    """The exit status of pytest, None if it came to no end, and what it said."""
    # A thread that ends the run with status 1: what hangs in a test may hang at its end as well.
    timeout = ("--timeout", str(TEST_SECONDS), "--timeout-method", "thread")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", "-q", "-x", *timeout, test),
        cwd=directory,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": ""} | lent,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        # Ctrl-C reaches us alone: we end it below, with all that it started.
        start_new_session=True,
    )
    assert process.stdout is not None
    output = bytearray()
    try:
        async with asyncio.timeout(SECONDS):
            while chunk := await process.stdout.read(2**16):
                output += chunk
            return await process.wait(), output.decode(errors="replace")
    except TimeoutError:
        return None, output.decode(errors="replace")
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
