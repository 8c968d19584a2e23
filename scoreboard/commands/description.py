"""`scoreboard openapi|version|completion`: the program describes itself, without a server."""

from __future__ import annotations

import argparse
import json
import platform
from typing import Final

from scoreboard import __version__
from scoreboard.configuration import sources as configuration
from scoreboard.console.arguments import Commands
from scoreboard.console.reports import Answer, Report
from scoreboard.console.terminal import say
from scoreboard.database import migrations

SHELLS: Final = ("bash", "zsh", "tcsh")


def add_to(commands: Commands) -> None:
    """Declare `openapi`, `version` and `completion`."""
    commands.add(
        "openapi",
        _openapi,
        "write the OpenAPI document of the API, which /docs shows",
        "scoreboard openapi > openapi.json",
    )
    commands.add(
        "version",
        _version,
        "show the version of this program, of Python, and of the schema that it needs",
        "scoreboard version --json | jq -r .version",
        report=Report(("version", "python", "migration")),
    )
    completion = commands.add(
        "completion",
        _completion,
        "write the lines of shell after which Tab completes commands and options",
        'eval "$(scoreboard completion bash)"                                    in ~/.bashrc',
        "scoreboard completion zsh > ~/.zfunc/_scoreboard                        "
        "with fpath+=~/.zfunc before compinit",
        "scoreboard completion tcsh > ~/.scoreboard.tcsh                         "
        "and source it in ~/.tcshrc",
    )
    completion.set_defaults(completed=commands.root)
    completion.add_argument("shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))


def _openapi(_: argparse.Namespace) -> None:
    from scoreboard import app
    from scoreboard.api.docs.pages import DOCUMENT

    # Described, never started: the parts only have to be made, so any addresses will do.
    places = {"database_url": "postgresql://localhost", "redis_url": "redis://localhost"}
    document = app.create_app(configuration.load({}, **places))[DOCUMENT]
    say(json.dumps(document, indent=2, ensure_ascii=False))


def _version(_: argparse.Namespace) -> Answer:
    python, newest = platform.python_version(), migrations.names()[-1]
    return Answer(
        {"version": __version__, "python": python, "migration": newest},
        f"scoreboard {__version__}, on Python {python}, for a schema with migration {newest}",
    )


def _completion(arguments: argparse.Namespace) -> None:
    import shtab  # no other command needs it

    say(shtab.complete(arguments.completed, shell=arguments.shell).rstrip("\n"))
