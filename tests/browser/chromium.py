"""Where Chromium is, and how it is started for tests."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

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
# The same without windows, toolbars, menus and settings, for two thirds of the processor time.
_SHELL: Final = Program(
    "chromium-headless-shell",
    ("/usr/bin/chromium-headless-shell",),
    debian="chromium-headless-shell",
    homebrew="chromium",
)
VARIABLE = "SCOREBOARD_TEST_CHROMIUM"
# What Playwright switches off. Chromium heeds only the last such list, which is ours.
OFF_BY_PLAYWRIGHT: Final = (
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsUpgrades",
    "HttpsFirstBalancedModeAutoEnable",
    "LensOverlay",
    "MediaRouter",
    "PaintHolding",
    "ThirdPartyStoragePartitioning",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "TcpPortRandomizationWin",
    "OptimizationHints",
    "NetworkTimeServiceQuerying",
    "AimEnabled",
    "PreconnectToSearch",
    "msForceBrowserSignIn",
    "msEdgeUpdateLaunchServicesPreferredVersion",
)
# What drops down from the address bar is a page in a process of its own. Each new window renders
# it, which takes as long as all else of the window, and nobody types an address here.
_NO_ADDRESS_BAR: Final = ("WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "WebUIOmniboxFullPopup")
# No sandbox, because tests may run as root, where Chromium has none. The rest keeps it from calling
# home.
ARGUMENTS = [
    f"--disable-features={','.join((*OFF_BY_PLAYWRIGHT, *_NO_ADDRESS_BAR))}",
    "--no-sandbox",
    "--disable-gpu",
    "--in-process-gpu",  # there is none: what draws needs no process of its own
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--font-render-hinting=none",
]


class ChromiumMissingError(RuntimeError):
    """No browser and no right to install one; the message says what to do."""


def provide_chromium() -> Path:
    """Answer the path of Chromium, after installing Debian's packages when we may: of the shell
    where it is installed.

    Raises ChromiumMissingError.
    """
    had_none = CHROMIUM.find() is None
    whole = provide_whole_chromium()
    if os.environ.get(VARIABLE):
        return whole
    if had_none:
        with contextlib.suppress(ProgramsMissingError):  # not every system has it
            provide([_SHELL])
    return _SHELL.find() or whole


def provide_whole_chromium() -> Path:
    """The same for the one that has the settings of a profile.

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
