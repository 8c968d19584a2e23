"""Which characters people can see, and which texts are one: by one version of Unicode, whatever
Python runs.

Python brings its own tables (3.11 has Unicode 14.0, 3.13 has 15.1), and instances of both may share
a database. What the version below assigns, later ones neither compose, fold nor class in another
way (Unicode promises the first two; tests/unit/test_unicode.py holds all of it to a checksum). What
came later is refused, so that no answer depends on the Python that gives it.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Final

VERSION: Final = "14.0"  # that of the oldest Python that we run on
ZERO_WIDTH_JOINERS: Final = "\u200c\u200d"

# What Unicode 15.0 and 15.1 assigned.
_LATER: Final = re.compile(
    "[\u0cf3\u0ece\u2ffc-\u2fff\u31ef\U00010efd-\U00010eff\U0001123f-\U00011241"
    "\U00011b00-\U00011b09\U00011f00-\U00011f10\U00011f12-\U00011f3a\U00011f3e-\U00011f59"
    "\U0001342f\U00013439-\U00013455\U0001b132\U0001b155\U0001d2c0-\U0001d2d3"
    "\U0001df25-\U0001df2a\U0001e030-\U0001e06d\U0001e08f\U0001e4d0-\U0001e4f9\U0001f6dc"
    "\U0001f774-\U0001f776\U0001f77b-\U0001f77f\U0001f7d9\U0001fa75-\U0001fa77"
    "\U0001fa87\U0001fa88\U0001faad-\U0001faaf\U0001fabb-\U0001fabd\U0001fabf\U0001face\U0001facf"
    "\U0001fada\U0001fadb\U0001fae8\U0001faf7\U0001faf8\U0002b739\U0002ebf0-\U0002ee5d"
    "\U00031350-\U000323af]"
)
# Default_Ignorable_Code_Point of Unicode: nothing is drawn for these, whoever does not know them
# included. Among them are letters and marks: fillers of Hangul, vowels of Khmer that are not
# written, selectors of variations.
_IGNORED: Final = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
# Drawn, as nothing: Braille's empty cell, a filler of Khitan, music's empty head of a note.
_BLANK: Final = "\u2800\U00016fe4\U0001d159"
_DROPPED: Final = re.compile(f"[{_IGNORED}]+")
_INVISIBLE: Final = re.compile(f"[{_IGNORED}{_BLANK}]")
# Soft_Dotted of Unicode, as far as folding leaves them: a dot above one of these is drawn in the
# place of its own dot, so nobody sees a difference. `İ` in lower case is an `i` with such a dot.
_SOFT_DOTTED: Final = frozenset("ij\u0249\u0268\u029d\u03f3\u0456\u0458\u1d96\U0001df1a")
_DOT_ABOVE: Final = "\u0307"
_CLASS_ABOVE: Final = 230  # of marks above: these take the place of the dot
# Without their dot these can be given one that nobody tells from it; and a Uyghur letter is drawn
# as the Arabic one with its vowel.
_DRAWN_AS: Final = str.maketrans(
    {"\u0131": "i", "\u0237": "j", "\u025f": "\u0249", "\u06c7": "\u0648\u064f"}
)
# The first half of a Thai and of a Lao vowel, twice, is drawn as the whole one.
_DRAWN_TWICE: Final = (("\u0e40\u0e40", "\u0e41"), ("\u0ec0\u0ec0", "\u0ec1"))
_INVISIBLE_ONE: Final = "an invisible character"
_OTHER_SPACE: Final = "a space other than the ordinary one"
_UNSEEN: Final = {
    "Cc": "a control character",
    "Cf": _INVISIBLE_ONE,
    "Cn": f"no character of Unicode {VERSION}",
    "Co": "a character for private use",
    "Cs": "half of a character",
    "Zl": _OTHER_SPACE,
    "Zp": _OTHER_SPACE,
    "Zs": _OTHER_SPACE,
}


def category(character: str) -> str:
    """Return the general category (`Lu`, `Mn`, …), `Cn` for what came later."""
    return "Cn" if _LATER.match(character) else unicodedata.category(character)


def why_unseen(character: str) -> str:
    """Say why nobody can see this character, or tell it from another. The answer is empty for
    those that are seen, and for the space.
    """
    if _INVISIBLE.match(character):
        return _INVISIBLE_ONE
    return "" if character == " " else _UNSEEN.get(category(character), "")


def first_unseen(text: str) -> str:
    """Name the first character that nobody can see, with the reason. The answer is empty if all
    are seen.
    """
    if text.isascii() and text.isprintable():
        return ""
    found = ((character, why_unseen(character)) for character in text)
    return next((f"{code_point(character)}, {why}" for character, why in found if why), "")


def code_point(character: str) -> str:
    """Write a character as Unicode's tables do: U+200B."""
    return f"U+{ord(character):04X}"


def fold(text: str) -> str:
    """Return one spelling for all texts that differ by case, by invisible characters, by how they
    are composed, or by characters that stand for each other (full-width letters, ligatures).

    It is Unicode's NFKC_Casefold, which also makes one of the four letters i of Turkish (a name in
    capitals is the same name, on whatever keyboard), and of other letters that can be drawn the
    same. Folding again changes nothing.
    """
    if text.isascii():  # the same, sooner
        return text.lower()
    plain = unicodedata.normalize("NFKD", _DROPPED.sub("", text)).casefold()
    plain = unicodedata.normalize("NFKD", plain).casefold().translate(_DRAWN_AS)
    for halves, whole in _DRAWN_TWICE:
        plain = plain.replace(halves, whole)
    plain = unicodedata.normalize("NFKD", _DROPPED.sub("", plain))
    return unicodedata.normalize("NFKC", _without_soft_dots(plain))  # guard: names-letters-drawn


def _without_soft_dots(plain: str) -> str:
    """Take the dots above away that stand where a letter has one by itself. The text is decomposed,
    so marks that stand elsewhere come before those above.
    """
    if _DOT_ABOVE not in plain:
        return plain
    kept, has_own_dot = "", False
    for character in plain:
        if has_own_dot and character == _DOT_ABOVE:
            continue
        place = unicodedata.combining(character)
        if place == 0:
            has_own_dot = character in _SOFT_DOTTED
        elif place >= _CLASS_ABOVE:
            has_own_dot = False
        kept += character
    return kept


def escaped(text: str) -> str:
    r"""Write what nobody can see as JSON does (`\u001b`), so that it moves no cursor, turns no line
    around and forges no other line. Joiners stay: they do nothing of that, and languages need them.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(  # guard: names-terminal-gets
        json.dumps(character)[1:-1]
        if character not in ZERO_WIDTH_JOINERS and why_unseen(character)
        else character
        for character in text
    )
