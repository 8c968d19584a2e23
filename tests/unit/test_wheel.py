"""What of `web/` is in a wheel: what instances serve, and nothing that only the npm package has."""

from __future__ import annotations

import pytest
from setuptools import Distribution

from tests.node import ROOT

WEB = ROOT / "scoreboard" / "web"


def test_a_wheel_has_what_is_served_and_nothing_of_the_npm_package_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    distribution = Distribution()
    distribution.parse_config_files(["setup.cfg"], ignore_option_errors=True)
    building = distribution.get_command_obj("build_py")
    building.ensure_finalized()
    packed = {name for package, _, __, names in building.data_files for name in names}
    of_web = {name.removeprefix("web/") for name in packed if name.startswith("web/")}
    there = {str(path.relative_to(WEB)) for path in WEB.rglob("*") if path.is_file()}
    alone = {name for name in there if name.startswith("frameworks/")}
    assert alone
    assert there - of_web == alone | {"LICENSE", "README.md", "package.json"}
