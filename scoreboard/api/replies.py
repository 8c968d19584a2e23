"""JSON in and out: one way to read a body, one way to answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import orjson
from aiohttp import web
from aiohttp.web_protocol import RequestPayloadError
from marshmallow import Schema, ValidationError
from multidict import istr

from scoreboard.errors import (
    BodyTooSlow,
    InvalidPayload,
    MalformedBody,
    ScoreboardError,
    UnsupportedMediaType,
)

BODY_MAX_BYTES: Final = 16 * 1024  # ten times the largest body that the schemas allow
BODY_SECONDS: Final = 10.0  # 16 KiB over a line of a modem's speed take 3
JSON: Final = "application/json"
CACHE_CONTROL: Final = istr("Cache-Control")


async def read_json(request: web.Request, schema: Schema) -> dict[str, Any]:
    """Read the body and validate it.

    Raises UnsupportedMediaType, MalformedBody (no UTF-8, no JSON, nested too deep), BodyTooSlow,
    InvalidPayload.
    """
    if request.content_type != JSON:
        raise UnsupportedMediaType
    try:
        document = orjson.loads(await _body(request))
    except (orjson.JSONDecodeError, RequestPayloadError) as error:
        raise MalformedBody from error
    if not isinstance(document, dict):
        raise InvalidPayload({"_schema": ["Send a JSON object."]})
    return _loaded(schema, document)


async def _body(request: web.Request) -> bytes:
    if request.content.is_eof():  # it came with the head, as most do: no need for a timer
        return await request.read()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.read()
    except TimeoutError as error:
        raise BodyTooSlow from error


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
    response = reply(document, status=error.status, headers=error.headers)
    if isinstance(error, BodyTooSlow):
        response.force_close()
    return response


def is_shared(headers: Mapping[str, str]) -> bool:
    """Whether caches may hand the answer with these headers to others than the client it was made
    for. It then bears nothing of that client: neither the request id, which clients choose, nor
    what is left of a limit.
    """
    return headers.get(CACHE_CONTROL, "").startswith("public")


def _loaded(
    schema: Schema, document: Mapping[str, Any], message: str | None = None
) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = schema.load(document)
    except ValidationError as error:
        errors = error.normalized_messages()  # type: ignore[no-untyped-call]
        raise InvalidPayload(errors, message) from error
    return loaded
