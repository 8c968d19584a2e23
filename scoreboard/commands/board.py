"""`scoreboard board`: the board, its copies, and whether they agree with the ledger."""

from __future__ import annotations

import argparse
import asyncio
import json
from typing import Final

from scoreboard import configuration
from scoreboard.commands.arguments import Commands
from scoreboard.commands.failure import CommandFailed
from scoreboard.commands.servers import copy_in, open_ledger, open_redis
from scoreboard.commands.terminal import say
from scoreboard.commands.verification import copy_differences, ledger_differences
from scoreboard.scoring.copy import Found, RedisCopy
from scoreboard.scoring.ledger import Ledger
from scoreboard.scoring.model import LEAP_MAX, Board
from scoreboard.unicode import escaped

# Instances look at the copy once a second, and replace what they do not believe.
_STORED_WITHIN_SECONDS: Final = 2.5
_PAUSE_SECONDS: Final = 0.05


def add_to(commands: Commands) -> None:
    """Declare `board show|verify|rebuild`."""
    group = commands.group("board", "show the board, compare its copies, mend them")
    show = group.add(
        "show",
        _show,
        "show the top 10 as the ledger has it",
        "scoreboard board show",
        "scoreboard board show --json | jq .version",
    )
    show.add_argument("--json", action="store_true", help="as JSON")
    group.add(
        "verify",
        _verify,
        "compare the scores with the ledger and Redis with both; exit code 1 if they differ",
        "scoreboard board verify || mail -s 'scoreboard differs' operators@example.org",
    )
    rebuild = group.add(
        "rebuild",
        _rebuild,
        "compute every score anew from the ledger and renew the board everywhere",
        "scoreboard board rebuild            grants wait meanwhile; nothing is lost",
        "scoreboard board rebuild --renumber when a version leapt so far that it runs out",
    )
    rebuild.add_argument(
        "--renumber",
        action="store_true",
        help="bring a version that leapt down to what play can have reached; clients are told",
    )


def _show(arguments: argparse.Namespace) -> int:
    async def read() -> Board:
        async with open_ledger(configuration.load()) as ledger:
            return await ledger.board()

    board = asyncio.run(read())
    if arguments.json:
        ranked = [{"rank": rank} | user for rank, user in enumerate(board.top_users(), 1)]
        document = {"version": board.version, "timestamp": board.timestamp, "topUsers": ranked}
        say(json.dumps(document, ensure_ascii=False))
    else:
        say(as_table(board))
    return 0


def as_table(board: Board) -> str:
    """Write the board for people."""
    rows = [
        f"{rank:>4}  {entry.score:>13,}  {escaped(entry.username)}"
        for rank, entry in enumerate(board.entries, 1)
    ]
    head = f"rank  {'score':>13}  name"
    foot = f"version {board.version}, since {board.timestamp}"
    return "\n".join([head, *(rows or ["      nobody has a score yet"]), foot])


def _verify(_: argparse.Namespace) -> int:
    return asyncio.run(_compare())


async def _compare() -> int:
    found = configuration.load()
    async with open_ledger(found) as ledger, open_redis(found) as redis:
        differences = await ledger_differences(ledger)
        for difference in differences:
            say(difference)
        # After these were said: Redis may be away.
        copy = copy_in(redis, found)
        differences_of_copy, version = await copy_differences(ledger, copy)
        for difference in differences_of_copy:
            say(difference)
    if differences or differences_of_copy:
        say("These differ. `scoreboard board rebuild` sets all of it by the ledger.")
        return 1
    say(
        "All agree: every score is the sum of its ledger rows, and Redis has the board, "
        f"version {version}."
    )
    return 0


def _rebuild(arguments: argparse.Namespace) -> int:
    found = configuration.load()

    async def rebuild() -> str:
        async with open_ledger(found) as ledger, open_redis(found) as redis:
            return await _renew(ledger, copy_in(redis, found), renumber=arguments.renumber)

    say(asyncio.run(rebuild()))
    return 0


async def _renew(ledger: Ledger, copy: RedisCopy, *, renumber: bool) -> str:
    """Do all of it, and say what was found.

    Whoever holds a version ignores an older one, so the new one must be above that of the copy,
    unless that one is of no history. Without Redis there is no telling, and this ends before
    anything is changed.
    """
    seen, before = await copy.read(), await ledger.version()
    above = 0 if renumber else _believable(seen, before)
    corrected, board = await ledger.rebuild(above, renumber=renumber)
    wrong = {0: "No score was", 1: "1 score was"}.get(corrected, f"{corrected} scores were")
    if not await _replace(ledger, copy, board.version):
        raise CommandFailed(
            f"The scores are set ({wrong} wrong), but Redis did not take the board. Run it again."
        )
    remarks = [f"{wrong} wrong.", *_remarks(seen, before, board.version, renumber=renumber)]
    return " ".join([*remarks, f"The board has version {board.version}, here and in Redis."])


def _believable(seen: Found, present: int) -> int:
    """The version that the copy goes by, if the ledger can have had it once. It lifts the ledger by
    so much, whoever wrote it, and nothing else of it is believed.
    """
    ahead = 0 if seen.claimed is None else seen.claimed - present
    return present + ahead if 0 < ahead <= LEAP_MAX else 0


async def _replace(ledger: Ledger, copy: RedisCopy, version: int) -> bool:
    """Put the ledger's board in the place of whatever lies in Redis; whether it has it then."""
    await copy.drop()
    clock = asyncio.get_running_loop().time
    deadline = clock() + _STORED_WITHIN_SECONDS
    while True:
        # Read after the copy was dropped: it is at least as new as one that was dropped with it.
        await copy.store(await ledger.board())
        found = await copy.read()
        if found.board is not None and found.board.version >= version:
            return True
        if clock() > deadline:
            return False
        await asyncio.sleep(_PAUSE_SECONDS)


def _remarks(seen: Found, before: int, after: int, *, renumber: bool) -> list[str]:
    """Say what was not as it should be."""
    remarks = []
    if seen.fault is not None:
        remarks.append(f"Redis held {seen}; it was replaced.")
    elif seen.board is not None and seen.board.version > before:
        unbelievable = seen.board.version - before > LEAP_MAX
        why = "further than any history leads; it was not believed" if unbelievable else ""
        ahead = f"Redis held {seen}, ahead of the ledger's {before}"
        remarks.append(f"{ahead}, {why}." if why else f"{ahead}.")
    if after < before:
        remarks.append(
            f"The board is numbered anew, for its version was {before}; running instances tell "
            "their clients."
        )
    elif renumber:
        remarks.append("Its version had not leapt, so it was not numbered anew.")
    return remarks
