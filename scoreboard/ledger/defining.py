"""Writes what an operator says of boards: all of it, or nothing.

    hold        nobody else defines boards or changes actions; grants and turns of seasons go on
    add         a board, the actions that count, and its seasons: those of the calendar from the one
                that contains now on
    adopt       what was granted before counts as well, as if the board had always been there;
                `preparation` has counted most of that before, if it is much
    lock        now no grant and no turn of seasons is under way, for as long as the rest takes
    compare     boards that are there keep what their entries were made by
    complete    what was granted meanwhile counts
    turn        what is due begins, ends and closes

A board that is being added is seen by nobody before COMMIT, so all of it that takes long comes
before the lock. The rows of other boards come after it: who grants holds them under its other side.

Each function here is part of a transaction, and raises LedgerUnavailable.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from scoreboard.connections.session import Row
from scoreboard.ledger.preparation import Prepared, rows_of_actions
from scoreboard.ledger.queries import SQL
from scoreboard.ledger.transaction import RolledBack, Transaction
from scoreboard.ledger.turn import Written, renew, seasons_after, turned, write_seasons
from scoreboard.model import MAIN, Board, BoardId
from scoreboard.rows import NAMED_MAX, quoted, some_quoted
from scoreboard.seasons.definition import BOARDS_MAX, Definition
from scoreboard.seasons.periods import FIRST_MOMENT, containing
from scoreboard.timestamps import timestamp

# Boards on which one action counts at a time, `main` aside: a grant writes an entry for each.
RUNNING_MAX: Final = 20
_MAY_CHANGE: Final = {"title", "visibility", "grace_seconds", "keep_full_seconds"}
_NO_COLUMNS: Final = {"seasons", "starts_at"}

# The boards that are there, without the dates of their seasons.
Present = dict[BoardId, Definition]


class BoardsRefused(RolledBack):
    """Nothing was changed. Each of `problems` has the board that it concerns (None: all of them
    together), and a text that says what to do.
    """

    def __init__(self, problems: Iterable[tuple[BoardId | None, str]]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            "; ".join(
                text if board is None else f"{board}: {text}" for board, text in self.problems
            )
        )


@dataclass(frozen=True, slots=True)
class Defining:
    """What became of what an operator said: the boards that are new, those that changed, and those
    that are as he says already. `boards` has what is shown anew.
    """

    added: tuple[BoardId, ...]
    changed: tuple[BoardId, ...]
    unchanged: tuple[BoardId, ...]
    boards: tuple[Board, ...] = ()


async def write_definitions(
    begun: Transaction,
    said: Sequence[Definition],
    prepared: Prepared | None,
    *,
    adds: bool,
    changes: bool,
) -> Defining:
    """Write definitions of boards that are not there (with `adds`), and that are (with `changes`).
    Raises BoardsRefused, and Unprepared where much was granted before.
    """
    await begun.run(SQL["hold_definitions"])
    present = await _present(begun)
    said = await _with_known_actions(begun, said)
    if problems := [*_misplaced(said, present, adds=adds, changes=changes)]:
        raise BoardsRefused(problems)
    new = tuple(each for each in said if each.board_id not in present)
    there = [each for each in said if each.board_id in present]
    added = await _add(begun, new, len(present), prepared) if new else None
    await begun.run(SQL["lock_seasons"])  # guard: boards-written-alone
    changed, unchanged = await _change(begun, there, present)
    boards = await _show(begun, added) if added else []
    return Defining(tuple(each.board_id for each in new), changed, unchanged, tuple(boards))


def definition_of(row: Row) -> Definition:
    """Read a definition, without the dates of seasons, from the first columns of
    `read_definitions`.
    """
    board_id, title, direction, operator, counts, size, period, zone, *rest = row
    grace_seconds, visibility, keep_full_seconds, actions, *_ = rest
    return Definition(
        board_id=board_id,
        title=title,
        direction=direction,
        operator=operator,
        counts=counts,
        actions=tuple(actions),
        size=size,
        period=period,
        zone=zone,
        grace_seconds=grace_seconds,
        visibility=visibility,
        keep_full_seconds=keep_full_seconds,
    )


async def _present(begun: Transaction) -> Present:
    rows = await begun.run(SQL["read_definitions"])
    return {row[0]: definition_of(row) for row in rows}


async def _with_known_actions(begun: Transaction, said: Sequence[Definition]) -> list[Definition]:
    """Write each listed action by the id that it has now. Raises BoardsRefused where the catalogue
    lacks one.
    """
    ids = sorted({action_id for each in said for action_id in each.actions})
    if not ids:
        return list(said)
    rows = await begun.run(SQL["find_listed_actions"], {"action_ids": ids})
    known: dict[str, str] = dict(rows)
    problems: list[tuple[BoardId | None, str]] = []
    for each in said:
        if unknown := [action_id for action_id in each.actions if action_id not in known]:
            named = some_quoted(unknown)
            problems.append(
                (each.board_id, f"there is no action {named}: load what counts before the board")
            )
    if problems:
        raise BoardsRefused(problems)
    return [
        dataclasses.replace(each, actions=tuple(sorted({known[name] for name in each.actions})))
        for each in said
    ]


def _misplaced(
    said: Sequence[Definition],
    present: Present,
    *,
    adds: bool,
    changes: bool,
) -> Iterable[tuple[BoardId, str]]:
    """Say of each board that is not there, or there already, or said twice, that it may not be."""
    seen: set[BoardId] = set()
    for board_id in (each.board_id for each in said):
        if board_id == MAIN:
            yield board_id, "it counts everything for ever and does not change: choose another id"
        elif board_id in seen:
            yield board_id, "the board is said twice: leave one out"
        elif board_id in present and not changes:
            yield board_id, "there is a board of that id: choose another id, or change that board"
        elif board_id not in present and not adds:
            yield board_id, "there is no such board: add it"
        seen.add(board_id)


async def _change(
    begun: Transaction, said: Sequence[Definition], present: Present
) -> tuple[tuple[BoardId, ...], tuple[BoardId, ...]]:
    """Change what may change of boards that are there, and name those that did, and the others. No
    grant may be under way. Raises BoardsRefused.
    """
    asked = {"board_ids": [each.board_id for each in said]}
    closed: dict[BoardId, datetime] = dict(await begun.run(SQL["closed_among"], asked))
    dates: dict[BoardId, list[Row]] = {each.board_id: [] for each in said}
    for board_id, *season in await begun.run(SQL["dates_of_seasons"], asked):
        dates[board_id].append(tuple(season))
    problems: list[tuple[BoardId | None, str]] = []
    changed: list[Definition] = []
    for each in said:
        if closed_at := closed.get(each.board_id):
            text = f"the board was closed at {timestamp(closed_at)}: choose another id, or leave it"
            problems.append((each.board_id, text))
            continue
        before = _with_dates(each, present[each.board_id], dates[each.board_id])
        members = [name for name in _members(each) if getattr(each, name) != getattr(before, name)]
        if fixed := [name for name in members if name not in _MAY_CHANGE]:
            problems.append(
                (
                    each.board_id,
                    f"{' and '.join(fixed)} cannot change, because entries were made by it: close "
                    "this board and add another one",
                )
            )
        if members:
            changed.append(each)
    if problems:
        raise BoardsRefused(problems)
    if changed:
        columns = [{"board_id": each.board_id} | _changeable(each) for each in changed]
        await begun.run(SQL["change_boards"], {"said": orjson.dumps(columns).decode()})
    names = [each.board_id for each in changed]
    return tuple(names), tuple(each.board_id for each in said if each.board_id not in names)


def _with_dates(said: Definition, before: Definition, dates: list[Row]) -> Definition:
    """Add the dates of the seasons of a board, to be compared with what is said. A season that was
    ended before its time has the end that is said: that it ended earlier is no change.
    """
    if before.period == "none":
        first = dates[0][0]
        return dataclasses.replace(before, starts_at=None if first == FIRST_MOMENT else first)
    if before.period != "dates":
        return before
    seasons = [(starts_at, ends_at) for starts_at, ends_at, _ in dates]
    for number, ((starts_at, ends_at, is_over), each) in enumerate(
        zip(dates, said.seasons, strict=False)
    ):
        if is_over and starts_at == each[0] and ends_at < each[1]:
            seasons[number] = each
    return dataclasses.replace(before, seasons=tuple(seasons))


def _members(said: Definition) -> list[str]:
    return [member.name for member in dataclasses.fields(said)]


def _columns(said: Definition) -> dict[str, Any]:
    return {name: getattr(said, name) for name in _members(said) if name not in _NO_COLUMNS}


def _changeable(said: Definition) -> dict[str, Any]:
    return {name: getattr(said, name) for name in _MAY_CHANGE}


async def _add(
    begun: Transaction, said: tuple[Definition, ...], before: int, prepared: Prepared | None
) -> Prepared:
    """Add boards with their seasons, and nearly all of what was granted before. Raises
    BoardsRefused, and Unprepared where that is much.
    """
    if (count := before + len(said)) > BOARDS_MAX:
        text = (
            f"there would be {count:,} boards with {MAIN}, and {BOARDS_MAX:,} is the most: leave "
            "some out"
        )
        raise BoardsRefused([(None, text)])
    await begun.run(SQL["keep_falls_out"])
    [(moment, last, corrections)] = await begun.run(SQL["read_moments"])
    if prepared is None or not await prepared.is_of(begun, said, last):
        seasons = tuple(season for each in said for season in _seasons(each, moment, last))
        prepared = Prepared(said, seasons, await rows_of_actions(begun, said), corrections)
    await prepared.look(begun)
    columns = orjson.dumps([_columns(each) for each in said]).decode()
    await begun.run(SQL["add_boards"], {"said": columns, "moment": moment})
    await write_seasons(begun, prepared.seasons)
    await refuse_crowded(begun, moment)
    return await prepared.adopt(begun)


async def refuse_crowded(begun: Transaction, moment: datetime) -> None:
    """Raise BoardsRefused where an action counts on too many boards that run. Whoever lets one run
    holds the definitions from before this look on until COMMIT.
    """
    asked = {"most": RUNNING_MAX, "moment": moment}
    if crowded := await begun.run(SQL["crowded_actions"], asked):
        raise BoardsRefused((None, _crowded(*row)) for row in crowded[:NAMED_MAX])


async def _show(begun: Transaction, added: Prepared) -> list[Board]:
    """Count the rest for boards that were added, and show them. No grant may be under way."""
    await added.complete(begun)
    [(moment,)] = await begun.run(SQL["read_clock"])
    return await renew(begun, await turned(begun, moment))


def _seasons(said: Definition, moment: datetime, last: datetime) -> list[Written]:
    """The first seasons of a new board: all that have dates, else those from the one of now up to
    the one after the last grant, which a clock that was wrong may have dated days ahead.
    """
    if said.period == "dates":
        return [(said.board_id, n, *season) for n, season in enumerate(said.seasons, 1)]
    if said.period == "none":
        return [(said.board_id, 1, said.starts_at or FIRST_MOMENT, None)]
    starts_at, ends_at = containing(said.period, said.zone, moment)
    first = (said.board_id, 1, starts_at, ends_at)
    # guard: granted-days-ahead
    return [first, *seasons_after(said.board_id, said.period, said.zone, 1, ends_at, last)]


def _crowded(action_id: str | None, boards: int) -> str:
    what = "every action" if action_id is None else f"the action {quoted(action_id)}"
    return (
        f"{what} would count on {boards} boards that run, and {RUNNING_MAX} is the most beside "
        f"{MAIN}: close some of them, or let fewer actions count"
    )
