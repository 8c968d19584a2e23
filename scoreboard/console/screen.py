"""Draws the demo's board over the one before on a terminal; elsewhere each board is a line.

Names are somebody else's, so they are escaped, and measured in columns: a letter of Chinese takes
two, and one that the terminal's encoding lacks is written in several.
"""

from __future__ import annotations

import os
import textwrap
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from scoreboard.console.columns import cut, padded, size_of, width_of
from scoreboard.unicode import escaped

_COLUMNS_MAX: Final = 79
_NO_CURSOR: Final = ("dumb", "unknown")
_HIGHEST: Final = 3
_RANK: Final = 4
_NAME: Final = 20
_BAR: Final = 30
_LEAST_BAR: Final = 5
_MESSAGE_LINES: Final = 3
_NEWS: Final = 2
_HOUR: Final = 3600
_DAY: Final = 24 * _HOUR


class Screen:
    """Shows the board, others in a line each, news, a tally, and what the demo waits for."""

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._redraws = output.isatty() and os.environ.get("TERM") not in _NO_CURSOR
        self._drawn: list[str] = []
        self._board: tuple[str, Sequence[Mapping[str, Any]]] | None = None
        self._others: dict[str, tuple[Sequence[Mapping[str, Any]], int, datetime | None]] = {}
        self._news: deque[str] = deque(maxlen=_NEWS)
        self._tally = ""
        self._message = ""

    def show(self, version: str, users: Sequence[Mapping[str, Any]]) -> None:
        """Show a board."""
        if self._redraws:
            self._board = (version, users)
            self._draw()
        else:
            highest = ", ".join(f"{_name(user)} {user['score']}" for user in users[:_HIGHEST])
            self._write(escaped(f"version {version}: {highest or 'nobody has a score yet'}"))

    def show_other(
        self,
        board_id: str,
        users: Sequence[Mapping[str, Any]],
        number: int,
        ends_at: datetime | None,
    ) -> None:
        """Show the first of another board, and how long its season goes on; only on a terminal."""
        self._others[board_id] = (users, number, ends_at)
        if self._redraws:
            self._draw()

    def announce(self, news: str) -> None:
        """Show what has happened; on a terminal until there is more news."""
        if self._redraws:
            self._news.append(news)
            self._draw()
        else:
            self._write(escaped(news))

    def tell(self, message: str) -> None:
        """Show what the demo waits for, until the next message."""
        if self._redraws:
            self._message = message
            self._draw()
        elif message and message != self._message:
            self._message = message
            self._write(escaped(message))

    def count(self, tally: str) -> None:
        """Show how far the demo is; only on a terminal, where that takes no new line."""
        self._tally = tally
        if self._redraws:
            self._draw()

    def end(self, tally: str) -> None:
        """Leave the tally as the last words; a terminal has it already."""
        self._message = ""
        if self._redraws:
            self.count(tally)
        else:
            self._write(tally)

    def _draw(self) -> None:
        """Draw over what was drawn before. Lines and their number are cut to fit, because nobody
        knows how far to go back over lines that wrapped or left the screen.
        """
        columns, rows = size_of(self._output)
        width, height = min(columns - 1, _COLUMNS_MAX), max(rows - 1, 1)
        foot = [
            *(_whole(line, width) for line in self._other_lines()),
            *(line for news in self._news for line in self._wrapped(news, width)),
            "",
            *self._wrapped(self._tally, width),
            *self._wrapped(self._message, width),
        ]
        lines = [*self._board_lines(width)[: max(height - len(foot), 0)], *foot][-height:]
        back = min(sum(_rows_of(line, columns) for line in self._drawn), height)
        self._drawn = [cut(line, width) for line in lines]
        start = f"\x1b[{back}F\x1b[J" if back else ""
        self._write(start + "\n".join(self._drawn))

    def _board_lines(self, width: int) -> list[str]:
        if self._board is None:
            return ["waiting for the board"]
        version, users = self._board
        names = [self._writable(_name(user)) for user in users]
        scores = [int(user["score"]) for user in users]
        best = max(scores, default=0) or 1
        digits = max(map(len, map(str, scores)), default=0)
        left = max(width - _RANK - 3 - digits, 1)
        named = min(max(_NAME, *map(width_of, names), 0) if names else 0, left)
        bar = min(left - named - 2, _BAR)
        if bar < _LEAST_BAR and left - _NAME - 2 >= _LEAST_BAR:
            bar, named = _LEAST_BAR, left - 2 - _LEAST_BAR  # of a long name less is shown
        bars = ["=" * (bar * score // best) if bar >= _LEAST_BAR else "" for score in scores]
        rows = [
            f"{rank:>{_RANK}}  {padded(name, named)} {score:>{digits}}  {drawn}".rstrip()
            for rank, (name, score, drawn) in enumerate(zip(names, scores, bars, strict=True), 1)
        ]
        return [self._writable(f"the board, version {version}"), *rows]

    def _other_lines(self) -> list[str]:
        """A line for each other board, in the order of their ids."""
        lines = [""] if self._others else []
        width = max(map(len, self._others), default=0)
        for board_id, (users, number, ends_at) in sorted(self._others.items()):
            season = f"season {number}, {_left(ends_at)}" if number else "no season yet"
            lines.append(self._writable(f"{board_id:<{width}}  {season}: {won(users)}"))
        return lines

    def _wrapped(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(self._writable(text), width)[:_MESSAGE_LINES] or [""]

    def _writable(self, text: str) -> str:
        """The text as this terminal is going to get it: without what moves its cursor, and with
        what its encoding lacks written out.
        """
        encoding = getattr(self._output, "encoding", None) or "utf-8"
        return escaped(text).encode(encoding, "backslashreplace").decode(encoding)

    def _write(self, text: str) -> None:
        self._output.write(f"{text}\n")
        self._output.flush()


def won(users: Sequence[Mapping[str, Any]]) -> str:
    """Who is first, and by how much, in words."""
    highest = ", ".join(f"{_name(user)} {user['score']}" for user in users[:_HIGHEST])
    return highest or "nobody has a score"


def _whole(line: str, width: int) -> str:
    """As many users of it as these columns hold: a score without its end would be another score."""
    if width_of(line) <= width:
        return line
    return cut(line, width).rpartition(", ")[0] or line


def _left(ends_at: datetime | None) -> str:
    """How long it is until then, in words."""
    if ends_at is None:
        return "without an end"
    seconds = max(int((ends_at - datetime.now(UTC)).total_seconds()), 0)
    if seconds < _HOUR:
        return f"{seconds // 60}:{seconds % 60:02} left"
    if seconds < 2 * _DAY:
        return f"{seconds // _HOUR} h left"
    return f"{seconds // _DAY} days left"


def _name(user: Mapping[str, Any]) -> str:
    return str(user.get("username") or user["userId"])


def _rows_of(line: str, columns: int) -> int:
    """How many rows a line takes that was drawn for a terminal that may have been wider."""
    return max(-(-width_of(line) // columns), 1)
