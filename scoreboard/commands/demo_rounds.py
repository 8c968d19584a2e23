"""The demo's own board, whose seasons take a minute: whoever watches sees one end.

The public API adds no boards, so the demo does what an operator would: in the database of the
embedded servers of this directory, and in no other one. Where none run, it plays on the boards that
there are. The board is kept from one demo to the next; once nobody plays, its written seasons are
over after some minutes, and no more follow.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from scoreboard.configuration import sources as configuration
from scoreboard.configuration.settings import SettingsError
from scoreboard.console import exports
from scoreboard.console.reports import CommandFailed
from scoreboard.console.servers import open_postgres
from scoreboard.ledger.defining import BoardsRefused
from scoreboard.ledger.definitions import Definitions
from scoreboard.model import BoardId
from scoreboard.seasons.definition import Definition

BOARD: Final = BoardId("demo")
_SEASON: Final = timedelta(seconds=60)
_AHEAD: Final = timedelta(seconds=90)
_LOOK_SECONDS: Final = 15.0
_KEEP_SECONDS: Final = 3600


async def play_rounds(tell: Callable[[str], None]) -> None:
    """Let the board `demo` go from season to season, until cancelled."""
    url = exports.database_url()
    try:
        if url:
            await _go_on(url)
    except (SettingsError, CommandFailed, BoardsRefused) as error:
        # The last one where an operator has a board of that name, or closed it.
        tell(f"no seasons of a minute: {error}")
    await asyncio.get_running_loop().create_future()


async def _go_on(url: str) -> None:
    async with open_postgres(
        dataclasses.replace(configuration.load(), database_url=url)
    ) as postgres:
        definitions = Definitions(postgres)
        if BOARD not in {each.definition.board_id for each in await definitions.all()}:
            await definitions.add([_first()])
        while True:
            await definitions.go_on(BOARD, length=_SEASON, ahead=_AHEAD)
            await asyncio.sleep(_LOOK_SECONDS)


def _first() -> Definition:
    now = datetime.now(UTC)
    return Definition(
        BOARD,
        "A minute each",
        period="dates",
        seasons=((now, now + _SEASON),),
        keep_full_seconds=_KEEP_SECONDS,
    )
