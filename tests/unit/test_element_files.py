"""The element's manual and types say what its code says."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

WEB = resources.files("scoreboard") / "web"
MODULES = {
    path.name: path.read_text("utf-8")
    for path in (WEB / "element").iterdir()
    if path.name.endswith((".js", ".ts"))
}
CODE = MODULES["live-scoreboard.js"] + MODULES["board-attributes.js"]
TYPES = MODULES["live-scoreboard.d.ts"]
MANUAL = (Path(__file__).parents[2] / "docs" / "element.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return MANUAL.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_the_attributes_are_those_of_the_code() -> None:
    observed = re.search(r"observedAttributes = \[\.\.\.RESTARTS, (.+)\];", CODE)
    restarts = re.search(r"RESTARTS = \[(.+)\];", CODE)
    assert observed
    assert restarts
    names = set(re.findall(r'"(\w+)"', observed[1] + restarts[1])) | {"theme"}
    assert set(re.findall(r"^\| `(\w+)` \|", section("Attributes"), re.MULTILINE)) == names
    for name in names - {"lang"}:
        assert re.search(rf"^  (?:get )?{name}(?:\(\))?: ", TYPES, re.MULTILINE), name


def test_the_properties_and_methods_are_those_of_the_code() -> None:
    members = set(re.findall(r"^  get (\w+)\(", MODULES["live-scoreboard.js"], re.MULTILINE))
    told = section("Properties, a method and events")
    assert set(re.findall(r"^\| `(\w+)` \|", told, re.MULTILINE)) == members
    assert "| `refresh()` |" in told
    for name in members:
        assert re.search(rf"^  (?:get |readonly )?{name}(?:\(\))?: ", TYPES, re.MULTILINE), name


def test_the_parts_are_those_of_the_tree() -> None:
    code = MODULES["board-card.js"] + MODULES["row-list.js"]
    named = set(re.findall(r'part: "(\w+)"', code))
    cells = re.search(r"\[([^\]]+)\]\.map\(\(part\)", code)
    assert cells
    named |= set(re.findall(r'"(\w+)"', cells[1])) | {"row", "mine", "up", "down", "new"}
    table = section("Looks").partition("| part | what |")[2]
    told = set(re.findall(r"`([\w ]+)`", table)) - {"row empty"}
    assert told == named


def test_the_custom_properties_are_those_of_the_style_sheet() -> None:
    used = set(re.findall(r"var\((--scoreboard-[\w-]+)", MODULES["styles.js"]))
    told = set()
    for row in re.findall(r"^\| (`--scoreboard-.+?) \|", section("Looks"), re.MULTILINE):
        for name in re.findall(r"`-+(?:scoreboard-)?([\w-]+)`", row):
            told.add(f"--scoreboard-{name}")
    assert told == used


def test_nothing_is_made_from_html() -> None:
    """Trusted Types forbid it, and names are strangers' text."""
    for name, text in MODULES.items():
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|DOMParser|eval\(", text), name
