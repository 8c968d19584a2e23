"""The list of guards is up to date; whether each is one, `make guards` shows in some minutes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.guards import GUARDS
from tests.guards.guard import Guard

ROOT = Path(__file__).resolve().parents[2]

every_guard = pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)


@every_guard
def test_what_a_guard_takes_out_is_there_once(guard: Guard) -> None:
    assert (ROOT / guard.file).read_text(encoding="utf-8").count(guard.text) == 1


@every_guard
def test_the_test_of_a_guard_is_there(guard: Guard) -> None:
    path, _, name = guard.test.partition("::")
    assert (ROOT / path).is_file()
    for part in filter(None, name.partition("[")[0].split("::")):
        assert f" {part}" in (ROOT / path).read_text(encoding="utf-8")


def test_each_guard_has_a_name_of_its_own() -> None:
    assert [name for name, count in Counter(g.name for g in GUARDS).items() if count > 1] == []
