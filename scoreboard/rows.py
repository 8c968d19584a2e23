"""Rows of the files that operators hand over: read from CSV, each with the line that it begins on;
and how a value of such a file is read and shown.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

QUOTED_LINE: Final = "there are quotes around the whole line: leave them out"
_DIGITS: Final = re.compile(r"0*([0-9]{1,10})", re.ASCII)
# Of many that are wrong in one way so many are named.
NAMED_MAX: Final = 5
_SHOWN_CHARS: Final = 40


@dataclass(frozen=True, slots=True)
class CsvRow:
    """The cells of a row; `mistake` says why there are none.

    `end` is the number of characters from the beginning of the text to the end of this row.
    """

    cells: list[str]
    line: int
    end: int
    mistake: str = ""


def of_csv(text: str) -> Iterator[CsvRow]:
    """Read CSV row by row, and pass over empty lines."""
    source = io.StringIO(text, newline="")
    reader = csv.reader(iter(source.readline, ""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells, mistake = next(reader), ""
        except StopIteration:
            return
        except csv.Error as error:
            cells, mistake = [], f"not CSV: {error}"
        if cells or mistake:
            yield CsvRow(cells, line, source.tell(), mistake)


def columns_mistake(cells: list[str], wanted: int) -> str:
    """Say that a row has more or fewer cells than its header; an empty text: it has as many."""
    if len(cells) == wanted:
        return ""
    hint = f"; {QUOTED_LINE}" if len(cells) == 1 and "," in cells[0] else ""
    return f"{wanted} columns expected, {len(cells)} found{hint}"


def whole_number(text: str) -> int | None:
    """Read ASCII digits, ten at most; int() would take 1_0, +1 and Arabic digits."""
    digits = _DIGITS.fullmatch(text.strip())
    return int(digits[1]) if digits else None


def some_quoted(values: Sequence[Any]) -> str:
    """Quote the first of these, and say how many more there are."""
    more = len(values) - NAMED_MAX
    named = ", ".join(map(quoted, values[:NAMED_MAX]))
    return f"{named} and {more:,} more" if more > 0 else named


def quoted(value: Any) -> str:
    """Quote a value so that no control character of it reaches the terminal."""
    try:
        text = ascii(value)
    except ValueError:  # an integer of more digits than Python writes out
        return "that"
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"
