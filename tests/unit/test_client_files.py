"""The client's types and manual say what its code says, and its code what the server says."""

from __future__ import annotations

import json
import re
from collections import Counter
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from scoreboard import __version__
from scoreboard.api import assets
from scoreboard.model import BOARD_SIZE, FINAL_SIZE, MAIN

ASSETS = assets.load()
CODE = ASSETS.public["scoreboard-client.js"].body.decode()
TYPES = ASSETS.public["scoreboard-client.d.ts"].body.decode()
ELEMENT = ASSETS.public["live-scoreboard.js"].body.decode()
PAGE = ASSETS.page.body.decode()
WEB = resources.files("scoreboard") / "web"
MODULES = [
    path.read_text("utf-8") for path in (WEB / "client").iterdir() if path.name.endswith(".js")
]
CLIENTS = ("ScoreboardClient", "PersonalClient")
ASKING = ("Places", "Session", "Actions")
TYPE = r"^export (?:const|function|class|interface|type) (\w+)"
# Of a name that all of a module knows.
DECLARATION = r"^(?:export )?(?:async )?(?:class|function|const|let) (\$|\w+)"
MANUAL = (Path(__file__).parents[2] / "docs" / "client.md").read_text(encoding="utf-8")


def block(text: str, opening: str) -> str:
    """What stands between this opening and the next line that begins with a closing brace."""
    return re.split(r"^\}", text.partition(opening)[2], maxsplit=1, flags=re.MULTILINE)[0]


def found(pattern: str, text: str) -> list[Any]:
    """All matches, where ^ and $ are the ends of a line."""
    return re.findall(pattern, text, re.MULTILINE)


def union(name: str) -> set[str]:
    """The strings of a type."""
    body = TYPES.partition(f"export type {name} =")[2].partition(";\n\n")[0]
    return set(found(r'^  \| "(\w*)"', body))


def test_the_options_are_those_of_the_code_in_types_and_manual() -> None:
    code = found(r"^  (\w+): ([^,]+),", block(CODE, "const DEFAULTS = {"))
    types = found(r"^  (\w+)\?:", block(TYPES, "export interface Options {"))
    manual = found(
        r"^\| `(\w+)` \| `?([^|`]+?)`? \|", MANUAL.partition("| option |")[2].partition("\n\n")[0]
    )
    assert [name for name, _ in code] == types == [name for name, _ in manual]
    defaults = {name: value.strip('"') for name, value in code}
    assert dict(manual) | {"getToken": "null", "board": "MAIN"} == defaults


@pytest.mark.parametrize("name", CLIENTS)
def test_the_members_are_those_of_the_code(name: str) -> None:
    client = block(CODE, f"class {name} extends EventTarget {{")
    getters = set(found(r"^  get (\w+)\(", client))
    methods = set(found(r"^  (\w+)\(.*\) \{$", client)) - {"constructor"}
    typed = block(TYPES, f"export class {name} extends EventTarget {{")
    assert getters
    assert getters == set(found(r"^  readonly (\w+):", typed))
    listening = {"addEventListener", "removeEventListener"}
    assert methods | listening | {"constructor"} == set(found(r"^  (\w+)[(<]", typed))
    # TypeScript refuses a class whose methods take less than those of its base.
    for method in listening:
        assert f"  {method}(\n    type: string,\n" in typed
    documented = MANUAL.partition(f"`{name}`")[2]
    assert [each for each in methods if f"`{each}(" not in documented] == []


@pytest.mark.parametrize("name", ASKING)
def test_what_is_asked_for_is_what_the_types_and_the_manual_say(name: str) -> None:
    code = block(CODE, f"class {name} ")
    typed = block(TYPES, f"export class {name} ")
    methods = found(r"^  (?:async )?(\w+)\(.*\) \{$", code)
    overloads = found(r"^  (\w+)\(", typed)
    assert methods == list(dict.fromkeys(overloads))
    assert found(r"^  get (\w+)\(", code) == found(r"^  readonly (\w+):", typed)
    documented = MANUAL.partition(f"`new {name}(")[2]
    assert [each for each in methods[1:] if f"`{each}(" not in documented] == []


def test_the_events_states_and_reasons_are_those_of_the_code() -> None:
    documented = set(found(r"^\| event `([\w:]+)`", MANUAL))
    for name in CLIENTS:
        client = block(CODE, f"class {name} extends EventTarget {{")
        events = set(re.findall(r'#emit\("([\w:]+)"', client))
        typed = found(r'^  "?([\w:]+?)"?: ', block(TYPES, f"interface {name}EventMap {{"))
        assert events == set(typed)
        assert events <= documented
    settled = set(re.findall(r'#settle\("(\w+)"', CODE))
    returned = block(CODE, "  #status() {").partition("#settle")[0]
    assert settled | set(re.findall(r'"(\w+)"', returned)) == union("Status")
    assert set(re.findall(r'#reason = "(\w*)"', CODE)) == union("Reason")


def test_its_version_is_the_services_and_the_one_in_its_address() -> None:
    [version] = found(r'^export const VERSION = "(.+)";$', CODE)
    assert (
        version == __version__ == json.loads((WEB / "package.json").read_text("utf-8"))["version"]
    )
    assert f"/client/v{version.partition('.')[0]}/scoreboard-client.js" in MANUAL


def test_its_types_are_served_as_one_file() -> None:
    assert found("^(?:import|export [*{])", TYPES) == []
    types = [path for path in (WEB / "client").iterdir() if path.name.endswith(".d.ts")]
    names = [name for path in types for name in found(TYPE, path.read_text("utf-8"))]
    assert sorted(found(TYPE, TYPES)) == sorted(names)
    assert len(names) == len(set(names)) > 20


def test_the_client_and_the_page_know_the_servers_board_and_its_size() -> None:
    assert found(r'^const MAIN = "(.+)";$', CODE) == [MAIN]
    assert found(r"^export const FINAL_SIZE = (\d+);", CODE) == [str(FINAL_SIZE)]
    assert found(r'<live-scoreboard id="board" board="(.+?)"', PAGE) == [MAIN]
    assert found(r"^const SIZE = (\d+);", ELEMENT) == [str(BOARD_SIZE)]
    assert f">Top {BOARD_SIZE}</h1>" in PAGE


def test_all_modules_of_the_client_are_served_as_one() -> None:
    """Once each: of two declarations of one name no browser takes the second."""
    declared = [name for module in MODULES for name in found(DECLARATION, module)]
    assert len(declared) == len(set(declared)) > 20
    assert sorted(found(DECLARATION, CODE)) == sorted(declared)
    assert found(r"^export \{ (.+) \};", CODE) == [
        "Actions, MAIN, PersonalClient, Places, Refused, Session, isOver"
    ]
    assert found(r"^(?:import|export) .*?(\w+)(?= =| extends)", CODE) == [
        "VERSION",
        "FINAL_SIZE",
        "ScoreboardClient",
    ]


def test_what_page_and_client_need_both_has_one_owner() -> None:
    """And no two modules that may be joined declare the same name."""
    folders = (WEB, WEB / "client", WEB / "element")
    modules = [path for folder in folders for path in folder.iterdir() if path.name.endswith(".js")]
    texts = [path.read_text("utf-8") for path in modules]
    declared = Counter(name for text in texts for name in found(DECLARATION, text))
    assert [name for name, count in declared.items() if count > 1] == []
    exported = set(found(r"^export (?:const|function|class) (\w+)", TYPES))
    classes = {*CLIENTS, *ASKING, "Refused"}
    assert exported == {"VERSION", "MAIN", "FINAL_SIZE", "isOver"} | classes
