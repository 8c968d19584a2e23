"""The order of files when several processes run the tests."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import pytest

from tests.schedule import LONG, in_turns

TESTS = Path(__file__).parents[1]
FILES = sorted(TESTS.glob("*/test_*.py"))


def kind(file: Path) -> str:
    return file.relative_to(TESTS).parts[0]


def test_every_file_has_one_place_whatever_order_they_come_in() -> None:
    ordered = in_turns(FILES, TESTS)
    assert sorted(ordered) == FILES
    assert in_turns(FILES[::-1], TESTS) == ordered


@pytest.mark.parametrize("directory", LONG)
def test_what_takes_long_begins_before_the_others_of_its_directory(directory: str) -> None:
    mine = [file.stem for file in in_turns(FILES, TESTS) if kind(file) == directory]
    assert tuple(mine[: len(LONG[directory])]) == LONG[directory]  # each is there


def test_browsers_and_faults_take_turns_all_the_time_and_unit_tests_fill_the_end() -> None:
    kinds = [kind(file) for file in in_turns(FILES, TESTS)]
    first_unit = kinds.index("unit")
    assert set(kinds[first_unit:]) == {"unit"}
    runs = [(each, len(list(run))) for each, run in groupby(kinds[:first_unit])]
    # Never as many of one kind at once as there are processes.
    assert max(count for each, count in runs if each in ("browser", "faults")) < 3
    half = first_unit // 2
    for each in ("browser", "faults", "service"):
        assert abs(kinds[:half].count(each) - kinds[half:].count(each)) <= 1
