"""Shows that each guard is one: without it, the test that names it fails.

    python -m tests.guards [words in the guard's name]

For each guard, the sources are copied, the guard is taken out of the copy, and its test runs there.
A test that still passes proves nothing about its guard, and the run fails. It takes some minutes,
so it stands beside the test suite and not in it (`make guards`).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.guards import GUARDS
from tests.guards.guard import Guard

ROOT: Final = Path(__file__).resolve().parents[2]
COPIED: Final = (
    "scoreboard",
    "tests",
    "migrations",
    "config",
    "pyproject.toml",
    "setup.cfg",
    "docker",
)
SECONDS: Final = 180


def main(words: list[str]) -> int:
    """Try the guards whose names hold all of these words; the exit status says whether all were."""
    chosen = [guard for guard in GUARDS if all(word in guard.name for word in words)]
    failed = [guard for guard in chosen if not is_noticed(guard)]
    sys.stdout.write(f"{len(chosen) - len(failed)} of {len(chosen)} guards are proven by a test\n")
    return 1 if failed else 0


def is_noticed(guard: Guard) -> bool:
    """Whether the guard's test fails without the guard."""
    with tempfile.TemporaryDirectory(prefix="guards-") as directory:
        copy = Path(directory)
        _copy_to(copy)
        _take_out(guard, copy / guard.file)
        outcome = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "--timeout", "40", guard.test],
            cwd=copy,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    noticed = outcome.returncode == 1  # 1: tests ran and failed; anything else is another mistake
    word = "noticed" if noticed else f"NOT NOTICED (pytest said {outcome.returncode})"
    sys.stdout.write(f"{word}: {guard.name}\n")
    if not noticed:
        sys.stdout.write(outcome.stdout[-2000:])
    sys.stdout.flush()
    return noticed


def _copy_to(copy: Path) -> None:
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / name)


def _take_out(guard: Guard, file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    if text.count(guard.text) != 1:
        raise SystemExit(f"{guard.name}: its text is not (once) in {guard.file}; mend the list")
    file.write_text(text.replace(guard.text, guard.without), encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
