"""The simulation behind docs/scaling.md: that its tables are current, and that it counts as the hub
does.
"""

from __future__ import annotations

import dataclasses
import json

import pytest

from tests.benchmarks import scaling
from tests.benchmarks.scaling import Costs, Tier, fan_out

COSTS = Costs(
    delivery_us=10.0,
    subscriber_kib=10.0,
    commit_p50_ms=10.0,
    read_us=100.0,
    grants_per_second=1000.0,
    arrivals_per_second=1000.0,
    index_bytes_per_user=50.0,
    rebuild_us_per_row=10.0,
    event_bytes=1000,
)
QUIET = Tier("quiet", 1_000, 100_000, 0.5, 0.1)


def test_the_page_shows_what_the_results_give() -> None:
    results = json.loads((scaling.DOCS / "benchmarks" / "results.json").read_text())
    page = scaling.PAGE.read_text()

    assert scaling.renewed(page, scaling.tables(results)) == page


def test_a_quiet_board_is_late_by_commit_network_and_walk_alone() -> None:
    found = fan_out(dataclasses.replace(QUIET, changes_per_second=0.1), COSTS)

    # 10 ms of commit, two hops of at most 1 ms, a walk of 10 ms
    assert 10 < found.p50_ms < 22
    assert found.pushes_per_second == pytest.approx(0.1, rel=0.5)


def test_however_often_the_board_changes_pushes_keep_their_interval() -> None:
    found = fan_out(dataclasses.replace(QUIET, changes_per_second=500.0), COSTS)

    assert found.pushes_per_second == pytest.approx(1 / (0.1 + 0.01), rel=0.02)
    # A change that just missed a push waits for the walk and the interval, and then for its own.
    assert found.worst_ms < 12 + 10 + 100 + 10 + 1


def test_more_subscribers_take_more_processes_and_not_more_time() -> None:
    small = fan_out(dataclasses.replace(QUIET, subscribers=100_000, changes_per_second=5), COSTS)
    large = fan_out(dataclasses.replace(QUIET, subscribers=900_000, changes_per_second=5), COSTS)

    assert large.instances == 9 * small.instances
    assert large.p99_ms == pytest.approx(small.p99_ms, rel=0.2)
    assert large.gigabits_per_second == pytest.approx(9 * small.gigabits_per_second, rel=0.2)


def test_what_a_core_gives_is_the_median_of_the_rounds() -> None:
    results = json.loads((scaling.DOCS / "benchmarks" / "results.json").read_text())
    answers = {"asked": "reads", "program": "1 worker, 1 core", "per_second": 10_000.0}
    rounds = [answers | {"cpu_us": cpu, "core_gives": 1e6 / cpu} for cpu in (50.0, 100.0, 40.0)]

    table = scaling.tables(results | {"workers": {"rows": rounds}})["workers"]

    assert "| reads | 1 worker, 1 core | 10,000 | 50 µs | 20,000/s |" in table
