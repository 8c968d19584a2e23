"""`scoreboard names`: the names that nobody may take, as the operator wants it."""

from __future__ import annotations

import argparse
import math
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from scoreboard.accounts import listing, refused_names
from scoreboard.accounts.listing import Listed, Sought
from scoreboard.accounts.names import username_key
from scoreboard.accounts.refused_names import BadPattern, RefusedNames, Refusing
from scoreboard.commands.invitations import note_to_store
from scoreboard.configuration import sources as configuration
from scoreboard.connections.postgres import Postgres
from scoreboard.console import files
from scoreboard.console.arguments import Commands, add_page, is_file, text_to_store
from scoreboard.console.reports import Answer, CommandFailed, Report, report_list
from scoreboard.console.servers import open_postgres
from scoreboard.console.terminal import counted, say
from scoreboard.timestamps import timestamp
from scoreboard.unicode import escaped

_BYTES_MAX: Final = 8 * 1024 * 1024
_COMMENT: Final = "#"
_CHANGED: Final = Report(("added", "unchanged"))
_WITHIN: Final = "Instances follow within 2 s."
_WHO_HAS_IT: Final = (
    "Who has such a name keeps it: `scoreboard names list --users` shows them, "
    "`scoreboard users rename` gives another."
)


def add_to(commands: Commands) -> None:
    """Declare `names refuse|allow|list|load`."""
    group = commands.group("names", "look after the names that nobody may take")
    _add_changes(group)
    listed = group.add(
        "list",
        _list,
        "show every pattern, or the users whose names they refuse",
        "scoreboard names list",
        "scoreboard names list --users        who has such a name already",
        report=Report(("pattern",), ("note", "createdAt", "userId", "username"), is_list=True),
    )
    listed.add_argument(
        "--users", action="store_true", help="the users who have a refused name, with its pattern"
    )
    add_page(listed, "PATTERN", "begin behind this pattern; with --users, behind this user name")
    load = group.add(
        "load",
        _load,
        "refuse the names of a file, all of them or none; no pattern leaves the list",
        "scoreboard names load refused.txt    a pattern on each line; # begins a remark",
        report=_CHANGED,
    )
    is_file(load.add_argument("file", metavar="FILE", help="in UTF-8; - is standard input"))


def _add_changes(group: Commands) -> None:
    refuse = group.add(
        "refuse",
        _refuse,
        "let nobody take a name, in any spelling; * stands for anything",
        "scoreboard names refuse admin '*moderator*' --note 'ours'",
        report=_CHANGED,
    )
    refuse.add_argument("--note", type=note_to_store, default="", help="why; only operators see it")
    allow = group.add(
        "allow",
        _allow,
        "take patterns off the list again",
        "scoreboard names allow '*moderator*'",
        report=Report(("removed",)),
    )
    for parser in (refuse, allow):
        parser.add_argument(
            "patterns",
            type=text_to_store,
            nargs="+",
            metavar="PATTERN",
            help="a name, or a part of one between *; quote the * for your shell",
        )


async def _refuse(arguments: argparse.Namespace) -> Answer:
    return await _add([Refusing(_read(text), arguments.note) for text in arguments.patterns])


async def _load(arguments: argparse.Namespace) -> Answer:
    found, problems = _of_file(files.content(arguments.file, _BYTES_MAX))
    files.require_good(arguments.file, found, problems, "patterns")
    return await _add(found)


async def _add(wanted: Sequence[Refusing]) -> Answer:
    async with open_postgres(configuration.load()) as postgres:
        added = await refused_names.refuse(postgres, wanted)
    if added is None:
        raise CommandFailed(
            f"There would be more than {refused_names.PATTERNS_MAX:,} patterns. Nothing was "
            "changed. One with * may stand for many.",
            "too_many_patterns",
        )
    unchanged = len({one.pattern for one in wanted}) - added
    already = f"{unchanged} on the list already. " if unchanged else ""
    then = f"{_WITHIN} {_WHO_HAS_IT}" if added else "Nothing was changed."
    text = f"Refused {counted(added, 'new pattern')}. {already}{then}"
    return Answer({"added": added, "unchanged": unchanged}, text)


async def _allow(arguments: argparse.Namespace) -> Answer:
    patterns = sorted({_read(text) for text in arguments.patterns})
    async with open_postgres(configuration.load()) as postgres:
        removed = await refused_names.allow(postgres, patterns)
    missing = sorted(set(patterns) - set(removed))
    if missing:
        done = f"{counted(len(removed), 'other')} taken off the list. " if removed else ""
        raise CommandFailed(
            f"{done}Not on the list: {', '.join(map(escaped, missing))}. "
            "`scoreboard names list` shows all.",
            "unknown_pattern",
        )
    text = f"Took {counted(len(removed), 'pattern')} off the list. {_WITHIN}"
    return Answer({"removed": removed}, text)


async def _list(arguments: argparse.Namespace) -> None:
    async with open_postgres(configuration.load()) as postgres:
        show = _users if arguments.users else _patterns
        found = show(postgres, arguments.after or "", arguments.limit)
        if arguments.json:
            await report_list(found)
            return
        async for each in found:
            say(_line(each))


async def _patterns(
    postgres: Postgres, after: str, limit: int | None
) -> AsyncIterator[dict[str, Any]]:
    left = math.inf if limit is None else limit
    while page := await refused_names.listed(postgres, after):
        for one in page:
            noted = {"note": one.note} if one.note else {}
            yield {"pattern": one.pattern, "createdAt": timestamp(one.created_at)} | noted
            left -= 1
            if left <= 0:
                return
        after = page[-1].pattern


async def _users(
    postgres: Postgres, after: str, limit: int | None
) -> AsyncIterator[dict[str, Any]]:
    refused = RefusedNames()
    await refused.read(postgres)

    def has_refused_name(user: Listed) -> bool:
        return refused.pattern_for(user.account.username) is not None

    sought = Sought(wanted=has_refused_name, limit=limit, after=username_key(after))
    async for user in listing.everybody(postgres, sought):
        account = user.account
        yield {
            "pattern": refused.pattern_for(account.username),
            "userId": account.user_id,
            "username": account.username,
        }


def _line(each: dict[str, Any]) -> str:
    if "username" in each:
        return f"{escaped(each['username']):<24}  {escaped(each['pattern'])}  id:{each['userId']}"
    return f"{escaped(each['pattern']):<24}  {escaped(each.get('note', ''))}".rstrip()


def _of_file(content: bytes) -> tuple[list[Refusing], list[str]]:
    """Read a file: its patterns, with the remarks behind them, and what is wrong with it."""
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        return [], [f"byte {error.start + 1}: this is not UTF-8"]
    found, problems = [], []
    for number, line in enumerate(lines, 1):
        pattern, _, remark = (part.strip() for part in line.partition(_COMMENT))
        if not pattern:
            continue
        try:
            found.append(Refusing(refused_names.pattern_of(pattern), note_to_store(remark)))
        except (BadPattern, argparse.ArgumentTypeError) as error:
            problems.append(f"line {number}: {error}")
    return found, problems


def _read(text: str) -> str:
    try:
        return refused_names.pattern_of(text)
    except BadPattern as bad:
        raise CommandFailed(
            f"{escaped(text)} cannot be a pattern: {bad}. Nothing was changed.", "bad_pattern"
        ) from bad
