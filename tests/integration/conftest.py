"""Prometheus' own judge of rules and metrics, for the tests that ask it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers.installation import PROMTOOL, ProgramsMissingError, provide

_PROMTOOL = pytest.StashKey[Path | str]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Look for it before the first test, whose timeout an installation would exceed."""
    asked = any("promtool" in getattr(item, "fixturenames", ()) for item in session.items)
    if not asked or session.config.option.collectonly:
        return
    try:
        provide([PROMTOOL])
        session.config.stash[_PROMTOOL] = PROMTOOL.path()
    except ProgramsMissingError as missing:
        session.config.stash[_PROMTOOL] = str(missing)


@pytest.fixture
def promtool(request: pytest.FixtureRequest) -> Path:
    path = request.config.stash[_PROMTOOL]
    if isinstance(path, str):
        pytest.skip(path)
    return path
