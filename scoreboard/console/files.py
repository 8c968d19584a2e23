"""The files that operators hand over: read whole, with a bar; and how their mistakes are said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from scoreboard.configuration import handed_over
from scoreboard.configuration.handed_over import Unreadable
from scoreboard.console.reports import CommandFailed
from scoreboard.console.terminal import counted
from scoreboard.unicode import escaped

_LINES_SHOWN: Final = 50


def content(name: str, bytes_max: int) -> bytes:
    """Read a file, or standard input where it is named `-`. Raises CommandFailed."""
    try:
        if name == "-":
            return handed_over.stream_content(handed_over.standard_input(), bytes_max)
        return handed_over.content(Path(name), bytes_max)
    except Unreadable as error:
        raise CommandFailed(f"Cannot read {escaped(name)}: {error}.") from error


def require_good(name: str, found: Sequence[Any], problems: Sequence[str], noun: str) -> None:
    """Raises CommandFailed unless something was found and all of it is good."""
    if problems:
        places = counted(len(problems), "place")
        head = f"Nothing was loaded: {places} of {escaped(name)} must be mended."
        raise CommandFailed("\n".join([head, *first_lines(problems)]))
    if not found:
        raise CommandFailed(f"There are no {noun} in {escaped(name)}. Nothing was loaded.")


def first_lines(lines: Sequence[str]) -> list[str]:
    """The first lines, and how many more there are."""
    more = len(lines) - _LINES_SHOWN
    shown = [f"  {line}" for line in lines[:_LINES_SHOWN]]
    return [*shown, f"  … and {more} more"] if more > 0 else shown


def progress(what: str, total: int, unit: str) -> Any:
    """A bar on standard error, if that is a terminal; `update` moves it on."""
    from tqdm import tqdm  # no other command waits for it

    return tqdm(total=total, desc=what, unit=unit, unit_scale=True, leave=False, disable=None)
