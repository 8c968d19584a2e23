"""Reads a file of named SQL statements, so that all SQL stands together and reads as SQL.

A statement begins, after an empty line, with `-- name:` and what it is for:

    -- top: the first ten of the ranking
    SELECT …
"""

from __future__ import annotations

import re
from importlib import resources
from typing import Final

# After an empty line only: a comment inside a statement may read `-- reused: …` as well.
_HEADER: Final = re.compile(r"(?:\A|(?<=\n\n))-- (?P<name>[a-z_]+): .+$", re.MULTILINE)


def load(package: str, file: str = "queries.sql") -> dict[str, str]:
    """Return the statements of a SQL file, by name. Raises ValueError on a repeated name."""
    text = resources.files(package).joinpath(file).read_text(encoding="utf-8")
    headers = list(_HEADER.finditer(text))
    ends = [header.start() for header in headers[1:]] + [len(text)]
    statements = {
        header["name"]: text[header.end() : end].strip()
        for header, end in zip(headers, ends, strict=True)
    }
    if len(statements) != len(headers):
        raise ValueError(f"{package}/{file} names a statement twice")
    return statements
