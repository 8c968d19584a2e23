"""`scoreboard version`: which version this is, and what it runs on."""

from __future__ import annotations

import argparse
import platform
from typing import Final

from scoreboard import __version__
from scoreboard.console.arguments import Commands
from scoreboard.console.reports import Report, report
from scoreboard.database import migrations

_REPORT: Final = Report(("version", "python", "migration"))


def add_to(commands: Commands) -> None:
    """Declare `version`."""
    commands.add(
        "version",
        _version,
        "show the version of this program, of Python, and of the schema that it needs",
        "scoreboard version --json | jq -r .version",
        report=_REPORT,
    )


def _version(arguments: argparse.Namespace) -> int:
    python, newest = platform.python_version(), migrations.names()[-1]
    document = {"version": __version__, "python": python, "migration": newest}
    text = f"scoreboard {__version__}, on Python {python}, for a schema with migration {newest}"
    report(document, text, as_json=arguments.json)
    return 0
