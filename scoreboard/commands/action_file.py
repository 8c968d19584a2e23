"""Reading a file of actions: CSV or JSON in, every mistake by its place, or the actions.

Which ids are good is said in `scoring.action_ids`. Ids are composed here, so that two spellings of
one id are one.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import io
import itertools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from scoreboard.configuration import handed_over
from scoreboard.configuration.handed_over import Unreadable
from scoreboard.scoring import action_ids
from scoreboard.scoring.catalogue import Action

POINTS_MAX: Final = 2_147_483_647  # the column is an integer
_POINTS: Final = re.compile(r"0*([0-9]{1,10})", re.ASCII)
_HEADERS: Final = ({"action_id", "points"}, {"actionId", "points"})
_WANTED: Final = "the first line must be the header action_id,points"
_QUOTED_LINE: Final = "there are quotes around the whole line: leave them out"
_GAP: Final = re.compile(r"[ \t\r\n]*")
_SHOWN_CHARS: Final = 40


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a line, with an entry of JSON that begins there, or with the file from
    there on.
    """

    line: int
    what: str
    entry: int = 0
    ends_reading: bool = False

    def __str__(self) -> str:
        line = f"line {self.line}"
        return f"{f'entry {self.entry} ({line})' if self.entry else line}: {self.what}"


@dataclass(slots=True)
class ActionFile:
    """What a file holds: good actions in its order, and its problems, lowest line first."""

    actions: list[Action] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def points(self) -> dict[str, int]:
        """The actions as the catalogue takes them."""
        return {action.action_id: action.points for action in self.actions}

    @property
    def disabled(self) -> list[str]:
        """Those that are to be switched off."""
        return [action.action_id for action in self.actions if action.disabled_at is not None]


@dataclass(frozen=True, slots=True)
class _Row:
    """One action as the file spells it: `end` is how far it reaches; `mistake`, why it is none;
    `entry`, which one of a JSON list it is.
    """

    line: int
    end: int
    action_id: Any = None
    points: Any = None
    disabled_at: Any = None
    mistake: str = ""
    entry: int = 0
    ends_reading: bool = False

    @property
    def place(self) -> str:
        return f"entry {self.entry}" if self.entry else f"on line {self.line}"


def read(
    content: bytes, form: str | None = None, advance: Callable[[int], object] = lambda _: None
) -> ActionFile:
    """Read `csv` or `json`; None takes what the content looks like.

    `advance` is told after each row how many characters further the reading is.
    """
    try:
        text = handed_over.decoded(content).lstrip(action_ids.BYTE_ORDER_MARK)
    except Unreadable as error:
        return ActionFile(problems=[Problem(error.line, str(error), ends_reading=True)])
    return _judge(_rows(text, form or _looks_like(text)), advance)


def _looks_like(text: str) -> str:
    return "json" if text.lstrip().startswith(("[", "{")) else "csv"


def _rows(text: str, form: str) -> Iterator[_Row]:
    return _json_rows(text) if form == "json" else _csv_rows(text)


def _judge(rows: Iterator[_Row], advance: Callable[[int], object]) -> ActionFile:
    found = ActionFile()
    earlier: dict[str, _Row] = {}
    reached = 0
    for row in rows:
        if mistake := row.mistake or _mistake(row, earlier):
            found.problems.append(Problem(row.line, mistake, row.entry, row.ends_reading))
        else:
            action_id = action_ids.composed(row.action_id)
            earlier[action_id] = row
            found.actions.append(Action(action_id, row.points, _moment(row.disabled_at)))
        advance(row.end - reached)
        reached = row.end
    return found


def _mistake(row: _Row, earlier: dict[str, _Row]) -> str:
    """Say what keeps a row from being an action; nothing when it is one."""
    mistakes = [
        _id_mistake(row.action_id, earlier),
        _points_mistake(row.points),
        _disabled_mistake(row.disabled_at),
    ]
    return "; ".join(filter(None, mistakes))


def _id_mistake(action_id: Any, earlier: dict[str, _Row]) -> str:
    """Say what is wrong with an id. `earlier` has the good rows so far, by their composed ids."""
    if not isinstance(action_id, str):
        return f"action id must be a text, not {_shown(action_id)}"
    if problem := action_ids.problem(action_id):
        return f"action id {_shown(action_id)} {problem}"
    first = earlier.get(action_ids.composed(action_id))
    if first is None:
        return ""
    spelling = "" if first.action_id == action_id else f", spelled {_shown(first.action_id)}"
    return f"action id {_shown(action_id)} is {first.place} already{spelling}"


def _points_mistake(points: Any) -> str:
    is_number = isinstance(points, int) and not isinstance(points, bool)
    if is_number and 1 <= points <= POINTS_MAX:
        return ""
    return f"points must be a whole number from 1 to {POINTS_MAX}, not {_shown(points)}"


def _disabled_mistake(disabled_at: Any) -> str:
    if disabled_at is None or _moment(disabled_at) is not None:
        return ""
    return f"disabledAt must be a time such as 2024-12-09T14:30:45Z, not {_shown(disabled_at)}"


def _moment(value: Any) -> datetime | None:
    """Read when an action was disabled; None if it says no time."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return datetime.fromisoformat(value)
    return None


def _shown(value: Any) -> str:
    """Quote a value so that no control character of it reaches the terminal."""
    try:
        text = ascii(value)
    except ValueError:  # an integer of more digits than Python writes out
        return "that"
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"


# CSV


def _csv_rows(text: str) -> Iterator[_Row]:
    numbered = _csv_cells(text)
    header = next(numbered, None)
    if header is None:
        return
    names, line, end, mistake = header
    if mistake := mistake or _header_mistake(names):
        yield _Row(line, end, mistake=mistake)
        return
    points_at = [name.strip() for name in names].index("points")
    for cells, line, end, mistake in numbered:
        if mistake := mistake or _cells_mistake(cells):
            yield _Row(line, end, mistake=mistake)
        else:
            yield _Row(line, end, cells[1 - points_at], _number(cells[points_at]))


def _header_mistake(cells: list[str]) -> str:
    if _is_header(cells):
        return ""
    if len(cells) == 1 and _is_header(cells[0].split(",")):
        return f"{_WANTED}; {_QUOTED_LINE}"
    return f"{_WANTED}, not {_shown(','.join(cells))}"


def _cells_mistake(cells: list[str]) -> str:
    if _is_header([cells[0].lstrip(action_ids.BYTE_ORDER_MARK), *cells[1:]]):
        return "a second header, as where two files were joined: delete the line"
    if len(cells) == 1 and "," in cells[0]:
        return f"2 columns expected, 1 found; {_QUOTED_LINE}"
    return "" if len(cells) == 2 else f"2 columns expected, {len(cells)} found"


def _is_header(cells: list[str]) -> bool:
    return len(cells) == 2 and {cell.strip() for cell in cells} in _HEADERS


def _csv_cells(text: str) -> Iterator[tuple[list[str], int, int, str]]:
    """Yield cells, the line they begin on, how far they reach, and why there are none."""
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
        if cells or mistake:  # an empty line is nothing
            yield cells, line, source.tell(), mistake


def _number(text: str) -> int | str:
    """Read ASCII digits, and leave all else a text: int() would take 1_0, +1 and Arabic digits."""
    digits = _POINTS.fullmatch(text.strip())
    return int(digits[1]) if digits else text


# JSON


class _NotJson(Exception):
    """Where reading cannot go on, because it is no JSON or no list; the message says why."""


class _Scanner:
    """Reads JSON value by value and knows the line that it is on."""

    def __init__(self, text: str) -> None:
        self.position = 0
        self.line = 1
        self._text = text
        self._decoder = json.JSONDecoder()

    def at_end(self) -> bool:
        """Say whether only white space is left."""
        self.skip_gap()
        return self.position == len(self._text)

    def takes(self, character: str) -> bool:
        """Go past this character if it comes next."""
        self.skip_gap()
        if not self._text.startswith(character, self.position):
            return False
        self._go_to(self.position + 1)
        return True

    def value(self) -> Any:
        """Read whatever comes next."""
        try:
            value, end = self._decoder.raw_decode(self._text, self.position)
        except json.JSONDecodeError as error:
            self._go_to(max(error.pos, self.position))
            raise _NotJson(f"not JSON: {error.msg.removesuffix(' starting at')}") from error
        except (ValueError, RecursionError) as error:
            raise _NotJson("not JSON: nested too deep, or a number of too many digits") from error
        self._go_to(end)
        return value

    def skip_gap(self) -> None:
        """Go past white space."""
        gap = _GAP.match(self._text, self.position)
        self._go_to(gap.end() if gap else self.position)

    def _go_to(self, position: int) -> None:
        self.line += self._text.count("\n", self.position, position)
        self.position = position


def _json_rows(text: str) -> Iterator[_Row]:
    scanner = _Scanner(text)
    try:
        yield from _json_elements(scanner)
    except _NotJson as error:
        yield _Row(scanner.line, len(text), mistake=str(error), ends_reading=True)


def _json_elements(scanner: _Scanner) -> Iterator[_Row]:
    """Read a list element by element, because each must be known by its line."""
    if not scanner.takes("["):
        scanner.value()  # what is no JSON at all is said to be so
        raise _NotJson('a list is expected: [{"actionId": "daily-login", "points": 10}, …]')
    if not scanner.takes("]"):
        yield from _json_members(scanner)
    if not scanner.at_end():
        raise _NotJson("not JSON: there is text after the list's end")


def _json_members(scanner: _Scanner) -> Iterator[_Row]:
    for entry in itertools.count(1):
        scanner.skip_gap()
        line = scanner.line
        value = scanner.value()
        yield dataclasses.replace(_json_row(value, line, scanner.position), entry=entry)
        if scanner.takes("]"):
            return
        if not scanner.takes(","):
            raise _NotJson("not JSON: a comma or ] is expected")


def _json_row(value: Any, line: int, end: int) -> _Row:
    if not isinstance(value, dict):
        return _Row(line, end, mistake=f"an object is expected, not {_shown(value)}")
    if unknown := value.keys() - {"actionId", "points", "disabledAt"}:
        return _Row(line, end, mistake=f"there is no member {_shown(min(unknown))}")
    if missing := {"actionId", "points"} - value.keys():
        return _Row(line, end, mistake=f"{' and '.join(sorted(missing))} missing")
    return _Row(line, end, value["actionId"], value["points"], value.get("disabledAt"))
