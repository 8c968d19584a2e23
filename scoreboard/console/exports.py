"""The lines of shell after which other commands find the embedded servers of this directory.

`serve --embedded` keeps them in a file while its servers run; a command that lacks an address shows
them. A run that was killed leaves the file behind until the next one.
"""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from scoreboard.embedded.home import owner_only
from scoreboard.embedded.servers import EmbeddedUrls

DIRECTORY: Final = Path(".scoreboard")
_FILE: Final = DIRECTORY / "exports.sh"


def lines(urls: EmbeddedUrls, secret_file: Path | None = None) -> list[str]:
    """Write a line for each server that runs, and one for the file of the JWT secret if `serve`
    made that; they hold no password.
    """
    variables = {
        "SCOREBOARD_DATABASE_URL": urls.database_url,
        "SCOREBOARD_REDIS_URL": urls.redis_url,
        "SCOREBOARD_JWT_SECRET_FILE": secret_file and str(secret_file.resolve()),
    }
    return [f"    export {name}={shlex.quote(value)}" for name, value in variables.items() if value]


@contextlib.contextmanager
def kept(exports: Sequence[str]) -> Iterator[None]:
    """Keep the lines while the context lasts. Raises OSError."""
    with open(_FILE, "w", opener=owner_only) as file:
        file.write("\n".join(exports))
    try:
        yield
    finally:
        _FILE.unlink(missing_ok=True)


def found() -> list[str]:
    """Read the lines that this user's run keeps here; none if there is no such file."""
    try:
        if _FILE.stat().st_uid != os.geteuid():  # whoever wrote it might send us elsewhere
            return []
        return _FILE.read_text(errors="replace").splitlines()
    except OSError:
        return []


def database_url() -> str:
    """The address of PostgreSQL among the lines that are found; empty if there is none."""
    for line in found():
        with contextlib.suppress(ValueError):
            for word in shlex.split(line):
                name, _, url = word.partition("=")
                if name == "SCOREBOARD_DATABASE_URL":
                    return url
    return ""


def hint() -> str:
    """Say which lines to run first; it follows a message on an address or a secret that is not
    set.
    """
    exports = found()
    if not exports:
        return ""
    return "\n".join([f"\nWhile the embedded servers in {DIRECTORY} run, set it so:", *exports])
