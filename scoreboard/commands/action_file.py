"""Reads a file of actions in CSV or JSON: answers its actions, and each mistake with its place.

`action_ids` says which ids are good. Ids are composed here, so that two spellings of one id
are one.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, get_args

from scoreboard import action_ids, rows
from scoreboard.configuration import handed_over
from scoreboard.configuration.handed_over import Unreadable
from scoreboard.rows import quoted
from scoreboard.scoring.catalogue import Action, Claim

POINTS_MAX: Final = 2_147_483_647  # the column is an integer
CLAIMS: Final[tuple[Claim, ...]] = get_args(Claim)
_HEADERS: Final = ({"actionId", "points"}, {"actionId", "points", "claim"})
_MEMBERS: Final = {"actionId", "points", "claim", "disabledAt"}
_WANTED: Final = "the first line must be the header action_id,points or action_id,points,claim"


@dataclass(slots=True)
class ActionFile:
    """What a file holds: its good actions, and a text for each problem, both in the order of the
    file. A text begins with the place: `line 3` (where a row of CSV begins, or where reading had to
    end) or, in JSON, `entry 2`.
    """

    actions: list[Action] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    claims: dict[str, Claim] = field(default_factory=dict)  # by action id, where the file says it

    @property
    def points(self) -> dict[str, int]:
        """The points of each action by its id, as the catalogue takes them."""
        return {action.action_id: action.points for action in self.actions}

    @property
    def of_users(self) -> set[str]:
        """The ids of the actions that users may claim."""
        return {action.action_id for action in self.actions if action.claim == "user"}

    @property
    def disabled(self) -> list[str]:
        """The ids of the actions that are to be disabled."""
        return [action.action_id for action in self.actions if action.disabled_at is not None]


@dataclass(frozen=True, slots=True)
class _Row:
    """One action as the file spells it; `mistake` says why it is none.

    `end` is the number of characters from the beginning of the file to the end of this row.
    """

    place: str
    end: int
    action_id: Any = None
    points: Any = None
    claim: Any = None
    disabled_at: Any = None
    mistake: str = ""


def read(
    content: bytes, form: str | None = None, advance: Callable[[int], object] = lambda _: None
) -> ActionFile:
    """Read a file in the form `csv` or `json`; None means the form that the content looks like.

    `advance` is called after each row with the number of characters that were read since.
    """
    try:
        text = handed_over.decoded(content).lstrip(action_ids.BYTE_ORDER_MARK)
    except Unreadable as error:
        return ActionFile(problems=[f"line {error.line}: {error}"])
    is_json = form == "json" or (form is None and text.lstrip().startswith(("[", "{")))
    return _judge(_json_rows(text) if is_json else _csv_rows(text), advance)


def _judge(found_rows: Iterator[_Row], advance: Callable[[int], object]) -> ActionFile:
    found = ActionFile()
    earlier: dict[str, _Row] = {}
    reached = 0
    for row in found_rows:
        if mistake := row.mistake or _mistake(row, earlier):
            found.problems.append(f"{row.place}: {mistake}")
        else:
            action_id = action_ids.composed(row.action_id)
            earlier[action_id] = row
            action = Action(action_id, row.points, _moment(row.disabled_at), row.claim or "user")
            found.actions.append(action)
            if row.claim is not None:
                found.claims[action_id] = action.claim
        advance(row.end - reached)
        reached = row.end
    return found


def _mistake(row: _Row, earlier: dict[str, _Row]) -> str:
    """Say what is wrong with a row; an empty text: nothing."""
    mistakes = [
        _id_mistake(row.action_id, earlier),
        _points_mistake(row.points),
        _claim_mistake(row.claim),
        _disabled_mistake(row.disabled_at),
    ]
    return "; ".join(filter(None, mistakes))


def _id_mistake(action_id: Any, earlier: dict[str, _Row]) -> str:
    """Say what is wrong with an id. `earlier` has the good rows so far, by their composed ids."""
    if not isinstance(action_id, str):
        return f"action id must be a text, not {quoted(action_id)}"
    if problem := action_ids.problem(action_id):
        return f"action id {quoted(action_id)} {problem}"
    first = earlier.get(action_ids.composed(action_id))
    if first is None:
        return ""
    spelling = "" if first.action_id == action_id else f", spelled {quoted(first.action_id)}"
    place = first.place.replace("line", "on line")
    return f"action id {quoted(action_id)} is {place} already{spelling}"


def _points_mistake(points: Any) -> str:
    is_number = isinstance(points, int) and not isinstance(points, bool)
    if is_number and 1 <= points <= POINTS_MAX:
        return ""
    return f"points must be a whole number from 1 to {POINTS_MAX}, not {quoted(points)}"


def _claim_mistake(claim: Any) -> str:
    if claim is None or claim in CLAIMS:
        return ""
    return f"claim must be {' or '.join(CLAIMS)}, not {quoted(claim)}"


def _disabled_mistake(disabled_at: Any) -> str:
    if disabled_at is None or _moment(disabled_at) is not None:
        return ""
    return f"disabledAt must be a time such as 2024-12-09T14:30:45Z, not {quoted(disabled_at)}"


def _moment(value: Any) -> datetime | None:
    """Read the time at which an action was disabled; None if the value is no time."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return datetime.fromisoformat(value)
    return None


# CSV


def _csv_rows(text: str) -> Iterator[_Row]:
    found = rows.of_csv(text)
    header = next(found, None)
    if header is None:
        return
    if mistake := header.mistake or _header_mistake(header.cells):
        yield _Row(f"line {header.line}", header.end, mistake=mistake)
        return
    members = [_member(name) for name in header.cells]
    for row in found:
        place, cells = f"line {row.line}", row.cells
        if mistake := row.mistake or _cells_mistake(cells, len(members)):
            yield _Row(place, row.end, mistake=mistake)
        else:
            said = dict(zip(members, cells, strict=True))
            claim = said["claim"].strip() if "claim" in said else None
            yield _Row(place, row.end, said["actionId"], _points(said["points"]), claim)


def _header_mistake(cells: list[str]) -> str:
    if _is_header(cells):
        return ""
    if len(cells) == 1 and _is_header(cells[0].split(",")):
        return f"{_WANTED}; {rows.QUOTED_LINE}"
    return f"{_WANTED}, not {quoted(','.join(cells))}"


def _cells_mistake(cells: list[str], wanted: int) -> str:
    if _is_header([cells[0].lstrip(action_ids.BYTE_ORDER_MARK), *cells[1:]]):
        return "a second header, as where two files were joined: delete the line"
    return rows.columns_mistake(cells, wanted)


def _is_header(cells: list[str]) -> bool:
    members = {_member(cell) for cell in cells}
    return len(members) == len(cells) and members in _HEADERS


def _member(name: str) -> str:
    """Say which member of JSON a column of this name is."""
    return "actionId" if name.strip() == "action_id" else name.strip()


def _points(text: str) -> int | str:
    """Read a whole number, and leave all else a text."""
    number = rows.whole_number(text)
    return text if number is None else number


# JSON


def _json_rows(text: str) -> Iterator[_Row]:
    try:
        entries = json.loads(text)
    except json.JSONDecodeError as error:
        what = f"not JSON: {error.msg.removesuffix(' starting at')}"
        yield _Row(f"line {error.lineno}", len(text), mistake=what)
        return
    except (ValueError, RecursionError):
        what = "not JSON: nested too deep, or a number of too many digits"
        yield _Row("line 1", len(text), mistake=what)
        return
    if not isinstance(entries, list):
        what = 'a list is expected: [{"actionId": "daily-login", "points": 10}, …]'
        yield _Row("line 1", len(text), mistake=what)
        return
    for number, entry in enumerate(entries, 1):
        yield _json_row(entry, f"entry {number}", len(text) * number // len(entries))


def _json_row(entry: Any, place: str, end: int) -> _Row:
    if not isinstance(entry, dict):
        return _Row(place, end, mistake=f"an object is expected, not {quoted(entry)}")
    if unknown := entry.keys() - _MEMBERS:
        return _Row(place, end, mistake=f"there is no member {quoted(min(unknown))}")
    if missing := {"actionId", "points"} - entry.keys():
        return _Row(place, end, mistake=f"{' and '.join(sorted(missing))} missing")
    optional = (entry.get("claim"), entry.get("disabledAt"))
    return _Row(place, end, entry["actionId"], entry["points"], *optional)
