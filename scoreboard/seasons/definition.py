"""What an operator says of a board, checked: everything that is wrong with it is found at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import partial
from typing import Any, Final, Literal, TypeVar, get_args

from scoreboard.model import BOARD_SIZE, SIZE_MAX, BoardId, Direction
from scoreboard.rows import some_quoted
from scoreboard.seasons import values, zones
from scoreboard.seasons.periods import Period
from scoreboard.seasons.values import Unfit

# What an entry is made of: the sum of what counts, or the best of it.
Operator = Literal["sum", "best"]
# What counts: the grants of every action, those of the listed ones, or results alone.
Counts = Literal["every", "listed", "results"]
# Who may read the board: everybody, or whoever has an access token.
Visibility = Literal["public", "token"]

BOARDS_MAX: Final = 1_000
ACTIONS_MAX: Final = 1_000
SEASONS_MAX: Final = 1_000
GRACE_SECONDS_MAX: Final = 7 * 24 * 3600
# Values of results: JSON's numbers are exact within these bounds.
VALUE_BOUND: Final = 2**53 - 1
VALUE_MIN: Final = 0
VALUE_MAX: Final = 2_147_483_647
KEEP_FULL_SECONDS_MAX: Final = 2_147_483_647  # PostgreSQL's integer, some 68 years

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Definition:
    """What an operator says of a board; times are in UTC.

    `actions` has the ids of the actions that count, as they were written, where `counts` is
    `listed`. `seasons` has each season of the period `dates` as `[starts_at, ends_at)`, in the
    order of time. `starts_at` says since when grants count on a board of the period `none`; None:
    since ever. `keep_full_seconds` says how long all entries of a season are kept after its end;
    None: for ever. Results count if their values are from `value_min` to `value_max`.
    """

    board_id: BoardId
    title: str
    direction: Direction = "high"
    operator: Operator = "sum"
    counts: Counts = "every"
    actions: tuple[str, ...] = ()
    size: int = BOARD_SIZE
    period: Period = "none"
    zone: str = "UTC"
    seasons: tuple[tuple[datetime, datetime], ...] = ()
    starts_at: datetime | None = None
    grace_seconds: int = 0
    visibility: Visibility = "public"
    keep_full_seconds: int | None = None
    value_min: int = VALUE_MIN
    value_max: int = VALUE_MAX


MEMBERS: Final = tuple(member.name for member in fields(Definition))
REQUIRED: Final = ("board_id", "title")


class NotDefined(ValueError):
    """What was said defines no board; `problems` says what to change, each in a text."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


def define(said: Mapping[str, Any]) -> Definition:
    """Read what a file says of a board: values as TOML has them, or texts. Raises NotDefined.

    A text of several actions or seasons has `;` between them. Whether listed actions exist is for
    the catalogue to say.
    """
    reading = _Reading(said)
    definition = reading.definition()
    reading.problems += [
        text for members, text in _contradictions(definition) if not reading.unfit & members
    ]
    if reading.problems:
        raise NotDefined(reading.problems)
    return definition


class _Reading:
    """Reads member by member. One that is unfit is noted, and has its default meanwhile."""

    def __init__(self, said: Mapping[str, Any]) -> None:
        self._said = said
        self.problems: list[str] = []
        self.unfit: set[str] = set()

    def definition(self) -> Definition:
        self._look_at_names()
        zone = self._read("zone", "UTC", values.zone)
        rules = zones.rules(zone)
        moment = partial(values.moment, rules=rules)
        keep = partial(values.whole, least=0, most=KEEP_FULL_SECONDS_MAX)
        return Definition(
            board_id=self._read("board_id", BoardId(""), values.board_id),
            title=self._read("title", "", values.title),
            direction=self._read("direction", "high", _one_of(Direction)),
            operator=self._read("operator", "sum", _one_of(Operator)),
            counts=self._read("counts", "every", _one_of(Counts)),
            actions=self._read("actions", (), partial(values.actions, most=ACTIONS_MAX)),
            size=self._read("size", BOARD_SIZE, partial(values.whole, least=1, most=SIZE_MAX)),
            period=self._read("period", "none", _one_of(Period)),
            zone=zone,
            seasons=self._read(
                "seasons", (), partial(values.seasons, most=SEASONS_MAX, rules=rules)
            ),
            starts_at=self._read("starts_at", None, moment),
            grace_seconds=self._read(
                "grace_seconds", 0, partial(values.whole, least=0, most=GRACE_SECONDS_MAX)
            ),
            visibility=self._read("visibility", "public", _one_of(Visibility)),
            keep_full_seconds=self._read("keep_full_seconds", None, keep),
            value_min=self._read("value_min", VALUE_MIN, _value),
            value_max=self._read("value_max", VALUE_MAX, _value),
        )

    def _look_at_names(self) -> None:
        unknown = sorted(self._said.keys() - set(MEMBERS))
        if unknown:
            self.problems.append(f"{some_quoted(unknown)} is unknown: write {', '.join(MEMBERS)}")
        missing = [name for name in REQUIRED if name not in self._said]
        self.problems += [f"{name} is missing: every board needs one" for name in missing]

    def _read(self, name: str, default: Found, convert: Callable[[Any], Found]) -> Found:
        if name not in self._said:
            return default
        try:
            return convert(self._said[name])
        except Unfit as error:
            self.problems += [f"{name} {problem}" for problem in error.problems]
            self.unfit.add(name)
            return default


_value: Final = partial(values.signed, most=VALUE_BOUND)


def _one_of(words: Any) -> Callable[[Any], Any]:
    """Read one of the words of a Literal."""
    return partial(values.choice, choices=get_args(words))


def _contradictions(said: Definition) -> Iterator[tuple[set[str], str]]:
    """Yield the members that do not go together, and what to do."""
    if said.direction == "low" and said.operator == "sum":
        yield (
            {"direction", "operator"},
            "direction low goes with operator best only, because a sum grows: write both",
        )
    if said.counts == "listed" and not said.actions:
        yield {"counts", "actions"}, "counts is listed: write the ids that count in actions"
    if said.counts != "listed" and said.actions:
        yield {"counts", "actions"}, "actions goes with counts listed only: write both"
    if said.period == "dates" and not said.seasons:
        yield {"period", "seasons"}, "period is dates: write when each season is in seasons"
    if said.period != "dates" and said.seasons:
        yield {"period", "seasons"}, "seasons goes with period dates only: write both"
    if said.period != "none" and said.starts_at:
        yield (
            {"period", "starts_at"},
            "starts_at goes with period none only, because seasons have starts: leave it out",
        )
    if said.value_min > said.value_max:
        yield (
            {"value_min", "value_max"},
            f"value_min {said.value_min} is above value_max {said.value_max}, so no result could "
            "count: write the smaller one first",
        )
    if said.operator == "sum" and said.value_min < 0:
        yield (
            {"operator", "value_min"},
            "value_min may be below 0 with operator best only, because a sum never falls by a "
            "result: write 0 or more, and take points back by a correction",
        )
    for name, default in (("grace_seconds", 0), ("keep_full_seconds", None)):
        if said.period == "none" and getattr(said, name) != default:
            yield (
                {"period", name},
                f"{name} is about seasons that end, and with period none none does: leave it out",
            )
