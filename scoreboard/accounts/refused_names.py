"""The names that nobody may take here: words and patterns that the operator maintains.

A pattern is the key of a name, with `*` for any characters, or none. Names are compared with it in
the form of their key (`accounts.names`), in which all spellings of a name are one, and after that
letters of other scripts that are drawn like Latin ones, which a key tells apart. In a pattern
without `*`, a word, `l`, `1` and `i` count as one as well, and `0` and `o`.

A pattern is found by the longest text in it between two `*`: so what a check costs goes by the
length of the name, not by the number of patterns. There are no regular expressions, some of which
never come to an end.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from scoreboard import unicode
from scoreboard.accounts import names
from scoreboard.accounts.queries import SQL
from scoreboard.connections.postgres import Postgres
from scoreboard.errors import RefusedName

# 10,000 take about 5 MB.
PATTERNS_MAX: Final = 10_000
PATTERN_CHARS_MAX: Final = 100  # as the column is wide
ANYTHING: Final = "*"
_SEVERAL: Final = re.compile(r"\*+")
_PAGE: Final = 1000

# Letters of keys, all of them small: as they are drawn small, or as capitals.
_DRAWN_ALIKE: Final = str.maketrans(
    {"\u0251": "a", "\u0261": "g"}
    | dict(zip("абвдеікмнорстухјѕһԁԛԝѵ", "abbdeikmhopctyxjshdqwv", strict=True))
    | dict(zip("αβεζηικμνορτυχ", "abezhikmnoptyx", strict=True))
)
_DIGITS_AND_LETTERS: Final = str.maketrans("l10", "iio")


class BadPattern(ValueError):
    """A text that is no pattern. The message says what to change."""


def pattern_of(text: str) -> str:
    """Return the form in which a pattern is kept. Raises BadPattern."""
    if unseen := unicode.first_unseen(text):
        raise BadPattern(f"it has {unseen}")
    if " " in text:
        raise BadPattern("no name has a space")
    key = _SEVERAL.sub(ANYTHING, names.username_key(text))
    if not key.strip(ANYTHING):
        raise BadPattern("it would refuse every name")
    if len(key) > PATTERN_CHARS_MAX:
        raise BadPattern(f"it is longer than {PATTERN_CHARS_MAX} characters")
    return key


@dataclass(frozen=True, slots=True)
class Refusing:
    """A pattern, in the form in which it is kept, and why it is on the list."""

    pattern: str
    note: str


@dataclass(frozen=True, slots=True)
class Kept(Refusing):
    """One that is on the list, and since when."""

    created_at: datetime


async def refuse(postgres: Postgres, wanted: Sequence[Refusing]) -> int | None:
    """Put patterns on the list, and count those that were not there; None, and nothing is changed,
    if there would be too many. Raises LedgerUnavailable.
    """
    notes = {one.pattern: one.note for one in wanted}
    parameters = {"patterns": list(notes), "notes": list(notes.values())}
    limit = {"patterns_max": PATTERNS_MAX}
    [(missing, added)] = await postgres.fetch(SQL["refuse_names"], parameters | limit)
    return int(added) if added == missing else None


async def allow(postgres: Postgres, patterns: Sequence[str]) -> list[str]:
    """Take patterns off the list; return those that were there. Raises LedgerUnavailable."""
    rows = await postgres.fetch(SQL["allow_names"], {"patterns": list(patterns)})
    return sorted(pattern for (pattern,) in rows)


async def listed(postgres: Postgres, after: str) -> list[Kept]:
    """Read a page of the list, from behind a pattern. Raises LedgerUnavailable."""
    rows = await postgres.read(SQL["list_refused_names"], {"after": after, "limit": _PAGE})
    return [Kept(*row) for row in rows]


class RefusedNames:
    """The patterns in memory; none before `read`."""

    def __init__(self) -> None:
        self._words: dict[str, str] = {}
        self._by_anchor: Mapping[str, list[_Glob]] = {}
        self._anchor_chars: list[int] = []

    async def read(self, postgres: Postgres) -> None:
        """Read all patterns anew. Raises LedgerUnavailable."""
        rows = await postgres.read(SQL["read_refused_names"])
        self.take(pattern for (pattern,) in rows)

    def take(self, patterns: Iterable[str]) -> None:
        """Refuse these from now on, and no others."""
        words, by_anchor = {}, defaultdict(list)
        for pattern in patterns:
            if ANYTHING in pattern:
                glob = _Glob(pattern)
                by_anchor[glob.anchor].append(glob)
            else:
                words[_drawn(pattern).translate(_DIGITS_AND_LETTERS)] = pattern
        self._words, self._by_anchor = words, dict(by_anchor)
        self._anchor_chars = sorted({len(anchor) for anchor in by_anchor})

    def pattern_for(self, username: str) -> str | None:
        """Find a pattern that refuses this name; None if it may be taken."""
        drawn = _drawn(names.username_key(username))
        if word := self._words.get(drawn.translate(_DIGITS_AND_LETTERS)):
            return word
        parts = {
            drawn[start : start + chars]
            for chars in self._anchor_chars
            for start in range(len(drawn) - chars + 1)
        }
        globs = (glob for part in parts for glob in self._by_anchor.get(part, ()))
        return next((glob.pattern for glob in globs if glob.takes(drawn)), None)

    def check(self, username: str) -> None:
        """Raise RefusedName unless this name may be taken."""
        if self.pattern_for(username) is not None:
            raise RefusedName


class _Glob:
    """A pattern with at least one `*`."""

    __slots__ = ("_first", "_last", "_middle", "anchor", "pattern")

    def __init__(self, pattern: str) -> None:
        parts = [_drawn(part) for part in pattern.split(ANYTHING)]
        self.pattern: Final = pattern
        self.anchor: Final = max(parts, key=len)
        self._first, *self._middle, self._last = parts

    def takes(self, drawn: str) -> bool:
        """Whether the whole of this text is what the pattern says: from left to right, each part at
        the first place where it stands. A later place would leave less for the parts behind it.
        """
        at, end = len(self._first), len(drawn) - len(self._last)
        if at > end or not drawn.startswith(self._first) or not drawn.endswith(self._last):
            return False
        for part in self._middle:
            at = drawn.find(part, at, end)
            if at < 0:
                return False
            at += len(part)
        return True


def _drawn(key: str) -> str:
    """Put Latin letters for those of a key that are drawn like them."""
    return key if key.isascii() else key.translate(_DRAWN_ALIKE)
