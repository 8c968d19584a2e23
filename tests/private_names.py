"""Every private name of a library that our code touches, found by syntax tree.

A name is touched when it is read, set, called or imported, and when a class of ours gives a member
a name that its base in the library has already. `getattr` with a written name counts as well.
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import scoreboard

ROOT = Path(scoreboard.__file__).parent
_BY_NAME = ("getattr", "setattr", "hasattr", "delattr")


# Named tuples' own, and public for all that.
_PUBLIC = {"_asdict", "_fields", "_make", "_replace"}


def touched() -> set[tuple[str, str]]:
    """The private names of libraries, each with the room of ours that touches it."""
    trees = {
        path.relative_to(ROOT): ast.parse(path.read_text(encoding="utf-8"))
        for path in ROOT.rglob("*.py")
    }
    members: dict[str, set[str]] = {}  # of the classes of ours, by the name of the class
    for tree in trees.values():
        for each in _classes(tree):
            members.setdefault(each.name, set()).update(_defined_by(each))
    return {
        (name, path.parts[0])
        for path, tree in trees.items()
        for name in (*_used(tree, members), *_redefined(path, tree))
    }


def _is_private(name: str) -> bool:
    return (
        name.startswith("_") and name.strip("_") != "" and name not in _PUBLIC and name[-2:] != "__"
    )


def _used(tree: ast.Module, members: dict[str, set[str]]) -> Iterator[str]:
    """The private names that a module uses and no class or module of ours defines."""
    here = frozenset[str]().union(*map(_defined_by, _classes(tree)), _defined_by(tree))
    inner = {id(node): each for each in _classes(tree) for node in ast.walk(each)}
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(module), names=names):
                if not module.startswith("scoreboard"):
                    yield from (alias.name for alias in names if _is_private(alias.name))
            case ast.Call(func=ast.Name(id=asked), args=[_, ast.Constant(value=str(name)), *_]):
                if asked in _BY_NAME and _is_private(name):
                    yield name
            case ast.Attribute(value=value, attr=name) if _is_private(name):
                own = inner.get(id(node))
                if isinstance(value, ast.Name) and value.id in ("self", "cls") and own is not None:
                    if name not in _own_members(own, members):
                        yield name
                elif name not in here:
                    yield name


@functools.cache
def _classes(tree: ast.AST) -> list[ast.ClassDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]


def _own_members(own: ast.ClassDef, members: dict[str, set[str]]) -> frozenset[str]:
    """What a class defines, and its bases of ours."""
    named = [base.value if isinstance(base, ast.Subscript) else base for base in own.bases]
    bases = [base.id for base in named if isinstance(base, ast.Name)]
    return _defined_by(own).union(*(members.get(base, set()) for base in bases))


@functools.cache
def _defined_by(scope: ast.ClassDef | ast.Module) -> frozenset[str]:
    """The names of functions, classes and variables of a scope, and what is set on `self` in it."""
    found: set[str] = set()
    for node in ast.walk(scope):
        match node:
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
            ):
                found.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                found.add(name)
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                found.add(name)
    return frozenset(found)


def _redefined(path: Path, tree: ast.Module) -> Iterator[str]:
    """The private names of library classes that a class of ours gives a meaning of its own."""
    if path.name == "__main__.py":
        return
    loaded = importlib.import_module(".".join(("scoreboard", *path.with_suffix("").parts)))
    for each in _classes(tree):
        made = getattr(loaded, each.name, None)
        if not isinstance(made, type):  # made within a function
            continue
        theirs = [base for base in made.__mro__ if not base.__module__.startswith("scoreboard")]
        for name in filter(_is_private, _defined_by(each)):
            if any(_has(base, name) for base in theirs):
                yield name


def _has(base: type, name: str) -> bool:
    return name in vars(base) or re.search(rf"\bself\.{name}\b", _source(base)) is not None


@functools.cache
def _source(base: type) -> str:
    try:
        return inspect.getsource(base)
    except (OSError, TypeError):  # written in C
        return ""
