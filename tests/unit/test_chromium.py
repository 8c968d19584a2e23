"""How Chromium is started for tests."""

from __future__ import annotations

import re
from pathlib import Path

import playwright

from tests.browser.chromium import OFF_BY_PLAYWRIGHT

DRIVER = Path(playwright.__file__).parent / "driver" / "package" / "lib" / "coreBundle.js"


def test_what_playwright_switches_off_stays_off() -> None:
    found = re.findall(r"disabledFeatures = \[\n(.*?)\]", DRIVER.read_text("utf-8"), re.DOTALL)
    assert len(found) == 1
    assert tuple(re.findall(r'^ *"(\w+)",?$', found[0], re.MULTILINE)) == OFF_BY_PLAYWRIGHT
