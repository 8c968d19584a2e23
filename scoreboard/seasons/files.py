"""Reads a file of boards in TOML or CSV: answers their definitions, and each mistake with its line.

TOML has a table `[[boards]]` for each board. CSV has a header with the names of members, and a line
for each board: an empty cell says nothing of its member, and `;` stands between actions or seasons,
so an action with `;` in its id can be listed in TOML alone.
"""

from __future__ import annotations

import itertools
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from scoreboard import rows
from scoreboard.action_ids import BYTE_ORDER_MARK
from scoreboard.configuration import handed_over
from scoreboard.configuration.handed_over import Unreadable
from scoreboard.rows import NAMED_MAX, quoted
from scoreboard.seasons.definition import (
    BOARDS_MAX,
    MEMBERS,
    REQUIRED,
    Definition,
    NotDefined,
    define,
)

BYTES_MAX: Final = 8 * 1024 * 1024  # a thousand boards with some eighty listed actions each
_TABLES: Final = "boards"
_EXAMPLE: Final = (
    'begin each board with [[boards]], then board_id = "weekly" and title = "This week"'
)
_WANTED: Final = f"the first line must be a header such as {','.join(REQUIRED)},period"
# Whatever may hold what looks like a header of a table, and such headers.
_TOKEN: Final = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
    r"|\#[^\n]*"
    rf"|(?P<header>^[ \t]*\[\[[ \t]*{_TABLES}[ \t]*\]\])",
    re.DOTALL | re.MULTILINE,
)
_WHAT_CHARS: Final = 200  # tomllib repeats keys, however long they are


@dataclass(slots=True)
class DefinitionFile:
    """What a file holds: the definitions of its good boards, and a text for each problem, both in
    the order of the file. A text begins with the place, as `line 3`: the header of the board's
    table in TOML, where its row begins in CSV, or where reading had to end. `places` has the place
    of each board by its id.
    """

    definitions: list[Definition] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Said:
    """What the file says of one board; `mistake` says why that is nothing.

    `end` is the number of characters from the beginning of the file to the end of this board.
    """

    place: str
    end: int
    members: Mapping[str, Any] = field(default_factory=dict)
    mistake: str = ""


def read(
    content: bytes, form: str | None = None, advance: Callable[[int], object] = lambda _: None
) -> DefinitionFile:
    """Read a file in the form `toml` or `csv`; None means the form that the content looks like.

    `advance` is called after each board with the number of characters that were read since.
    """
    if len(content) > BYTES_MAX:
        return DefinitionFile(
            problems=[f"line 1: the file is larger than {BYTES_MAX // 1024**2} MiB"]
        )
    try:
        text = handed_over.decoded(content).lstrip(BYTE_ORDER_MARK)
    except Unreadable as error:
        return DefinitionFile(problems=[f"line {error.line}: {error}"])
    is_toml = form == "toml" or (form is None and _looks_like_toml(text))
    return _judge(_of_toml(text) if is_toml else _of_csv(text), advance)


def _looks_like_toml(text: str) -> bool:
    first = text.lstrip().partition("\n")[0]
    return first.startswith(("[", "#")) or "=" in first


def _judge(found: Iterator[_Said], advance: Callable[[int], object]) -> DefinitionFile:
    file = DefinitionFile()
    reached = 0
    for count, said in enumerate(found, 1):
        if count > BOARDS_MAX:
            file.problems.append(f"{said.place}: a file has {BOARDS_MAX:,} boards at most")
            break
        definition, mistakes = _checked(said)
        mistakes += _second_mistake(said, file.places)
        file.problems += [f"{said.place}: {mistake}" for mistake in mistakes]
        if definition is not None and not mistakes:
            file.definitions.append(definition)
        advance(said.end - reached)
        reached = said.end
    return file


def _checked(said: _Said) -> tuple[Definition | None, list[str]]:
    if said.mistake:
        return None, [said.mistake]
    try:
        return define(said.members), []
    except NotDefined as error:
        return None, [*error.problems]


def _second_mistake(said: _Said, places: dict[str, str]) -> list[str]:
    """Say that an id stands in the file a second time. `places` has where each stood first."""
    board_id = said.members.get("board_id")
    if not isinstance(board_id, str):
        return []
    first = places.setdefault(board_id, said.place)
    if first == said.place:
        return []
    return [f"board_id {quoted(board_id)} is on {first} already: leave one of them out"]


# TOML


def _of_toml(text: str) -> Iterator[_Said]:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        yield _toml_mistake(str(error), text)
        return
    except (ValueError, RecursionError):
        what = "not TOML: nested too deep, or a number of too many digits"
        yield _Said("line 1", len(text), mistake=what)
        return
    tables = document.pop(_TABLES, [])
    if unknown := ", ".join(quoted(name) for name in list(document)[:NAMED_MAX]):
        yield _Said("line 1", 0, mistake=f"outside of a board: {unknown}; {_EXAMPLE}")
    if not isinstance(tables, list):
        yield _Said("line 1", len(text), mistake=f"{_TABLES} is no list of tables: {_EXAMPLE}")
        return
    for (place, end), table in zip(_places(text, len(tables)), tables, strict=True):
        if isinstance(table, dict):
            yield _Said(place, end, table)
        else:
            yield _Said(place, end, mistake=f"a table is expected, not {quoted(table)}")


def _toml_mistake(message: str, text: str) -> _Said:
    """Put the place, which tomllib writes at the end, at the beginning."""
    what, _, at = message.rpartition(" (at ")
    line = re.match(r"line ([0-9]+)", at)
    place = line[0] if line else f"line {handed_over.line_count(text)}"
    return _Said(place, len(text), mistake=f"not TOML: {what[:_WHAT_CHARS]}")


def _places(text: str, count: int) -> Iterator[tuple[str, int]]:
    """Find where each table of a board begins, and the number of characters until it ends: tomllib
    does not say. Boards that are not written as tables of their own are counted.
    """
    starts = [token.start() for token in _TOKEN.finditer(text) if token["header"]]
    if len(starts) != count:
        yield from (
            (f"board {number}", len(text) * number // count) for number in range(1, count + 1)
        )
        return
    line, reached = 1, 0
    for start, end in itertools.pairwise([*starts, len(text)]):
        line += text.count("\n", reached, start)
        reached = start
        yield f"line {line}", end


# CSV


def _of_csv(text: str) -> Iterator[_Said]:
    found = rows.of_csv(text)
    header = next(found, None)
    if header is None:
        return
    names = [name.strip() for name in header.cells]
    if mistake := header.mistake or _header_mistake(names):
        yield _Said(f"line {header.line}", header.end, mistake=mistake)
        return
    for row in found:
        cells = [cell.strip() for cell in row.cells]
        if mistake := row.mistake or _cells_mistake(cells, names):
            yield _Said(f"line {row.line}", row.end, mistake=mistake)
        else:
            members = {name: cell for name, cell in zip(names, cells, strict=True) if cell}
            yield _Said(f"line {row.line}", row.end, members)


def _header_mistake(names: list[str]) -> str:
    if len(names) == 1 and "," in names[0]:
        return f"{_WANTED}; {rows.QUOTED_LINE}"
    if len(names) == 1 and ";" in names[0]:
        return f"{_WANTED}; write commas between the cells"
    if unknown := [name for name in names if name not in MEMBERS]:
        return f"there is no column {quoted(unknown[0])}: write {', '.join(MEMBERS)}"
    if missing := [name for name in REQUIRED if name not in names]:
        return f"{_WANTED}; {' and '.join(missing)} missing"
    twice = [name for name in MEMBERS if names.count(name) > 1]
    return f"the column {twice[0]} is there twice: leave one of them out" if twice else ""


def _cells_mistake(cells: list[str], names: list[str]) -> str:
    if [cells[0].lstrip(BYTE_ORDER_MARK), *cells[1:]] == names:
        return "a second header, as where two files were joined: delete the line"
    return rows.columns_mistake(cells, len(names))
