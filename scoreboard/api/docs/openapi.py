"""Builds the OpenAPI document: aiohttp-apigami makes operations and components from the schemas,
and what it has no words for is written in here, from each handler's `Operation`.
"""

from __future__ import annotations

import html
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import orjson
from aiohttp import web
from aiohttp_apigami import AiohttpApiSpec, setup_aiohttp_apispec

from scoreboard import __version__, errors
from scoreboard.api import schemas
from scoreboard.api.docs.descriptions import Answer, Operation, example_of, operation_of
from scoreboard.api.docs.events import schema_name
from scoreboard.api.docs.headers import HEADERS, HEADERS_OF_ALL, PARAMETERS
from scoreboard.api.http.replies import JSON, refusal
from scoreboard.errors import ScoreboardError

VERSION: Final = "3.0.3"

_TAGS: Final = {
    "Actions": "Complete actions; each counts once per user.",
    "Leaderboard": "The top 10, to read or to follow.",
    "Accounts": "Register, log in, stay logged in, log out.",
    "Operations": "For probes and monitoring.",
}
_SECURITY_SCHEME: Final = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "The `accessToken` that `POST /api/auth/login` answers with.",
}


_INTRODUCTION: Final = """\
Grants each action to each user once, and shows everybody the top 10 as it changes.

Register or log in, take the `accessToken`, press *Authorize*, and submit an action. Follow the
board with `GET /api/leaderboard/stream`, or poll `GET /api/leaderboard`.

**Errors** all have one form, `{"success": false, "message": …, "code": …}`. `message` is for people
and may change; `code` is for programs and never does.

**Parameters** behind the `?` that an operation does not name are passed over; those that it names
are given once.

<details><summary>All codes</summary>

| code | status | message |
|---|---|---|
"""


def build(app: web.Application) -> dict[str, Any]:
    """Describe the routes that the application has now."""
    operations = _operations(app)
    apigami = _apigami(app, operations.values())
    for operation in operations.values():
        _add_event_schemas(apigami, operation)
    document = apigami.swagger_dict()
    for (path, method), operation in operations.items():
        _complete(document["paths"][path][method], operation)
    _mark_aliases(document)
    _explain_components(document)
    return document


def _operations(app: web.Application) -> dict[tuple[str, str], Operation]:
    return {
        (route.resource.canonical, route.method.lower()): operation
        for route in app.router.routes()
        if route.resource is not None and (operation := operation_of(route.handler)) is not None
    }


def _apigami(app: web.Application, operations: Iterable[Operation]) -> AiohttpApiSpec:
    """Let apigami read the routes. Its own pages stay off (no `url`): `docs` serves them, with a
    Content-Security-Policy. Its error callback stays unset: it would hold for every application of
    the process, and `replies.read_json` validates anyway.
    """
    used = {operation.tag for operation in operations}
    with warnings.catch_warnings():
        # It keeps the document under a plain string as well.
        warnings.simplefilter("ignore", web.NotAppKeyWarning)
        return setup_aiohttp_apispec(
            app,
            title="Scoreboard",
            version=__version__,
            openapi_version=VERSION,
            url="",
            in_place=True,
            generate_spec=True,
            info={"description": _INTRODUCTION + _error_table()},
            servers=[{"url": "/"}],
            tags=[{"name": name, "description": _TAGS[name]} for name in _TAGS if name in used],
            components={
                "securitySchemes": {"bearerAuth": _SECURITY_SCHEME},
                "headers": HEADERS,
                "parameters": {
                    name: {"name": name, "in": "header", **parameter}
                    for name, parameter in PARAMETERS.items()
                },
            },
        )


def _error_table() -> str:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    found = [kind for kind in kinds if issubclass(kind, ScoreboardError)]
    found.sort(key=lambda kind: (kind.status, kind.code))
    rows = (f"| `{kind.code}` | {kind.status} | {_text(kind.message)} |\n" for kind in found)
    return "".join(rows) + "\n</details>\n"


def _add_event_schemas(apigami: AiohttpApiSpec, operation: Operation) -> None:
    """Make components of what only a stream carries, which no response refers to."""
    for event in operation.events:
        name = schema_name(event)
        if name not in apigami.spec.components.schemas:
            apigami.spec.components.schema(name, schema=event.data)


def _complete(described: dict[str, Any], operation: Operation) -> None:
    """Write into an operation what apigami left out, and drop what OpenAPI 3 does not know."""
    described.pop("produces")
    headers = [_ref("parameters", name) for name in operation.parameters]
    described["parameters"] = [*described.get("parameters", ()), *headers]
    if operation.body is not None:
        described["requestBody"]["content"][JSON]["example"] = example_of(operation.body)
    if operation.events:
        described["x-events"] = _events(operation)
    described["responses"] = _responses(described["responses"], operation)


def _events(operation: Operation) -> dict[str, Any]:
    return {
        event.name: {
            "description": event.description,
            "data": _ref("schemas", schema_name(event)),
        }
        for event in operation.events
    }


def _responses(made: Mapping[str, Any], operation: Operation) -> dict[str, Any]:
    """All responses; `made` are those of apigami, which know their schemas."""
    responses = {status: _refusal(found) for status, found in operation.refusals().items()}
    for status, answer in operation.answers.items():
        response = _answer(answer, made.get(str(status), {}))
        if status in responses:
            response = _either(response, responses[status])
        responses[status] = response
    return {str(status): responses[status] for status in sorted(responses)}


def _answer(answer: Answer, made: Mapping[str, Any]) -> dict[str, Any]:
    response = {
        "description": answer.explain(),
        "headers": _header_refs(*(() if answer.shared else HEADERS_OF_ALL), *answer.headers),
    }
    if answer.schema is not None:
        schema = made["content"][JSON]["schema"]
        response["content"] = {JSON: {"schema": schema, "example": example_of(answer.schema)}}
    elif answer.media_type:
        text = {"schema": {"type": "string"}, "example": answer.example}
        response["content"] = {answer.media_type: text}
    if answer.links:
        response["links"] = {name: _link(name, members) for name, members in answer.links.items()}
    return response


def _link(operation_id: str, members: Mapping[str, str]) -> dict[str, Any]:
    body = {member: f"$response.body#/{source}" for member, source in members.items()}
    return {"operationId": operation_id, "requestBody": body}


def _refusal(found: Sequence[ScoreboardError]) -> dict[str, Any]:
    """The errors that share a status: each with its code and the very answer that a client gets."""
    codes = [error.code for error in found]
    narrowed = {"properties": {"code": {"type": "string", "enum": codes}}}
    names = [name for error in found for name in error.headers]
    return {
        "description": "\n".join(f"- `{error.code}`: {_text(error.message)}" for error in found),
        "headers": _header_refs(*HEADERS_OF_ALL, *names),
        "content": {
            JSON: {
                "schema": {"allOf": [_ref("schemas", "Error"), narrowed]},
                "examples": {error.code: {"value": _body(error)} for error in found},
            }
        },
    }


def _either(answer: Mapping[str, Any], refused: Mapping[str, Any]) -> dict[str, Any]:
    """A status that an answer and errors have in common, as 503 of the readiness probe."""
    one, other = answer["content"][JSON], refused["content"][JSON]
    return {
        "description": f"{answer['description']}\n\nOr:\n\n{refused['description']}",
        "headers": answer["headers"] | refused["headers"],
        "content": {
            JSON: {
                "schema": {"anyOf": [one["schema"], other["schema"]]},
                "examples": {"answer": {"value": one["example"]}} | other["examples"],
            }
        },
    }


def _body(error: ScoreboardError) -> Any:
    """What the service answers, from the function that answers it."""
    body = refusal(error).body
    return orjson.loads(body) if isinstance(body, bytes) else None


def _text(message: str) -> str:
    """Keep Markdown from taking `<token>` for HTML."""
    return html.escape(message, quote=False)


def _header_refs(*names: str) -> dict[str, Any]:
    return {name: _ref("headers", name) for name in names}


def _ref(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}


def _mark_aliases(document: Mapping[str, Any]) -> None:
    """Deprecate a handler's second path, and give it an operationId of its own."""
    first_paths: dict[str, str] = {}
    for path, item in document["paths"].items():
        for described in item.values():
            first = first_paths.setdefault(described["operationId"], path)
            if first != path:
                described["operationId"] += "Alias"
                described["summary"] = f"The same as {first}"
                described["deprecated"] = True


def _explain_components(document: Mapping[str, Any]) -> None:
    """Give each component its schema's docstring, and leave it open: members may be added."""
    for name, component in document["components"]["schemas"].items():
        component.pop("additionalProperties", None)
        component.setdefault("description", getattr(schemas, f"{name}Schema").__doc__)
