"""Boards and seasons in the words of commands: as JSON, for people, and as what was refused."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from scoreboard.console import files
from scoreboard.console.reports import CommandFailed
from scoreboard.console.terminal import counted
from scoreboard.ledger.defining import BoardsRefused
from scoreboard.ledger.definitions import Defined
from scoreboard.model import Season
from scoreboard.seasons import zones
from scoreboard.unicode import escaped

# In the order and by the names of the API, which does not tell how long entries are kept.
SUMMARY_MEMBERS: Final = (
    *("boardId", "title", "direction", "operator", "counts", "size", "period", "zone"),
    *("graceSeconds", "visibility", "valueMin", "valueMax"),
    *("createdAt", "closedAt", "season", "version"),
    "keepFullSeconds",
)
MEMBERS: Final = (*SUMMARY_MEMBERS, "actions")
HEAD: Final = ("board", "season", "until", "period", "title")

_COUNTS: Final = {"every": "every action", "results": "results alone"}
_READERS: Final = {"public": "everybody", "token": "whoever has an access token"}


def summary_of(found: Defined, version: int) -> dict[str, Any]:
    """Write a board as JSON, without the actions that count."""
    return found.as_json(version) | {"keepFullSeconds": found.definition.keep_full_seconds}


def document_of(found: Defined, version: int) -> dict[str, Any]:
    """Write a board as JSON."""
    return summary_of(found, version) | {"actions": list(found.definition.actions)}


async def summaries(found: Iterable[tuple[Defined, int]]) -> AsyncIterator[dict[str, Any]]:
    """Write boards, each with its version, as JSON."""
    for each, version in found:
        yield summary_of(each, version)


def row_of(found: Defined) -> tuple[str, ...]:
    """Write a board as a row below HEAD."""
    said, season = found.definition, found.season
    number, until = "none yet", "-"
    if season is not None:
        number = str(season.number) if season.state == "running" else f"{season.number} (over)"
        until = "no end" if season.ends_at is None else moment(season.ends_at, said.zone)
    if found.closed_at is not None:
        until = f"closed {moment(found.closed_at, said.zone)}"
    period = said.period if said.period == "none" else f"{said.period}, {said.zone}"
    return (said.board_id, number, until, period, escaped(said.title))


def text_of(found: Defined, version: int) -> str:
    """Write a board for people."""
    said, zone = found.definition, found.definition.zone
    order = "lowest" if said.direction == "low" else "highest"
    lines = {
        "board": said.board_id,
        "title": escaped(said.title),
        "shows": f"{said.size} at most, the {order} score first, to {_READERS[said.visibility]}",
        "a score is": f"the {said.operator} of what counts",
        "counts": _COUNTS.get(said.counts) or _listed(said.actions),
        "results": f"values from {said.value_min} to {said.value_max}",
        "seasons": _seasons(found),
        "season": "none has begun yet" if found.season is None else in_words(found.season, zone),
        "version": str(version),
        "added": moment(found.created_at, zone),
    }
    if found.closed_at is not None:
        lines["closed"] = moment(found.closed_at, zone)
    return "\n".join(f"{name:<10}  {value}" for name, value in lines.items())


def _listed(actions: tuple[str, ...]) -> str:
    return f"{counted(len(actions), 'action')}: {', '.join(map(escaped, actions))}"


def _seasons(found: Defined) -> str:
    said = found.definition
    if said.period == "none":
        return "one, without an end"
    which = "of dates" if said.period == "dates" else f"a {said.period} each"
    grace = f"final {said.grace_seconds} s after their end"
    kept = "for ever"
    if said.keep_full_seconds is not None:
        kept = f"for {said.keep_full_seconds} s, then the final ones"
    return f"{which}, in {said.zone}; {grace}; all entries are kept {kept}"


def in_words(season: Season, zone: str = "UTC") -> str:
    """Write a season for people."""
    return f"{season.number}, {season.state}, {span(season, zone)}"


def span(season: Season, zone: str = "UTC") -> str:
    """Write when a season begins and ends."""
    starts_at = moment(season.starts_at, zone)
    if season.ends_at is None:
        return f"from {starts_at}, without an end"
    return f"from {starts_at} to {moment(season.ends_at, zone)}"


def moment(at: datetime, zone: str = "UTC") -> str:
    """Write a time as a clock of the zone shows it, with its difference from UTC; in UTC where this
    machine does not know the zone.
    """
    name = "UTC" if zones.problem(zone) else zone
    text = at.astimezone(zones.rules(name)).isoformat(timespec="seconds")
    return text.replace("+00:00", "Z")


def refusal(
    refused: BoardsRefused, head: str, places: Mapping[str, str] = MappingProxyType({})
) -> CommandFailed:
    """Say why nothing was changed, of each board with the place where a file has it."""
    lines = []
    for board_id, text in refused.problems:
        named = [part for part in (places.get(board_id or ""), board_id) if part]
        lines.append(escaped(": ".join([*named, text])))
    return CommandFailed("\n".join([head, *files.first_lines(lines)]), "board_refused")
