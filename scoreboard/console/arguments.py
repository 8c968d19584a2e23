"""How commands are declared: each with one line of summary, its function, and examples to copy."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

from scoreboard.console.reports import OPTION, Answer, Report
from scoreboard.model import MAIN, SEASON_NUMBER_MAX
from scoreboard.unicode import escaped, first_unseen

# None is for a command that writes its answer itself, or has none.
Run = Callable[[argparse.Namespace], Answer | Coroutine[Any, Any, Answer | None] | None]

EXAMPLE_URL: Final = "http://127.0.0.1:8080"
NAME_HELP: Final = "only names with this part, in any spelling"
# How each shell completes the name of a file, in the words of shtab.
_FILES: Final = {"bash": "_shtab_compgen_files", "zsh": "_files", "tcsh": "f"}


class ArgumentsRefused(Exception):
    """Arguments that cannot be read; `for_people` says as well how they would be."""

    def __init__(self, for_people: str, message: str) -> None:
        self.for_people = for_people
        super().__init__(message)


class Parser(argparse.ArgumentParser):
    """Reads arguments, and escapes what it repeats of them when it refuses them."""

    def error(self, message: str) -> NoReturn:
        """Raises ArgumentsRefused."""
        what = escaped(message)
        raise ArgumentsRefused(f"{self.format_usage()}{self.prog}: error: {what}", what)


@dataclass(frozen=True, slots=True)
class Declared:
    """A command: its words, what it is for, and what it reports, if it does."""

    words: str
    summary: str
    report: Report | None


class Commands:
    """The commands below a parser; `declared` has all, those of groups included."""

    def __init__(
        self, parser: Parser, words: str = "", declared: list[Declared] | None = None
    ) -> None:
        self.root = parser
        self._subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
        self._words = words
        self.declared = [] if declared is None else declared

    def add(
        self, name: str, run: Run, summary: str, *examples: str, report: Report | None = None
    ) -> Parser:
        """Add a command. `run` gets the parsed arguments; the coroutine that it may return is run.
        `report` describes its answer, which --json turns into JSON.
        """
        parser = self._add(name, summary, examples)
        parser.set_defaults(run=run)
        if report is not None:
            parser.add_argument(OPTION, action="store_true", help=f"as JSON, {report}")
        self.declared.append(Declared(f"{self._words}{name}", summary, report))
        return parser

    def group(self, name: str, summary: str, *examples: str) -> Commands:
        """Add a command that only has commands below it."""
        parser = self._add(name, summary, examples)
        return Commands(parser, f"{self._words}{name} ", self.declared)

    def _add(self, name: str, summary: str, examples: tuple[str, ...]) -> Parser:
        return self._subparsers.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            epilog=epilog(*examples),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,  # a shortened option would change its meaning with the next release
        )


def epilog(*examples: str) -> str:
    """Show examples below the help."""
    return "\n  ".join(["examples:", *examples]) if examples else ""


def count(text: str) -> int:
    """Read a whole number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("a whole number from 1 is expected")
    return int(text)


def count_up_to(most: int) -> Callable[[str], int]:
    """What reads a whole number from 1 to `most`."""

    def read(text: str) -> int:
        if (number := count(text)) > most:
            raise argparse.ArgumentTypeError(f"a whole number from 1 to {most} is expected")
        return number

    return read


season_number: Final = count_up_to(SEASON_NUMBER_MAX)


def service_address(text: str) -> str:
    """Read an address as argparse wants it: without a / at its end. Raises ArgumentTypeError, which
    repeats no password.
    """
    try:
        parts = urlsplit(text.strip())
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        good = False
    if not good:
        raise argparse.ArgumentTypeError(f"an address like {EXAMPLE_URL} is expected")
    if "@" in parts.netloc:
        raise argparse.ArgumentTypeError(
            "leave user and password out: players make accounts of their own"
        )
    if parts.query or parts.fragment:
        raise argparse.ArgumentTypeError("leave out what follows the ? or #")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def moment(text: str) -> datetime:
    """Read a day or a time in the form of RFC 3339; UTC unless it says another zone."""
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:  # OverflowError: outside the years 1 to 9999
        what = "a day or a time is expected, such as 2024-12-09 or 2024-12-09T14:30:45Z"
        raise argparse.ArgumentTypeError(what) from error


def text_to_store(text: str) -> str:
    """Read a text that PostgreSQL can be asked for: one without NUL and lone surrogates."""
    if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text):
        raise argparse.ArgumentTypeError("a text in UTF-8 is expected")
    return text


def seen_text(chars_max: int) -> Callable[[str], str]:
    """What reads a text of 1 to `chars_max` characters, all of which can be seen."""

    def read(text: str) -> str:
        text = text_to_store(text).strip()
        if not text or len(text) > chars_max or first_unseen(text):
            raise argparse.ArgumentTypeError(
                f"a text of 1 to {chars_max} characters that can be seen is expected"
            )
        return text

    return read


def is_file(argument: argparse.Action) -> None:
    """Let shells complete an argument with the names of files."""
    argument.complete = _FILES  # type: ignore[attr-defined]  # which is where shtab looks


def add_one_board(parser: argparse.ArgumentParser) -> None:
    """Add the argument that names a board."""
    parser.add_argument("board_id", type=text_to_store, metavar="BOARD", help="its id")


def add_board(parser: argparse.ArgumentParser, *, or_all: bool = False) -> None:
    """Add the argument that names a board, `main` without one; or the option that means them all
    (`all_boards`).
    """
    choice = parser.add_mutually_exclusive_group() if or_all else parser
    choice.add_argument(
        "board_id",
        nargs="?",
        default=MAIN,
        type=text_to_store,
        metavar="BOARD",
        help="its id (default: %(default)s)",
    )
    if or_all:
        choice.add_argument("--all", action="store_true", dest="all_boards", help="every board")


def add_page(
    parser: argparse.ArgumentParser,
    after: str,
    what: str,
    read: Callable[[str], Any] = text_to_store,
) -> None:
    """Add what every list takes: where it begins, as `read` reads it, and how long it may get."""
    parser.add_argument("--limit", type=count, metavar="N", help="at most so many")
    parser.add_argument("--after", type=read, metavar=after, help=what)
