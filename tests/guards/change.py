"""The ways to take a guard out of a syntax tree, whatever its locals are called.

Each change works on the one statement (or `except`, or `case`) at the guard's marker, and never on
the statements inside it. It raises NoPlaceError unless there is exactly one place for it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from tests.guards.pattern import expression, fill, match, statements

Anchored = ast.stmt | ast.excepthandler | ast.match_case


class NoPlaceError(Exception):
    """The marked statement has no place for the change, or several."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """The marked statement: `siblings[index]`."""

    siblings: list[Anchored]
    index: int

    @property
    def node(self) -> Anchored:
        return self.siblings[self.index]

    def replace(self, instead: list[Anchored], count: int = 1) -> None:
        """Put others in the place of this statement and the `count` - 1 that follow it."""
        self.siblings[self.index : self.index + count] = instead
        if not self.siblings:
            self.siblings.append(ast.Pass())


class Change(Protocol):
    """What happens to the marked statement."""

    def make(self, anchor: Anchor) -> None:
        """Change the tree. Raises NoPlaceError."""


@dataclass(frozen=True, slots=True)
class Removed:
    """The statement is not there, nor the next, `many` in all; an `except` catches nothing."""

    many: int = 1

    def make(self, anchor: Anchor) -> None:
        node = anchor.node
        if isinstance(node, ast.ExceptHandler):
            node.type = ast.Tuple(elts=[], ctx=ast.Load())
        elif anchor.index + self.many > len(anchor.siblings):
            raise NoPlaceError(f"fewer than {self.many} statements")
        else:
            anchor.replace([], self.many)


@dataclass(frozen=True, slots=True)
class Always:
    """The condition of the `if` or `while` is true."""

    def make(self, anchor: Anchor) -> None:
        _set_condition(anchor.node, met=True)


@dataclass(frozen=True, slots=True)
class Never:
    """The condition of the `if` or `while` is false."""

    def make(self, anchor: Anchor) -> None:
        _set_condition(anchor.node, met=False)


@dataclass(frozen=True, slots=True)
class Unwrapped:
    """What stands in the `with` or `try` happens without it."""

    def make(self, anchor: Anchor) -> None:
        node = anchor.node
        if not isinstance(node, ast.With | ast.AsyncWith | ast.Try | ast.If | ast.For | ast.While):
            raise NoPlaceError("nothing is wrapped")
        anchor.replace([*node.body, *(node.orelse if isinstance(node, ast.Try) else ())])


@dataclass(frozen=True, slots=True)
class Value:
    """The statement assigns, returns or evaluates another expression."""

    by: str

    def make(self, anchor: Anchor) -> None:
        node = anchor.node
        if getattr(node, "value", None) is None:
            raise NoPlaceError("no value")
        node.value = expression(self.by)  # type: ignore[union-attr]


@dataclass(frozen=True, slots=True)
class Keyword:
    """The one argument of that name is not passed, or is another expression."""

    name: str
    by: str | None = None

    def make(self, anchor: Anchor) -> None:
        calls = [
            (node, keyword)
            for node in header(anchor.node)
            if isinstance(node, ast.Call | ast.ClassDef)
            for keyword in node.keywords
            if keyword.arg == self.name
        ]
        if len(calls) != 1:
            raise NoPlaceError(f"{len(calls)} arguments {self.name}")
        ((call, keyword),) = calls
        if self.by is None:
            call.keywords.remove(keyword)
        else:
            keyword.value = expression(self.by)


@dataclass(frozen=True, slots=True)
class Instead:
    """The one expression that looks like `what` is `by`; each `$name` stands for any expression."""

    what: str
    by: str

    def make(self, anchor: Anchor) -> None:
        wanted = expression(self.what)
        found = [
            (parent, field, place, bound)
            for parent, field, place, node in _expressions(anchor.node)
            if (bound := match(wanted, node)) is not None
        ]
        if len(found) != 1:
            raise NoPlaceError(f"{len(found)} times {self.what}")
        ((parent, field, place, bound),) = found
        (wrapped,) = fill([ast.Expr(expression(self.by))], bound)
        assert isinstance(wrapped, ast.Expr)
        if place is None:
            setattr(parent, field, wrapped.value)
        else:
            getattr(parent, field)[place] = wrapped.value


@dataclass(frozen=True, slots=True)
class Entry:
    """The one dictionary of the statement that has this string as a key lacks that entry."""

    key: str

    def make(self, anchor: Anchor) -> None:
        found = [
            (node, place)
            for node in header(anchor.node)
            if isinstance(node, ast.Dict)
            for place, key in enumerate(node.keys)
            if isinstance(key, ast.Constant) and key.value == self.key
        ]
        if len(found) != 1:
            raise NoPlaceError(f"{len(found)} entries {self.key}")
        ((node, place),) = found
        del node.keys[place], node.values[place]


@dataclass(frozen=True, slots=True)
class NotEntered:
    """The `with` does not enter what looks like this."""

    what: str

    def make(self, anchor: Anchor) -> None:
        node, wanted = anchor.node, expression(self.what)
        items = node.items if isinstance(node, ast.With | ast.AsyncWith) else []
        found = [item for item in items if match(wanted, item.context_expr) is not None]
        if len(found) != 1 or len(items) == 1:
            raise NoPlaceError(f"{self.what} is not one of several that are entered")
        items.remove(found[0])


@dataclass(frozen=True, slots=True)
class Text:
    """In one string of the statement (SQL, Lua), `by` stands instead of `what`.

    Of an f-string, both are as in the source: `{VALUE}`, and `{{` for a brace.
    """

    what: str
    by: str

    def make(self, anchor: Anchor) -> None:
        found = [node for node in _strings(anchor.node) if self.what in _spelt(node)]
        if len(found) != 1 or _spelt(found[0]).count(self.what) != 1:
            raise NoPlaceError(f"{self.what!r} is not there once")
        text = _spelt(found[0]).replace(self.what, self.by)
        if isinstance(found[0], ast.Constant):
            found[0].value = text
        else:
            spelt = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
            formatted = ast.parse(f'f"""{spelt}"""', mode="eval").body
            assert isinstance(formatted, ast.JoinedStr)
            found[0].values = formatted.values


@dataclass(frozen=True, slots=True)
class Replaced:
    """Other statements stand there; a line `$it` is the marked one, and the last of `many`."""

    by: str
    many: int = 1

    def make(self, anchor: Anchor) -> None:
        if anchor.index + self.many > len(anchor.siblings):
            raise NoPlaceError(f"fewer than {self.many} statements")
        node = anchor.node
        if not isinstance(node, ast.stmt):
            raise NoPlaceError("no statement")
        anchor.replace([*fill(statements(self.by), {"it": node})], self.many)


def header(node: ast.AST) -> Iterator[ast.AST]:
    """The statement and all that belongs to it, without the statements inside it."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, Anchored):
            yield from header(child)


def _expressions(anchor: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.expr]]:
    """Every expression of the statement, with the parent, the field and the place in that field."""
    for node in header(anchor):
        for field, value in ast.iter_fields(node):
            if isinstance(value, ast.expr):
                yield node, field, None, value
            elif isinstance(value, list):
                for place, one in enumerate(value):
                    if isinstance(one, ast.expr):
                        yield node, field, place, one


def _strings(node: ast.AST) -> Iterator[ast.Constant | ast.JoinedStr]:
    """The statement's strings, an f-string as one."""
    if isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    ):
        yield node
        return
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, Anchored):
            yield from _strings(child)


def _spelt(node: ast.Constant | ast.JoinedStr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    return "".join(
        str(part.value).replace("{", "{{").replace("}", "}}")
        if isinstance(part, ast.Constant)
        # As `f'{part}'`, without the f and the quotes.
        else ast.unparse(ast.JoinedStr([part]))[2:-1]
        for part in node.values
    )


def _set_condition(node: Anchored, *, met: bool) -> None:
    if not isinstance(node, ast.If | ast.While):
        raise NoPlaceError("no condition")
    node.test = ast.Constant(met)
