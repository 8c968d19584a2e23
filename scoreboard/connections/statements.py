"""Reads a file of named SQL statements, so that all SQL stands together and reads as SQL.

A statement begins, after an empty line, with `-- name:` and what it is for:

    -- top: the first of the ranking
    SELECT … ORDER BY {ranking}

What several statements say alike is a word in braces, which whoever loads them explains.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType
from typing import Final

# After an empty line only: a comment inside a statement may read `-- reused: …` as well.
_HEADER: Final = re.compile(r"(?:\A|(?<=\n\n))-- (?P<name>[a-z_]+): .+$", re.MULTILINE)
_WORD: Final = re.compile(r"\{(\w+)\}")


def load(
    package: str, file: str = "queries.sql", *, words: Mapping[str, str] = MappingProxyType({})
) -> dict[str, str]:
    """Return the statements of a package's SQL file, by name, with SQL in the place of each of
    `words`. Raises ValueError on a repeated name, KeyError on a word that is none of these.
    """
    text = resources.files(package).joinpath(file).read_text(encoding="utf-8")
    headers = list(_HEADER.finditer(text))
    ends = [header.start() for header in headers[1:]] + [len(text)]
    statements = {
        header["name"]: _WORD.sub(lambda word: words[word[1]], text[header.end() : end].strip())
        for header, end in zip(headers, ends, strict=True)
    }
    if len(statements) != len(headers):
        raise ValueError(f"{package}/{file} names a statement twice")
    return statements
