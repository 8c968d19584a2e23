"""How commands are declared: each with one line of summary, its function, and examples to copy."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Final, NoReturn
from urllib.parse import urlsplit

from scoreboard.unicode import escaped

Run = Callable[[argparse.Namespace], int]

EXAMPLE_URL: Final = "http://127.0.0.1:8080"


class Parser(argparse.ArgumentParser):
    """Reads arguments, and escapes what it repeats of them when it refuses them."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and end with code 2."""
        super().error(escaped(message))


class Commands:
    """The commands below a parser."""

    def __init__(self, parser: Parser) -> None:
        self._subparsers = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(self, name: str, run: Run, summary: str, *examples: str) -> Parser:
        """Add a command. `run` gets the parsed arguments and returns the exit code."""
        parser = self._add(name, summary, examples)
        parser.set_defaults(run=run)
        return parser

    def group(self, name: str, summary: str, *examples: str) -> Commands:
        """Add a command that only has commands below it."""
        return Commands(self._add(name, summary, examples))

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
