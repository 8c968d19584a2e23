"""Every header field that a line of ours or of aiohttp's server reads, found in the sources, so
that a field which somebody begins to read is attacked from then on.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import aiohttp
from aiohttp import hdrs

import scoreboard

# Those that a request passes. What they call fields is in `hdrs`; `_http_parser.pyx` comes with the
# package as text.
_OF_AIOHTTP = (
    "_http_parser.pyx",
    "helpers.py",
    "http_parser.py",
    "web_app.py",
    "web_fileresponse.py",
    "web_protocol.py",
    "web_request.py",
    "web_response.py",
    "web_urldispatcher.py",
)
# llhttp, beneath the parser, looks into these.
_OF_LLHTTP = {"Connection", "Content-Length", "Transfer-Encoding", "Upgrade"}
_READERS = ("get", "getall", "getone", "pop", "popall", "setdefault")


def read_by_anybody() -> list[str]:
    """The names of all of them."""
    return sorted({name.title() for name in {*read_by_us(), *read_by_aiohttp()}})


def read_by_aiohttp() -> set[str]:
    folder = Path(aiohttp.__file__).parent
    text = "".join((folder / name).read_text(encoding="utf-8") for name in _OF_AIOHTTP)
    found = {str(vars(hdrs)[name]) for name in re.findall(r"\bhdrs\.([A-Z0-9_]+)", text)}
    return {name for name in found if "-" in name or name.istitle()} | _OF_LLHTTP


def read_by_us() -> set[str]:
    """Raises AssertionError for a field whose name cannot be told from the source."""
    folder = Path(scoreboard.__file__).parent / "api"
    return {name for path in folder.rglob("*.py") for name in _names(path, _module(path))}


def _module(path: Path) -> str:
    return ".".join(path.relative_to(Path(scoreboard.__file__).parents[1]).with_suffix("").parts)


def _names(path: Path, module: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(func=ast.Attribute(value=fields, attr=attr), args=[name, *_]) if (
                attr in _READERS and _are_of_a_request(fields)
            ):
                yield _value(name, module)
            case ast.Compare(left=name, ops=[ast.In() | ast.NotIn()], comparators=[fields]) if (
                _are_of_a_request(fields)
            ):
                yield _value(name, module)
            case ast.Subscript(value=fields, slice=name, ctx=ast.Load()) if _are_of_a_request(
                fields
            ):
                yield _value(name, module)


def _are_of_a_request(node: ast.expr) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(id="request" | "message"), attr="headers"):
            return True
        case ast.Name(id="headers"):  # of a request or an answer: more names do no harm
            return True
    return False


def _value(node: ast.expr, module: str) -> str:
    match node:
        case ast.Constant(value=str(name)):
            return name
        case ast.Name(id=constant):
            return str(getattr(importlib.import_module(module), constant))
        case ast.Attribute(value=ast.Name(id="hdrs"), attr=constant):
            return str(getattr(hdrs, constant))
    raise AssertionError(f"{module}: which field is {ast.unparse(node)}?")
