"""How many processes a run of tests has: each pays for servers of its own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests import conftest
from tests.servers.given import ENVIRONMENT

ArgsSource = pytest.Config.ArgsSource


@pytest.fixture(autouse=True)
def eight_cores_and_no_server_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conftest, "cores", lambda: 8)
    for variable in ENVIRONMENT.values():
        monkeypatch.delenv(variable, raising=False)


def processes(source: pytest.Config.ArgsSource = ArgsSource.TESTPATHS, **options: object) -> int:
    """What `-n auto` means with these options."""
    config: Any = SimpleNamespace(args_source=source, getoption=options.get)
    return conftest.pytest_xdist_auto_num_workers(config)


@pytest.mark.parametrize(("cores", "expected"), [(1, 0), (2, 3), (3, 4), (4, 4), (64, 4)])
def test_the_whole_suite_has_three_for_two_cores_within_bounds(
    monkeypatch: pytest.MonkeyPatch, cores: int, expected: int
) -> None:
    monkeypatch.setattr(conftest, "cores", lambda: cores)

    assert processes() == expected


def test_a_selection_has_none_of_its_own() -> None:
    assert processes(ArgsSource.ARGS) == 0
    assert processes(keyword="hub") == 0
    assert processes(markexpr="not faults") == 0
    assert processes(lf=True) == 0


@pytest.mark.parametrize("variable", ENVIRONMENT.values())
def test_on_given_servers_there_are_none(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "somebody's")

    assert processes() == 0
