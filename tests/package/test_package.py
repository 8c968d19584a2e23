"""What is in the package, and what bundlers, compilers and servers that render pages make of it."""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path

import pytest

from scoreboard import __version__
from scoreboard.api import assets
from tests.node import ROOT, NodeFailedError, node, npm
from tests.packed import PROGRAMS, WEB, Packed

# What may be in it beside modules and their types.
TEXTS = {"LICENSE", "README.md", "package.json"}
FOLDERS = {"client", "element", "frameworks"}


def names_in(packed: Packed) -> set[str]:
    with tarfile.open(packed.tarball) as archive:
        return {member.name.removeprefix("package/") for member in archive.getmembers()}


async def test_only_what_is_meant_is_packed(packed: Packed) -> None:
    """Every module of the three folders, with its types, and none of the page."""
    modules = {
        str(path.relative_to(WEB))
        for folder in FOLDERS
        for path in (WEB / folder).rglob("*")
        if path.is_file()
    }
    assert names_in(packed) == modules | TEXTS
    assert {name.rpartition(".")[2] for name in modules} == {"js", "ts"}
    assert packed.tarball.stat().st_size < 100_000


async def test_the_package_says_what_it_is(packed: Packed) -> None:
    described = json.loads((WEB / "package.json").read_text("utf-8"))
    assert described["version"] == __version__
    assert packed.tarball.name == f"scoreboard-client-{__version__}.tgz"
    assert (WEB / "LICENSE").read_text("utf-8") == (ROOT / "LICENSE").read_text("utf-8")
    assert not {"dependencies", "scripts", "bin"} & described.keys()
    peers = described["peerDependencies"]
    assert {name: {"optional": True} for name in peers} == described["peerDependenciesMeta"]


async def test_every_export_leads_to_a_file_with_types(packed: Packed) -> None:
    exports = json.loads((WEB / "package.json").read_text("utf-8"))["exports"]
    assert exports.pop("./package.json") == "./package.json"
    packed_names = names_in(packed)
    for name, export in exports.items():
        assert list(export) == ["types", "default"], name  # the first that fits is taken
        assert {path.removeprefix("./") for path in export.values()} <= packed_names


async def test_npm_installs_it_with_nothing_else(packed: Packed, tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"private": true, "type": "module"}')
    await npm("install", "--offline", packed.tarball, cwd=tmp_path)
    assert [each.name for each in (tmp_path / "node_modules").iterdir() if each.is_dir()] == [
        "scoreboard-client"
    ]
    (tmp_path / "main.js").write_text(
        'import { VERSION } from "scoreboard-client";\nconsole.log(VERSION);\n'
    )
    assert (await node("main.js", cwd=tmp_path)).strip() == __version__


async def test_a_bundle_has_what_is_imported_and_nothing_else(packed: Packed) -> None:
    built = await packed.build("bundle", "bundle/vite.config.js")
    texts = {path.stem: path.read_text("utf-8") for path in built.glob("*.mjs")}
    classes = {
        name: set(re.findall(r"^var (\w+) = class", text, re.MULTILINE))
        for name, text in texts.items()
    }
    public = {"ScoreboardClient", "PersonalClient", "Places", "Session", "Actions"}
    assert not classes.pop("board")  # the whole client is what it shares
    assert classes.pop("session") & public == {"Session"}
    assert classes.pop("element") & {"LiveScoreboard", *public} == {"LiveScoreboard"}
    assert "customElements.define(" in texts["element"]  # importing it has an effect
    assert texts["nothing"] == ""
    shared = set().union(*classes.values())
    assert shared & public == {"ScoreboardClient"}  # which the element follows its board by


@pytest.mark.parametrize(
    ("module", "resolution"), [("esnext", "bundler"), ("nodenext", "nodenext")]
)
async def test_typescript_takes_every_use_of_it(
    packed: Packed, module: str, resolution: str
) -> None:
    place = packed.install("types")
    compiler = place / "node_modules" / "typescript" / "bin" / "tsc"
    how = ("--project", ".", "--module", module, "--moduleResolution", resolution)
    await node(compiler, *how, cwd=place)


async def test_what_instances_serve_has_types_of_its_own(packed: Packed) -> None:
    """One file without imports; and a wrong use of it is found, as it would be of the package."""
    place = packed.install("types")
    served = assets.load().public["scoreboard-client.d.ts"]
    (place / "served.d.ts").write_bytes(served.body)
    use = 'import { VERSION } from "./served.js";\nexport const wrong: number = VERSION;\n'
    (place / "wrong.ts").write_text(use)
    compiler = place / "node_modules" / "typescript" / "bin" / "tsc"
    how = ("--ignoreConfig", "--noEmit", "--strict", "--module", "nodenext")
    with pytest.raises(NodeFailedError, match=r"wrong\.ts\(2,14\): error TS2322") as failed:
        await node(compiler, *how, "wrong.ts", cwd=place)
    assert str(failed.value).count("error TS") == 1


@pytest.mark.parametrize("framework", ["react", "vue"])
async def test_a_server_renders_a_board_that_nobody_has_asked_for(
    packed: Packed, framework: str
) -> None:
    place = packed.install("rendering")
    assert (await node(f"{framework}.js", cwd=place)).strip() == "<p>idle null</p>"


async def test_without_a_page_all_can_be_made_and_a_question_says_what_is_missing(
    packed: Packed,
) -> None:
    place = packed.install("rendering")
    said = json.loads(await node("classes.js", cwd=place))
    assert [said.pop(name) for name in ("user", "token", "state")] == [None, None, "idle"]
    assert len(said) == 6
    for text in said.values():
        assert re.fullmatch(
            r"TypeError: The address \"\S+\" is relative, and there is no page here that it could "
            r"start from\. Give the whole address of the service, .*",
            text,
        )


def test_programs_of_the_tests_are_locked() -> None:
    """What a lock names without a hash could be another package tomorrow."""
    lock = json.loads((PROGRAMS / "package-lock.json").read_text("utf-8"))
    assert all("integrity" in each for name, each in lock["packages"].items() if name)
