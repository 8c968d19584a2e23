"""The list of guards is up to date; whether each is one, `make guards` shows in some minutes."""

from __future__ import annotations

import ast
import builtins
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tests.guards import GUARDS
from tests.guards.change import Instead, Keyword, Replaced, Value
from tests.guards.guard import AnyGuard, Marked
from tests.guards.markers import markers
from tests.guards.pattern import names

ROOT = Path(__file__).resolve().parents[2]


@cache
def taken_out(guard: AnyGuard) -> tuple[Path, str]:
    return guard.take_out(ROOT)


every_guard = pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)


@every_guard
def test_a_guard_is_there_once_and_can_be_taken_out(guard: AnyGuard) -> None:
    file, without = taken_out(guard)
    assert without != (ROOT / file).read_text(encoding="utf-8")


def test_what_stands_instead_of_a_guard_names_only_what_its_module_knows() -> None:
    """Else the test would notice the mistake in our list, and not that the guard is away."""
    unknown = {}
    for guard in GUARDS:
        match guard:
            case Marked(
                change=Value(by=by) | Instead(by=by) | Replaced(by=by) | Keyword(by=str(by))
            ):
                file, _ = taken_out(guard)
                if here := names(by) - _names_of(ROOT / file) - set(dir(builtins)):
                    unknown[guard.name] = here
    assert unknown == {}


@every_guard
def test_the_test_of_a_guard_is_there(guard: AnyGuard) -> None:
    path, _, name = guard.test.partition("::")
    assert (ROOT / path).is_file()
    for part in filter(None, name.partition("[")[0].split("::")):
        assert f" {part}" in (ROOT / path).read_text(encoding="utf-8")


def test_each_guard_has_a_name_of_its_own() -> None:
    assert [name for name, count in Counter(g.name for g in GUARDS).items() if count > 1] == []


def test_each_marker_is_of_one_guard_and_each_guard_has_its_own() -> None:
    listed = Counter(guard.marker for guard in GUARDS if isinstance(guard, Marked))
    assert Counter(dict.fromkeys(markers(ROOT), 1)) == listed


@cache
def _names_of(file: Path) -> set[str]:
    """Whatever is a name somewhere in the module: imported, assigned or a parameter."""
    found = set[str]()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        match node:
            case ast.Name(id=name) | ast.arg(arg=name):
                found.add(name)
            case ast.alias(name=name, asname=other):
                found.add(other or name.partition(".")[0])
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
            ):
                found.add(name)
            case ast.ExceptHandler(name=str(name)):
                found.add(name)
    return found
