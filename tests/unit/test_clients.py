"""The table of other people's clients, and what a client's lines mean."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.clients.catalogue import CLIENTS
from tests.clients.client import HERE, Client, Heard, RawHeard
from tests.clients.kinds import PACKAGES, GoProgram, JavaProgram, NodeProgram, PythonProgram
from tests.clients.pages import BrowserClient
from tests.clients.table import HEAD, NOT_TRIED, PAGE, rows_of, written
from tests.clients.trial import COLUMNS, NO, YES, Row

TRIED = Row("1.0", YES, YES, "loop", YES, YES, NO, YES)


def program_of(client: Client) -> Path | None:
    """The source of a client that is a program of ours."""
    match client:
        case BrowserClient():
            return HERE / "browser" / f"{client.module}.js"
        case NodeProgram():
            return HERE / "node" / f"{client.name}.mjs"
        case PythonProgram():
            return HERE / "python" / f"{client.name.replace('-', '_')}_client.py"
        case JavaProgram():
            return HERE / "java" / f"{client.program}.java"
        case GoProgram():
            return HERE / "go" / client.program / "main.go"
    return None


def test_the_table_has_every_client_once_as_the_script_has_them() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert list(rows_of(page)) == [client.name for client in CLIENTS]
    # Places and advice are the script's; what was found stays.
    assert written(page, CLIENTS, {}) == page, "renew it: python -m tests.clients nobody"


def test_a_row_says_for_each_question_what_was_found() -> None:
    for name, cells in rows_of(PAGE.read_text(encoding="utf-8")).items():
        assert len(cells) == len(COLUMNS), name
        version, *found = cells
        if version == NOT_TRIED:
            assert set(found) == {"-"}, name
        else:
            assert set(found) <= {YES, NO, "by itself", "by a loop of yours"}, name


def test_a_trial_takes_the_place_of_an_earlier_one_and_leaves_the_others() -> None:
    page = "# Clients\n\n<!-- clients -->\n<!-- end of clients -->\n\nMore.\n"
    first, second = CLIENTS[:2]
    page = written(page, [first, second], {first.name: TRIED})
    assert rows_of(page)[second.name][0] == NOT_TRIED
    page = written(page, [first, second], {second.name: TRIED})
    found = ["1.0", YES, YES, "by a loop of yours", YES, YES, NO, YES]
    assert rows_of(page) == {first.name: found, second.name: found}
    assert page.startswith("# Clients\n")
    assert page.endswith("\nMore.\n")
    assert page.count(" | ".join(HEAD)) == 1


def test_every_program_is_one_of_the_clients() -> None:
    kinds = ("browser/*.js", "node/*.mjs", "python/*_client.py", "java/*.java", "go/*/main.go")
    sources = {path for kind in kinds for path in HERE.glob(kind)}
    used = {path for client in CLIENTS if (path := program_of(client)) is not None}
    assert sources - {HERE / "node" / "told.mjs"} == used


def test_packages_of_npm_are_those_that_are_tried_and_locked() -> None:
    named = json.loads((PACKAGES / "package.json").read_text(encoding="utf-8"))["dependencies"]
    browser = {one.package for one in CLIENTS if isinstance(one, BrowserClient) and one.package}
    node = {one.name for one in CLIENTS if isinstance(one, NodeProgram)}
    assert set(named) == browser | node
    locked = json.loads((PACKAGES / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    for name, version in named.items():
        assert locked[f"node_modules/{name}"]["version"] == version
        assert re.match("sha512-", locked[f"node_modules/{name}"]["integrity"])


@pytest.mark.parametrize("heard", [Heard(), RawHeard()], ids=["program", "command"])
def test_what_a_client_says_is_judged_by_its_lines(heard: Heard) -> None:
    said = (
        "event connected \ncomment\nevent score:update 7\nwhatever\nevent closing \n"
        if type(heard) is Heard
        else "retry: 5\nevent: connected\ndata: {}\n\n: heartbeat\nid: 7\nevent: score:update\n"
        "data: {}\n\nevent: closing\ndata: {}\n\n"
    )
    assert heard.version == -1
    for line in said.splitlines(keepends=True):
        heard.take(line)
    assert heard.names == ["connected", "score:update", "closing"]
    assert heard.version == 7
    assert heard.comments == 1
