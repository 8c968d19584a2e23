"""The walks of docs/architecture.md: each stop names the next one, as "go to definition" needs."""

from __future__ import annotations

import importlib
import inspect
import re
from functools import reduce
from pathlib import Path
from typing import Final

import pytest

_PAGE: Final = Path(__file__).parents[2] / "docs" / "architecture.md"
_STOP: Final = re.compile(
    r"^\| (\d+) \| `([\w/]+)\.([\w.]+)` \| (?:(\d+)(?:, `(\w+)`)?)? ?\|", re.M
)


def _stops(walk: str) -> dict[int, tuple[str, str, int | None, str]]:
    """The stops of a walk by number: what is named, its source, the stop before, the word that both
    have.
    """
    text = _PAGE.read_text().partition(f"### {walk}\n")[2].partition("\n### ")[0]
    stops = {}
    for number, module, name, before, word in _STOP.findall(text):
        place = importlib.import_module(f"scoreboard.{module.replace('/', '.')}")
        source = inspect.getsource(reduce(getattr, name.split("."), place))
        last = name.rpartition(".")[2]
        stops[int(number)] = (last, source, int(before) if before else None, word or last)
    return stops


@pytest.mark.parametrize(("walk", "stops_max"), [("A submission", 22), ("A board", 8)])
def test_each_stop_of_a_walk_is_named_by_the_stop_before(walk: str, stops_max: int) -> None:
    stops = _stops(walk)

    assert list(stops) == list(range(1, len(stops) + 1))
    assert 1 < len(stops) <= stops_max
    for _, source, before, word in list(stops.values())[1:]:
        assert before is not None
        assert re.search(rf"\b{word}\b", stops[before][1])
        assert re.search(rf"\b{word}\b", source)
