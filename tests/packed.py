"""The npm package as its users have it: packed by npm, and unpacked among other packages."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from tests.node import ROOT, node, node_modules, npm

WEB: Final = ROOT / "scoreboard" / "web"
PROGRAMS: Final = Path(__file__).parent / "package"


@dataclass(frozen=True)
class Packed:
    """The file that `npm pack` made, and the packages that programs of tests need."""

    tarball: Path
    modules: Path
    folder: Path

    def install(self, program: str) -> Path:
        """Answer a copy of a folder of `tests/package` in which the package is installed, as npm
        would do it. Only the package is a copy: what else is needed is linked.
        """
        place = self.folder / program
        if place.exists():
            return place
        shutil.copytree(PROGRAMS / program, place)
        modules = place / "node_modules"
        modules.mkdir()
        for each in self.modules.iterdir():
            (modules / each.name).symlink_to(each)
        with tarfile.open(self.tarball) as packed:
            packed.extractall(modules, filter="data")
        (modules / "package").rename(modules / "scoreboard-client")
        return place

    async def build(self, program: str, config: str) -> Path:
        """Answer the folder that vite makes of a program, once for all tests of a run."""
        place = self.install(program)
        built = place / "dist"
        if built.exists():
            return built
        shutil.copy(PROGRAMS / config, place / "vite.config.js")
        vite = place / "node_modules" / "vite" / "bin" / "vite.js"
        await node(vite, "build", "--logLevel", "warn", cwd=place)
        return built


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def packed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Packed]:
    """The package, and vite, React, Vue and TypeScript. Where these cannot be had it skips."""
    modules = await node_modules(PROGRAMS)
    folder = tmp_path_factory.mktemp("packed")
    name = await npm("pack", "--pack-destination", folder, cwd=WEB)
    yield Packed(folder / name.split()[-1], modules, folder)
