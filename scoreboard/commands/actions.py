"""`scoreboard actions`: the catalogue."""

from __future__ import annotations

import argparse
import dataclasses
import math
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Final

from scoreboard import action_ids
from scoreboard.commands import action_changes, action_file
from scoreboard.commands.action_file import CLAIMS, ActionFile
from scoreboard.configuration import sources as configuration
from scoreboard.console import files
from scoreboard.console.arguments import Commands, add_page, is_file, text_to_store
from scoreboard.console.reports import Answer, CommandFailed, Report, report_list
from scoreboard.console.servers import open_postgres
from scoreboard.console.terminal import counted, say
from scoreboard.scoring.catalogue import PAGE, Action, Catalogue, FormerIds, Loaded, Sought
from scoreboard.timestamps import timestamp
from scoreboard.unicode import escaped

_STATES: Final = {"enabled": False, "disabled": True}
_BYTES_MAX: Final = 256 * 1024 * 1024  # some ten million actions


def add_to(commands: Commands) -> None:
    """Declare `actions load|list`, and what changes a single action."""
    group = commands.group(
        "actions", "maintain the catalogue: which actions there are, what each is worth"
    )
    load = group.add(
        "load",
        _load,
        "add or change the actions of a file, all of them or none",
        "scoreboard actions load actions.csv        a header action_id,points,claim, and lines",
        'scoreboard actions load actions.json       [{"actionId": "daily-login", "points": 10}]',
        "scoreboard actions list --json | ssh other scoreboard actions load -",
        report=Report(("added", "changed", "unchanged")),
    )
    file = load.add_argument(
        "file",
        metavar="FILE",
        help="CSV or JSON, in UTF-8 or with a byte order mark; - is standard input",
    )
    is_file(file)
    load.add_argument("--format", choices=["csv", "json"], help="default: what FILE looks like")
    _add_list(group)
    action_changes.add_to(group)


def _add_list(group: Commands) -> None:
    listing = group.add(
        "list",
        _list,
        "show the whole catalogue, or what is sought, in the order of action ids",
        "scoreboard actions list",
        "scoreboard actions list --json > actions.json",
        "scoreboard actions list --state disabled --name login",
        "scoreboard actions list --claim server",
        report=Report(("actionId", "points", "claim"), ("disabledAt",), is_list=True),
    )
    listing.add_argument(
        "--name",
        default="",
        type=text_to_store,
        metavar="PART",
        help="only action ids with this part, as it is spelled",
    )
    listing.add_argument(
        "--state", choices=list(_STATES), help="only actions that are granted, or that are not"
    )
    listing.add_argument(
        "--claim", choices=CLAIMS, help="only actions that users claim, or that servers grant"
    )
    add_page(listing, "ACTION", "begin behind this action id")


def read_file(name: str, form: str | None = None) -> ActionFile:
    """Read a file of actions. Raises CommandFailed, with all that is bad, unless all are good."""
    content = files.content(name, _BYTES_MAX)
    with files.progress("Checking", len(content), "B") as bar:
        found = action_file.read(content, form, bar.update)
    files.require_good(name, found.actions, found.problems, "actions")
    return found


async def _all_actions(
    catalogue: Catalogue, sought: Sought, after: str = "", limit: int | None = None
) -> AsyncIterator[Action]:
    """Page through the catalogue, as far as it is sought."""
    left = math.inf if limit is None else limit
    while page := await catalogue.list(sought, after, int(min(PAGE, left))):
        for action in page:
            yield action
        left -= len(page)
        after = page[-1].action_id
        if left <= 0:
            return


def _load(arguments: argparse.Namespace) -> Coroutine[Any, Any, Answer]:
    return _put(read_file(arguments.file, arguments.format))


async def _put(found: ActionFile) -> Answer:
    async with open_postgres(configuration.load()) as postgres:
        # One statement, so the bar can only say that it is under way and that it is done.
        with files.progress("Loading", len(found.actions), " actions") as bar:
            try:
                loaded = await Catalogue(postgres).load(found.points, found.disabled, found.claims)
            except FormerIds as former:
                raise CommandFailed(_report_former(former), "former_action_id") from former
            bar.update(len(found.actions))
    return Answer(dataclasses.asdict(loaded), _loaded_text(loaded))


def _loaded_text(loaded: Loaded) -> str:
    count = loaded.added + loaded.changed + loaded.unchanged
    parts = [f"{number} {what}" for what, number in dataclasses.asdict(loaded).items() if number]
    if loaded.unchanged == count:
        parts = ["the catalogue had it already" if count == 1 else "the catalogue had them already"]
    return f"Loaded {counted(count, 'action')}: {', '.join(parts)}."


def _report_former(former: FormerIds) -> str:
    """Say which ids of a file were renamed, and what to write in their place."""
    renamed = sorted(former.present.items())
    return "\n".join(
        [
            "Nothing was loaded: the file has ids of actions that were renamed since, and whoever "
            "has such an action would be granted it a second time.",
            *files.first_lines([f"{escaped(old)}: write {escaped(new)}" for old, new in renamed]),
            "If one is meant to be another action from now on: scoreboard actions remove ID",
        ]
    )


async def _list(arguments: argparse.Namespace) -> None:
    sought = Sought(arguments.name, _STATES.get(arguments.state), arguments.claim)
    async with open_postgres(configuration.load()) as postgres:
        page = (arguments.after or "", arguments.limit)
        actions = _all_actions(Catalogue(postgres), sought, *page)
        if arguments.json:
            await report_list(_documents(actions))
            return
        async for action in actions:
            remark = _remark(action.action_id) + _state(action)
            say(f"{action.points:>10}  {escaped(action.action_id)}{remark}")


def _state(action: Action) -> str:
    by_server = "  (granted by servers)" if action.claim == "server" else ""
    if action.disabled_at is None:
        return by_server
    return f"{by_server}  (disabled since {timestamp(action.disabled_at)})"


def _remark(action_id: str) -> str:
    """Mark an id that was loaded before there was a rule, and that no file may load any more."""
    if problem := action_ids.problem(action_id):
        return f"  (an older id, which goes on; it {problem})"
    if action_id != action_ids.composed(action_id):
        return "  (an older id, which goes on; it is not composed)"
    return ""


async def _documents(actions: AsyncIterator[Action]) -> AsyncIterator[dict[str, Any]]:
    async for action in actions:
        yield action_changes.document_of(action)
