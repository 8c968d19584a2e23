"""Read it downhill: imports run one way, in every folder, and drivers stop at their borders.

What stands in one folder, modules and folders alike, has an order in which each imports only what
comes after it. The order is worked out from the folders themselves; `python -m
tests.unit.test_imports` writes it down.
"""

from __future__ import annotations

import ast
import graphlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import scoreboard

ROOT = Path(scoreboard.__file__).parent
# It has another name in a distribution of its own, so its modules import each other relatively.
CLIENT = ROOT / "client"
FOLDERS = sorted(path.parent for path in ROOT.rglob("__init__.py"))


def modules(folder: Path = ROOT) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if path.name != "__init__.py")


def imported(path: Path) -> Iterator[Path]:
    """The modules of ours that one imports, in functions and under TYPE_CHECKING too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 or path.parent == CLIENT, f"{path} imports relatively"
            base = f"scoreboard.client.{node.module or ''}" if node.level else f"{node.module}"
            names = [f"{base.rstrip('.')}.{alias.name}" for alias in node.names]
        else:
            continue
        for package, *name in (name.split(".") for name in names):
            if package == "scoreboard":
                yield _file(ROOT.joinpath(*name))


def _file(path: Path) -> Path:
    """`errors.NotFound` is of module `errors`, `scoreboard.__version__` of the package."""
    found = next(each for each in (path, *path.parents) if _is_ours(each))
    return found if found.is_dir() else found.with_suffix(".py")


def _is_ours(path: Path) -> bool:
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def below(folder: Path) -> dict[str, set[str]]:
    """For each that stands in this folder, the others that it imports from; what a folder holds
    counts as the folder.
    """
    arrows: dict[str, set[str]] = {}
    for module in modules(folder):
        name = module.relative_to(folder).parts[0].removesuffix(".py")
        others = arrows.setdefault(name, set())
        for other in imported(module):
            if other.is_relative_to(folder) and other != folder:
                others.add(other.relative_to(folder).parts[0].removesuffix(".py"))
        others.discard(name)
    return arrows


def downhill(folder: Path) -> list[str]:
    """Raises graphlib.CycleError, which names those that import each other in a circle."""
    return list(graphlib.TopologicalSorter(below(folder)).static_order())[::-1]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_imports_run_one_way(folder: Path) -> None:
    assert set(downhill(folder)) == set(below(folder))


def test_an_arrow_up_is_found(tmp_path: Path) -> None:
    with pytest.raises(graphlib.CycleError):
        list(graphlib.TopologicalSorter({"api": {"live"}, "live": {"api"}}).static_order())


def test_the_client_imports_nothing_of_the_service() -> None:
    files = sorted(CLIENT.glob("*.py"))
    assert {other.parent for file in files for other in imported(file)} == {CLIENT}
    assert [file.name for file in files if "scoreboard" in _packages(file)] == []


def test_only_the_borders_import_the_drivers() -> None:
    """Foreign errors stop at the border, so nobody else has a use for a driver."""
    # `database` and the embedded servers work before there is anything to connect a part to.
    borders = {
        "aiopg": {"connections.connection"},
        "psycopg2": {
            "connections.blocking",
            "connections.connection",
            "connections.hosts",
            "connections.refusals",
            "connections.server",
            "connections.session",
            "connections.session_settings",
            "database.migrations",
            "embedded.postgres",
        },
        "redis": {
            "connections.redis",
            "connections.redis_answers",
            "connections.redis_pool",
            "connections.sentinels",
            "embedded.redis",
        },
        "aio_pika": {
            "bus.broker",
            "bus.consumer",
            "bus.publisher",
            "bus.rabbit_check",
        },
        "aiormq": {"bus.broker", "bus.consumer", "bus.rabbit_check"},
        "opentelemetry": {"operations.otlp"},
    }
    for path in modules():
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for package in _packages(path):
            assert module in borders.get(package, {module}), f"{module} imports {package}"


def _packages(path: Path) -> Iterator[str]:
    """The top-level packages that a module imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").split(".")[0]


@pytest.mark.parametrize("folder", FOLDERS[1:], ids=lambda folder: str(folder.relative_to(ROOT)))
def test_each_package_says_its_place_and_what_it_never_does(folder: Path) -> None:
    text = (folder / "__init__.py").read_text(encoding="utf-8")
    said = " ".join((ast.get_docstring(ast.parse(text)) or "").split())
    missing = [word for word in ("Before it:", "After it:", " never ") if word not in said]
    assert not missing, f"the docstring of {folder.name} lacks {missing}"


if __name__ == "__main__":
    for folder in FOLDERS:
        sys.stdout.write(f"{folder.relative_to(ROOT)}: {' '.join(downhill(folder))}\n")
