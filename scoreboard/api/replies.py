"""JSON in and out: one way to read a body, one way to answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
from aiohttp import web
from aiohttp.web_protocol import RequestPayloadError
from marshmallow import Schema, ValidationError

from scoreboard.errors import InvalidPayload, MalformedBody, ScoreboardError, UnsupportedMediaType

BODY_MAX_BYTES: Final = 16 * 1024  # ten times the largest body that the schemas allow
JSON: Final = "application/json"


async def read_json(request: web.Request, schema: Schema) -> dict[str, Any]:
    """Read the body and validate it.

    Raises UnsupportedMediaType, MalformedBody (no UTF-8, no JSON, nested too deep), InvalidPayload.
    """
    if request.content_type != JSON:
        raise UnsupportedMediaType
    try:
        document = orjson.loads(await request.read())
    except (orjson.JSONDecodeError, RequestPayloadError) as error:
        raise MalformedBody from error
    if not isinstance(document, dict):
        raise InvalidPayload({"_schema": ["Send a JSON object."]})
    return _loaded(schema, document)


def read_query(request: web.Request, schema: Schema) -> dict[str, Any]:
    """Validate the query. Raises InvalidPayload, which names each parameter that is wrong."""
    return _loaded(schema, dict(request.query), "The query is not valid; see errors.")


def reply(
    document: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Answer with JSON."""
    return web.Response(
        body=orjson.dumps(document), status=status, content_type=JSON, headers=headers
    )


def refusal(error: ScoreboardError) -> web.Response:
    """Answer with the one error envelope."""
    document = {"success": False, "message": error.message, "code": error.code, **error.details}
    return reply(document, status=error.status, headers=error.headers)


def _loaded(
    schema: Schema, document: Mapping[str, Any], message: str | None = None
) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = schema.load(document)
    except ValidationError as error:
        errors = error.normalized_messages()  # type: ignore[no-untyped-call]
        raise InvalidPayload(errors, message) from error
    return loaded
