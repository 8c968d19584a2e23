"""The OpenAPI document says what the service does."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from marshmallow import Schema
from openapi_schema_validator import OAS31Validator, oas31_format_checker
from openapi_spec_validator import validate

from scoreboard import __version__, errors
from scoreboard.api import accounts, actions
from scoreboard.api.docs import openapi
from scoreboard.api.docs.descriptions import operation_of
from scoreboard.api.docs.pages import DOCUMENT
from scoreboard.api.http import replies
from scoreboard.api.schemas.leaderboard import ScoreUpdateSchema
from scoreboard.api.schemas.shown import BoardUpdateSchema
from scoreboard.errors import MalformedRequest, MethodNotAllowed, NotFound, ScoreboardError
from scoreboard.parts import PARTS
from tests.document import codes_of, examples_of, make_app, media_types_of, operations_of, resolved
from tests.eventually import eventually
from tests.instances import Instance
from tests.service.conftest import Start

# For people, not for programs.
PAGES = re.compile(
    r"^/$|^/(assets|client)/|^/docs(/|$)|^/(embed|favicon\.ico|join\.svg|manifest\.webmanifest)$"
)
# What any path or method may answer that is not there, so that no route has it; and what files may,
# which are no part of the API.
OF_NO_ROUTE = {
    NotFound.code,
    MethodNotAllowed.code,
    MalformedRequest.code,
    "range_not_satisfiable",
}
# What stands in the verdict on an item of a batch, whose answer is no error.
IN_VERDICTS = {
    "board_closed",
    "no_season",
    "played_in_future",
    "receipt_used",
    "season_closed",
    "value_out_of_range",
}


@pytest.fixture
def instance(shared_instance: Instance) -> Instance:
    return shared_instance


@pytest.fixture(scope="module")
def app() -> web.Application:
    return make_app()


@pytest.fixture(scope="module")
def document(app: web.Application) -> dict[str, Any]:
    return resolved(app[DOCUMENT])


def routes_of(app: web.Application) -> dict[tuple[str, str], web.AbstractRoute]:
    """The routes for programs, by path and method. HEAD is GET's and needs no words of its own."""
    return {
        (route.resource.canonical, route.method.lower()): route
        for route in app.router.routes()
        if route.resource is not None
        and route.method != "HEAD"
        and not PAGES.match(route.resource.canonical)
    }


def check(value: Any, schema: Mapping[str, Any]) -> None:
    OAS31Validator(dict(schema), format_checker=oas31_format_checker).validate(value)


# The document


@pytest.mark.parametrize("role", ["all", "api", "stream"])
def test_the_document_is_valid_openapi(role: str) -> None:
    document = make_app(role=role)[DOCUMENT]
    validate(document)
    assert document["openapi"] == "3.1.0"
    assert document["info"]["version"] == __version__
    assert document["servers"] == [{"url": "/"}]


@pytest.mark.parametrize("role", ["all", "api", "stream"])
def test_every_route_of_the_role_is_documented_and_nothing_else(role: str) -> None:
    app = make_app(role=role)
    assert set(operations_of(app[DOCUMENT])) == set(routes_of(app))


def test_a_second_application_has_the_same_document(app: web.Application) -> None:
    assert openapi.build(make_app()) == app[DOCUMENT]


def test_every_tag_used_is_explained_and_every_explained_one_used(document: dict[str, Any]) -> None:
    used = {tag for operation in operations_of(document).values() for tag in operation["tags"]}
    assert {tag["name"] for tag in document["tags"]} == used


def test_every_component_is_explained_and_may_gain_members(document: dict[str, Any]) -> None:
    for component in document["components"]["schemas"].values():
        assert component["description"]
        assert component.get("additionalProperties") is not False


def test_the_second_path_of_the_stream_is_deprecated(document: dict[str, Any]) -> None:
    deprecated = [key for key, op in operations_of(document).items() if op.get("deprecated")]
    assert deprecated == [("/api/scoreboard/stream", "get")]


def test_authorize_applies_to_what_takes_a_token(document: dict[str, Any]) -> None:
    scheme = document["components"]["securitySchemes"]["bearerAuth"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    security = {path: op["security"] for (path, _), op in operations_of(document).items()}
    assert security["/api/actions"] == [{"bearerAuth": []}]
    assert security["/api/leaderboard"] == [{}, {"bearerAuth": []}]
    assert security["/api/auth/login"] == []


# Bodies and examples


def test_every_body_has_an_example_and_every_example_satisfies_its_schema(
    document: dict[str, Any],
) -> None:
    for key, operation in operations_of(document).items():
        for body, content in media_types_of(operation):
            examples = examples_of(content)
            assert examples, (key, body)
            for example in examples:
                check(example, content["schema"])


def test_what_the_document_calls_a_request_is_what_the_handler_takes(
    document: dict[str, Any], app: web.Application
) -> None:
    for key, operation in operations_of(document).items():
        if "requestBody" in operation:
            described = operation_of(routes_of(app)[key].handler)
            assert described is not None
            assert described.body is not None
            [(_, content), *_] = media_types_of(operation)
            assert described.body.validate(content["example"]) == {}


@pytest.mark.parametrize(
    "handler",
    [actions.submit, accounts.register, accounts.log_in, accounts.refresh, accounts.log_out],
    ids=lambda handler: str(handler.__name__),
)
async def test_handlers_validate_with_the_schema_that_they_document(
    handler: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ReadError(Exception):
        pass

    used: list[Schema] = []

    async def a_body(_: web.Request) -> bytes:
        return b"a body"

    def note(_: bytes, schema: Schema) -> None:
        used.append(schema)
        raise ReadError

    for module in (replies, actions):
        monkeypatch.setattr(module, "read_bytes", a_body)
    monkeypatch.setattr(replies, "parse_json", note)
    monkeypatch.setattr(actions, "identity", lambda _: None)

    with pytest.raises(ReadError):
        await handler(None)

    operation = operation_of(handler)
    assert operation is not None
    assert len(used) == 1
    assert used[0] is operation.body  # from which the document is made


@pytest.mark.parametrize(
    ("path", "schema", "of_seasons"),
    [
        ("/api/leaderboard/stream", ScoreUpdateSchema(), set()),
        ("/api/boards/{board}/stream", BoardUpdateSchema(), {"season:ended", "season:started"}),
    ],
)
def test_the_stream_example_holds_every_event_and_its_data_satisfies_its_schema(
    document: dict[str, Any], path: str, schema: Schema, of_seasons: set[str]
) -> None:
    operation = document["paths"][path]["get"]
    content = operation["responses"]["200"]["content"]["text/event-stream"]
    events = re.findall(r"^event: (.+)\ndata: (.+)$", content["example"], re.MULTILINE)

    assert {name for name, _ in events} == set(operation["x-events"])
    assert set(operation["x-events"]) == {"connected", "score:update", "closing"} | of_seasons
    for name, data in events:
        check(json.loads(data), operation["x-events"][name]["data"])
    assert re.search(r"^retry: \d+$", content["example"], re.MULTILINE)
    assert re.search(r"^: heartbeat$", content["example"], re.MULTILINE)
    assert re.search(r"^id: \d+\nevent: score:update$", content["example"], re.MULTILINE)
    described = operation["x-events"]["score:update"]["data"]
    assert set(described["properties"]) == {
        field.data_key or name for name, field in schema.fields.items()
    }


# Errors


def error_classes() -> list[type[ScoreboardError]]:
    found = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    return [kind for kind in found if issubclass(kind, ScoreboardError)]


def test_every_error_is_documented_with_its_status(document: dict[str, Any]) -> None:
    statuses = {kind.code: kind.status for kind in error_classes()}
    documented: dict[str, int] = {}
    for operation in operations_of(document).values():
        for status, response in operation["responses"].items():
            for code in codes_of(response):
                assert documented.setdefault(code, int(status)) == int(status)
    undocumented = OF_NO_ROUTE | IN_VERDICTS
    assert documented == {c: status for c, status in statuses.items() if c not in undocumented}
    for code, status in statuses.items():
        assert f"| `{code}` | {status} |" in document["info"]["description"]


def test_an_error_response_names_the_codes_that_it_may_have(document: dict[str, Any]) -> None:
    for operation in operations_of(document).values():
        for response in operation["responses"].values():
            for code, example in codes_of(response).items():
                assert example["code"] == code
                assert f"`{code}`" in response["description"]


def test_try_again_later_says_when(document: dict[str, Any]) -> None:
    for operation in operations_of(document).values():
        for status in ("429", "503"):
            assert "Retry-After" in operation["responses"][status]["headers"]


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("path", "code", "request_"),
    [
        ("/api/actions", "not_authorized", {"json": {"actionId": "x"}}),
        (
            "/api/actions",
            "invalid_token",
            {"json": {"actionId": "x"}, "headers": {"Authorization": "Bearer x"}},
        ),
        ("/api/auth/register", "invalid_payload", {"json": {}}),
        ("/api/auth/login", "malformed_body", {"data": b"{", "headers": JSON}),
        ("/api/auth/login", "unsupported_media_type", {"data": b"{}"}),
        ("/api/auth/login", "body_too_large", {"json": {"username": "x" * 20_000}}),
        ("/api/auth/login", "bad_credentials", {"json": {"username": "x", "password": "y"}}),
        ("/api/auth/refresh", "invalid_refresh_token", {"json": {"refreshToken": "x"}}),
    ],
)
async def test_an_error_is_answered_as_its_example_shows(
    instance: Instance, document: dict[str, Any], path: str, code: str, request_: dict[str, Any]
) -> None:
    async with instance.client.post(path, **request_) as response:
        documented = document["paths"][path]["post"]["responses"][str(response.status)]
        assert await response.json() == codes_of(documented)[code]
        assert all(name in response.headers for name in documented["headers"])


@pytest.mark.parametrize(
    "path",
    [
        "/api/leaderboard",
        "/api/boards",
        "/api/boards/{board}",
        "/api/boards/{board}/seasons",
        "/api/boards/{board}/leaderboard",
        "/healthz",
        "/readyz",
        "/metrics",
    ],
)
async def test_an_answer_is_as_documented(
    instance: Instance, document: dict[str, Any], path: str
) -> None:
    await eventually(lambda: instance.app[PARTS].health.report()["ready"])
    async with instance.client.get(path.replace("{board}", "main")) as response:
        documented = document["paths"][path]["get"]["responses"]["200"]
        schema = documented["content"][response.content_type]["schema"]
        check(await read(response), schema)
        assert response.status == 200
        assert all(name in response.headers for name in documented["headers"])


async def test_an_instance_that_is_not_ready_answers_as_documented(
    start: Start, document: dict[str, Any]
) -> None:
    instance = await start()
    instance.app[PARTS].health.leave()
    async with instance.client.get("/readyz") as response:
        documented = document["paths"]["/readyz"]["get"]["responses"]["503"]
        assert response.status == 503
        check(await read(response), documented["content"]["application/json"]["schema"])


async def read(response: aiohttp.ClientResponse) -> Any:
    is_json = response.content_type == "application/json"
    return await (response.json() if is_json else response.text())
