"""The command `scoreboard`: which commands it has, and what becomes of an answer or a failure.

Exit codes: 0 done; 1 not done, and standard error says why and what to do; 2 asked in a way that
cannot work (arguments, configuration); 130 ended by Ctrl-C, which says nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import inspect
import sys
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Final, NoReturn

from scoreboard import __version__
from scoreboard.configuration import sources as configuration
from scoreboard.configuration.settings import SettingsError
from scoreboard.connections.blocking import MigrationError
from scoreboard.console.arguments import ArgumentsRefused, Commands, Parser, epilog
from scoreboard.console.reports import CommandFailed, report, report_failure, wanted
from scoreboard.console.terminal import note
from scoreboard.embedded.home import EmbeddedServerError
from scoreboard.errors import InvalidPayload, ScoreboardError
from scoreboard.operations import logs
from scoreboard.processes import loading, streams

# By the first word of a command, in the order of the help: the module of `commands` that declares
# it, and with it all that begin so.
MODULES: Final = {
    "serve": "serving",
    "check": "check",
    "migrate": "migration",
    "actions": "actions",
    "users": "users",
    "audit": "audit",
    "invitations": "invitations",
    "names": "names",
    "keys": "keys",
    "boards": "boards",
    "board": "board",
    "seasons": "seasons",
    "demo": "demo",
    "openapi": "description",
    "version": "description",
    "completion": "description",
}
_OF_ALL: Final = "completion"  # what it writes names every command


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command that the process was started with, and end the process."""
    try:
        code = _run_and_finish(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def _run_and_finish(argv: Sequence[str]) -> int:
    streams.mend()  # guard: answer-cannot-written
    try:
        with loading.for_good():
            _modules(_asked_for(argv))
        code = run(argv)
    except SystemExit as end:  # --help, arguments that are wrong, a signal
        code = end.code if isinstance(end.code, int) else 0
    try:
        streams.finish()
    except streams.OutputLost as lost:
        code = _answer_lost(lost)
    return code


def run(argv: Sequence[str]) -> int:
    """Run one command and return its exit code. Raises SystemExit for --help and --version."""
    as_json = wanted(argv)
    # Commands say what happened; `serve` logs, and sets so.
    logs.configure("error", "console", "cli")
    try:
        arguments = declare(_asked_for(argv)).root.parse_args(argv or ["--help"])
        _note_ignored_variables(arguments)
        answer = arguments.run(arguments)
        if inspect.iscoroutine(answer):
            answer = asyncio.run(answer)
        if answer is not None:
            report(answer, as_json=as_json)
        sys.stdout.flush()
    except ArgumentsRefused as refused:
        if as_json:
            report_failure(str(refused), "invalid_arguments", as_json=True)
        else:
            note(refused.for_people)
        return 2
    except (CommandFailed, MigrationError, EmbeddedServerError) as failure:
        machine_code = getattr(failure, "code", "migration_failed")
        report_failure(str(failure), machine_code, as_json=as_json)
        return 1
    except ScoreboardError as refusal:
        errors = {"errors": refusal.errors} if isinstance(refusal, InvalidPayload) else {}
        report_failure(_in_words(refusal), refusal.code, as_json=as_json, **errors)
        return 1
    except SettingsError as mistake:
        report_failure(str(mistake), "invalid_settings", as_json=as_json)
        return 2
    except streams.OutputLost as lost:
        return _answer_lost(lost)
    return 0 if answer is None else answer.code


def _answer_lost(lost: streams.OutputLost) -> int:
    """Say that the answer is not, or not all, where it should be."""
    streams.give_up(sys.stdout)
    if not lost.is_nobody_reading:
        note(f"scoreboard: The answer cannot be written to standard output: {lost.strerror}.")
    return 1


def _note_ignored_variables(arguments: argparse.Namespace) -> None:
    """Say which variables are ignored, unless this is a worker: its supervisor has said it."""
    ignored = configuration.ignored_variables()
    if ignored and getattr(arguments, "lifeline", None) is None:
        note(f"scoreboard: {ignored}")


def _asked_for(argv: Sequence[str]) -> Iterable[str]:
    """The words whose commands these arguments can be about. Each brings modules of its own, which
    nobody waits for who asks for another one.
    """
    word = argv[0] if argv else ""
    if word == "--version":
        return ()
    return (word,) if word in MODULES and word != _OF_ALL else MODULES


def declare(words: Iterable[str] = MODULES) -> Commands:
    """Declare the commands that begin with these words, in the order of the help: every command,
    unless told otherwise. `root` parses their arguments.
    """
    parser = Parser(
        prog="scoreboard",
        description="A live top 10: grants each action to each user once, and shows everybody the "
        "board as it changes.",
        epilog=epilog(
            "scoreboard serve --embedded          everything on this machine, for a try",
            "scoreboard demo                      players for it, from a second terminal",
            "scoreboard COMMAND --help            what a command does, with examples",
        )
        + "\n\nServers and all else are set by SCOREBOARD_* variables: see docs/configuration.md.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"scoreboard {__version__}")
    commands = Commands(parser)
    for module in _modules(words):
        module.add_to(commands)
    return commands


def _modules(words: Iterable[str]) -> list[ModuleType]:
    """Load what declares the commands that begin with these words, each module once."""
    names = dict.fromkeys(MODULES[word] for word in words)
    return [importlib.import_module(f"scoreboard.commands.{name}") for name in names]


def _in_words(refusal: ScoreboardError) -> str:
    """Put a refusal's message and what it says of each field into one line."""
    errors = refusal.errors if isinstance(refusal, InvalidPayload) else {}
    fields = [f"{field}: {' '.join(map(str, problems))}" for field, problems in errors.items()]
    return " ".join(fields) or refusal.message
