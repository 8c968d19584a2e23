"""`scoreboard seasons`: the seasons of a board, their final boards, and whether these are true."""

from __future__ import annotations

import argparse
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from scoreboard.commands import board_words, closing
from scoreboard.configuration import sources as configuration
from scoreboard.console import columns, files
from scoreboard.console.arguments import (
    Commands,
    add_one_board,
    count,
    season_number,
    text_to_store,
)
from scoreboard.console.reports import Answer, CommandFailed, Report, report_list
from scoreboard.console.servers import defined, open_postgres
from scoreboard.console.terminal import counted, say
from scoreboard.errors import UnknownSeason
from scoreboard.ledger.defining import BoardsRefused
from scoreboard.ledger.definitions import Defined, Definitions, Kept
from scoreboard.model import BoardId, Season
from scoreboard.timestamps import exact_timestamp
from scoreboard.unicode import escaped

_PAGE: Final = 1000
_LINE: Final = "{:>6}  {:<8}  {:<25}  {}"


def add_to(commands: Commands) -> None:
    """Declare `seasons list|show|verify|close`."""
    group = commands.group("seasons", "look at the seasons of a board, verify them, end one")
    listing = group.add(
        "list",
        _list,
        "show the seasons of a board, the newest first; one that is to come is among them",
        "scoreboard seasons list weekly",
        "scoreboard seasons list daily --limit 7 --json",
        report=Report(("number", "startsAt", "endsAt", "state", "digest"), is_list=True),
    )
    add_one_board(listing)
    listing.add_argument("--limit", type=count, metavar="N", help="at most so many")
    listing.add_argument(
        "--after", type=season_number, metavar="NUMBER", help="begin behind this season"
    )
    show = group.add(
        "show",
        _show,
        "show a season with its final board and the digest of that",
        "scoreboard seasons show weekly 48",
        report=Report(("boardId", "direction", "season", "closesAt", "digest", "topUsers")),
    )
    add_one_board(show)
    show.add_argument("number", type=season_number, metavar="NUMBER", help="its number")
    _add_verify(group)
    close = group.add(
        "close",
        _close,
        "end the season of a board now instead of at its end; the next one begins",
        "scoreboard seasons close weekly          says what it would end",
        "scoreboard seasons close weekly --yes",
        report=Report(("boardId", "ended", "season", "version")),
    )
    closing.add_arguments(close)


def _add_verify(group: Commands) -> None:
    verify = group.add(
        "verify",
        _verify,
        "derive final boards from the ledger again; exit code 1 if one differs from what was kept",
        "scoreboard seasons verify weekly 48",
        "scoreboard seasons verify weekly           every season of it that has ended",
        "scoreboard seasons verify --all            those of every board",
        report=Report(("ok", "seasons")),
    )
    which = verify.add_mutually_exclusive_group(required=True)
    which.add_argument("board_id", nargs="?", type=text_to_store, metavar="BOARD", help="its id")
    which.add_argument("--all", action="store_true", dest="all_boards", help="every board")
    verify.add_argument(
        "number", nargs="?", type=season_number, metavar="NUMBER", help="one season"
    )


async def _list(arguments: argparse.Namespace) -> None:
    async with open_postgres(configuration.load()) as postgres:
        definitions = Definitions(postgres)
        found = await defined(definitions, arguments.board_id)
        board_id, zone = found.definition.board_id, found.definition.zone
        seasons = _all_seasons(definitions, board_id, arguments.after, arguments.limit)
        if arguments.json:
            await report_list(season.as_json() async for season in seasons)
            return
        say(_LINE.format("season", "state", "from", "to").rstrip())
        async for season in seasons:
            ends_at = season.ends_at
            to = "no end" if ends_at is None else board_words.moment(ends_at, zone)
            starts_at = board_words.moment(season.starts_at, zone)
            say(_LINE.format(season.number, season.state, starts_at, to))


async def _all_seasons(
    definitions: Definitions, board_id: BoardId, below: int | None = None, limit: int | None = None
) -> AsyncIterator[Season]:
    """Page through the seasons of a board, newest first."""
    left = math.inf if limit is None else limit
    while left > 0:
        page = await definitions.seasons(board_id, below=below, limit=int(min(_PAGE, left)))
        for season in page:
            yield season
        if not page or page[-1].number == 1:
            return
        left -= len(page)
        below = page[-1].number


async def _show(arguments: argparse.Namespace) -> Answer:
    async with open_postgres(configuration.load()) as postgres:
        definitions = Definitions(postgres)
        found = await defined(definitions, arguments.board_id)
        kept = await _kept(definitions, found, arguments.number)
    return Answer(_document(found, kept), _text(found, kept))


def _document(found: Defined, kept: Kept) -> dict[str, Any]:
    """Write a season as JSON."""
    return {
        "boardId": found.definition.board_id,
        "direction": found.definition.direction,
        **kept.as_json(),
        "topUsers": [{"rank": rank} | entry for rank, entry in enumerate(kept.top_users(), 1)],
    }


def _text(found: Defined, kept: Kept) -> str:
    """Write a season for people."""
    board_id, zone = found.definition.board_id, found.definition.zone
    head = f"season {board_words.in_words(kept.season, zone)}"
    if not kept.season.is_over:
        when = "shows what it has now" if kept.season.state == "running" else "will show it"
        return f"{head}\n`scoreboard board show {board_id}` {when}."
    rows = [("rank", "score", "reached", "name")]
    for rank, (entry, reached_at) in enumerate(kept.entries, 1):
        score, reached = f"{entry.score:>13,}", exact_timestamp(reached_at)
        rows.append((f"{rank:>4}", score, reached, escaped(entry.username)))
    closes_at = "" if kept.closes_at is None else board_words.moment(kept.closes_at, zone)
    foot = f"digest {kept.digest}" if kept.digest else f"final at {closes_at}; then with a digest"
    nobody = [] if kept.entries else ["nobody had a score"]
    return "\n".join([head, columns.table(rows), *nobody, foot])


async def _verify(arguments: argparse.Namespace) -> Answer:
    async with open_postgres(configuration.load()) as postgres:
        definitions = Definitions(postgres)
        seasons = await _to_verify(definitions, arguments)
        compared = []
        with files.progress("Verifying", len(seasons), " seasons") as bar:
            for board_id, number in seasons:
                found = await _differences(definitions, board_id, number)
                compared.append(
                    {
                        "boardId": board_id,
                        "number": number,
                        "ok": not found,
                        "differences": found,
                    }
                )
                bar.update()
    is_well = all(each["ok"] for each in compared)
    document = {"ok": is_well, "seasons": compared}
    return Answer(document, _verdict(compared), 0 if is_well else 1)


async def _to_verify(
    definitions: Definitions, arguments: argparse.Namespace
) -> list[tuple[BoardId, int]]:
    """The seasons that the arguments name: one, or those that have ended."""
    if arguments.all_boards:
        boards = [each.definition.board_id for each in await definitions.all()]
    else:
        boards = [(await defined(definitions, arguments.board_id)).definition.board_id]
    if arguments.number is not None:
        return [(boards[0], arguments.number)]
    return [
        (board_id, season.number)
        for board_id in boards
        async for season in _all_seasons(definitions, board_id)
        if season.is_over
    ]


async def _differences(definitions: Definitions, board_id: BoardId, number: int) -> list[str]:
    """Compare a season with the ledger; a difference counts if seen twice, because somebody may be
    removed meanwhile. Raises CommandFailed, LedgerUnavailable.
    """
    try:
        return await definitions.verify_season(
            board_id, number
        ) and await definitions.verify_season(board_id, number)
    except UnknownSeason as error:
        raise _no_season(board_id, number) from error
    except BoardsRefused as refused:
        raise board_words.refusal(refused, "Nothing was compared.") from refused


def _verdict(compared: Sequence[Mapping[str, Any]]) -> str:
    lines = [
        f"{each['boardId']}, season {each['number']}: {difference}"
        for each in compared
        for difference in each["differences"]
    ]
    if lines:
        advice = (
            "What was kept differs from the ledger. Both change together, so somebody "
            'changed rows by hand: see docs/operations.md, "When a final board differs".'
        )
        return "\n".join([*lines, advice])
    if not compared:
        return "No season has ended yet."
    seasons = counted(len(compared), "season")
    return f"All agree: what was kept of {seasons} follows from the ledger."


async def _close(arguments: argparse.Namespace) -> Answer:
    closed = await closing.close(arguments, Definitions.close_season, _what_follows)
    ended, season = closed.ended, closed.now.season
    document = {
        "boardId": closed.board_id,
        "ended": ended and ended.as_json(),
        "season": season and season.as_json(),
        "version": closed.version,
    }
    text = [closed.in_words()]
    if season is not None and season.state == "running":
        zone = closed.now.definition.zone
        text.append(f"Season {board_words.in_words(season, zone)}, counts from now on.")
    return Answer(document, "\n".join(text))


def _what_follows(found: Defined) -> str | None:
    is_running = found.season is not None and found.season.state == "running"
    if not is_running or not closing.can_close(found):
        return None
    if found.definition.period == "dates":
        return "The next one begins when its dates say; nothing counts before."
    return "The next one begins at the same moment."


async def _kept(definitions: Definitions, found: Defined, number: int) -> Kept:
    board_id = found.definition.board_id
    try:
        return await definitions.season(board_id, number)
    except UnknownSeason as error:
        raise _no_season(board_id, number) from error


def _no_season(board_id: BoardId, number: int) -> CommandFailed:
    return CommandFailed(
        f"{board_id} has no season {number}. `scoreboard seasons list {board_id}` shows those "
        "that it has.",
        UnknownSeason.code,
    )
