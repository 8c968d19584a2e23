"""`scoreboard board`: what a board shows, its copies, and whether they agree with the ledger."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from scoreboard.accounts.names import username_key
from scoreboard.commands import board_words, rebuilding
from scoreboard.commands.verification import copy_differences, ledger_differences
from scoreboard.configuration import sources as configuration
from scoreboard.connections.postgres import Postgres
from scoreboard.console import files
from scoreboard.console.arguments import (
    NAME_HELP,
    Commands,
    add_board,
    count,
    count_up_to,
    moment,
    text_to_store,
)
from scoreboard.console.reports import Answer, Report
from scoreboard.console.servers import no_board, open_boards, open_postgres
from scoreboard.console.terminal import counted, say
from scoreboard.errors import Unavailable, UnknownBoard
from scoreboard.model import BOARD_SIZE, MAIN, BoardId
from scoreboard.operations.metrics import Metrics
from scoreboard.ranks.ranks import Ranks
from scoreboard.scoring.counting import RANKS_MAX
from scoreboard.scoring.place import Page, Place
from scoreboard.scoring.places import Places
from scoreboard.scoring.sought import seek
from scoreboard.timestamps import timestamp
from scoreboard.unicode import escaped

# Read at once, so that all ranks are of one moment.
_PLACES_MAX: Final = 10_000
# Who runs the command can end it. A ranking of 100 million entries takes a minute.
_LOADED_WITHIN_SECONDS: Final = 600.0


def add_to(commands: Commands) -> None:
    """Declare `board show|verify|rebuild`."""
    group = commands.group("board", "show a board, compare its copies, mend them")
    _add_show(group)
    verify = group.add(
        "verify",
        _verify,
        "compare the scores of a board with the ledger and Redis with both; exit code 1 if they "
        "differ",
        "scoreboard board verify                  the board main",
        "scoreboard board verify weekly",
        "scoreboard board verify --all || mail -s 'scoreboard differs' operators@example.org",
        report=Report(("ok",), ("boardId", "version", "differences", "boards")),
    )
    add_board(verify, or_all=True)
    rebuilding.add_to(group)


def _add_show(group: Commands) -> None:
    show = group.add(
        "show",
        _show,
        "show a board as the ledger has it, or any other part of its ranking",
        "scoreboard board show",
        "scoreboard board show weekly",
        "scoreboard board show --json | jq .version",
        "scoreboard board show --limit 100 --after 500    ranks 501 to 600",
        "scoreboard board show --name ada --since 2024-12-09",
        report=Report(("version", "timestamp", "topUsers"), ("boardId", "direction", "season")),
    )
    add_board(show)
    show.add_argument("--name", default="", type=text_to_store, metavar="PART", help=NAME_HELP)
    show.add_argument(
        "--since", type=moment, metavar="TIME", help="only scores reached at this time or later"
    )
    show.add_argument(
        "--limit",
        type=count_up_to(_PLACES_MAX),
        default=BOARD_SIZE,
        metavar="N",
        help=f"at most so many, up to {_PLACES_MAX} (default: %(default)s)",
    )
    show.add_argument(
        "--after", type=count, default=0, metavar="RANK", help="begin behind this rank"
    )


async def _show(arguments: argparse.Namespace) -> Answer:
    board_id: BoardId = arguments.board_id
    async with open_postgres(configuration.load()) as postgres:
        try:
            found = await _page(postgres, arguments)
        except UnknownBoard as error:
            raise no_board(board_id) from error
    return Answer(_document(board_id, found), _table(board_id, found))


async def _page(postgres: Postgres, arguments: argparse.Namespace) -> Page:
    """Read what is asked for. Raises UnknownBoard, LedgerUnavailable."""
    board_id, after, limit = arguments.board_id, arguments.after, arguments.limit
    part, since = username_key(arguments.name), arguments.since
    if not part and since is None:
        async with _places(postgres, is_deep=after >= RANKS_MAX) as places:
            with contextlib.suppress(Unavailable):  # PostgreSQL may not let anybody follow it
                return await places.page(board_id, None, rank=after + 1, limit=limit)
    return await seek(postgres, board_id, after=after, limit=limit, part=part, since=since)


@contextlib.asynccontextmanager
async def _places(postgres: Postgres, *, is_deep: bool) -> AsyncIterator[Places]:
    """Places, with the ranking loaded if they lie deep in it: from what an instance has kept of it,
    or else by a walk along all of it.
    """
    ranks = Ranks(postgres, Metrics())
    if not is_deep:
        yield Places(postgres, ranks, wait_seconds=0)
        return
    loading = asyncio.create_task(ranks.run())
    try:
        yield Places(postgres, ranks, wait_seconds=_LOADED_WITHIN_SECONDS)
    finally:
        loading.cancel()
        await asyncio.gather(loading, return_exceptions=True)


def _document(board_id: BoardId, found: Page) -> dict[str, Any]:
    """Write places as the API writes a board."""
    document: dict[str, Any] = {
        "version": found.version,
        "timestamp": timestamp(found.changed_at),
        "topUsers": [_place(place) for place in found.entries],
    }
    if board_id == MAIN:
        return document
    return document | {
        "boardId": board_id,
        "direction": found.direction,
        "season": found.season and found.season.as_json(),
    }


def _place(place: Place) -> dict[str, Any]:
    return {
        "rank": place.rank,
        "userId": place.user_id,
        "score": place.score,
        "username": place.username,
        "reachedAt": timestamp(place.reached_at),
    }


def _table(board_id: BoardId, found: Page) -> str:
    """Write places for people."""
    rows = [
        f"{place.rank:>4}  {place.score:>13,}  {escaped(place.username)}" for place in found.entries
    ]
    head = f"rank  {'score':>13}  name"
    which = "the board" if board_id == MAIN else f"the board {escaped(board_id)}"
    foot = f"version {found.version} of {which}, since {timestamp(found.changed_at)}"
    if found.season is not None:
        foot += f"; season {found.season.number}, {board_words.span(found.season)}"
    elif board_id != MAIN:
        foot += "; its first season has not begun"
    return "\n".join([head, *(rows or ["      nobody has such a place"]), foot])


async def _verify(arguments: argparse.Namespace) -> Answer:
    async with open_boards(configuration.load()) as boards:
        board_ids = await boards.named(arguments)
        of_ledger = {}
        with files.progress("Comparing", len(board_ids), " boards") as bar:
            for board_id in board_ids:
                of_ledger[board_id] = await ledger_differences(boards.ledger, board_id)
                bar.update()
        if not arguments.json:  # said before Redis is asked, which may be away
            _say(of_ledger, named=arguments.all_boards)
        of_copies = await copy_differences(boards.ledger, boards.copies, board_ids)
    if not arguments.json:
        _say(
            {board_id: found for board_id, (found, _) in of_copies.items()},
            named=arguments.all_boards,
        )
    compared = []
    for board_id, differences in of_ledger.items():
        of_copy, version = of_copies[board_id]
        found = differences + of_copy
        compared.append(
            {"boardId": board_id, "ok": not found, "version": version, "differences": found}
        )
    is_well = all(each["ok"] for each in compared)
    if arguments.all_boards:
        document = {"ok": is_well, "boards": compared}
    else:
        [document] = compared
    return Answer(document, _verdict(arguments, compared), 0 if is_well else 1)


def _say(differences: Mapping[BoardId, Sequence[str]], *, named: bool) -> None:
    for board_id, found in differences.items():
        for difference in found:
            say(f"{escaped(board_id)}: {difference}" if named else difference)


def _verdict(arguments: argparse.Namespace, compared: Sequence[Mapping[str, Any]]) -> str:
    differing = [each["boardId"] for each in compared if not each["ok"]]
    if differing:
        which = "--all" if len(differing) > 1 else differing[0]
        which = "" if which == MAIN else f" {escaped(which)}"
        return f"These differ. `scoreboard board rebuild{which}` sets all of it by the ledger."
    if arguments.all_boards:
        boards = counted(len(compared), "board")
        return f"All agree: every score of {boards} is what the ledger says, and so is Redis."
    version = compared[0]["version"]
    return (
        "All agree: every score is what the ledger says, and Redis has the board, "
        f"version {version}."
    )
