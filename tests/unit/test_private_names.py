"""docs/private-names.md lists every private name of a library that we touch, and no other."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from aiohttp import web

from tests.private_names import touched

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "private-names.md").read_text(encoding="utf-8")


def test_every_private_name_that_is_touched_is_listed_and_no_other() -> None:
    rows = re.findall(
        r"^\| `(_\w+)` \| `\w+` \| ([\w, ]+) \|.*\| `test_\w+` \|$", PAGE, re.MULTILINE
    )
    listed = {(name, room) for name, rooms in rows for room in rooms.split(", ")}

    assert touched() == listed, "add or remove rows of docs/private-names.md"


@pytest.mark.parametrize(("library", "read"), re.findall(r"^## ([\w-]+) ([\d.]+)$", PAGE, re.M))
def test_the_version_that_was_read_is_the_one_that_is_locked(library: str, read: str) -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    [locked] = re.findall(rf"^{re.escape(library)}(?:\[\w+\])?==([\d.]+)", lock, re.MULTILINE)

    assert locked == read, "read docs/private-names.md and the library's source again"


def test_a_request_is_made_of_all_that_aiohttp_makes_one_of() -> None:
    """`api/http/connection.py` makes it as aiohttp's application does, privately."""
    made_of = list(inspect.signature(web.Request).parameters)

    assert made_of == [
        *("message", "payload", "protocol", "payload_writer", "task", "loop"),
        *("client_max_size", "client_max_fields", "state", "scheme", "host", "remote"),
    ]
