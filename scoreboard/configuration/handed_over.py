"""What people hand over as a file or on standard input: secrets, settings, passwords, actions.

It is read whole and bounded, from any kind of file, and decoded by the mark at its beginning, as
Windows writes it. One mark and one end of a line at the end are the file's, not the value's.
"""

from __future__ import annotations

import codecs
import os
import select
import stat
import sys
from pathlib import Path
from typing import BinaryIO, Final

MARK: Final = "\ufeff"
SMALL_BYTES: Final = 1024 * 1024  # of a secret, a password, a file of settings
_SILENT_SECONDS: Final = 10.0
_PART_BYTES: Final = 1024 * 1024
# That of UTF-32 begins with that of UTF-16, so it comes first.
_ENCODINGS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (b"", "utf-8"),
)


class Unreadable(Exception):
    """It cannot be read; the message ends a sentence that says why, and repeats nothing of what was
    read. `line` is where in the text, 0 if that says nothing.
    """

    def __init__(self, why: str, line: int = 0) -> None:
        super().__init__(why)
        self.line = line


def content(path: Path, bytes_max: int = SMALL_BYTES) -> bytes:
    """Read a file, or a pipe to its end. Raises Unreadable, also when it is silent for 10 s."""
    try:
        # A pipe that nobody writes into would else keep us here.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            return _content(descriptor, bytes_max)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:  # ValueError: NUL in the path
        raise Unreadable(getattr(error, "strerror", None) or "that is no path") from error


def _content(descriptor: int, bytes_max: int) -> bytes:
    state = os.fstat(descriptor)
    if stat.S_ISDIR(state.st_mode):
        raise Unreadable("it is a directory")
    if state.st_size > bytes_max:
        raise _too_large(bytes_max)
    is_pipe, found = stat.S_ISFIFO(state.st_mode), bytearray()
    while part := _part(descriptor, waits_for_first=is_pipe and not found):
        found += part
        if len(found) > bytes_max:  # guard: file-setting-bounded
            raise _too_large(bytes_max)
    return bytes(found)


def _part(descriptor: int, *, waits_for_first: bool) -> bytes:
    """Read what comes next. A pipe seems to have ended before anybody opened it to write."""
    while True:
        try:
            part = os.read(descriptor, _PART_BYTES)
            if part or not waits_for_first:
                return part
        except BlockingIOError:
            pass
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        events = poll.poll(_SILENT_SECONDS * 1000)
        if not events:
            raise Unreadable(f"nothing came from it for {_SILENT_SECONDS:g} s")
        waits_for_first = False


def standard_input() -> BinaryIO | None:
    """Standard input as bytes; None where it was closed before we began."""
    return getattr(sys.stdin, "buffer", None)


def stream_content(stream: BinaryIO | None, bytes_max: int = SMALL_BYTES) -> bytes:
    """Read standard input: a line of a terminal, else all of it. Raises Unreadable."""
    if stream is None:
        raise Unreadable("it is closed")
    try:
        read = stream.readline if stream.isatty() else stream.read
        found = read(bytes_max + 1) or b""
    except (OSError, ValueError) as error:
        raise Unreadable(getattr(error, "strerror", None) or "it is closed") from error
    if len(found) > bytes_max:
        raise _too_large(bytes_max)
    return found


def _too_large(bytes_max: int) -> Unreadable:
    mebibytes, rest = divmod(bytes_max, 1024 * 1024)
    size = f"{bytes_max // 1000} KB" if rest else f"{mebibytes} MiB"
    return Unreadable(f"it is larger than {size}")


def decoded(found: bytes) -> str:
    """Read it as text by the mark at its beginning, which is left out. Raises Unreadable."""
    mark, encoding = next(each for each in _ENCODINGS if found.startswith(each[0]))
    if not mark and b"\0" in found[:2]:
        raise Unreadable("it holds NUL, as UTF-16 without its mark does: save it as UTF-8", 1)
    try:
        return found[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        line = found[: len(mark) + error.start].decode(encoding, "ignore").count("\n") + 1
        name = encoding.upper().removesuffix("-LE").removesuffix("-BE")
        raise Unreadable(f"it is not {name} text: save it as UTF-8", line) from None


def value(found: bytes) -> str:
    """Read it as the text of a value, in which nothing ends a text of C's. Raises Unreadable."""
    text = decoded(found)
    if "\0" in text:
        raise Unreadable("it holds NUL: leave that out, and save it as UTF-8")
    return text


def unmarked(text: str) -> str:
    """Take one mark at the beginning and one end of a line at the end away."""
    return text.removeprefix(MARK).removesuffix("\n").removesuffix("\r")


def line_count(text: str) -> int:
    """Count lines, whatever ends them."""
    return len(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))


def password(stream: BinaryIO | None) -> str:
    """Read the one line of standard input. Raises Unreadable."""
    text = unmarked(value(stream_content(stream)))
    if not text:
        raise Unreadable("there is nothing on it")
    if (lines := line_count(text)) > 1:
        raise Unreadable(f"there are {lines} lines on it, and a password is one")
    return text
