"""How a guard is found by its marker and taken out of the syntax tree."""

from __future__ import annotations

import ast
from pathlib import Path
from textwrap import dedent

import pytest

from tests.guards.change import (
    Always,
    Change,
    Entry,
    Instead,
    Keyword,
    Never,
    NoPlaceError,
    NotEntered,
    Removed,
    Replaced,
    Text,
    Unwrapped,
    Value,
)
from tests.guards.guard import Marked


def take_out(directory: Path, source: str, change: Change) -> str:
    """What stands in the file without the guard, whose marker is `it`."""
    (directory / "scoreboard").mkdir()
    (directory / "scoreboard" / "one.py").write_text(dedent(source), encoding="utf-8")
    return Marked("a guard", "it", change, "tests/unit").take_out(directory)[1]


def tidy(source: str) -> str:
    return ast.unparse(ast.parse(dedent(source))) + "\n"


@pytest.mark.parametrize(
    ("change", "source", "without"),
    [
        (Removed(), "a()\nb()  # guard: it\nc()", "a()\nc()"),
        (Removed(many=2), "a()\n# guard: it\nb()\nc()", "a()"),
        (Removed(), "if a:\n    b()  # guard: it", "if a:\n    pass"),
        (
            Removed(),
            "try:\n    a()\nexcept B:  # guard: it\n    c()",
            "try:\n    a()\nexcept ():\n    c()",
        ),
        (
            Removed(),
            "if a:\n    b()\nelif c:  # guard: it\n    d()",
            "if a:\n    b()\nelse:\n    pass",
        ),
        (Removed(), "class A:\n    # guard: it\n    @b\n    def c(): ...", "class A:\n    pass"),
        (Always(), "while a:  # guard: it\n    if b: c()", "while True:\n    if b: c()"),
        (Never(), "if (\n    a\n    and b  # guard: it\n):\n    c()", "if False:\n    c()"),
        (Unwrapped(), "with a:  # guard: it\n    b()\n    c()", "b()\nc()"),
        (NotEntered("$lock.held()"), "with a, b.held():  # guard: it\n    c()", "with a:\n    c()"),
        (Value("0"), "a: Final = 5  # guard: it", "a: Final = 0"),
        (Keyword("most"), "a(\n    b(1, most=2),  # guard: it\n)", "a(b(1))"),
        (Keyword("most", "None"), "return_(a(most=2))  # guard: it", "return_(a(most=None))"),
        (Instead("max(0, $late)", "$late"), "x = max(0, a - b)  # guard: it", "x = a - b"),
        (Instead("$a == $a", "True"), "x = b == c, d.e == d.e  # guard: it", "x = b == c, True"),
        (Instead("Lost", "()"), "try: a()\nexcept Lost:  # guard: it\n    b()", None),
        (Entry("b"), "a = {'a': 1, 'b': 2}  # guard: it", "a = {'a': 1}"),
        (Text("LIMIT 1", ""), "a('SELECT LIMIT 1', 'b')  # guard: it", "a('SELECT ', 'b')"),
        (Text("{{{MOST}}}", "{{}}"), "a = f'x{{{MOST}}}\"\\\\{B!r:>3}'  # guard: it", None),
        (Replaced("a()\n$it\nb()"), "c(d)  # guard: it", "a()\nc(d)\nb()"),
    ],
)
def test_each_change_takes_out_what_it_says(
    tmp_path: Path, change: Change, source: str, without: str | None
) -> None:
    taken = take_out(tmp_path, source, change)
    if without is not None:
        assert taken == tidy(without)


def test_an_f_string_keeps_all_of_it_that_a_change_does_not_touch(tmp_path: Path) -> None:
    source = "b, most = 7, 3\na = f'''x{{{most}}}\"\\\\n{b!r:>3}'''  # guard: it"
    known: dict[str, object] = {}
    exec(take_out(tmp_path, source, Text("{most}", "4")), known)
    assert known["a"] == 'x{4}"\\n  7'


@pytest.mark.parametrize(
    ("change", "source"),
    [
        (Removed(many=2), "a()  # guard: it"),
        (Never(), "a()  # guard: it"),
        (Unwrapped(), "a()  # guard: it"),
        (NotEntered("a"), "with a:  # guard: it\n    b()"),
        (Value("0"), "pass  # guard: it"),
        (Value("0"), "a = 0  # guard: it"),  # it is so already
        (Keyword("most"), "a(b(most=1), most=2)  # guard: it"),
        (Keyword("most"), "if a:  # guard: it\n    b(most=1)"),  # in another statement
        (Instead("$a + 1", "$a"), "x = (b + 1) * (c + 1)  # guard: it"),
        (Entry("b"), "a = {'a': 1}  # guard: it"),
        (Text("a", ""), "b('aa')  # guard: it"),
        (Removed(), "a()  # guard: it\nb()  # guard: it"),
        (Removed(), "a()"),
        (Removed(), "a()\n# guard: it"),
    ],
)
def test_what_has_no_place_or_several_is_not_taken_out(
    tmp_path: Path, change: Change, source: str
) -> None:
    with pytest.raises(NoPlaceError):
        take_out(tmp_path, source, change)


def test_a_renamed_local_and_another_layout_change_nothing(tmp_path: Path) -> None:
    change = Instead("$given.timeout if $given else None", "None")
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one = "def f(a):\n    return g(a.timeout if a else None)  # guard: it"
    two = "def f(b):\n    return g(  # guard: it\n        b.timeout if b\n        else None\n    )"
    assert "g(None)" in take_out(tmp_path / "one", one, change)
    assert "g(None)" in take_out(tmp_path / "two", two, change)
