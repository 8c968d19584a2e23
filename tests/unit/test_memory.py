"""When the garbage collector is told that open streams stay."""

from __future__ import annotations

import gc
import time

import pytest

from scoreboard.operations.memory import TOGETHER, Rush


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When it was told so, by `now`."""
    told: list[float] = []
    monkeypatch.setattr(gc, "freeze", lambda: told.append(time.monotonic()))
    return told


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which the test sets."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_streams_that_are_opened_many_at_once_are_left_out(
    frozen: list[float], clock: list[float]
) -> None:
    rush = Rush()
    clock[0] += 60.0
    for streams in range(1, 10 * TOGETHER + 1):
        clock[0] += 0.0002
        rush.note(streams)

    assert len(frozen) == 9  # before the first of them nobody knows that more will come


def test_streams_that_are_opened_one_by_one_are_looked_at_as_ever(
    frozen: list[float], clock: list[float]
) -> None:
    rush = Rush()
    for streams in range(1, 10 * TOGETHER + 1):
        clock[0] += 0.02
        rush.note(streams)

    assert frozen == []


def test_streams_that_come_and_go_are_left_out_as_often_as_they_were_more_than_ever(
    frozen: list[float], clock: list[float]
) -> None:
    rush = Rush()
    for _ in range(20):
        for streams in range(1, 3 * TOGETHER + 1):
            clock[0] += 0.0002
            rush.note(streams)

    assert len(frozen) == 3
