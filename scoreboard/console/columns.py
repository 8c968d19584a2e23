"""What fits into the columns of a terminal: texts measured, cut and filled up, and tables of them.

A letter of Chinese takes two columns, and a mark above another letter none.
"""

from __future__ import annotations

import itertools
import os
import sys
import unicodedata
from collections.abc import Sequence
from typing import Final, TextIO

from scoreboard.unicode import ZERO_WIDTH_JOINERS, category

_SIZE: Final = (80, 24)  # of a terminal that does not tell
_BETWEEN: Final = "  "


def columns_of(output: TextIO) -> int:
    """How many columns a line has, 0 where that is no terminal."""
    return size_of(output)[0] if output.isatty() else 0


def size_of(output: TextIO) -> tuple[int, int]:
    """Columns and rows; some terminals say that they have none."""
    try:
        columns, rows = os.get_terminal_size(output.fileno())
    except (OSError, ValueError):
        columns, rows = 0, 0
    return max(columns, 2) if columns else _SIZE[0], rows or _SIZE[1]


def width_of(text: str) -> int:
    """How many columns a terminal needs for it."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(character: str) -> int:
    if character in ZERO_WIDTH_JOINERS or category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def cut(text: str, columns: int) -> str:
    """As much of it as these columns hold."""
    if width_of(text) <= columns:
        return text
    kept, taken = "", 0
    for character in text:
        taken += _columns(character)
        if taken > columns:
            break
        kept += character
    return kept


def padded(text: str, columns: int) -> str:
    """As much of it as these columns hold, and spaces up to there."""
    text = cut(text, columns)
    return text + " " * (columns - width_of(text))


def table(rows: Sequence[Sequence[str]], columns: int | None = None) -> str:
    """Write rows of equally many cells, whose texts are escaped, each cell below the one above it.

    Lines are cut at the columns of a terminal, which is standard output; 0 cuts nothing. So what
    may be long stands last.
    """
    room = columns_of(sys.stdout) if columns is None else columns
    widths = [max(map(width_of, cells)) for cells in itertools.zip_longest(*rows, fillvalue="")]
    lines = [
        _BETWEEN.join(padded(*cell) for cell in zip(cells, widths, strict=True)).rstrip()
        for cells in rows
    ]
    return "\n".join(cut(line, room) if room else line for line in lines)
