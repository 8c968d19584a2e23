"""One version of Unicode under every Python: CI runs these tests under each of them."""

from __future__ import annotations

import hashlib
import json
import sys
import unicodedata

import pytest

from scoreboard import unicode

# Of all answers below. Keys of names lie in databases, so whatever changes this needs a migration
# that computes every key anew.
CHECKSUM = "10ee15a2e33f9ba52ae532133072b7187d156899ee125c739dc5f210647cb761"


# Ideographs and syllables of Hangul are a hundred thousand, and all alike: some of them will do.
ALIKE = ((0x3400, 0xA000), (0xAC00, 0xD7A4), (0x17000, 0x18D00), (0x20000, 0x31350))


@pytest.fixture(scope="module")
def assigned() -> list[str]:
    """The characters that the version has, but surrogates and those for private use."""
    codes = [
        code
        for code in range(sys.maxunicode + 1)
        if code % 101 == 0 or not any(first <= code < end for first, end in ALIKE)
    ]
    return [each for each in map(chr, codes) if unicode.category(each) not in ("Cn", "Co", "Cs")]


def test_no_answer_depends_on_the_python_that_gives_it(assigned: list[str]) -> None:
    digest = hashlib.sha256()
    for each in assigned:
        answers = (each, unicode.category(each), unicode.why_unseen(each), unicode.fold(each))
        digest.update("|".join(answers).encode())
    assert digest.hexdigest() == CHECKSUM


def test_what_a_later_version_brought_is_no_character() -> None:
    assert unicodedata.unidata_version in ("14.0.0", "15.0.0", "15.1.0"), "extend unicode._LATER"
    for later in "\u0cf3\u31ef\U0001fae8\U00011f02\U00031350\U0002ebf0":
        assert unicode.category(later) == "Cn"
        assert unicode.why_unseen(later) == "no character of Unicode 14.0"


def test_folding_again_changes_nothing_and_no_case_or_form_makes_another_key(
    assigned: list[str],
) -> None:
    for each in assigned:
        key = unicode.fold(each)
        assert unicode.fold(key) == key, ascii(each)
        if unicode.category(each)[0] in "LMN":
            spellings = [each.lower(), each.upper(), each.title()]
            spellings += [unicodedata.normalize(form, each) for form in ("NFD", "NFKC", "NFKD")]
            assert {unicode.fold(spelling) for spelling in spellings} == {key}, ascii(each)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("JÜRGEN", "jürgen"),
        ("Анна", "АННА"),
        ("ΣΟΦΟΣ", "σοφος"),
        ("Straße", "STRASSE"),
        ("İbrahim", "IBRAHIM"),
        ("ışıl", "IŞIL"),
        ("\uff21da", "ada"),
        ("\ufb01ona", "FIONA"),
        ("Nguye\u0302\u0303n", "nguyễn"),
        ("mi\u0307sha", "misha"),
        ("\u0237\u0307ack", "jack"),
        ("\u0237\u0301", "j\u0301"),
        ("\u0249", "\u025f\u0307"),
        ("Bi\u0316\u0307l", "bi\u0316l"),
        ("bi\u0335\u0307l", "bi\u0335l"),
        ("bi\u0321\u034e\u0307\u0307l", "bi\u0321\u034el"),
        ("\U0001df1a\u0307", "\U0001df1a"),
        ("\u0e40\u0e40\u0e21\u0e27", "\u0e41\u0e21\u0e27"),
        ("\u0ec0\u0ec0\u0e81", "\u0ec1\u0e81"),
        ("\u0648\u064f", "\u06c7"),
        ("a\u200bd\u00ada\ufe0f", "ada"),
        ("\u3164ada\uffa0", "ada"),
        ("علی\u200cرضا", "علیرضا"),
    ],
)
def test_spellings_of_one_text_are_one(one: str, other: str) -> None:
    assert unicode.fold(one) == unicode.fold(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("ada", "аda"), ("jose", "josé"), ("o", "0"), ("n\u0307", "n"), ("i\u0301\u0307", "i\u0301")],
)
def test_texts_that_only_look_alike_stay_two(one: str, other: str) -> None:
    assert unicode.fold(one) != unicode.fold(other)


UNSEEN = "\0\t\n\r\x1b\x7f\x9b\u00a0\u00ad\u034f\u061c\u115f\u1160\u17b4\u180e\u2028\u200b\u202e"
UNSEEN += "\u2066\u2800\u3000\u3164\ud800\ue000\ufdd0\ufe0f\ufeff\uffa0\ufff9\uffff\U000e0001"


@pytest.mark.parametrize("character", UNSEEN, ids=ascii)
def test_what_nobody_can_see_is_named_and_escaped(character: str) -> None:
    assert unicode.why_unseen(character)
    assert unicode.first_unseen(f"a{character}b").startswith(f"U+{ord(character):04X}, ")
    written = unicode.escaped(f"a{character}b")
    assert written.isascii()
    assert written.isprintable()
    assert json.loads(f'"{written}"') == f"a{character}b"


@pytest.mark.parametrize("text", ["", "a b", "é", "प्रिया", "日本", "👩", "علی\u200cرضا", "…"])
def test_what_people_can_see_is_written_as_it_is(text: str) -> None:
    assert unicode.escaped(text) == text
