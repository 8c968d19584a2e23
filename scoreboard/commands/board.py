"""`scoreboard board`: the board, its copies, and whether they agree with the ledger."""

from __future__ import annotations

import argparse
import asyncio
import json
from typing import Final

from scoreboard import configuration
from scoreboard.commands.arguments import Commands
from scoreboard.commands.failure import CommandFailed
from scoreboard.commands.servers import open_cached_board, open_ledger, open_redis
from scoreboard.commands.terminal import say
from scoreboard.commands.verification import copy_differences, ledger_differences
from scoreboard.connections.redis import REST_SECONDS, Redis, RedisUnavailable
from scoreboard.scoring.board import KEY, CachedBoard
from scoreboard.scoring.model import Board
from scoreboard.unicode import escaped

_DROP: Final = "return redis.call('DEL', KEYS[1])"


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
    group.add(
        "rebuild",
        _rebuild,
        "compute every score anew from the ledger and renew the board everywhere",
        "scoreboard board rebuild            grants wait meanwhile; nothing is lost",
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
        differences_of_copy, version = await copy_differences(ledger, redis)
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


def _rebuild(_: argparse.Namespace) -> int:
    corrected, board = asyncio.run(_renew())
    wrong = {0: "No score was", 1: "1 score was"}.get(corrected, f"{corrected} scores were")
    say(f"{wrong} wrong. The board has version {board.version}, here and in Redis.")
    return 0


async def _renew() -> tuple[int, Board]:
    found = configuration.load()
    async with (
        open_ledger(found) as ledger,
        open_redis(found) as redis,
        open_cached_board(redis, ledger) as cached,
    ):
        # Instances ignore a board that is older than their own, so the new one must be above every
        # copy: without Redis there is no telling, and this ends before anything is changed.
        corrected, board = await ledger.rebuild(above=await _version_to_exceed(redis, cached))
        await cached.store(board)
        if await cached.version() < board.version:
            raise CommandFailed(
                f"The scores are set ({corrected} were wrong), but Redis did not take the board. "
                "Run it again."
            )
        return corrected, board


async def _version_to_exceed(redis: Redis, cached: CachedBoard) -> int:
    """The version in Redis; what cannot be read as one is dropped, for it is only a copy."""
    try:
        return max(await cached.version(), 0)
    except (RedisUnavailable, ValueError):
        await asyncio.sleep(REST_SECONDS + 0.1)  # so long Redis is not asked after a failure
        await redis.script(_DROP)([KEY], [])
        return 0
