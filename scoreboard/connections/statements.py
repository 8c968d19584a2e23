"""Reads a file of named SQL statements, so that all SQL stands together and reads as SQL.

A statement begins, after an empty line, with `-- name:` and what it is for:

    -- top: the first of the ranking
    SELECT … ORDER BY {ranking}

What several statements say alike is a word in braces. Whoever loads them explains it, or a file
does, where other statements stand:

    -- {first}: the beginning of what is ranked
    SELECT … ORDER BY {ranking} LIMIT 1
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import Final

# After an empty line only: a comment inside a statement may read `-- reused: …` as well.
_HEADER: Final = re.compile(r"(?:\A|(?<=\n\n))-- (?P<name>[a-z_]+|\{[a-z_]+\}): .+$", re.MULTILINE)
_WORD: Final = re.compile(r"\{\w+\}")
_PARAMETER: Final = re.compile(r"%\((?P<name>\w+)\)s")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement that a connection plans once: `prepare` is what it runs before, and `execute`
    takes the same parameters as the statement.
    """

    prepare: str
    execute: str


def load(
    package: str, *files: str, words: Mapping[str, str] = MappingProxyType({})
) -> dict[str, str]:
    """Return the statements of a package's SQL files, by name, with SQL in the place of each word.
    Without a file it is `queries.sql`. Raises ValueError on a repeated name, KeyError on a word
    that is nothing of these.
    """
    found: dict[str, str] = {}
    for file in files or ("queries.sql",):
        text = resources.files(package).joinpath(file).read_text(encoding="utf-8")
        headers = list(_HEADER.finditer(text))
        ends = [header.start() for header in headers[1:]] + [len(text)]
        for header, end in zip(headers, ends, strict=True):
            if header["name"] in found:
                raise ValueError(f"{package}/{file} names a statement twice")
            found[header["name"]] = text[header.end() : end].strip()
    said = {f"{{{word}}}": text for word, text in words.items()}

    def written(text: str) -> str:
        return _WORD.sub(lambda word: said.get(word[0]) or written(found[word[0]]), text)

    return {name: written(text) for name, text in found.items() if name[0] != "{"}


def prepared(name: str, text: str, types: Mapping[str, str]) -> Prepared:
    """Have a statement planned once a connection, under a name that nothing else has there. `types`
    are those of its parameters, and may be of more. Raises KeyError on a parameter without one.
    """
    parameters = list(dict.fromkeys(found["name"] for found in _PARAMETER.finditer(text)))
    numbered = {parameter: f"${number}" for number, parameter in enumerate(parameters, 1)}
    text = _PARAMETER.sub(lambda found: numbered[found["name"]], text)
    values = ", ".join(f"%({parameter})s::{types[parameter]}" for parameter in parameters)
    kinds = ", ".join(types[parameter] for parameter in parameters)
    return Prepared(f"PREPARE {name} ({kinds}) AS\n{text}", f"EXECUTE {name} ({values})")
