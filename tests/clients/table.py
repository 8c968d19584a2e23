"""The table of docs/clients.md: a row for each client, of its newest trial."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Final

from tests.clients.client import Client
from tests.clients.trial import COLUMNS, Row

PAGE: Final = Path(__file__).parents[2] / "docs" / "clients.md"
HEAD: Final = (
    *("where", "client", "version", "follows", "sees a change", "comes back", "sends a token"),
    *("shows `closing`", "shows heartbeats", "notices silence", "what to set"),
)
NOT_TRIED: Final = "not tried here"
_TABLE: Final = re.compile(r"(?s)(?<=<!-- clients -->\n).*?(?=<!-- end of clients -->)")
_WORDS: Final = {"loop": "by a loop of yours", "itself": "by itself"}


def written(page: str, clients: Sequence[Client], tried: Mapping[str, Row]) -> str:
    """The page with these rows; one that was not tried keeps what an earlier trial found."""
    before = rows_of(page)
    lines = [HEAD, ["---"] * len(HEAD)]
    for client in clients:
        if (row := tried.get(client.name)) is not None:
            found = [_WORDS.get(cell, cell) for cell in astuple(row)]
        else:
            found = before.get(client.name, [NOT_TRIED, *["-"] * (len(COLUMNS) - 1)])
        lines.append([client.place, client.name, *found, client.advice])
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return _TABLE.sub(lambda _: table, page)


def rows_of(page: str) -> dict[str, list[str]]:
    """What the page has of each client: the columns of its trial."""
    found = _TABLE.search(page)
    lines = found[0].splitlines()[2:] if found else []
    cells = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]
    return {name: rest[: len(COLUMNS)] for _, name, *rest in cells}
