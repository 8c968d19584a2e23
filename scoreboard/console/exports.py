"""The lines of shell after which other commands find the embedded servers of this directory.

`serve --embedded` notes where its servers listen while they run; a command that lacks an address
looks there before it says so.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from scoreboard.connections import blocking
from scoreboard.embedded import EmbeddedUrls, owner_only

DIRECTORY: Final = Path(".scoreboard")
_NOTE: Final = "urls.json"
_DATABASE_URL: Final = "SCOREBOARD_DATABASE_URL"
_REDIS_URL: Final = "SCOREBOARD_REDIS_URL"


def lines(urls: EmbeddedUrls) -> list[str]:
    """Write a line for each server that runs; they hold no password."""
    return _lines({_DATABASE_URL: urls.database_url, _REDIS_URL: urls.redis_url})


@contextlib.contextmanager
def noted(urls: EmbeddedUrls) -> Iterator[None]:
    """Note where the servers listen, for commands that are run beside them."""
    note = DIRECTORY / _NOTE
    with open(note, "w", opener=owner_only) as file:
        json.dump({_DATABASE_URL: urls.database_url, _REDIS_URL: urls.redis_url}, file)
    try:
        yield
    finally:
        note.unlink(missing_ok=True)


def of_a_running_instance() -> list[str]:
    """Answer the lines for the servers that run in this directory; none if there are none.

    A killed run leaves its note behind, so PostgreSQL is asked. It only makes a message more
    helpful: whatever is wrong with the note, there are no lines.
    """
    try:
        note = DIRECTORY / _NOTE
        if note.stat().st_uid != os.geteuid():  # whoever wrote it might send us elsewhere
            return []
        variables = json.loads(note.read_text())
        if not variables[_DATABASE_URL]:  # only Redis is embedded, and whether it runs is unknown
            return []
        with blocking.connected(variables[_DATABASE_URL]):
            return _lines(variables)
    except (OSError, ValueError, TypeError, KeyError, blocking.MigrationError):
        return []


def hint() -> str:
    """Say which lines to run first, to follow a message on an address that is not set."""
    found = of_a_running_instance()
    if not found:
        return ""
    return "\n".join([f"\nThe embedded servers in {DIRECTORY} run. To use them:", *found])


def _lines(variables: Mapping[str, str | None]) -> list[str]:
    return [f"    export {name}={shlex.quote(url)}" for name, url in variables.items() if url]
