"""Judges that nobody here wrote find nothing in the OpenAPI document: Redocly's and Spectral's
recommended rules. What is excepted stands in `tests/openapi_lint`, with the reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scoreboard.api.docs.pages import DOCUMENT
from tests.document import make_app, operations_of
from tests.node import node, node_modules

FOLDER = Path(__file__).parents[1] / "openapi_lint"
DOCUMENTED = make_app()[DOCUMENT]


@pytest.fixture
def document(tmp_path: Path) -> Path:
    written = tmp_path / "openapi.json"
    written.write_text(json.dumps(DOCUMENTED))
    return written


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_spectral_finds_nothing(document: Path) -> None:
    spectral = await node_modules(FOLDER) / "@stoplight/spectral-cli/dist/index.js"
    said = await node(
        *(spectral, "lint", document, "--ruleset", FOLDER / "spectral.yaml"),
        *("--format", "json", "--quiet", "--fail-severity", "hint"),
        cwd=document.parent,
    )
    assert json.loads(said or "[]") == []


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_redocly_finds_nothing(document: Path) -> None:
    redocly = await node_modules(FOLDER) / "@redocly/cli/bin/cli.js"
    said = await node(
        *(redocly, "lint", document, "--config", FOLDER / "redocly.yaml", "--format", "json"),
        cwd=document.parent,
        REDOCLY_TELEMETRY="off",
        REDOCLY_SUPPRESS_UPDATE_NOTICE="true",
    )
    found = json.loads(said)
    assert found["problems"] == []
    assert found["totals"] == {"errors": 0, "warnings": 0, "ignored": 0}


def test_all_but_the_ways_of_a_browser_have_an_answer_of_2xx() -> None:
    without = {
        operation["operationId"]
        for operation in operations_of(DOCUMENTED).values()
        if not any(re.fullmatch("2..", status) for status in operation["responses"])
    }
    assert without == {"beginLogIn", "endLogIn"}


def references(node_: Any) -> Iterator[str]:
    if isinstance(node_, dict):
        yield from (value for key, value in node_.items() if key == "$ref")
        node_ = list(node_.values())
    if isinstance(node_, list):
        for each in node_:
            yield from references(each)


@pytest.mark.parametrize("role", ["all", "api", "stream"])
def test_every_component_is_referred_to(role: str) -> None:
    document = make_app(role=role)[DOCUMENT]
    used = set(references(document))
    for kind, named in document["components"].items():
        if kind != "securitySchemes":
            assert {f"#/components/{kind}/{name}" for name in named} <= used
