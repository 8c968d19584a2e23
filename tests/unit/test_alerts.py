"""Alert rules and dashboard name what exists, and every alert has its page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import scoreboard
from scoreboard.operations.metrics import Metrics

ROOT = Path(scoreboard.__file__).resolve().parent.parent
ALERTS = ROOT / "docker" / "prometheus" / "alerts.yaml"
ALERT_TESTS = ROOT / "docker" / "prometheus" / "alerts.test.yaml"
DASHBOARD = ROOT / "docker" / "grafana" / "dashboards" / "scoreboard.json"
PAGE = ROOT / "docs" / "alerts.md"


def rules() -> list[dict[str, Any]]:
    document = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return found


def expressions() -> Iterator[tuple[str, str]]:
    """Every query of the dashboard, with the title of its panel."""
    for panel in panels():
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


def series() -> set[str]:
    """The name of every series that Prometheus can know of us."""
    return {
        name
        for family in Metrics().registry.collect()
        for name in (
            [f"{family.name}_{part}" for part in ("bucket", "sum", "count")]
            if family.type == "histogram"
            else [f"{family.name}_total" if family.type == "counter" else family.name]
        )
    }


def unknown_in(expression: str) -> set[str]:
    return set(re.findall(r"\bscoreboard_\w+", expression)) - series()


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_names_metrics_that_exist_and_says_how_bad_it_is(rule: dict[str, Any]) -> None:
    assert unknown_in(rule["expr"]) == set()
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert set(rule["annotations"]) == {"summary", "runbook_url"}


def test_every_alert_has_its_page_and_every_page_its_alert() -> None:
    names = [rule["alert"] for rule in rules()]
    headings = re.findall(r"^## (\w+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)

    assert headings == names
    for rule in rules():
        assert rule["annotations"]["runbook_url"] == f"docs/alerts.md#{rule['alert'].lower()}"


def test_a_page_says_what_it_means_what_to_look_at_and_what_to_do() -> None:
    _, *pages = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for page in pages:
        assert re.findall(r"^- \*\*(.+?)\*\*", page, re.MULTILINE) == ["Means", "Look at", "Do"]


def test_every_alert_is_seen_to_fire_and_a_sound_system_to_raise_none() -> None:
    cases = [
        check
        for test in yaml.safe_load(ALERT_TESTS.read_text(encoding="utf-8"))["tests"]
        for check in test["alert_rule_test"]
    ]
    names = {rule["alert"] for rule in rules()}

    assert {case["alertname"] for case in cases if case["exp_alerts"]} == names
    assert {case["alertname"] for case in cases if not case["exp_alerts"]} == names


@pytest.mark.parametrize("title", sorted({title for title, _ in expressions()}))
def test_a_panel_shows_metrics_that_exist(title: str) -> None:
    for named, expression in expressions():
        if named == title:
            assert unknown_in(expression) == set()


def test_the_dashboard_shows_every_metric() -> None:
    shown = " ".join(expression for _, expression in expressions())

    assert [
        family.name
        for family in Metrics().registry.collect()
        if not re.search(rf"\b{family.name}(_total|_bucket|_sum|_count)?\b", shown)
    ] == []


def test_the_panels_of_the_dashboard_lie_side_by_side() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {
            (place["x"] + column, place["y"] + line)
            for column in range(place["w"])
            for line in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in panels()}) == len(panels())
