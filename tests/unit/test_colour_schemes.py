"""Dark differs from light in colours alone, so axe tries the rules for these alone in the second
scheme (`tests/browser/axe.py`).
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import scoreboard

ROOT = Path(scoreboard.__file__).parent
COLOURS = {"color", "border-color", "background", "background-color", "fill"}


@pytest.mark.parametrize("name", ["web/style.css", "web/element/styles.js"])
def test_a_scheme_gives_values_and_no_rule_of_its_own(name: str) -> None:
    """Each sets custom properties on the outermost element, and its rules are those of both."""
    text = (ROOT / name).read_text("utf-8").replace("\n", " ")
    dark = re.findall(r"prefers-color-scheme: dark\) \{(.*?)\}\s*\}", text)
    assert len(dark) == 1
    if "${DARK}" in text:
        [values] = re.findall(r"const DARK = `(.*?)`;", text)
        dark = [dark[0].replace("${DARK", values)]
    selector, _, values = dark[0].partition("{")
    assert selector.strip() in (":root", ":host")
    assert all(one.strip().startswith("--") for one in values.strip(" ;").split(";"))


def test_the_docs_are_painted_by_schemes_and_not_laid_out() -> None:
    text = (ROOT / "api" / "docs" / "page" / "docs.css").read_text("utf-8")
    rules = re.findall(r"dark-mode[^{}]*\{([^{}]*)\}", text)
    assert rules
    properties = {
        line.partition(":")[0].strip() for rule in rules for line in rule.split(";") if ":" in line
    }
    assert properties <= COLOURS
