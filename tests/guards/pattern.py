"""Expressions with holes: `max(0, $late)` looks like `max(0, now - due)`, whatever is called so."""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Mapping
from typing import Final

_HOLE: Final = "any_expression_"


def expression(text: str) -> ast.expr:
    """The tree of an expression; each `$name` is a hole."""
    return ast.parse(_spell(text), mode="eval").body


def statements(text: str) -> list[ast.stmt]:
    """The trees of statements, outside of any function; each `$name` is a hole."""
    return ast.parse(_spell(text)).body


def names(text: str) -> set[str]:
    """The names that the text takes from around it: no holes, and nothing that it binds itself."""
    tree = ast.parse(_spell(text))
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and _hole(node) is None]
    bound = {node.id for node in found if isinstance(node.ctx, ast.Store)}
    bound |= {name.name for name in ast.walk(tree) if isinstance(name, ast.alias)}
    return {node.id for node in found} - bound


def match(pattern: ast.AST, node: ast.AST) -> dict[str, ast.AST] | None:
    """What each hole stands for, or None if the node looks different; a hole twice is the same."""
    bound: dict[str, ast.AST] = {}
    return bound if _matches(pattern, node, bound) else None


def fill(template: list[ast.stmt], bound: Mapping[str, ast.AST]) -> list[ast.stmt]:
    """The template with each hole filled. Raises KeyError if nothing is known of one."""
    filler = _Filler(bound)
    return [filler.visit(statement) for statement in template]


def _spell(text: str) -> str:
    return re.sub(r"\$(?=\w)", _HOLE, text)


def _hole(node: object) -> str | None:
    if isinstance(node, ast.Name) and node.id.startswith(_HOLE):
        return node.id.removeprefix(_HOLE)
    return None


def _matches(pattern: object, node: object, bound: dict[str, ast.AST]) -> bool:
    name = _hole(pattern)
    if name is not None:
        if not isinstance(node, ast.expr):
            return False
        return ast.dump(bound.setdefault(name, node)) == ast.dump(node)
    if isinstance(pattern, list) and isinstance(node, list):
        pairs = zip(pattern, node, strict=False)
        return len(pattern) == len(node) and all(_matches(a, b, bound) for a, b in pairs)
    if isinstance(pattern, ast.AST):
        return type(pattern) is type(node) and all(
            _matches(getattr(pattern, field, None), getattr(node, field, None), bound)
            for field in pattern._fields
            if field not in ("ctx", "kind")
        )
    return type(pattern) is type(node) and pattern == node


class _Filler(ast.NodeTransformer):
    def __init__(self, bound: Mapping[str, ast.AST]) -> None:
        self._bound = bound

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        name = _hole(node.value)
        filled = self._bound.get(name) if name is not None else None
        if isinstance(filled, ast.stmt):
            return copy.deepcopy(filled)
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        name = _hole(node)
        return node if name is None else copy.deepcopy(self._bound[name])
