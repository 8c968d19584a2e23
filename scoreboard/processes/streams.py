"""The standard streams, whatever the caller has made of them: closed, full, a pipe that nobody
reads any more, a terminal that is gone.

An answer that cannot be written is a failure of the command, and standard error says so. What
standard error does not take is lost without another word.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from typing import TextIO


class OutputLost(OSError):
    """Standard output does not take what was written; `strerror` says why."""

    @property
    def is_nobody_reading(self) -> bool:
        """Whether the reader has had enough, as `head` does, which is no fault of anybody's."""
        return self.errno == errno.EPIPE


class Output(io.TextIOWrapper):
    """Standard output; its failures are errors of their own."""

    def write(self, text: str) -> int:
        """Write, or raise OutputLost."""
        with _as_output_lost():
            return super().write(text)

    def flush(self) -> None:
        """Write out what waits, or raise OutputLost."""
        with _as_output_lost():
            super().flush()


class _Closed(io.RawIOBase):
    """Stands in for a closed standard output. It refuses the first write, and drops the rest."""

    _refused = False

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        if not self._refused:
            self._refused = True
            raise OSError(errno.EBADF, "it is closed")
        return len(memoryview(data))  # type: ignore[arg-type]


def mend() -> None:
    """Open the streams that are closed, so that no other file of ours takes their numbers, and make
    failures of standard output OutputLost.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    given: list[TextIO | None] = [sys.stdin, sys.stdout, sys.stderr]  # None: was closed
    if given[0] is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - for as long as the process lives
    if given[2] is None:
        sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115 - the same
    # A user's name must not end a listing on a terminal that does not know its letters.
    errors = "backslashreplace"
    if given[1] is None:
        sys.stdout = Output(io.BufferedWriter(_Closed()), encoding="utf-8", errors=errors)
    elif type(sys.stdout) is io.TextIOWrapper:
        kind, lines = sys.stdout.encoding, sys.stdout.line_buffering
        sys.stdout = Output(sys.stdout.detach(), encoding=kind, errors=errors, line_buffering=lines)


def finish() -> None:
    """Write out what waits. Raises OutputLost; what standard error does not take is dropped."""
    try:
        sys.stderr.flush()
    except (OSError, ValueError):
        give_up(sys.stderr)
    sys.stdout.flush()


def give_up(stream: TextIO) -> None:
    """Let what still waits for a stream go nowhere: Python would fail with it at its end."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


@contextlib.contextmanager
def _as_output_lost() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputLost(error.errno, error.strerror) from error
