"""What `boards close` and `seasons close` share: a season ends before its time, and for good, so
somebody has to confirm that.
"""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from scoreboard.commands import board_words
from scoreboard.configuration import sources as configuration
from scoreboard.console.arguments import add_one_board
from scoreboard.console.reports import CommandFailed
from scoreboard.console.servers import defined, open_boards
from scoreboard.ledger.defining import BoardsRefused
from scoreboard.ledger.definitions import Defined, Definitions
from scoreboard.model import MAIN, Board, BoardId, Season


@dataclass(frozen=True, slots=True)
class Closed:
    """What came of it: the season that has `ended` (None: none was running), and how the board is
    `now`, with its version.
    """

    ended: Season | None
    now: Defined
    version: int

    @property
    def board_id(self) -> BoardId:
        """Which board it is."""
        return self.now.definition.board_id

    def in_words(self) -> str:
        """Say which season has ended, and how its final board is shown."""
        if self.ended is None:
            return "None of its seasons was running."
        board_id, number = self.board_id, self.ended.number
        shows = f"`scoreboard seasons show {board_id} {number}` shows its final board."
        return f"Season {number} of {board_id} has ended; {shows}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare which board, and that it is meant."""
    add_one_board(parser)
    parser.add_argument("--yes", action="store_true", help="yes, for good")


async def close(
    arguments: argparse.Namespace,
    end: Callable[[Definitions, BoardId], Awaitable[list[Board]]],
    what_follows: Callable[[Defined], str | None],
) -> Closed:
    """Let `end` end what it ends of the board that the arguments name.

    `what_follows` says what is to be confirmed beside the end of the season; None: nothing is,
    because `end` will refuse it. Raises CommandFailed, also where that is not confirmed.
    """
    async with open_boards(configuration.load()) as opened:
        found = await defined(opened.definitions, arguments.board_id)
        board_id = found.definition.board_id
        follows = None if arguments.yes else what_follows(found)
        if follows is not None:
            raise CommandFailed(
                f"{_would_end(found)} {follows} If that is meant, add --yes.", "not_confirmed"
            )
        try:
            changed = await end(opened.definitions, board_id)
        except BoardsRefused as refused:
            raise board_words.refusal(refused, "Nothing was changed.") from refused
        await opened.copies.store(changed)
        now = await defined(opened.definitions, board_id)
        version = await opened.ledger.version(board_id)
    return Closed(_ended_among(changed, board_id), now, version)


def can_close(found: Defined) -> bool:
    """Whether a board counts, and may count no more."""
    return found.closed_at is None and found.definition.board_id != MAIN


def _would_end(found: Defined) -> str:
    """Say which season would end now."""
    season = found.season
    if season is None or season.is_over:
        return "None of its seasons runs now."
    span = board_words.span(season, found.definition.zone)
    return f"This ends season {season.number} ({span}) now."


def _ended_among(changed: Iterable[Board], board_id: BoardId) -> Season | None:
    """The season of this board that has ended last, by what boards show now."""
    for board in changed:
        if board.board_id == board_id:
            if board.season is not None and board.season.is_over:
                return board.season
            return None if board.before is None else board.before.season
    return None
