"""Which names a list of patterns refuses."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoreboard.accounts.names import username_key
from scoreboard.accounts.refused_names import BadPattern, RefusedNames, pattern_of
from scoreboard.errors import RefusedName


def refused(*patterns: str) -> RefusedNames:
    made = RefusedNames()
    made.take(map(pattern_of, patterns))
    return made


@pytest.mark.parametrize(
    ("pattern", "taken", "free"),
    [
        ("admin", ["admin", "ADMIN", "\uff41dmin", "adm1n", "ADMlN", "\u0430dmin"], ["admins"]),
        ("\u0410\u0414\u041c\u0418\u041d", ["\u0430\u0434\u043c\u0438\u043d"], ["admin"]),
        ("root*", ["root", "Root66", "r\u043eot-x"], ["xroot", "roo", "r00t"]),
        ("*team", ["team", "our.team"], ["teams"]),
        ("*mod*", ["mod", "a-mod", "model"], ["m-od"]),
        ("a*b*c", ["abc", "a.b.c", "abcbc"], ["acb", "ab", "xabc"]),
        ("aa*aa", ["aaaa", "aaxaa"], ["aa", "aaa"]),
        ("a*ab*b", ["aabb", "axabxb"], ["aab", "ab"]),
    ],
)
def test_a_pattern_refuses_what_it_says_and_nothing_else(
    pattern: str, taken: list[str], free: list[str]
) -> None:
    names = refused("something-else", "*beside*", pattern)
    for name in taken:
        assert names.pattern_for(name) == pattern_of(pattern), ascii(name)
        with pytest.raises(RefusedName):
            names.check(name)
    for name in free:
        names.check(name)


@given(
    patterns=st.lists(st.text("ab*", min_size=1, max_size=6).filter(lambda t: t.strip("*"))),
    name=st.text("ab", min_size=1, max_size=8),
)
def test_patterns_mean_what_a_regular_expression_would(patterns: list[str], name: str) -> None:
    expected = {
        pattern_of(each)
        for each in patterns
        if re.fullmatch(each.replace("*", ".*"), name) is not None
    }
    found = refused(*patterns).pattern_for(name)
    assert found in expected if expected else found is None


def test_the_list_that_is_taken_replaces_the_one_before() -> None:
    names = refused("admin", "*mod*")
    names.take(["*root*"])
    names.check("admin")
    names.check("mod")
    assert names.pattern_for("root") == "*root*"


@pytest.mark.parametrize("text", ["", "*", "***", "a b", "a\u00a0b", "a\nb", "x" * 101, "\u200bab"])
def test_what_refuses_everybody_or_nobody_is_no_pattern(text: str) -> None:
    with pytest.raises(BadPattern):
        pattern_of(text)


def test_a_pattern_is_kept_in_one_form() -> None:
    assert pattern_of("**\uff21d**Min*") == "*ad*min*"
    assert pattern_of("ADMIN") == username_key("admin")


def test_no_pattern_takes_long_to_find_that_a_name_is_another() -> None:
    """Those over which an expression with steps back would sit for ever."""

    def seconds(names: RefusedNames, name: str) -> float:
        taken = []
        for _ in range(5):
            begun = time.perf_counter()
            assert names.pattern_for(name) is None
            taken.append(time.perf_counter() - begun)
        return min(taken)

    nasty = refused(*(f"*{'a*' * times}b*" for times in range(1, 49)))
    plain = refused(*(f"*a{'b' * times}*" for times in range(1, 49)))
    for name in ("a" * 50, "a" * 49 + "c"):
        assert seconds(nasty, name) < 200 * seconds(plain, name)
