"""What handlers read of paths and queries is what their operations declare, and what the document
shows: each parameter is said once.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from marshmallow import Schema, ValidationError, fields

import scoreboard
from scoreboard.api import asked
from scoreboard.api.docs import openapi
from scoreboard.api.docs.descriptions import Answer, Operation, operation_of
from scoreboard.api.docs.pages import DOCUMENT
from scoreboard.api.schemas import parameters
from scoreboard.api.schemas.accounts import RegistrationSchema
from scoreboard.api.schemas.members import text
from scoreboard.api.schemas.parameters import BOARD, RECEIPT_ID, TRACEPARENT, USER_ID
from tests.document import make_app, operations_of
from tests.node import NODE

ROOT = Path(scoreboard.__file__).parent
# Pages and files, which are no part of the API.
OF_FILES = {"api/pages.py", "api/docs/pages.py", "api/join_codes.py"}


def readers(is_reading: Callable[[ast.AST], bool]) -> set[str]:
    """The modules of the service with such a node."""
    return {
        str(path.relative_to(ROOT))
        for path in (ROOT / "api").rglob("*.py")
        if any(is_reading(node) for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    }


def test_queries_and_paths_are_read_by_what_operations_declare_alone() -> None:
    def reads_a_query(node: ast.AST) -> bool:
        match node:
            case ast.Call(func=ast.Name(id="read_query" | "query_pairs" | "path_part")):
                return True
            case ast.Attribute(attr="query" | "query_string" | "raw_query_string"):
                return not (isinstance(node.value, ast.Name) and node.value.id == "operation")
        return False

    def reads_a_path(node: ast.AST) -> bool:
        match node:
            case ast.Subscript(value=ast.Attribute(attr="match_info")):
                return True
            case ast.Attribute(value=ast.Attribute(attr="match_info"), attr="get"):
                return True
        return False

    assert readers(reads_a_query) - OF_FILES == {"api/asked.py", "api/http/replies.py"}
    assert readers(reads_a_path) - OF_FILES == {"api/asked.py", "api/http/replies.py"}


def handled(**said: Any) -> Any:
    """A handler with an Operation."""

    async def handler(_: web.Request) -> web.Response:
        """Do nothing."""
        raise NotImplementedError

    return Operation("op", "Op", "Boards", {200: Answer(description="Done.")}, **said)(handler)


class OfLimit(Schema):
    """A query."""

    limit = fields.Integer()


class Matched(dict[str, str]):
    """As much of what a router found as is asked for here."""

    def __init__(self, handler: Any, found: dict[str, str]) -> None:
        super().__init__(found)
        self.handler = handler


def asking(handler: Any, **found: str) -> web.Request:
    request = make_mocked_request("GET", "/boards/weekly?limit=5&more=6")
    request._match_info = Matched(handler, found)  # type: ignore[assignment]
    return request


def test_nothing_is_read_that_the_operation_does_not_declare() -> None:
    request = asking(handled(parameters=(BOARD,)), board="weekly", userId="x")
    assert asked.path_parameter(request, BOARD) == "weekly"
    for read in (asked.path_parameter, asked.path_parameter_or_none, asked.written):
        with pytest.raises(LookupError, match="userId"):
            read(request, USER_ID)
    for read_query in (asked.query_of, asked.pairs_of):
        with pytest.raises(LookupError, match="query"):
            read_query(request)


def test_of_a_query_only_what_is_declared_is_read() -> None:
    request = asking(handled(query=OfLimit(unknown="exclude")))
    assert asked.query_of(request) == {"limit": 5}
    assert asked.pairs_of(request) == [("limit", "5")]


@pytest.mark.parametrize(
    ("path", "declared"), [("/x/{board}", ()), ("/x", (BOARD,)), ("/x/{board}", (USER_ID,))]
)
def test_a_path_with_other_parameters_than_are_declared_starts_no_service(
    path: str, declared: Any
) -> None:
    app = web.Application()
    app.router.add_get(path, handled(parameters=declared))
    with pytest.raises(LookupError, match="op declares"):
        openapi.build(app)


def test_the_document_has_each_declared_parameter_and_no_other() -> None:
    app = make_app()
    shown = operations_of(app[DOCUMENT])
    for route in app.router.routes():
        operation = operation_of(route.handler)
        if operation is None or route.method == "HEAD" or route.resource is None:
            continue
        query = set() if operation.query is None else set(operation.query.fields)
        there = shown[route.resource.canonical, route.method.lower()]["parameters"]
        assert {each["name"] for each in there if "name" in each} == query
        assert {each["$ref"].rpartition("/")[2] for each in there if "$ref" in each} == {
            each.component for each in operation.heeded()
        }


def test_every_parameter_that_there_is_is_in_the_document() -> None:
    declared = {
        each.component
        for each in vars(parameters).values()
        if isinstance(each, parameters.Parameter)
    }
    assert set(make_app()[DOCUMENT]["components"]["parameters"]) == declared


def test_what_carries_a_trace_on_declares_it_and_nothing_else_does() -> None:
    carries = {
        operation.operation_id: "traceparent(request)" in inspect.getsource(route.handler)
        for route in make_app().router.routes()
        if (operation := operation_of(route.handler)) is not None
    }
    declares = {
        operation.operation_id: TRACEPARENT in operation.parameters
        for route in make_app().router.routes()
        if (operation := operation_of(route.handler)) is not None
    }
    assert carries == declares
    assert True in carries.values()


def test_no_route_reads_what_the_document_says_is_not_read() -> None:
    """`Last-Event-ID`, which browsers send of themselves."""

    def reads_it(node: ast.AST) -> bool:
        match node:
            case (
                ast.Call(func=ast.Attribute(attr="get" | "getall"), args=[ast.Constant(value=name)])
                | ast.Subscript(slice=ast.Constant(value=name))
                | ast.Compare(left=ast.Constant(value=name))
            ):
                return str(name).lower() == "last-event-id"
        return False

    assert readers(reads_it) == set()


# Patterns. The document's are ECMAScript's, as JSON Schema says.

SAMPLES = [
    *("", "a", "A", "main", "Main", "a-", "-a", "a-b", "a_b", "a.b", "a:b", "a b", "0", "9-9"),
    *("a" * 49, "a" * 50, "a" * 51, "a" * 100, "a" * 101, "main\n", "\nmain", "ma\nin", "a\r"),
    *("ma\u2028in", "\u2029", "\x00", "a\x00", "\x1f", "\x7f", "\x85", "\x9f", "\xa0", "a\u200d"),
    *(
        "é",
        "e\u0301",
        "ß",
        "İ",
        "\u0131",
        "\u017f",
        "K",
        "٣",
        "\uff11",
        "\uff41",
        "日本語",
        "\U0001f600",
        "\U0001d7d8",
    ),
    *("[", "]", "\\", "^", "`", "{", "@", "/", ",", "-", "_", ".", "+", "ada@example.org"),
]


def patterns(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("pattern"), str):
            yield node["pattern"]
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from patterns(each)


def ecma(pattern: str, flags: str) -> list[bool]:
    """Which of the samples a pattern finds in ECMAScript."""
    program = (
        "const [pattern, flags, samples] = JSON.parse(require('fs').readFileSync(0));"
        "const found = new RegExp(pattern, flags);"
        "console.log(JSON.stringify(samples.map((sample) => found.test(sample))));"
    )
    sent = json.dumps([pattern, flags, SAMPLES])
    done = subprocess.run(
        [NODE, "-e", program], check=True, input=sent, text=True, capture_output=True
    )
    found: list[bool] = json.loads(done.stdout)
    return found


def takes(read: Callable[[str], object], sample: str) -> bool:
    try:
        read(sample)
    except ValidationError:
        return False
    return True


DOCUMENTED = sorted(set(patterns(make_app()[DOCUMENT])))
# What the service reads by, for each pattern.
READERS: dict[str, Callable[[str], object]] = {
    BOARD.schema["pattern"]: BOARD.read,
    RECEIPT_ID.schema["pattern"]: RECEIPT_ID.read,
    text(None, 1_000, "").metadata["pattern"]: text(None, 1_000, "").deserialize,
}
NAME = RegistrationSchema().fields["username"]


def test_every_pattern_of_the_document_is_known_here() -> None:
    assert set(DOCUMENTED) == {*READERS, NAME.metadata["pattern"]}


@pytest.mark.parametrize("flags", ["", "u"])
@pytest.mark.parametrize("pattern", DOCUMENTED)
def test_a_pattern_means_the_same_in_ecmascript(pattern: str, flags: str) -> None:
    found = ecma(pattern, flags)
    # Before a line feed at the end of a text, `$` finds the end in Python alone.
    in_python = [bool(re.search(pattern, each)) for each in SAMPLES if not each.endswith("\n")]
    assert in_python == [
        one for one, each in zip(found, SAMPLES, strict=True) if not each.endswith("\n")
    ]
    if pattern in READERS:
        assert found == [takes(READERS[pattern], sample) for sample in SAMPLES]
    else:  # a name has rules that no pattern says, and none that is against the pattern
        assert all(
            one or not takes(NAME.deserialize, each)
            for one, each in zip(found, SAMPLES, strict=True)
        )
    assert True in found
    assert False in found
