"""No raw field of a request goes to a general parser."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import scoreboard
from tests.attacks.fields import read_by_aiohttp, read_by_us

ROOT = Path(scoreboard.__file__).parent

# What aiohttp reads of a request with parsers made for anything: of e-mail (`content_type`), dates
# (`parsedate` takes days past the end of time, and fails later), cookies, lists, host names,
# forms.
GENERAL = {
    "charset",
    "content_disposition",
    "content_type",
    "cookies",
    "forwarded",
    "host",
    "http_range",
    "if_match",
    "if_modified_since",
    "if_none_match",
    "if_range",
    "if_unmodified_since",
    "json",
    "multipart",
    "post",
    "scheme",
    "text",
    "url",
}


def attributes(*names: str) -> Iterator[tuple[str, str]]:
    """Each attribute that the service reads of these variables, with its module. The client makes
    requests, and takes none.
    """
    for path in ROOT.rglob("*.py"):
        if path.is_relative_to(ROOT / "client"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name in names:
                    yield attribute, str(path.relative_to(ROOT))


def test_no_handler_reads_a_field_with_a_parser_for_anything() -> None:
    found = {(name, module) for name, module in attributes("request") if name in GENERAL}
    assert found == set()
    # What is kept of the address is read raw: in the log, by `replies.read_query`, which knows how
    # long a query may be, and as it is signed.
    readers = {module for name, module in attributes("request") if name in ("query", "rel_url")}
    assert readers == {"api/http/limits.py", "api/http/middleware.py", "api/http/replies.py"}


def test_the_fields_that_are_attacked_are_all_that_are_read() -> None:
    """The lists are made from the sources; this says that they find what is there."""
    assert {"Authorization", "Content-Type", "Content-Encoding", "Expect"} <= read_by_us()
    assert {"traceparent", "X-Request-ID", "X-Forwarded-For", "Origin"} <= read_by_us()
    assert {"Host", "Connection", "Content-Type", "Range", "Cookie"} <= read_by_aiohttp()
