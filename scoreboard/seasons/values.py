"""Reads one member of a board's definition: a value as TOML has it, or a text.

Each function answers what it read, or raises Unfit with texts that follow the member's name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, time
from typing import Any, Final
from zoneinfo import ZoneInfo

from scoreboard import unicode
from scoreboard.action_ids import ACTION_ID_CHARS_MAX, composed
from scoreboard.model import BOARD_ID, MAIN, BoardId
from scoreboard.rows import quoted, whole_number
from scoreboard.seasons import zones
from scoreboard.seasons.periods import FIRST_MOMENT, MOMENT_END

TITLE_CHARS_MAX: Final = 200
BETWEEN: Final = ";"  # actions, or seasons, in one text
_TO: Final = "/"  # from the start of a season to its end, as ISO 8601 writes a time interval
_TIME_CHARS_MAX: Final = 40
_TIME: Final = (
    "a date such as 2027-03-01, or a time such as 2027-03-01T18:00 (in the board's zone) or "
    "2027-03-01T18:00Z"
)
_SEASON: Final = "a start and an end, such as 2027-03-01/2027-03-08"
_SIGNED: Final = re.compile("-?[0-9]{1,16}", re.ASCII)
_YEARS: Final = f"{FIRST_MOMENT.year} to {MOMENT_END.year - 1}"
# Controls, halves of characters, and what ends a line.
_NOT_IN_TITLES: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
# These turn what follows around, also beyond the title. (Joiners belong to scripts and emoji.)
_TURNING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class Unfit(ValueError):
    """A value cannot be what it has to be; `problems` says so, once or several times."""

    def __init__(self, *problems: str) -> None:
        super().__init__(*problems)
        self.problems = problems


def board_id(value: Any) -> BoardId:
    """Read the id of a board other than `main`."""
    if not isinstance(value, str) or not BOARD_ID.fullmatch(value):
        raise Unfit(
            "must be 1 to 50 lower-case letters, digits and hyphens, with no hyphen at an end, "
            f"not {_said(value)}"
        )
    if value == MAIN:
        raise Unfit(f"{MAIN} is a board that exists already: choose another one")
    return BoardId(value)


def title(value: Any) -> str:
    """Read one line of text. Spaces around it are not its own."""
    if not isinstance(value, str) or not 1 <= len(value.strip()) <= TITLE_CHARS_MAX:
        raise Unfit(f"must be a text of 1 to {TITLE_CHARS_MAX} characters, not {_said(value)}")
    text = value.strip()
    for character in text:
        if unicode.category(character) in _NOT_IN_TITLES or character in _TURNING:
            found = unicode.code_point(character)
            raise Unfit(f"must be one line without control characters: leave {found} out")
    return text


def choice(value: Any, choices: Collection[str]) -> Any:
    """Read one of these words."""
    if not isinstance(value, str) or value not in choices:
        raise Unfit(f"must be {' or '.join(choices)}, not {_said(value)}")
    return value


def zone(value: Any) -> str:
    """Read the name of a time zone."""
    if not isinstance(value, str):
        raise Unfit(f"must be a text such as Europe/Berlin, not {_said(value)}")
    if problem := zones.problem(value):
        raise Unfit(f"{quoted(value)} {problem}")
    return value


def whole(value: Any, least: int, most: int) -> int:
    """Read a whole number from `least` to `most`."""
    number = whole_number(value) if isinstance(value, str) else value
    if type(number) is not int or not least <= number <= most:  # True is an int to isinstance
        raise Unfit(f"must be a whole number from {least} to {most}, not {_said(value)}")
    return number


def signed(value: Any, most: int) -> int:
    """Read a whole number from `-most` to `most`."""
    if isinstance(value, str) and _SIGNED.fullmatch(value.strip()):
        value = int(value)
    if type(value) is not int or abs(value) > most:  # True is an int to isinstance
        raise Unfit(f"must be a whole number from {-most} to {most}, not {_said(value)}")
    return value


def actions(value: Any, most: int) -> tuple[str, ...]:
    """Read ids of actions, as they are written; an older one may have what a new one may not."""
    found = _listed(value, most, "ids of actions")
    problems, earlier = [], set()
    for each in found:
        if not isinstance(each, str) or not _may_be_action(each):
            chars = f"1 to {ACTION_ID_CHARS_MAX} characters"
            problems.append(f"must be ids of actions, of {chars} each, not {_said(each)}")
        elif composed(each) in earlier:
            problems.append(f"has {quoted(each)} twice: leave one out")
        else:
            earlier.add(composed(each))
    if problems:
        raise Unfit(*problems)
    return tuple(found)


def _may_be_action(action_id: str) -> bool:
    return 1 <= len(composed(action_id)) <= ACTION_ID_CHARS_MAX and "\0" not in action_id


def seasons(value: Any, most: int, rules: ZoneInfo) -> tuple[tuple[datetime, datetime], ...]:
    """Read seasons in the order of time: `start/end` or a list of both, the end not included."""
    found: list[tuple[datetime, datetime]] = []
    problems: list[str] = []
    for number, each in enumerate(_listed(value, most, "seasons"), 1):
        try:
            starts_at, ends_at = _season(each, rules)
        except Unfit as error:
            problems += [f"number {number} {problem}" for problem in error.problems]
            continue
        if found and starts_at < found[-1][1]:
            problems.append(
                f"number {number} begins before the one above it has ended: write them in the "
                "order of time, without overlap"
            )
        found.append((starts_at, ends_at))
    if problems:
        raise Unfit(*problems)
    return tuple(found)


def _season(value: Any, rules: ZoneInfo) -> tuple[datetime, datetime]:
    pair = value.split(_TO) if isinstance(value, str) else value
    if not isinstance(pair, Sequence) or len(pair) != 2:
        raise Unfit(f"must be {_SEASON}, not {_said(value)}")
    starts_at, ends_at = (moment(each, rules) for each in pair)
    if ends_at <= starts_at:
        raise Unfit(f"must end after it starts, and is {_said(value)}")
    return starts_at, ends_at


def moment(value: Any, rules: ZoneInfo) -> datetime:
    """Read a time, in UTC. Without an offset it is one of this zone; a date is its beginning."""
    found = _time(value)
    if found is None:
        raise Unfit(f"must be {_TIME}, not {_said(value)}")
    # Whatever the zone, these are far enough from the years in which Python ends.
    if FIRST_MOMENT.year <= found.year < MOMENT_END.year:
        in_utc = found.astimezone(UTC) if found.tzinfo else zones.first_moment(rules, found)
        if FIRST_MOMENT <= in_utc < MOMENT_END:
            return in_utc
    raise Unfit(f"must be in the years {_YEARS}, and is {_said(value)}")


def _time(value: Any) -> datetime | None:
    if isinstance(value, str) and len(value) <= _TIME_CHARS_MAX:
        try:
            return datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime.combine(value, time.min)
    return value if isinstance(value, datetime) else None


def _listed(value: Any, most: int, what: str) -> list[Any]:
    """Read a list, or a text with `;` between its parts."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(BETWEEN) if part.strip()]
    if not isinstance(value, list):
        raise Unfit(f"must be a list of {what}, not {_said(value)}")
    if len(value) > most:
        raise Unfit(f"must be {most:,} at most, and are {len(value):,}")
    return value


def _said(value: Any) -> str:
    return value.isoformat() if isinstance(value, date | time) else quoted(value)
