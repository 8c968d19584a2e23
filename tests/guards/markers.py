"""Where markers stand: `# guard: a-short-name`, behind a line of the guard or above it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from tests.guards.change import Anchor, Anchored, NoPlaceError, header

# Where guards stand; no test is one.
ROOMS: Final = ("scoreboard", "migrations", "docker", ".make")
_MARKER: Final = re.compile(r"#\s*guard: ([a-z0-9-]+)\s*$")


@cache
def markers(root: Path) -> dict[str, list[tuple[Path, int]]]:
    """Each marker's places: the file, beneath `root`, and the line, counted from 1."""
    found: dict[str, list[tuple[Path, int]]] = {}
    for room in ROOMS:
        for file in sorted((root / room).rglob("*.py")):
            for name, line in lines_of_markers(file.read_text(encoding="utf-8")):
                found.setdefault(name, []).append((file.relative_to(root), line))
    return found


def lines_of_markers(source: str) -> Iterator[tuple[str, int]]:
    """Each marker of a source, with its line."""
    if "guard:" in source:
        for number, line in enumerate(source.splitlines(), 1):
            if marker := _MARKER.search(line):
                yield marker[1], number


def anchor_at(tree: ast.Module, line: int) -> Anchor:
    """The innermost statement whose head has this line, or else the next that begins.

    Raises NoPlaceError.
    """
    anchors = sorted(_anchors(tree), key=lambda anchor: _begins(anchor.node))
    for anchor in reversed(anchors):
        if _begins(anchor.node) <= line <= _head_ends(anchor.node):
            return anchor
    for anchor in anchors:
        if _begins(anchor.node) > line:
            return anchor
    raise NoPlaceError(f"no statement at line {line}")


def _anchors(node: ast.AST) -> Iterator[Anchor]:
    for _, value in ast.iter_fields(node):
        if isinstance(value, list):
            for index, child in enumerate(value):
                if isinstance(child, Anchored):
                    yield Anchor(value, index)
                    yield from _anchors(child)


def _begins(node: Anchored) -> int:
    if isinstance(node, ast.match_case):
        return node.pattern.lineno
    decorators = getattr(node, "decorator_list", ())
    return min([node.lineno, *(one.lineno for one in decorators)])


def _head_ends(node: Anchored) -> int:
    ends = (getattr(part, "end_lineno", None) for part in header(node) if part is not node)
    return max([_begins(node), getattr(node, "lineno", 0), *filter(None, ends)])
