"""What a command reports, for people or, with --json, for programs; one rule for all commands.

Standard output holds one JSON document: an object, or a list of objects that is written as it is
read. Members have the names of the API. A failure is one line of JSON, the last of standard error:
the API's envelope, with `success`, `code` and `message`. Exit codes are the same with and without.
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from scoreboard.console.terminal import note, say
from scoreboard.unicode import escaped

OPTION: Final = "--json"


@dataclass(frozen=True, slots=True)
class Report:
    """The members of a command's document. One of `optional` is left out if it has nothing to say;
    `is_list`: the document is a list of such objects.
    """

    members: tuple[str, ...]
    optional: tuple[str, ...] = ()
    is_list: bool = False

    def __str__(self) -> str:
        optional = [f"{name}?" for name in self.optional]
        kind = "a list of objects" if self.is_list else "an object"
        return f"{kind}: {', '.join([*self.members, *optional])}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command answers: a document, what it says in words, and the exit code."""

    document: Mapping[str, Any]
    text: str
    code: int = 0


class CommandFailed(Exception):
    """A command cannot do what it was asked. The message says so on standard error, and what to do
    about it; `code` names the failure for programs. The exit code is 1.
    """

    def __init__(self, message: str, code: str = "command_failed") -> None:
        self.code = code
        super().__init__(message)


def wanted(argv: Sequence[str]) -> bool:
    """Say whether these arguments, which may be wrong ones, ask for JSON."""
    options = argv[: argv.index("--")] if "--" in argv else argv
    return OPTION in options


def report(answer: Answer, *, as_json: bool) -> None:
    """Write an answer for programs or for people."""
    say(_line(answer.document) if as_json else answer.text)


async def report_list(documents: AsyncIterable[Mapping[str, Any]]) -> None:
    """Write a list as its elements come, so that a long one needs no memory.

    It stays JSON when it is escaped: what nobody can see stands inside texts, and is written there
    as JSON allows.
    """
    separator = "[\n"
    async for document in documents:
        sys.stdout.write(separator + escaped(_line(document)))
        separator = ",\n"
    say("[]" if separator == "[\n" else "\n]")


def report_failure(message: str, code: str, *, as_json: bool, **details: Any) -> None:
    """Say on standard error why a command did not do what it was asked."""
    if as_json:
        note(_line({"success": False, "code": code, "message": message} | details))
    else:
        note(f"scoreboard: {message}")


def _line(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False)
