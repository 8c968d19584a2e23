"""Somebody who watches the demo: reads streams as any client does, and draws the boards.

The service may be anybody's, so what is read is bounded, and drawn only if its form is a board's.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp

from scoreboard.console.screen import Screen, won
from scoreboard.demo.service import document_of
from scoreboard.model import BOARD_ID, MAIN, BoardId

_FOR_EVER: Final = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)
_SOON: Final = aiohttp.ClientTimeout(total=10)
_LOOK_SECONDS: Final = 5.0
_OTHERS_MAX: Final = 4
_PAUSE_SECONDS: Final = 1.0
_PAUSE_MAX_SECONDS: Final = 60.0
_RETRY: Final = re.compile("[0-9]{1,9}")
_FIELDS_MAX: Final = 20
_USERS_MAX: Final = 100
_SCORE_MAX: Final = 2**63


async def watch(
    session: aiohttp.ClientSession, url: str, screen: Screen, token: Callable[[], str]
) -> None:
    """Follow the streams of `main` and of some more boards, and show each, until cancelled."""
    async with asyncio.TaskGroup() as watching:
        watching.create_task(_follow(session, url, MAIN, screen, token))
        followed: set[BoardId] = set()
        while True:
            for board_id in await _others(session, url):
                if board_id not in followed and len(followed) < _OTHERS_MAX:
                    followed.add(board_id)
                    watching.create_task(_follow(session, url, board_id, screen, token))
            await asyncio.sleep(_LOOK_SECONDS)


async def _others(session: aiohttp.ClientSession, url: str) -> list[BoardId]:
    """The boards beside `main` that are not closed, first the one whose season ends soonest; none
    if the service is away or knows none.
    """
    path = f"{url}/api/boards"
    try:
        async with session.get(path, timeout=_SOON, allow_redirects=False) as response:
            document = await document_of(response)
            listed = document.get("data") if response.status == 200 else None
    except (aiohttp.ClientError, TimeoutError):
        return []
    found: list[tuple[str, BoardId]] = []
    for board in listed if isinstance(listed, list) else []:
        match board:
            case {"boardId": str(board_id)} if not board.get("closedAt"):
                if BOARD_ID.fullmatch(board_id) and board_id != MAIN:
                    found.append((_ends_at(board), BoardId(board_id)))
    return [board_id for _, board_id in sorted(found)]


def _ends_at(board: Mapping[str, Any]) -> str:
    """When the season of a listed board ends: as texts such times sort, and none is the last."""
    match board.get("season"):
        case {"endsAt": str(ends_at)}:
            return ends_at
    return "~"


async def _follow(
    session: aiohttp.ClientSession,
    url: str,
    board_id: BoardId,
    screen: Screen,
    token: Callable[[], str],
) -> None:
    """Follow the stream of a board and show it; a lost stream is opened again."""
    path = "/api/leaderboard/stream" if board_id == MAIN else f"/api/boards/{board_id}/stream"
    while True:
        pause = _PAUSE_SECONDS
        try:
            async for event in events(session, url + path, token()):
                _show(event, board_id, screen)
                if "retry" in event:
                    pause = _pause_seconds(event["retry"])
        except (aiohttp.ClientError, TimeoutError, ValueError, RecursionError):
            pass  # the service is away or restarting, or wants a token that nobody has yet
        if board_id == MAIN:
            screen.tell(f"the stream ended; reading it again in {pause:.1f} s")
        await asyncio.sleep(pause)


def _show(event: Mapping[str, str], board_id: BoardId, screen: Screen) -> None:
    """Show what an event says. Raises ValueError when it is of another form."""
    kind = event.get("event")
    if kind == "score:update" and board_id == MAIN:
        screen.show(*_board(event))
    elif kind == "score:update":
        screen.show_other(board_id, _board(event)[1], *_season(event))
    elif kind == "season:ended":
        number, _ = _season(event)
        screen.announce(f"season {number} of {board_id} has ended: {won(_board(event)[1])}")


async def events(
    session: aiohttp.ClientSession, url: str, token: str
) -> AsyncIterator[Mapping[str, str]]:
    """Read Server-Sent Events, each as its fields. Raises aiohttp.ClientError, and ValueError where
    it sends none.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with session.get(
        url, headers=headers, timeout=_FOR_EVER, allow_redirects=False
    ) as response:
        response.raise_for_status()
        fields: dict[str, str] = {}
        async for raw in response.content:
            line = raw.decode().rstrip("\r\n")
            if not line:
                yield fields
                fields = {}
            elif not line.startswith(":"):  # a heartbeat
                name, _, value = line.partition(":")
                fields[name] = value.removeprefix(" ")
                if len(fields) > _FIELDS_MAX:
                    raise ValueError("an event without an end")


def _board(event: Mapping[str, str]) -> tuple[str, list[dict[str, Any]]]:
    """The version and the users of a board. Raises ValueError when it is none."""
    match json.loads(event.get("data", "")):
        case {"topUsers": list() as users} if all(map(_is_entry, users[:_USERS_MAX])):
            return event.get("id", "?"), users[:_USERS_MAX]
    raise ValueError("this is no board")


def _season(event: Mapping[str, str]) -> tuple[int, datetime | None]:
    """The number and the end of an event's season. Raises ValueError when it names none."""
    match json.loads(event.get("data", "")):
        case {"season": {"number": int(number), "endsAt": str(ends_at)}}:
            return number, datetime.fromisoformat(ends_at).astimezone(UTC)
        case {"season": {"number": int(number), "endsAt": None}}:
            return number, None
        case {"season": None}:
            return 0, None
    raise ValueError("this is no season")


def _is_entry(user: Any) -> bool:
    match user:
        case {"userId": str(), "score": int(score)}:
            return 0 <= score <= _SCORE_MAX
    return False


def _pause_seconds(retry: str) -> float:
    """Read `retry:`, in which the service says when to come back, in ms."""
    return min(int(retry) / 1000, _PAUSE_MAX_SECONDS) if _RETRY.fullmatch(retry) else _PAUSE_SECONDS
