"""`scoreboard audit`: who did what to whom and why, and whether that is still as it was written."""

from __future__ import annotations

import argparse
import csv
import re
import sys
from collections.abc import AsyncIterator
from typing import Any, Final

import orjson

from scoreboard.accounts import ids
from scoreboard.audit import chain, rows
from scoreboard.audit.chain import Verified
from scoreboard.audit.rows import Row, Sought
from scoreboard.commands.user_changes import LOGIN_HELP, open_accounts
from scoreboard.configuration import sources as configuration
from scoreboard.connections.postgres import Postgres
from scoreboard.console.arguments import Commands, count, moment, text_to_store
from scoreboard.console.reports import Answer, Report, report_list
from scoreboard.console.servers import open_postgres
from scoreboard.console.terminal import counted, say
from scoreboard.unicode import escaped

_ID_PREFIX: Final = "id:"
_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
# A number of the database has at most so many digits.
_ID_DIGITS_MAX: Final = 18


def add_to(commands: Commands) -> None:
    """Declare `audit list|export|verify`."""
    group = commands.group("audit", "read what was moderated, by whom and why, and verify that")
    listed = group.add(
        "list",
        _list,
        "show what was moderated, the oldest first, or what is sought of it",
        "scoreboard audit list --user ada",
        "scoreboard audit list --act ban --since 2026-12-01",
        "scoreboard audit list --by operator:root --limit 20",
        report=Report(rows.MEMBERS, is_list=True),
    )
    export = group.add(
        "export",
        _export,
        "write the rows for another system, with the digests that chain them",
        "scoreboard audit export > audit.jsonl",
        "scoreboard audit export --format csv --after 1200 > audit.csv   behind row 1200",
    )
    export.add_argument(
        "--format", choices=["jsonl", "csv"], default="jsonl", help="default: %(default)s"
    )
    for parser in (listed, export):
        _add_filters(parser)
    verify = group.add(
        "verify",
        _verify,
        "follow the digests from the first row to the last; exit code 1 if a row was changed, "
        "removed or put in",
        "scoreboard audit verify                    shows the last digest: keep it elsewhere",
        "scoreboard audit verify --expect DIGEST    what led up to the one that you kept is there",
        report=Report(("ok", "rows", "digest"), ("keptRow", "wrongRow", "problem")),
    )
    verify.add_argument(
        "--expect",
        type=_digest,
        metavar="DIGEST",
        help="the digest that an earlier `verify` showed; without it nobody can tell whether the "
        "last rows were removed, or all written anew",
    )


def _add_filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--user",
        type=text_to_store,
        metavar="LOGIN",
        help=f"{LOGIN_HELP}; who was erased has only the id",
    )
    parser.add_argument(
        "--act", type=text_to_store, help="hide, show, ban, unban, rename, correct, …"
    )
    parser.add_argument(
        "--by", type=text_to_store, metavar="WHO", help="operator:NAME, or the id of a server key"
    )
    parser.add_argument("--since", type=moment, metavar="TIME", help="at this time or later")
    parser.add_argument("--limit", type=count, metavar="N", help="at most so many")
    parser.add_argument(
        "--after", type=_row_number, default=0, metavar="ROW", help="begin behind this row"
    )


async def _list(arguments: argparse.Namespace) -> None:
    sought = await _sought(arguments)
    async with open_postgres(configuration.load()) as postgres:
        found = _rows(postgres, sought, arguments)
        if arguments.json:
            await report_list(row.as_json() async for row in found)
            return
        async for row in found:
            say(_line(row))


async def _export(arguments: argparse.Namespace) -> None:
    """Write rows as they are: what nobody can see is escaped as JSON does in both formats."""
    sought = await _sought(arguments)
    table = csv.writer(sys.stdout)
    async with open_postgres(configuration.load()) as postgres:
        if arguments.format == "csv":
            table.writerow(rows.MEMBERS)
        async for row in _rows(postgres, sought, arguments):
            document = row.as_json()
            if arguments.format == "csv":
                table.writerow(map(_cell, (document | {"details": row.details}).values()))
            else:
                say(escaped(orjson.dumps(document).decode()))


async def _verify(arguments: argparse.Namespace) -> Answer:
    async with open_postgres(configuration.load()) as postgres:
        found = await chain.verify(postgres, arguments.expect)
    return verdict(found, arguments.expect)


def verdict(found: Verified, expected: str | None) -> Answer:
    """What `verify` answers."""
    problem = found.problem
    if not problem and expected is not None and found.kept_id is None:
        problem = (
            "No row has the digest that was expected: rows at the end were removed, or the whole "
            "audit was written anew."
        )
    document: dict[str, Any] = {"ok": not problem, "rows": found.rows, "digest": found.digest}
    if found.kept_id is not None:
        document["keptRow"] = found.kept_id
    if problem:
        if found.wrong_id is not None:
            document["wrongRow"] = found.wrong_id
        advice = 'See docs/moderation.md, "When the audit is not as it was written".'
        return Answer(document | {"problem": problem}, f"{problem} {advice}", 1)
    text = f"{counted(found.rows, 'row')}, each as it was written. The last digest is\n"
    text += f"{found.digest}\n"
    if expected is None:
        text += "Keep it elsewhere, for the next `audit verify --expect`."
    else:
        text += f"The one that was expected is that of row {found.kept_id}."
    return Answer(document, text)


async def _sought(arguments: argparse.Namespace) -> Sought:
    return Sought(
        user_id=await _user_id(arguments.user),
        act=arguments.act,
        made_by=arguments.by,
        since=arguments.since,
    )


async def _user_id(login: str | None) -> str | None:
    """Whose rows are meant; an id is one also of nobody who is there. Raises UnknownUser."""
    if login is None:
        return None
    user_id = ids.canonical(login.removeprefix(_ID_PREFIX))
    if login.startswith(_ID_PREFIX) and user_id:
        return user_id
    async with open_accounts(configuration.load()) as accounts:
        return (await accounts.users.known(login)).user_id


def _rows(postgres: Postgres, sought: Sought, arguments: argparse.Namespace) -> AsyncIterator[Row]:
    return rows.everything(postgres, sought, arguments.after, arguments.limit)


def _line(row: Row) -> str:
    about = [f"id:{row.user_id}"] if row.user_id else []
    if row.board_id:
        about.append(row.board_id if row.season is None else f"{row.board_id} {row.season}")
    if row.details != "{}":
        about.append(row.details)
    head = f"{row.audit_id:>6}  {row.at[:19]}Z  {escaped(row.made_by)}  {escaped(row.act)}"
    return f"{head}  {escaped('  '.join(about))}  {escaped(row.reason)}"


def _cell(value: Any) -> str:
    return "" if value is None else escaped(str(value))


def _row_number(text: str) -> int:
    if not text.isdecimal() or len(text) > _ID_DIGITS_MAX:
        raise argparse.ArgumentTypeError("the number of a row is expected")
    return int(text)


def _digest(text: str) -> str:
    if not _DIGEST.fullmatch(text):
        raise argparse.ArgumentTypeError("64 digits from 0 to f are expected, as verify shows them")
    return text
