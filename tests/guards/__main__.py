"""Shows that each guard is one: without it, the test that names it fails.

    python -m tests.guards [--jobs N] [words in the guard's name or marker]

For each guard, the sources are copied, the guard is taken out of the copy, and its test runs there.
A test that still passes proves nothing about its guard, and the run fails. It takes a quarter of an
hour, so it stands beside the test suite and not in it (`make guards`).
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
from collections import deque
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Final

from tests.guards import GUARDS
from tests.guards.change import NoPlaceError
from tests.guards.guard import AnyGuard, Marked
from tests.guards.loan import Loan
from tests.guards.trial import ROOT, Verdict, snapshot, try_one
from tests.machine import cores
from tests.servers.given import ENVIRONMENT, given_url

SAID: Final = 2_000


def main(arguments: Sequence[str]) -> int:
    """Try the guards that have all of these words; the exit status says whether all were proven."""
    parser = argparse.ArgumentParser(prog="python -m tests.guards", description="Try the guards.")
    parser.add_argument("--jobs", type=int, default=cores(), help="how many at once (%(default)s)")
    parser.add_argument("words", nargs="*", help="words in the names or markers; none means all")
    asked = parser.parse_args(arguments)
    chosen = [guard for guard in GUARDS if all(word in _called(guard) for word in asked.words)]
    for guard in chosen:
        try:
            guard.take_out(ROOT)
        except NoPlaceError as error:
            parser.exit(2, f"{guard.name}: {error}; mend the list, or the marker\n")
    try:
        proven = asyncio.run(_prove(chosen, asked.jobs))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.stdout.write("stopped before the end\n")
        return 128 + signal.SIGINT
    sys.stdout.write(f"{proven} of {len(chosen)} guards are proven by a test\n")
    return 0 if proven == len(chosen) else 1


def _called(guard: AnyGuard) -> str:
    """The sentence, and the marker if it has one."""
    return f"{guard.name} {guard.marker}" if isinstance(guard, Marked) else guard.name


async def _prove(chosen: Sequence[AnyGuard], jobs: int) -> int:
    """Try these, so many at once, and report each as it is done; how many are proven."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    waiting, verdicts = deque(chosen), list[Verdict]()

    async def work(room: Path) -> None:
        # A loan takes its time to start: it is for several guards.
        with Loan() if lends else nullcontext() as loan:
            while waiting:
                verdict = await try_one(waiting.popleft(), sources, room, loan)
                verdicts.append(verdict)
                _report(verdict, f"{len(verdicts)}/{len(chosen)}")

    are_given = any(map(given_url, ENVIRONMENT))
    jobs = 1 if are_given else jobs  # two runs would flush one Redis database
    lends = not are_given and len(chosen) > jobs
    with tempfile.TemporaryDirectory(prefix="guards-") as directory:
        sources = snapshot(Path(directory) / "sources")
        async with asyncio.TaskGroup() as group:
            for number in range(min(jobs, len(chosen))):
                group.create_task(work(Path(directory) / str(number)))
    return sum(verdict.noticed for verdict in verdicts)


def _report(verdict: Verdict, place: str) -> None:
    word = "noticed" if verdict.noticed else f"NOT NOTICED ({verdict.outcome})"
    sys.stdout.write(f"{place} {word} in {verdict.seconds:.0f} s: {verdict.guard.name}\n")
    if not verdict.noticed:
        sys.stdout.write(verdict.output[-SAID:])
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
