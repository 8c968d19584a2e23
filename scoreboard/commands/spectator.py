"""Somebody who watches the demo: reads the stream as any client does, and draws the board.

The service may be anybody's, so what it sends is escaped before a terminal sees it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final, TextIO

import aiohttp

from scoreboard.unicode import escaped

_FOR_EVER: Final = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)
_PAUSE_SECONDS: Final = 1.0
_WIDTH: Final = 78
_HIGHEST: Final = 3


class Screen:
    """Draws the board over the one before on a terminal; elsewhere writes a line for each."""

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._redraws = output.isatty()
        self._drawn_lines = 0
        self._board: list[str] = ["waiting for the board"]
        self._tally = ""
        self._told = ""

    def show(self, version: str, users: list[dict[str, Any]]) -> None:
        """Show a board."""
        if self._redraws:
            self._board = _board_lines(version, users)
            self._draw()
        else:
            highest = ", ".join(f"{_name(user)} {user['score']}" for user in users[:_HIGHEST])
            self._write(escaped(f"version {version}: {highest or 'nobody has a score yet'}"))

    def tell(self, message: str) -> None:
        """Show what is waited for, until something else is."""
        if self._redraws:
            self._told = message
            self._draw()
        elif message and message != self._told:
            self._told = message
            self._write(escaped(message))

    def count(self, tally: str) -> None:
        """Show how far it is; only on a terminal, where it takes no new line."""
        self._tally = tally
        if self._redraws:
            self._draw()

    def end(self, tally: str) -> None:
        """Leave the tally as the last words, where a terminal has them on it already."""
        self._told = ""
        if self._redraws:
            self.count(tally)
        else:
            self._write(tally)

    def _draw(self) -> None:
        lines = [*self._board, "", self._tally, self._told]
        back = f"\x1b[{self._drawn_lines}F\x1b[J" if self._drawn_lines else ""
        self._drawn_lines = len(lines)
        # Cut, because a line that wraps would be two lines to go back over.
        self._write(back + "\n".join(escaped(line)[:_WIDTH] for line in lines))

    def _write(self, text: str) -> None:
        self._output.write(f"{text}\n")
        self._output.flush()


async def watch(
    session: aiohttp.ClientSession, url: str, screen: Screen, token: Callable[[], str]
) -> None:
    """Follow the stream and show each board, until cancelled; a lost stream is opened again."""
    while True:
        pause = _PAUSE_SECONDS
        try:
            async for event in events(session, url, token()):
                if event.get("event") == "score:update":
                    board = json.loads(event["data"])
                    screen.show(event.get("id", "?"), board["topUsers"])
                if "retry" in event:
                    pause = float(event["retry"]) / 1000
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError):
            pass  # the service is away or restarting, or wants a token that nobody has yet
        screen.tell(f"the stream ended; reading it again in {pause:.1f} s")
        await asyncio.sleep(pause)


async def events(
    session: aiohttp.ClientSession, url: str, token: str
) -> AsyncIterator[Mapping[str, str]]:
    """Read Server-Sent Events, each as its fields. Raises aiohttp.ClientError."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    path = f"{url}/api/leaderboard/stream"
    async with session.get(path, headers=headers, timeout=_FOR_EVER) as response:
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


def _board_lines(version: str, users: list[dict[str, Any]]) -> list[str]:
    best = max((int(user["score"]) for user in users), default=0) or 1
    rows = [
        f"{rank:>4}  {_name(user):<20} {user['score']:>8}  {'=' * (30 * user['score'] // best)}"
        for rank, user in enumerate(users, 1)
    ]
    return [f"the board, version {version}", *rows]


def _name(user: Mapping[str, Any]) -> str:
    return str(user.get("username") or user["userId"])
