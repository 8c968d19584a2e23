"""What Prometheus itself says of our rules, our dashboard and our metrics."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import yaml
from prometheus_client import generate_latest

from scoreboard.parts import Parts
from tests.instances import test_settings
from tests.unit.test_alerts import ALERT_TESTS, ALERTS, expressions


def judged(promtool: Path, *arguments: str | Path, text: bytes = b"") -> tuple[int, str]:
    """Its exit status and its words."""
    done = subprocess.run(
        [promtool, *arguments], input=text, capture_output=True, timeout=60, check=False
    )
    return done.returncode, (done.stdout + done.stderr).decode()


def test_each_alert_fires_on_what_it_is_for_and_only_then(promtool: Path) -> None:
    status, words = judged(promtool, "test", "rules", ALERT_TESTS)

    assert status == 0, words


def test_the_rules_can_be_loaded(promtool: Path) -> None:
    status, words = judged(promtool, "check", "rules", "--lint=all", "--lint-fatal", ALERTS)

    assert status == 0, words


def test_a_rule_that_would_never_fire_is_noticed(promtool: Path, tmp_path: Path) -> None:
    """So that the test above can fail."""
    rules = ALERTS.read_text(encoding="utf-8")
    broken = rules.replace('scoreboard_part_up{part="redis"} == 0', "vector(0) == 1")
    assert broken != rules
    (tmp_path / ALERTS.name).write_text(broken, encoding="utf-8")
    tests = yaml.safe_load(ALERT_TESTS.read_text(encoding="utf-8"))
    tests["tests"] = [test for test in tests["tests"] if test["name"] == "ScoreboardRedisAway"]
    (tmp_path / ALERT_TESTS.name).write_text(yaml.safe_dump(tests), encoding="utf-8")

    status, words = judged(promtool, "test", "rules", tmp_path / ALERT_TESTS.name)

    assert status == 1
    assert "alertname: ScoreboardRedisAway" in words


def test_prometheus_can_read_every_query_of_the_dashboard(promtool: Path, tmp_path: Path) -> None:
    """There is no command that only parses, so each query becomes a rule that records it."""
    queries = [
        query.replace("$__rate_interval", "1m").replace("$job", "a").replace("$instance", ".*")
        for _, query in expressions()
    ]
    rules = [{"record": f"panel:query:{n}", "expr": query} for n, query in enumerate(queries)]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}), "utf-8")

    status, words = judged(promtool, "check", "rules", file)

    assert status == 0, words
    assert "$" not in json.dumps(queries)


async def test_names_follow_the_conventions(promtool: Path) -> None:
    """The parts are made and never started, so that every series with known labels is there."""
    parts = Parts(test_settings(database_url="postgresql://localhost", redis_url="redis://x"))
    parts.vitals.look()
    text = generate_latest(parts.metrics.registry)
    assert b"scoreboard_build_info" in text

    status, words = judged(promtool, "check", "metrics", text=text)
    parts.passwords.close()
    await parts.redis.close()

    assert (status, words) == (0, "")


def test_a_name_against_the_conventions_is_noticed(promtool: Path) -> None:
    text = b"# HELP scoreboard_wait_ms Time.\n# TYPE scoreboard_wait_ms gauge\n"

    status, words = judged(promtool, "check", "metrics", text=text + b"scoreboard_wait_ms 1\n")

    assert status != 0, words
