"""Which names and addresses are good, in which form they are shown, and what they are found by."""

from __future__ import annotations

import unicodedata

import pytest

from scoreboard.accounts import names
from scoreboard.accounts.names import NameRefused

# Of a language each, with what its writing needs beyond letters.
NAMES = [
    "ada",
    "Jürgen",
    "Łukasz",
    "Nguyễn",
    "Анна",
    "Ελένη",
    "İbrahim",
    "ışıl",
    "თამარ",
    "Հայկ",
    "प्रिया",
    "শ্রেয়া",
    "ਸਿੰਘ",
    "தமிழ்",
    "ശ്രീ",
    "නිමල්",
    "ක්\u200dෂ",
    "สมชาย",
    "ก้อง",
    "น้ำ",
    "ລາວຳ",
    "မြွှေ့",
    "ខ្មែរ",
    "བསྒྲུབས",
    "مُحَمَّد",
    "علی\u200cرضا",
    "שָׁלוֹם",
    "አበበ",
    "김철수",
    "ㅋㅋ",
    "山田太郎",
    "二〇二四",
    "ada_1.b-c",
    "007",
    "_ada",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_in_any_writing_is_good_and_shown_as_it_was_typed(name: str) -> None:
    for form in ("NFC", "NFD"):
        assert names.username(unicodedata.normalize(form, name)) == unicodedata.normalize(
            "NFC", name
        )


@pytest.mark.parametrize("name", NAMES)
def test_a_name_has_one_key_in_every_case_and_form(name: str) -> None:
    key = names.username_key(name)
    spellings = [name.upper(), name.lower(), name.title(), names.username(name)]
    spellings += [unicodedata.normalize(form, name) for form in ("NFC", "NFD", "NFKC", "NFKD")]
    assert {names.username_key(spelling) for spelling in spellings} == {key}


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("\uff21da", "Ada"),  # full width
        ("\ufb01ona", "fiona"),  # a ligature
        ("ada\u00b2", "ada2"),
        ("ﾔﾏﾀﾞ", "ヤマダ"),  # half width
        ("\u1112\u1161\u11ab", "한"),  # a syllable of Hangul, taken apart
    ],
)
def test_letters_that_stand_for_others_are_shown_as_these(typed: str, shown: str) -> None:
    assert names.username(typed + "xy") == shown + "xy"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "2 to 50 characters"),
        ("a", "2 to 50 characters"),
        ("e\u0301", "this has 1"),
        ("x" * 51, "this has 51"),
        ("x" * 201, "2 to 50 characters"),
        ("\ufdfa" * 3, "a space"),  # one character that is eighteen after normalising
        ("a b", "U+0020 (a space)"),
        (" ada", "a space"),
        ("ada\u00a0", "a space"),
        ("ad@a", "U+0040 (@)"),
        ("ada\uff20example", "U+0040 (@)"),
        ("a/b", "(/)"),
        ("👩ada", "U+1F469"),
        ("--all", "options"),
        ("-h", "options"),
        ("\uff0dada", "options"),  # full width
        ("..", "letter or digit"),
        ("0f8fad5b-d9cb-469f-a165-70867728950e", "like the id of a user"),
        ("0F8FAD5BD9CB469FA16570867728950E", "like the id of a user"),
        ("\uff10f8fad5b-d9cb-469f-a165-70867728950e", "like the id of a user"),  # full width
        ("__", "letter or digit"),
        ("a\0b", "a control character"),
        ("a\nb", "a control character"),
        ("a\x1b[31m", "U+001B (a control character)"),
        ("a\x9bb", "a control character"),
        ("a\u200bb", "U+200B (an invisible character)"),
        ("a\u202eb", "an invisible character"),
        ("a\u2066b", "an invisible character"),
        ("ada\ufe0f", "an invisible character"),
        ("葛\U000e0100城", "an invisible character"),
        ("a\u034fb", "an invisible character"),
        ("ada\U000e0041", "an invisible character"),
        ("\u3164\u3164", "an invisible character"),  # Hangul filler
        ("\uffa0ada", "an invisible character"),  # the same in half width
        ("\u115f\u1160", "an invisible character"),
        ("ខ្មែរ\u17b4", "an invisible character"),
        ("ada\u2800", "an invisible character"),
        ("ada\u200dlovelace", "an invisible character"),  # a joiner that joins nothing
        ("ada\u200c", "an invisible character"),
        ("a\ue000b", "private use"),
        ("a\ufdd0b", "no character of Unicode 14.0"),
        ("a\uffffb", "no character of Unicode 14.0"),
        ("a\U00011f02b", "no character of Unicode 14.0"),  # assigned in 15.0
        ("\ud800ab", "half of a character"),
        ("\u0301\u0302", "must stand on a letter"),
        ("1\u0301b", "must stand on a letter"),
        ("a\u0e49b", "its own script"),  # a tone of Thai
        ("ada\u20dd", "U+20DD"),  # a circle around it
        ("a\u0301\u0301b", "twice"),
        ("a\u0301\u0300\u0301b", "twice"),
        ("a\u0300\u0301\u0302\u0303\u0304b", "one too many"),
        ("\u1ebf\u0300\u0303\u0304", "one too many"),  # two of them are in the letter
    ],
    ids=ascii,
)
def test_a_name_that_nobody_may_take_is_refused_and_told_why(name: str, said: str) -> None:
    with pytest.raises(NameRefused) as refused:
        names.username(name)
    assert said in str(refused.value)


def test_fifty_characters_are_counted_composed_however_they_come() -> None:
    longest = "ệ" * 50
    assert names.username(unicodedata.normalize("NFD", longest)) == longest
    with pytest.raises(NameRefused, match="this has 51"):
        names.username(unicodedata.normalize("NFD", longest + "e"))


def test_a_name_that_nobody_may_take_still_has_a_key_to_look_for() -> None:
    for login in ("--all", "", "a b", "\u3164", "x" * 300, "a\u0301" * 100):
        assert isinstance(names.login_key(login), str)
    assert names.username_key("a\u202eda") == "ada"


# E-mail addresses


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ("ada@example.org", "ada@example.org"),
        ("Ada@Example.ORG", "ada@example.org"),
        ("ada+games@example.org", "ada+games@example.org"),
        ("a.d.a@example.org", "a.d.a@example.org"),
        ("ada@münchen.example", "ada@xn--mnchen-3ya.example"),
        ("ada@MÜNCHEN.example", "ada@xn--mnchen-3ya.example"),
        ("ada@mu\u0308nchen.example", "ada@xn--mnchen-3ya.example"),
        ("ada@xn--mnchen-3ya.example", "ada@xn--mnchen-3ya.example"),
        ("ada@XN--MNCHEN-3YA.example", "ada@xn--mnchen-3ya.example"),
        ("ada@example\u3002org", "ada@example.org"),
        ("ada@faß.example", "ada@xn--fa-hia.example"),
        ("JÜRGEN@example.org", "jürgen@example.org"),
        ("ju\u0308rgen@example.org", "jürgen@example.org"),
        ("संपर्क@example.org", "संपर्क@example.org"),
        ("ada@scores.local", "ada@scores.local"),
        ("ada@scores.test", "ada@scores.test"),
        ("ada@localhost", "ada@localhost"),
    ],
)
def test_a_mailbox_has_one_key_however_its_address_is_written(given: str, key: str) -> None:
    assert names.email(given) == names.Email(unicodedata.normalize("NFC", given), key)
    assert names.email_key(given) == names.email_key(key) == key


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("", "@-sign"),
        ("ada", "@-sign"),
        ("@example.org", "before the @"),
        ("ada@", "after the @"),
        ("ada@example", "no dot"),
        ("ada@@example.org", "@"),
        ("ada@[127.0.0.1]", "bracketed IP address"),
        ('"ada lovelace"@example.org', "Quoting"),
        ("Ada <ada@example.org>", "display name"),
        ("ada\uff20example.org", "full-width"),
        ("a\uff20b@example.org", "plain letters"),
        ("ada@exa\u00admple.org", "U+00AD, an invisible character"),
        ("a\u200bda@example.org", "U+200B, an invisible character"),
        ("a\0@example.org", "a control character"),
        ("a\nb@example.org", "a control character"),
        ("\ud800@example.org", "half of a character"),
        ("\U00011f02@example.org", "no character of Unicode 14.0"),
        ("ada@" + "x" * 64 + ".org", "too long"),
        ("a" * 244 + "@example.org", "at most 255"),
        ("\u0130" * 128 + "@b.example", "too long"),
    ],
    ids=ascii,
)
def test_an_address_that_nobody_may_take_is_refused_and_told_why(address: str, said: str) -> None:
    with pytest.raises(NameRefused, match="valid") as refused:
        names.email(address)
    assert said in str(refused.value)
    assert names.email_key(address) == address.lower()


def test_a_login_is_looked_for_as_a_name_or_as_an_address() -> None:
    assert names.login_key("\uff21DA") == names.login_key("ada") == "ada"
    assert names.login_key("Ada@MÜNCHEN.example") == "ada@xn--mnchen-3ya.example"
