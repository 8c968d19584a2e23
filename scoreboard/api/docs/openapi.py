"""Builds the OpenAPI document from each handler's `Operation`; apispec makes components of the
schemas.
"""

from __future__ import annotations

import html
import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import orjson
from aiohttp import web
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import Schema

from scoreboard import __version__, errors
from scoreboard.api.docs.descriptions import Answer, Operation, example_of, operation_of
from scoreboard.api.http.refusals import headers_of, refusal
from scoreboard.api.http.replies import JSON
from scoreboard.api.schemas.errors import ErrorSchema
from scoreboard.api.schemas.members import EXAMPLE_USER_ID, OWN_ID_CHARS_MAX
from scoreboard.errors import ScoreboardError
from scoreboard.keys import heads
from scoreboard.ledger.receipts import RECEIPT
from scoreboard.model import BOARD_ID, MAIN

_VERSION: Final = "3.0.3"
_TAGS: Final = {
    "Actions": "Complete actions; each counts once per user.",
    "Leaderboard": "The top 10, to read or to follow.",
    "Boards": "All boards, the top 10 among them as `main`, and their seasons.",
    "Accounts": "Register, log in, stay logged in, log out.",
    "Servers": "For game servers and back offices, which sign each request with a server key.",
    "Operations": "For probes and monitoring.",
}
_TOKEN_SCHEME: Final = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "The `accessToken` that `POST /api/auth/login` answers with.",
}
# A signed request has all four (docs/server-keys.md).
_SIGNATURE_SCHEMES: Final = {
    name: {"type": "apiKey", "in": "header", "name": name, "description": description}
    for name, description in {
        heads.KEY: "The id of the server key, `key_` and 20 hexadecimal digits.",
        heads.ID: (
            "`METHOD:TARGET:NONCE`: path and query as they are sent, with each dot as `%2E`, and "
            "16 to 64 letters, digits, `-` or `_` that are new for each request, and the same when "
            "it is sent again."
        ),
        heads.TIMESTAMP: "Now, in whole seconds since 1970; at most 300 s from our clock.",
        heads.SIGNATURE: (
            "`v1,` and the base64 of HMAC-SHA256 over `ID.TIMESTAMP.BODY` by the key's secret, as "
            "Standard Webhooks have it. A program makes it: it cannot be written here by hand."
        ),
    }.items()
}
_SECURITY: Final[Mapping[str, list[dict[str, list[str]]]]] = {
    "none": [],
    "optional": [{}, {"bearerAuth": []}],
    "required": [{"bearerAuth": []}],
    "signed": [{name: [] for name in _SIGNATURE_SCHEMES}],
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


def _header(description: str, example: str | int) -> dict[str, Any]:
    json_type = "integer" if isinstance(example, int) else "string"
    return {"description": description, "schema": {"type": json_type}, "example": example}


_HEADERS: Final = {
    "X-Request-ID": _header("The request's id in our log; yours, if you sent one.", "8f14e45f"),
    "RateLimit-Limit": _header("Requests per period, of the tightest limit that holds.", 600),
    "RateLimit-Remaining": _header("How many of them may follow at once.", 599),
    "RateLimit-Reset": _header("Seconds until all of them may.", 1),
    "RateLimit-Policy": _header("The limit and its period in seconds.", "600;w=60"),
    "Retry-After": _header("Seconds after which to try again.", 1),
    "WWW-Authenticate": _header("How to authenticate.", 'Bearer realm="scoreboard"'),
    "Accept": _header("What a body may be.", "application/json"),
    "Accept-Encoding": _header("How a body may be packed.", "gzip, deflate"),
    "ETag": _header("The board's version, or a tag of the answer.", '"42"'),
    "Location": _header("Where to go on.", "https://scores.example.org/#login=done"),
    "Cache-Control": _header("Who may keep the answer, and how long.", "no-store"),
}
# Of all answers that are for one client alone.
_HEADERS_OF_ALL: Final = (
    "X-Request-ID",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "RateLimit-Policy",
)
# Fields of the head are without examples, which Swagger UI would send: a 304, or everybody in one
# trace.
_PARAMETERS: Final = {
    "board": {
        "name": "board",
        "in": "path",
        "required": True,
        "description": "The id of a board: lower-case letters, digits and hyphens.",
        "schema": {"type": "string", "pattern": f"^{BOARD_ID.pattern}$"},
        "example": MAIN,
    },
    "receipt": {
        "name": "receipt",
        "in": "path",
        "required": True,
        "description": "The receipt of a result.",
        "schema": {"type": "string", "pattern": f"^{RECEIPT.pattern}$"},
        "example": "match-4711",
    },
    "provider": {
        "name": "provider",
        "in": "path",
        "required": True,
        "description": "The name of an identity provider, as the settings have it.",
        "schema": {"type": "string"},
        "example": "id.example.org",
    },
    "userId": {
        "name": "userId",
        "in": "path",
        "required": True,
        "description": "A UUID, or your game's own id of somebody, of 1 to 100 characters.",
        "schema": {"type": "string", "minLength": 1, "maxLength": OWN_ID_CHARS_MAX},
        "example": "player-4711",
    },
    "userUuid": {
        "name": "userId",
        "in": "path",
        "required": True,
        "description": "A user's id, a UUID.",
        "schema": {"type": "string", "format": "uuid"},
        "example": EXAMPLE_USER_ID,
    },
} | {
    name: {"name": name, "in": "header", "description": description, "schema": {"type": "string"}}
    for name, description in {
        "If-None-Match": 'The ETag of the board that you have, as `"42"`.',
        "traceparent": (
            "The trace to carry on (W3C Trace Context); it goes with the event to every instance."
        ),
    }.items()
}


def build(app: web.Application) -> dict[str, Any]:
    """Describe the routes that the application has now."""
    routes = [
        (route.resource.canonical, route.method.lower(), route.handler, operation)
        for route in app.router.routes()
        if route.resource is not None and (operation := operation_of(route.handler)) is not None
    ]
    operations = [operation for *_, operation in routes]
    spec = _without_paths(tags={operation.tag for operation in operations})
    first_paths: dict[str, str] = {}
    for path, method, handler, operation in routes:
        described = _operation(operation, handler)
        first = first_paths.setdefault(operation.operation_id, path)
        if first != path:
            described["operationId"] += "Alias"
            described |= {"summary": f"The same as {first}", "deprecated": True}
        spec.path(path, operations={method: described})
    # No response refers to what only a stream carries.
    events = {event.component: event for each in operations for event in each.events}
    for event in events.values():
        spec.components.schema(event.component, schema=event.data)
    return spec.to_dict()


def error_kinds() -> list[type[ScoreboardError]]:
    """Every error that a client may meet, in the order of statuses and codes."""
    classes = (each for each in vars(errors).values() if isinstance(each, type))
    kinds = [each for each in classes if issubclass(each, ScoreboardError)]
    return sorted(kinds, key=lambda kind: (kind.status, kind.code))


class _Plugin(MarshmallowPlugin):
    """Gives each component its schema's docstring, and leaves it open, because answers may gain
    members.
    """

    def schema_helper(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        component: dict[str, Any]
        component = super().schema_helper(*args, **kwargs)  # type: ignore[no-untyped-call]
        component.pop("additionalProperties", None)
        return component | {"description": inspect.getdoc(kwargs["schema"])}


def _without_paths(tags: Collection[str]) -> APISpec:
    table = "".join(
        f"| `{kind.code}` | {kind.status} | {_text(kind.message)} |\n" for kind in error_kinds()
    )
    spec = APISpec(
        "Scoreboard",
        __version__,
        _VERSION,
        plugins=[_Plugin()],
        info={"description": f"{_INTRODUCTION}{table}\n</details>\n"},
        servers=[{"url": "/"}],
        tags=[{"name": name, "description": _TAGS[name]} for name in _TAGS if name in tags],
        components={
            "securitySchemes": {"bearerAuth": _TOKEN_SCHEME} | _SIGNATURE_SCHEMES,
            "headers": _HEADERS,
            "parameters": _PARAMETERS,
        },
    )
    spec.components.schema("Error", schema=ErrorSchema())
    return spec


def _operation(operation: Operation, handler: Callable[..., Any]) -> dict[str, Any]:
    """An operation object. apispec puts references in the place of schemas and of the names of
    headers and parameters.
    """
    query = [] if operation.query is None else [{"in": "query", "schema": operation.query}]
    described: dict[str, Any] = {"parameters": [*query, *operation.parameters]}
    if operation.body is not None:
        described["requestBody"] = {"content": _json(operation.body), "required": True}
    described |= {
        "responses": _responses(operation),
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": inspect.getdoc(handler),
        "operationId": operation.operation_id,
        "security": _SECURITY[operation.authorization],
    }
    if operation.events:
        described["x-events"] = {
            event.name: {
                "description": event.description,
                "data": {"$ref": f"#/components/schemas/{event.component}"},
            }
            for event in operation.events
        }
    return described


def _responses(operation: Operation) -> dict[str, Any]:
    responses = {
        status: _refusal(together.values()) for status, together in operation.refusals().items()
    }
    for status, answer in operation.answers.items():
        refused = responses.get(status)
        responses[status] = _answer(answer) if refused is None else _either(answer, refused)
    return {str(status): responses[status] for status in sorted(responses)}


def _answer(answer: Answer) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": answer.explain(),
        "headers": _named(*(() if answer.shared else _HEADERS_OF_ALL), *answer.headers),
    }
    if answer.schema is not None:
        response["content"] = _json(answer.schema)
    elif answer.media_type:
        text = {"schema": {"type": "string"}, "example": answer.example}
        response["content"] = {answer.media_type: text}
    if answer.links:
        response["links"] = {
            operation_id: {
                "operationId": operation_id,
                "requestBody": {
                    member: f"$response.body#/{source}" for member, source in members.items()
                },
            }
            for operation_id, members in answer.links.items()
        }
    return response


def _refusal(together: Collection[ScoreboardError]) -> dict[str, Any]:
    """The errors that share a status: each with its code, and as its example the very answer that a
    client gets.
    """
    codes = {"type": "string", "enum": [error.code for error in together]}
    return {
        "description": "\n".join(f"- `{error.code}`: {_text(error.message)}" for error in together),
        "headers": _named(
            *_HEADERS_OF_ALL, *(name for error in together for name in headers_of(error))
        ),
        "content": {
            JSON: {
                "schema": {"allOf": ["Error", {"properties": {"code": codes}}]},
                "examples": {
                    error.code: {"value": orjson.loads(refusal(error).text or "null")}
                    for error in together
                },
            }
        },
    }


def _either(answer: Answer, refused: Mapping[str, Any]) -> dict[str, Any]:
    """A status that an answer and errors have in common, as 503 of the readiness probe."""
    response = _answer(answer)
    one, other = response["content"][JSON], refused["content"][JSON]
    return {
        "description": f"{response['description']}\n\nOr:\n\n{refused['description']}",
        "headers": response["headers"] | refused["headers"],
        "content": {
            JSON: {
                "schema": {"anyOf": [one["schema"], other["schema"]]},
                "examples": {"answer": {"value": one["example"]}} | other["examples"],
            }
        },
    }


def _json(schema: Schema) -> dict[str, Any]:
    return {JSON: {"schema": schema, "example": example_of(schema)}}


def _text(message: str) -> str:
    """Keep Markdown from taking `<token>` for HTML."""
    return html.escape(message, quote=False)


def _named(*names: str) -> dict[str, str]:
    """Headers by name, which apispec makes references of."""
    return dict(zip(names, names, strict=True))
