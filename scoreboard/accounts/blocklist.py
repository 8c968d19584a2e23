"""Passwords that nobody may choose: those that are tried first, and one's own names.

NIST SP 800-63B, 3.1.1.2: a password is compared with a list of common ones and with words of its
context. Whoever has such a password logs in as ever; it only cannot be chosen anew.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from importlib import resources
from itertools import pairwise
from typing import Final

CHARS_MIN: Final = 8
COMMON: Final = "This is one of the passwords that are tried first. Choose another one."
OWN_NAME: Final = (
    "Your names, your e-mail address and the name of this service count for nothing in a password: "
    f"use at least {CHARS_MIN} other characters."
)
# 16,206 of 8 characters and more, folded as below; common-passwords.license.txt says where from.
_FILE: Final = "common-passwords.txt"
_SERVICE: Final = "scoreboard"
# Shorter ones are in half of all words.
_NAME_CHARS_MIN: Final = 3
_BETWEEN_NAMES: Final = re.compile(r"[\W_]+")


class BlockList:
    """The list, read once (6 ms, 2 MB)."""

    def __init__(self) -> None:
        text = resources.files("scoreboard.accounts").joinpath(_FILE).read_text(encoding="utf-8")
        self._common: Final = frozenset(text.splitlines())

    def problem(self, password: str, username: str = "", email: str = "") -> str | None:
        """Say why this user may not choose this password; None when they may."""
        folded = _folded(password)
        if folded in self._common or _is_a_row(folded):  # guard: common-password-cannot
            return COMMON
        rest = folded
        for name in _names(username, email):
            rest = rest.replace(name, "")
        return OWN_NAME if rest != folded and len(rest) < CHARS_MIN else None  # guard: nobodys-own


def _folded(text: str) -> str:
    """Forget what an attacker tries along: case, and how the same letter is written."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _is_a_row(text: str) -> bool:
    """Whether each character follows from the one before: 11111111, abcdefgh, 987654321."""
    return {ord(b) - ord(a) for a, b in pairwise(text)} in ({0}, {1}, {-1})


def _names(username: str, email: str) -> Iterable[str]:
    """The names of a user and of the service, and their parts, the longest first."""
    wholes = [_folded(username), _folded(email), _folded(email.partition("@")[0]), _SERVICE]
    parts = [part for whole in wholes[::2] for part in _BETWEEN_NAMES.split(whole)]
    names = {name for name in wholes + parts if len(name) >= _NAME_CHARS_MIN}
    return sorted(names, key=len, reverse=True)
