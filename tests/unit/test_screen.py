"""The demo's screen, on terminals of every size: no line wraps, and each board takes the place of
the one before.
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import termios
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TextIO

import pytest

from scoreboard.commands.check import as_list
from scoreboard.connections.findings import Finding
from scoreboard.console.columns import columns_of, table
from scoreboard.console.screen import Screen

USERS = [
    {"userId": "u1", "username": "ada", "score": 123456},
    {"userId": "u2", "username": "王" * 30, "score": 40000},
    {"userId": "u3", "username": "e\u0301" * 40 + "żółć", "score": 3},
    *({"userId": f"p{number}", "username": f"player-{number}", "score": 1} for number in range(7)),
]
TALLY = "20 players, 123456 actions granted, 789 refused"
MESSAGE = "/api/auth/register waits 3 s: Too many accounts from this address. Try again later."
BACK = re.compile(r"\x1b\[(\d+)F\x1b\[J")


class Terminal:
    """A terminal of some size and encoding; what was written to it, draw by draw."""

    def __init__(self, encoding: str = "utf-8") -> None:
        self._master, slave = pty.openpty()
        attributes = termios.tcgetattr(slave)
        attributes[1] &= ~termios.OPOST
        termios.tcsetattr(slave, termios.TCSANOW, attributes)
        self.output: TextIO = open(  # noqa: SIM115 - `close` closes it
            slave, "w", encoding=encoding, errors="backslashreplace", newline=""
        )

    def resize(self, columns: int, rows: int) -> None:
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self.output.fileno(), termios.TIOCSWINSZ, size)

    def written(self) -> str:
        self.output.flush()
        os.set_blocking(self._master, False)
        found = b""
        while True:
            try:
                found += os.read(self._master, 65536)
            except BlockingIOError:
                return found.decode(self.output.encoding)

    def close(self) -> None:
        self.output.close()
        os.close(self._master)


@pytest.fixture(autouse=True)
def _term(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    found = Terminal()
    yield found
    found.close()


def width(line: str) -> int:
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1
        for each in line
    )


def lines_of(draw: str) -> list[str]:
    return BACK.sub("", draw).removesuffix("\n").split("\n")


def drawn(terminal: Terminal, screen: Screen) -> list[str]:
    """Each draw of a board, a tally and a message, as the terminal got it."""
    draws = []
    ends_at = datetime.now(UTC) + timedelta(minutes=1, seconds=30)
    for step in (
        lambda: screen.show("7", USERS),
        lambda: screen.show_other("weekly", USERS, 3, ends_at),
        lambda: screen.announce(f"season 2 of weekly has ended: {MESSAGE}"),
        lambda: screen.count(TALLY),
        lambda: screen.tell(MESSAGE),
        lambda: screen.tell(""),
    ):
        step()
        draws.append(terminal.written())
    return draws


@pytest.mark.parametrize("columns", [200, 80, 60, 40, 30, 20, 10, 3, 1])
@pytest.mark.parametrize("rows", [50, 24, 8, 3, 1])
def test_no_line_wraps_and_each_board_takes_the_place_of_the_last(
    terminal: Terminal, columns: int, rows: int
) -> None:
    terminal.resize(columns, rows)
    before = 0
    for draw in drawn(terminal, Screen(terminal.output)):
        lines = lines_of(draw)
        assert max(map(width, lines)) < max(columns, 2)
        assert len(lines) <= max(rows - 1, 1)
        back = BACK.search(draw)
        assert (int(back[1]) if back else 0) == before
        before = len(lines)


def test_forty_columns_show_ranks_names_scores_and_the_tally(terminal: Terminal) -> None:
    terminal.resize(40, 24)
    lines = lines_of(drawn(terminal, Screen(terminal.output))[3])
    assert lines[1].split() == ["1", "ada", "123456"]
    assert lines[2].split()[::2] == ["2", "40000"]
    assert width(lines[1]) == width(lines[2]) == width(lines[3]) == 39
    assert " ".join(lines[-3:]).split() == TALLY.split()


def test_other_boards_take_a_line_each_with_the_time_that_is_left(terminal: Terminal) -> None:
    terminal.resize(80, 40)
    screen = Screen(terminal.output)
    now = datetime.now(UTC)
    for board_id, number, ends_at in (
        ("weekly", 3, now + timedelta(days=3, minutes=1)),
        ("demo", 12, now + timedelta(seconds=50.5)),
        ("to-come", 0, None),
        ("ever", 1, None),
    ):
        screen.show_other(board_id, USERS[:1] if number else [], number, ends_at)
    for season in (10, 11, 12):
        screen.announce(f"season {season} of demo has ended: ada 7")

    lines = lines_of(terminal.written().rpartition("\x1b[J")[2])
    assert lines[2:8] == [
        "demo     season 12, 0:50 left: ada 123456",
        "ever     season 1, without an end: ada 123456",
        "to-come  no season yet: nobody has a score",
        "weekly   season 3, 3 days left: ada 123456",
        "season 11 of demo has ended: ada 7",
        "season 12 of demo has ended: ada 7",
    ]


def test_no_score_of_another_board_is_cut(terminal: Terminal) -> None:
    terminal.resize(60, 24)
    screen = Screen(terminal.output)
    users = [{"userId": "1", "username": name, "score": 123456} for name in ("ada", "bob", "eve")]
    screen.show_other("demo", users, 12, None)
    lines = lines_of(terminal.written())
    assert lines[2] == "demo  season 12, without an end: ada 123456, bob 123456"


def test_a_terminal_that_tells_no_size_is_taken_for_one_of_eighty(terminal: Terminal) -> None:
    terminal.resize(0, 0)
    lines = lines_of(drawn(terminal, Screen(terminal.output))[3])
    assert 60 < max(map(width, lines)) < 80


def test_what_wrapped_as_a_terminal_became_narrower_is_drawn_over(terminal: Terminal) -> None:
    terminal.resize(80, 24)
    screen = Screen(terminal.output)
    screen.show("7", USERS[:2])
    screen.count("1 player")
    lines = lines_of(terminal.written().rpartition("\x1b[J")[2])
    terminal.resize(40, 24)
    screen.count("2 players")
    back = BACK.search(terminal.written())
    assert back is not None
    assert int(back[1]) == sum(max(-(-width(line) // 40), 1) for line in lines) > len(lines)


def test_letters_that_an_encoding_lacks_are_written_out_and_fit() -> None:
    terminal = Terminal("ascii")
    try:
        terminal.resize(40, 24)
        for draw in drawn(terminal, Screen(terminal.output)):
            assert max(map(len, lines_of(draw))) < 40
            assert draw.isascii()
    finally:
        terminal.close()


@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_a_terminal_without_a_movable_cursor_gets_lines(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, term: str
) -> None:
    monkeypatch.setenv("TERM", term)
    written = "".join(drawn(terminal, Screen(terminal.output)))
    assert "\x1b" not in written
    assert written.startswith("version 7: ada 123456")


@pytest.mark.parametrize("columns", [80, 40, 20, 5])
def test_what_check_found_fits_a_narrow_terminal(terminal: Terminal, columns: int) -> None:
    terminal.resize(columns, 24)
    assert columns_of(terminal.output) == columns
    assert columns_of(io.StringIO()) == 0
    found = [Finding("redis", "connection", "wrong", "It is away, for now. " * 4, "Start it now.")]
    lines = as_list(found, columns).splitlines()
    longest = max(len(word) for line in lines for word in line.split())
    assert max(map(len, lines)) <= max(columns, 22, longest + 4)


def test_the_cells_of_a_table_stand_below_each_other_and_its_lines_fit_the_terminal() -> None:
    rows = [("board", "title"), ("main", "All time"), ("cup-of-may", "王" * 30)]
    assert table(rows, 0).splitlines() == [
        "board       title",
        "main        All time",
        f"cup-of-may  {'王' * 30}",
    ]
    assert table(rows, 19).splitlines() == [
        "board       title",
        "main        All tim",
        "cup-of-may  王王王",
    ]
    assert table(rows[:1], 0) == "board  title"
