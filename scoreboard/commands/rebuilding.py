"""`scoreboard board rebuild`: sets scores by the ledger, and renews a board everywhere."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Mapping
from typing import Any, Final

from scoreboard.configuration import sources as configuration
from scoreboard.console import files
from scoreboard.console.arguments import Commands, add_board
from scoreboard.console.reports import Answer, CommandFailed, Report
from scoreboard.console.servers import OpenedBoards, open_boards
from scoreboard.copies.copy import Found, RedisCopy
from scoreboard.ledger.ledger import Ledger
from scoreboard.model import LEAP_MAX, BoardId
from scoreboard.unicode import escaped

# Instances look at the copy once a second, and replace what they do not believe.
_STORED_WITHIN_SECONDS: Final = 2.5
_PAUSE_SECONDS: Final = 0.05


def add_to(group: Commands) -> None:
    """Declare `board rebuild`."""
    rebuild = group.add(
        "rebuild",
        _rebuild,
        "compute every score of a board anew from the ledger and renew the board everywhere",
        "scoreboard board rebuild            the board main; grants go on meanwhile",
        "scoreboard board rebuild weekly",
        "scoreboard board rebuild --all",
        "scoreboard board rebuild --renumber when the version comes near the largest one",
        report=Report((), ("boardId", "corrected", "version", "remarks", "boards")),
    )
    add_board(rebuild, or_all=True)
    rebuild.add_argument(
        "--renumber",
        action="store_true",
        help="bring a version that is far too high down to one that play can have reached; clients "
        "are told to begin anew",
    )


async def _rebuild(arguments: argparse.Namespace) -> Answer:
    renewed = []
    async with open_boards(configuration.load()) as boards:
        board_ids = await boards.named(arguments)
        with files.progress("Rebuilding", len(board_ids), " boards") as bar:
            for board_id in board_ids:
                renewed.append(await _renew(boards, board_id, renumber=arguments.renumber))
                bar.update()
    if arguments.all_boards:
        lines = [f"{escaped(each['boardId'])}: {_in_words(each)}" for each in renewed]
        return Answer({"boards": renewed}, "\n".join(lines))
    [document] = renewed
    return Answer(document, _in_words(document))


def _in_words(renewed: Mapping[str, Any]) -> str:
    has = f"The board has version {renewed['version']}, here and in Redis."
    return " ".join([_corrected(renewed["corrected"]), *renewed["remarks"], has])


def _corrected(count: int) -> str:
    wrong = {0: "No score was", 1: "1 score was"}.get(count, f"{count} scores were")
    return f"{wrong} wrong."


async def _renew(boards: OpenedBoards, board_id: BoardId, *, renumber: bool) -> dict[str, Any]:
    """Compute the scores of a board anew and replace its copy; answers the document of `rebuild`.

    Whoever holds a version ignores an older one, so the new one must be above that of the copy,
    unless no history leads to that. Without Redis nobody can tell, so this ends before anything is
    changed.
    """
    copy = boards.copies.of(board_id)
    seen, before = await copy.read(), await boards.ledger.version(board_id)
    above = 0 if renumber else _believable(seen, before)
    corrected, board = await boards.ledger.rebuild(above, board_id=board_id, renumber=renumber)
    await boards.fences.count_anew(board_id)  # guard: rebuild-counts-ranks
    if not await _replace(boards.ledger, copy, board.version):
        raise CommandFailed(
            f"{_corrected(corrected)} The scores are set, but Redis did not take the board. "
            "Run it again.",
            "copy_not_stored",
        )
    remarks = _remarks(seen, before, board.version, renumber=renumber)
    return {
        "boardId": board_id,
        "corrected": corrected,
        "version": board.version,
        "remarks": remarks,
    }


def _believable(seen: Found, present: int) -> int:
    """Answer the version that the copy claims if the ledger can have had it once, else 0. Nothing
    else of the copy is believed, whoever wrote it.
    """
    claimed = seen.claimed
    return claimed if 0 < claimed - present <= LEAP_MAX else 0  # guard: rebuild-believes-no


async def _replace(ledger: Ledger, copy: RedisCopy, version: int) -> bool:
    """Replace whatever lies in Redis by the ledger's board; say whether Redis has it then."""
    await copy.drop()
    clock = asyncio.get_running_loop().time
    deadline = clock() + _STORED_WITHIN_SECONDS
    while True:
        # Read after the copy was dropped: it is at least as new as one that was dropped with it.
        await copy.store(await ledger.board(copy.board_id))
        found = await copy.read()
        if found.board is not None and found.board.version >= version:
            return True
        if clock() > deadline:
            return False
        await asyncio.sleep(_PAUSE_SECONDS)


def _remarks(seen: Found, before: int, after: int, *, renumber: bool) -> list[str]:
    """Say what was wrong before, and whether the board was numbered anew."""
    remarks = []
    if seen.fault is not None:
        remarks.append(f"Redis held {seen}; it was replaced.")
    elif seen.claimed > before:
        is_leap = seen.claimed - before > LEAP_MAX
        why = ", too far to have come from it; it was not believed" if is_leap else ""
        remarks.append(f"Redis held {seen}, ahead of the ledger's {before}{why}.")
    if after < before:
        remarks.append(
            f"The board is numbered anew, because its version was {before}; running instances tell "
            "their clients."
        )
    elif renumber:
        remarks.append("Its version had not leapt, so it was not numbered anew.")
    return remarks
