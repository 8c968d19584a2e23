"""What `make audit` makes of the answers of pip-audit."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.audit import judge

GOOD = {"name": "good", "version": "1.0", "vulns": []}
BAD = {
    "name": "bad",
    "version": "1.0",
    "vulns": [{"id": "PYSEC-2024-1", "fix_versions": ["1.1"], "description": "…"}],
}
UNKNOWN = {"name": "unknown", "skip_reason": "Dependency not found on PyPI"}


def answer(*dependencies: dict[str, Any]) -> str:
    return json.dumps({"dependencies": dependencies, "fixes": []})


def test_a_vulnerability_that_was_found_fails_and_is_named_with_its_fix() -> None:
    verdict = judge(answer(GOOD, BAD, UNKNOWN))
    assert not verdict.passes
    assert "bad 1.0: PYSEC-2024-1, fixed in 1.1" in verdict.lines


def test_none_found_passes() -> None:
    assert judge(answer(GOOD)).passes
    assert judge(answer(GOOD)).lines[0] == "1 of 1 locked dependencies were audited."


@pytest.mark.parametrize("nothing", ["", "Traceback (most recent call last):", "{}", "[]", "null"])
def test_a_service_that_does_not_answer_passes_and_that_is_said(nothing: str) -> None:
    assert judge(nothing).passes
    assert "Nothing was audited" in judge(nothing).lines[0]


def test_what_the_service_does_not_know_is_not_called_audited() -> None:
    verdict = judge(answer(UNKNOWN, UNKNOWN))
    assert verdict.passes
    assert verdict.lines[:2] == (
        "0 of 2 locked dependencies were audited.",
        "The advisory service said nothing about 2 of them.",
    )
