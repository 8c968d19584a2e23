"""Somebody who watches the demo: follows boards as any client does, and draws them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import httpx

from scoreboard.client import (
    AsyncLiveBoard,
    AsyncUserClient,
    Board,
    BoardInfo,
    ClientError,
    Entry,
    GetToken,
    SeasonEnded,
    State,
)
from scoreboard.console.screen import Screen, won
from scoreboard.model import BOARD_ID, MAIN

_LOOK_SECONDS: Final = 5.0
_OTHERS_MAX: Final = 4
_USERS_MAX: Final = 100
_NEVER: Final = datetime.max.replace(tzinfo=UTC)


async def watch(http: httpx.AsyncClient, url: str, screen: Screen, token: GetToken) -> None:
    """Follow `main` and some more boards, and show each, until cancelled."""
    anybody = AsyncUserClient(url, patience_seconds=_LOOK_SECONDS, http=http)
    async with asyncio.TaskGroup() as watching:
        watching.create_task(_follow(AsyncLiveBoard(url, get_token=token, http=http), screen))
        followed: set[str] = set()
        while True:
            for board_id in await _others(anybody):
                if board_id not in followed and len(followed) < _OTHERS_MAX:
                    followed.add(board_id)
                    live = AsyncLiveBoard(url, board_id, get_token=token, http=http)
                    watching.create_task(_follow(live, screen))
            await asyncio.sleep(_LOOK_SECONDS)


async def _others(anybody: AsyncUserClient) -> list[str]:
    """The boards beside `main` that are not closed, first the one whose season ends soonest; none
    if the service is away or knows none.
    """
    try:
        listed = (await anybody.boards()).items
    except ClientError:
        return []
    found = [board for board in listed if board.closed_at is None and board.board_id != MAIN]
    named = [board.board_id for board in sorted(found, key=_ends_at)]
    return [board_id for board_id in named if BOARD_ID.fullmatch(board_id)]


def _ends_at(board: BoardInfo) -> datetime:
    return board.season.ends_at or _NEVER if board.season else _NEVER


async def _follow(live: AsyncLiveBoard, screen: Screen) -> None:
    """Follow a board and show it."""
    was_live = False
    async with live:
        async for event in live.events():
            match event:
                case Board():
                    _show(event, screen)
                case SeasonEnded(board_id=board_id, season=season, entries=entries):
                    result = "" if entries is None else f": {won(_users(entries))}"
                    screen.announce(f"season {season.number} of {board_id} has ended{result}")
                case State(status="live"):
                    was_live = True
                case State(status=status, reason=reason) if was_live and _is_main(live):
                    why = f" ({reason})" if reason else ""
                    screen.tell(f"the stream ended; {status}{why}")


def _is_main(live: AsyncLiveBoard) -> bool:
    return live.board is None or live.board.board_id == MAIN


def _show(board: Board, screen: Screen) -> None:
    if board.board_id == MAIN:
        screen.show(str(board.version), _users(board.entries))
    else:
        number, ends_at = (board.season.number, board.season.ends_at) if board.season else (0, None)
        screen.show_other(board.board_id, _users(board.entries), number, ends_at)


def _users(entries: Iterable[Entry]) -> Sequence[dict[str, Any]]:
    return [
        {"userId": entry.user_id, "username": entry.username, "score": entry.score}
        for entry in list(entries)[:_USERS_MAX]
    ]
