"""`scoreboard boards`: which boards there are, and what each ranks."""

from __future__ import annotations

import argparse
from collections.abc import Coroutine
from typing import Any, Final, get_args

from scoreboard.commands import board_words, closing
from scoreboard.configuration import sources as configuration
from scoreboard.console import columns, files
from scoreboard.console.arguments import Commands, add_one_board, is_file, text_to_store
from scoreboard.console.reports import Answer, CommandFailed, Report, report_list
from scoreboard.console.servers import defined, open_boards, open_postgres
from scoreboard.console.terminal import counted, say
from scoreboard.ledger.defining import BoardsRefused, Defining
from scoreboard.ledger.definitions import Defined, Definitions
from scoreboard.ledger.ledger import Ledger
from scoreboard.model import Direction
from scoreboard.seasons import files as definition_files
from scoreboard.seasons.definition import (
    MEMBERS,
    Counts,
    NotDefined,
    Operator,
    Visibility,
    define,
)
from scoreboard.seasons.files import BYTES_MAX, DefinitionFile
from scoreboard.seasons.periods import Period
from scoreboard.unicode import escaped

_BOARD: Final = Report(board_words.MEMBERS)
# The options of `boards add`: those that take one of some words, and those that take any.
_CHOICES: Final = (
    ("direction", Direction, "which scores stand at the top (default: high)"),
    ("operator", Operator, "what a score is made of (default: sum)"),
    ("counts", Counts, "what counts (default: every)"),
    ("period", Period, "how long a season is (default: none, for ever)"),
    ("visibility", Visibility, "who may read it (default: public)"),
)
_VALUES: Final = (
    ("size", "N", "how many entries it shows, up to 100 (default: 10)"),
    ("zone", "ZONE", "whose midnights begin seasons, such as Europe/Madrid (default: UTC)"),
    ("starts-at", "TIME", "with the period none: since when grants count (default: since ever)"),
    ("grace-seconds", "N", "how long after its end a season becomes final (default: 0)"),
    (
        "keep-full-seconds",
        "N",
        "how long all entries of a season are kept after its end (default: for ever)",
    ),
)


def add_to(commands: Commands) -> None:
    """Declare `boards add|load|list|show|close`."""
    group = commands.group("boards", "maintain the boards: what each ranks, and in which seasons")
    _add_add(group)
    _add_load(group)
    group.add(
        "list",
        _list,
        "show every board with the season that it shows, `main` first",
        "scoreboard boards list",
        "scoreboard boards list --json | jq -r '.[] | select(.closedAt == null) | .boardId'",
        report=Report(board_words.SUMMARY_MEMBERS, is_list=True),
    )
    show = group.add(
        "show",
        _show,
        "show how a board is defined, and the season that it shows",
        "scoreboard boards show weekly",
        report=_BOARD,
    )
    add_one_board(show)
    close = group.add(
        "close",
        _close,
        "let a board count nothing any more: its season ends now; it stays readable, for good",
        "scoreboard boards close spring-event          says what it would end",
        "scoreboard boards close spring-event --yes",
        report=Report(("boardId", "season", "version")),
    )
    closing.add_arguments(close)


def _add_add(group: Commands) -> None:
    add = group.add(
        "add",
        _add,
        "add a board; what was granted in its first season before counts as well",
        "scoreboard boards add weekly --title 'This week' --period week --zone Europe/Madrid",
        "scoreboard boards add runs --title Runs --counts listed --action run --action sprint",
        "scoreboard boards add cup --title Cup --period dates --season 2027-03-01/2027-03-08",
        report=_BOARD,
    )
    add.add_argument(
        "board_id", metavar="BOARD", help="its id: lower-case letters, digits and hyphens"
    )
    add.add_argument("--title", required=True, help="what people call it")
    for name, words, what in _CHOICES:
        add.add_argument(f"--{name}", choices=get_args(words), help=what)
    for name, metavar, what in _VALUES:
        add.add_argument(f"--{name}", metavar=metavar, help=what)
    add.add_argument(
        "--action",
        action="append",
        dest="actions",
        type=text_to_store,
        metavar="ACTION",
        help="with --counts listed: the id of an action that counts; again for each one",
    )
    add.add_argument(
        "--season",
        action="append",
        dest="seasons",
        metavar="START/END",
        help="with --period dates: when a season is, in the board's zone; again for each one",
    )


def _add_load(group: Commands) -> None:
    load = group.add(
        "load",
        _load,
        "add or change the boards of a file, all of them or none",
        "scoreboard boards load boards.toml       a table [[boards]] for each board",
        "scoreboard boards load boards.csv        a header board_id,title,period, then a line each",
        report=Report(("added", "changed", "unchanged")),
    )
    file = load.add_argument(
        "file",
        metavar="FILE",
        help="TOML or CSV, in UTF-8 or with a byte order mark; - is standard input",
    )
    is_file(file)
    load.add_argument("--format", choices=["toml", "csv"], help="default: what FILE looks like")


async def _add(arguments: argparse.Namespace) -> Answer:
    said = {name: getattr(arguments, name, None) for name in MEMBERS}
    try:
        definition = define({name: value for name, value in said.items() if value is not None})
    except NotDefined as error:
        lines = files.first_lines([escaped(problem) for problem in error.problems])
        raise CommandFailed("\n".join(["Nothing was added.", *lines]), "bad_board") from error
    async with open_boards(configuration.load()) as opened:
        try:
            made = await opened.definitions.add([definition])
        except BoardsRefused as refused:
            raise board_words.refusal(refused, "Nothing was added.") from refused
        await opened.copies.store(made.boards)
        document, text = await _described(opened.ledger, opened.definitions, definition.board_id)
    return Answer(document, f"Added {definition.board_id}.\n{text}")


def read_file(name: str, form: str | None = None) -> DefinitionFile:
    """Read a file of boards. Raises CommandFailed, with all that is bad, unless all are good."""
    content = files.content(name, BYTES_MAX)
    with files.progress("Checking", len(content), "B") as bar:
        found = definition_files.read(content, form, bar.update)
    files.require_good(name, found.definitions, list(map(escaped, found.problems)), "boards")
    return found


def _load(arguments: argparse.Namespace) -> Coroutine[Any, Any, Answer]:
    return _put(arguments.file, read_file(arguments.file, arguments.format))


async def _put(name: str, found: DefinitionFile) -> Answer:
    async with open_boards(configuration.load()) as opened:
        # One transaction, so the bar can only say that it is under way and that it is done.
        with files.progress("Loading", len(found.definitions), " boards") as bar:
            try:
                made = await opened.definitions.load(found.definitions)
            except BoardsRefused as refused:
                head = f"Nothing was loaded of {escaped(name)}."
                raise board_words.refusal(refused, head, found.places) from refused
            bar.update(len(found.definitions))
        await opened.copies.store(made.boards)
    document = {what: len(getattr(made, what)) for what in ("added", "changed", "unchanged")}
    return Answer(document, _loaded_text(made))


def _loaded_text(made: Defining) -> str:
    count = len(made.added) + len(made.changed) + len(made.unchanged)
    parts = [
        f"{len(board_ids)} {what}"
        for what, board_ids in (
            ("added", made.added),
            ("changed", made.changed),
            ("unchanged", made.unchanged),
        )
        if board_ids
    ]
    return f"Loaded {counted(count, 'board')}: {', '.join(parts)}."


async def _list(arguments: argparse.Namespace) -> None:
    async with open_postgres(configuration.load()) as postgres:
        versions = (await Ledger(postgres, postgres).versions()).boards
        found = [
            (each, versions[each.definition.board_id].version)
            for each in await Definitions(postgres).all()
            if each.definition.board_id in versions  # not added a moment ago
        ]
    if arguments.json:
        await report_list(board_words.summaries(found))
        return
    say(columns.table([board_words.HEAD, *(board_words.row_of(each) for each, _ in found)]))


async def _show(arguments: argparse.Namespace) -> Answer:
    async with open_postgres(configuration.load()) as postgres:
        ledger = Ledger(postgres, postgres)
        return Answer(*await _described(ledger, Definitions(postgres), arguments.board_id))


async def _described(
    ledger: Ledger, definitions: Definitions, board_id: str
) -> tuple[dict[str, Any], str]:
    found = await defined(definitions, board_id)
    version = await ledger.version(found.definition.board_id)
    return board_words.document_of(found, version), board_words.text_of(found, version)


async def _close(arguments: argparse.Namespace) -> Answer:
    closed = await closing.close(arguments, Definitions.close, _what_follows)
    board_id, ended = closed.board_id, closed.ended
    document = {
        "boardId": board_id,
        "season": ended and ended.as_json(),
        "version": closed.version,
    }
    return Answer(document, f"Closed {board_id}. {closed.in_words()}")


def _what_follows(found: Defined) -> str | None:
    if not closing.can_close(found):
        return None
    return (
        f"From then on {found.definition.board_id} counts nothing, for good; it stays readable, "
        "with all its seasons."
    )
