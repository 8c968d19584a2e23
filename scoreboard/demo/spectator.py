"""Somebody who watches the demo: reads the stream as any client does, and draws the board.

The service may be anybody's, so what is read is bounded, and drawn only if its form is a board's.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

import aiohttp

from scoreboard.console.screen import Screen

_FOR_EVER: Final = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)
_PAUSE_SECONDS: Final = 1.0
_PAUSE_MAX_SECONDS: Final = 60.0
_RETRY: Final = re.compile("[0-9]{1,9}")
_FIELDS_MAX: Final = 20
_USERS_MAX: Final = 100
_SCORE_MAX: Final = 2**63


async def watch(
    session: aiohttp.ClientSession, url: str, screen: Screen, token: Callable[[], str]
) -> None:
    """Follow the stream and show each board, until cancelled; a lost stream is opened again."""
    while True:
        pause = _PAUSE_SECONDS
        try:
            async for event in events(session, url, token()):
                if event.get("event") == "score:update":
                    screen.show(*_board(event))
                if "retry" in event:
                    pause = _pause_seconds(event["retry"])
        except (aiohttp.ClientError, TimeoutError, ValueError, RecursionError):
            pass  # the service is away or restarting, or wants a token that nobody has yet
        screen.tell(f"the stream ended; reading it again in {pause:.1f} s")
        await asyncio.sleep(pause)


async def events(
    session: aiohttp.ClientSession, url: str, token: str
) -> AsyncIterator[Mapping[str, str]]:
    """Read Server-Sent Events, each as its fields. Raises aiohttp.ClientError, and ValueError where
    it sends none.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    path = f"{url}/api/leaderboard/stream"
    async with session.get(
        path, headers=headers, timeout=_FOR_EVER, allow_redirects=False
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


def _is_entry(user: Any) -> bool:
    match user:
        case {"userId": str(), "score": int(score)}:
            return 0 <= score <= _SCORE_MAX
    return False


def _pause_seconds(retry: str) -> float:
    """Read `retry:`, in which the service says when to come back, in ms."""
    return min(int(retry) / 1000, _PAUSE_MAX_SECONDS) if _RETRY.fullmatch(retry) else _PAUSE_SECONDS
