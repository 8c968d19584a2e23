"""Commands whose standard output or standard error is closed, full, or read by nobody."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import scoreboard

ROOT = Path(scoreboard.__file__).parents[1]
ANSWERS = ["--help", "--version", "openapi", "serve --help"]


def shell(line: str) -> subprocess.CompletedProcess[str]:
    """Run a line of shell in which `scoreboard` is ours."""
    return subprocess.run(
        ["sh", "-c", line.replace("scoreboard ", f"{sys.executable} -m scoreboard ")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin"},
    )


@pytest.mark.parametrize("arguments", ANSWERS)
@pytest.mark.parametrize(
    ("where", "why"), [(">&-", "it is closed"), ("> /dev/full", "No space left on device")]
)
def test_an_answer_that_cannot_be_written_is_said_in_one_line(
    arguments: str, where: str, why: str
) -> None:
    ended = shell(f"scoreboard {arguments} {where}")

    assert ended.returncode == 1
    assert ended.stderr == (
        f"scoreboard: The answer cannot be written to standard output: {why}.\n"
    )


@pytest.mark.parametrize("arguments", ["openapi", "--help"])
def test_a_reader_that_has_had_enough_is_no_word_worth(arguments: str) -> None:
    ended = shell(f"(scoreboard {arguments}; echo $? >&2) | :")

    assert ended.stderr.strip() in ("0", "1")  # it may have been done before


@pytest.mark.parametrize("where", ["2>&-", "2> /dev/full"])
@pytest.mark.parametrize(("arguments", "code"), [("frobnicate", 2), ("migrate", 1), ("openapi", 0)])
def test_a_command_ends_as_ever_where_standard_error_takes_nothing(
    arguments: str, code: int, where: str
) -> None:
    away = "SCOREBOARD_DATABASE_URL=postgresql://127.0.0.1:1/x"
    ended = shell(f"{away} scoreboard {arguments} {where}")

    assert (ended.returncode, ended.stderr) == (code, "")


def test_a_command_ends_as_ever_without_any_stream() -> None:
    assert shell("scoreboard openapi <&- >&- 2>&-").returncode == 1
    assert shell("scoreboard frobnicate <&- >&- 2>&-").returncode == 2


def test_no_file_of_ours_takes_the_place_of_a_closed_stream() -> None:
    script = (
        "from scoreboard.processes import streams; import os; streams.mend(); "
        "os._exit(os.open('/', os.O_RDONLY))"
    )
    ended = shell(f'{sys.executable} -c "{script}" <&- >&- 2>&-')

    assert ended.returncode > 2
