"""Where Chromium is, and how it is started for tests."""

from __future__ import annotations

import os
from pathlib import Path

from tests.servers.installation import Program, ProgramsMissingError, provide

CHROMIUM = Program(
    "chromium",
    (
        "/usr/bin/chromium",
        "/usr/bin/chromium-browser",
        "/usr/bin/google-chrome",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    ),
    debian="chromium",
    homebrew="chromium",
)
VARIABLE = "SCOREBOARD_TEST_CHROMIUM"
# No sandbox, because tests may run as root, where Chromium has none. The rest keeps it from calling
# home.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--font-render-hinting=none",
]


class ChromiumMissingError(RuntimeError):
    """No browser and no right to install one; the message says what to do."""


def provide_chromium() -> Path:
    """Answer the path of Chromium, after installing Debian's package when we may.

    Raises ChromiumMissingError.
    """
    if given := os.environ.get(VARIABLE):
        return Path(given)
    try:
        provide([CHROMIUM])
    except ProgramsMissingError as missing:
        raise ChromiumMissingError(
            "The tests in a browser need Chromium, which is not installed here: "
            f"sudo apt-get install {CHROMIUM.debian}, or brew install {CHROMIUM.homebrew}, "
            f"or name one in {VARIABLE}."
        ) from missing
    return CHROMIUM.path()
