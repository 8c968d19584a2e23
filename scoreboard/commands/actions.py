"""`scoreboard actions`: the catalogue."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Final

from scoreboard import configuration, handed_over
from scoreboard.commands import action_file
from scoreboard.commands.action_file import ActionFile
from scoreboard.commands.arguments import Commands
from scoreboard.commands.failure import CommandFailed
from scoreboard.commands.servers import open_postgres
from scoreboard.commands.terminal import note, say, say_json
from scoreboard.handed_over import Unreadable
from scoreboard.scoring import action_ids
from scoreboard.scoring.catalogue import PAGE, Action, Catalogue, Loaded
from scoreboard.unicode import escaped

_PROBLEMS_SHOWN: Final = 50
_BYTES_MAX: Final = 256 * 1024 * 1024  # some ten million actions


def add_to(commands: Commands) -> None:
    """Declare `actions load` and `actions list`."""
    group = commands.group(
        "actions", "maintain the catalogue: which actions there are, what each is worth"
    )
    load = group.add(
        "load",
        _load,
        "add or change the actions of a file, all of them or none",
        "scoreboard actions load actions.csv        a header action_id,points, then a line each",
        'scoreboard actions load actions.json       [{"actionId": "daily-login", "points": 10}]',
        "scoreboard actions list --json | ssh other scoreboard actions load -",
    )
    load.add_argument(
        "file",
        metavar="FILE",
        help="CSV or JSON, in UTF-8 or with a byte order mark; - is standard input",
    )
    load.add_argument("--format", choices=["csv", "json"], help="default: what FILE looks like")
    listing = group.add(
        "list",
        _list,
        "show the whole catalogue, in the order of action ids",
        "scoreboard actions list",
        "scoreboard actions list --json > actions.json",
    )
    listing.add_argument("--json", action="store_true", help="as JSON, which `actions load` takes")


def read_file(name: str, form: str | None = None) -> ActionFile:
    """Read a file of actions. Raises CommandFailed, with all that is bad, unless all are good."""
    content = _content(name)
    with _progress("Checking", len(content), "B") as advance:
        found = action_file.read(content, form, advance)
    if found.problems:
        raise CommandFailed(_report(escaped(name), found))
    if not found.actions:
        raise CommandFailed(f"There are no actions in {escaped(name)}. Nothing was loaded.")
    return found


async def all_actions(catalogue: Catalogue) -> AsyncIterator[Action]:
    """Page through the whole catalogue."""
    after = ""
    while page := await catalogue.list(after, PAGE):
        for action in page:
            yield action
        after = page[-1].action_id


def _load(arguments: argparse.Namespace) -> int:
    found = read_file(arguments.file, arguments.format)
    loaded = asyncio.run(_put(found))
    count = len(found.actions)
    say(
        f"Loaded {count} action{'' if count == 1 else 's'}: {loaded.added} new, "
        f"{loaded.changed} with other points than before, {loaded.unchanged} as they were."
    )
    return 0


async def _put(found: ActionFile) -> Loaded:
    async with open_postgres(configuration.load()) as postgres:
        # One statement, so the bar can only say that it is under way and that it is done.
        with _progress("Loading", len(found.actions), " actions") as advance:
            loaded = await Catalogue(postgres).load(found.points)
            advance(len(found.actions))
    return loaded


def _list(arguments: argparse.Namespace) -> int:
    asyncio.run(_show(as_json=arguments.json))
    return 0


async def _show(*, as_json: bool) -> None:
    async with open_postgres(configuration.load()) as postgres:
        actions = all_actions(Catalogue(postgres))
        if as_json:
            await say_json(_documents(actions))
            return
        async for action in actions:
            say(f"{action.points:>10}  {escaped(action.action_id)}{_remark(action.action_id)}")


def _remark(action_id: str) -> str:
    """Mark an id that was loaded before there was a rule, and that no file may load any more."""
    if problem := action_ids.problem(action_id):
        return f"  (an older id, which goes on; it {problem})"
    if action_id != action_ids.composed(action_id):
        return "  (an older id, which goes on; it is not composed)"
    return ""


async def _documents(actions: AsyncIterator[Action]) -> AsyncIterator[dict[str, Any]]:
    async for action in actions:
        yield {"actionId": action.action_id, "points": action.points}


def _content(name: str) -> bytes:
    try:
        if name == "-":
            return handed_over.stream_content(handed_over.standard_input(), _BYTES_MAX)
        return handed_over.content(Path(name), _BYTES_MAX)
    except Unreadable as error:
        raise CommandFailed(f"Cannot read {escaped(name)}: {error}.") from error


def _report(name: str, found: ActionFile) -> str:
    """Say first what ended the reading, for what follows it was not looked at."""
    ending = [problem for problem in found.problems if problem.ends_reading]
    others = [problem for problem in found.problems if not problem.ends_reading]
    shown = [f"  {problem}" for problem in others[:_PROBLEMS_SHOWN]]
    if len(others) > len(shown):
        shown.append(f"  … and {len(others) - len(shown)} more")
    heads = [f"{name}, {problem}." for problem in ending]
    if others:
        one, many = ("entry", "entries") if others[0].entry else ("line", "lines")
        count = f"1 {one}" if len(others) == 1 else f"{len(others)} {many}"
        heads.append(f"{count} of {name} must be mended.")
    return "\n".join([f"Nothing was loaded: {' '.join(heads)}", *shown])


@contextlib.contextmanager
def _progress(what: str, total: int, unit: str) -> Iterator[Callable[[int], object]]:
    """Show a bar on standard error, if that is a terminal; yields what to call as it advances."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    try:
        from tqdm import tqdm
    except ImportError:  # it comes with the development tools; without it there is no bar
        note(f"{what}…")
        yield lambda _: None
        return
    with tqdm(total=total, desc=what, unit=unit, unit_scale=True, leave=False) as bar:
        yield bar.update
