"""Where a command's words go: answers to standard output, everything else to standard error.

Both may be terminals, and words may be somebody else's: a name in the database, an argument, a
message of another service. So nothing leaves here that would move a cursor or turn a line around.
Line breaks are ours. A value that may hold one is escaped before (`unicode.escaped`).
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import sys
from typing import Final

from scoreboard.unicode import escaped

# A terminal that ends sends SIGHUP, and is gone after so long at the latest.
HANG_UP_SECONDS: Final = 0.2


def say(text: str) -> None:
    """Write a line of the answer, or several."""
    sys.stdout.write(f"{_harmless(text)}\n")


def note(text: str) -> None:
    """Write a line beside the answer: progress, a warning, a failure. One that standard error does
    not take is lost: there is no other place to say so.
    """
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"{_harmless(text)}\n")
        sys.stderr.flush()


def _harmless(text: str) -> str:
    return "\n".join(map(escaped, text.split("\n")))


def has_terminal() -> bool:
    """Say whether this process has a terminal, in the foreground or the background."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def program() -> str:
    """Name this program as it was started, so that a command shown can be copied and run."""
    started = sys.argv[0]
    name = os.path.basename(started)
    if name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m scoreboard"
    return name if shutil.which(name) == started else shlex.quote(started)


def counted(number: int, noun: str) -> str:
    """Write a number of things, such as `1 grant` and `2 grants`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def first_line(text: object) -> str:
    """Leave out what libpq adds to its reason: a guess at the cause, and each further address."""
    return next(iter(str(text).splitlines()), "")


def one_line(text: object) -> str:
    """Fold a message of several lines into one."""
    return " ".join(str(text).split())


def sentence(text: object) -> str:
    """Fold a message into one line that ends like a sentence, whatever library wrote it."""
    line = one_line(text)
    return line if line.endswith((".", "?", "!")) else f"{line}."
