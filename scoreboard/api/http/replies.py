"""JSON in and out: one way to read a body, one way to answer."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

import orjson
from aiohttp import hdrs, web
from marshmallow import Schema, ValidationError

from scoreboard import errors
from scoreboard.api.http.encodings import encoding_of, unpacked
from scoreboard.api.http.heads import WAITS_FOR_CONTINUE, BodyCut
from scoreboard.api.http.prepared import JSON, Reply

BODY_MAX_BYTES: Final = 16 * 1024  # ten times the largest body that the schemas allow
BODY_SECONDS: Final = 10.0  # 16 KiB over a line of a modem's speed take 3
# 100 characters of `after`, percent-encoded, take 1,200.
QUERY_MAX_CHARS: Final = 2048
PATH_NOT_VALID: Final = "The path is not valid."
QUERY_NOT_VALID: Final = "The query is not valid; see errors."
_TYPE_MAX_CHARS: Final = 64
# All together take 2 MB at most. The ids of actions have some 20 characters, and may have 100.
_REPEATED_MAX: Final = 2048
_REPEATED_MAX_BYTES: Final = 256
# Some programs write it before UTF-8, where it says nothing (RFC 8259, 8.1, lets us ignore it).
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


async def read_json(request: web.Request, schema: Schema) -> dict[str, Any]:
    """Read the body and validate it.

    Raises UnsupportedMediaType, UnsupportedEncoding, BodyTooLarge, BodyTooSlow, MalformedRequest
    (it was cut), MalformedBody (no UTF-8, no JSON, nested too deep), InvalidPayload.
    """
    return parse_json(await read_bytes(request), schema)


async def read_bytes(request: web.Request, most_bytes: int = BODY_MAX_BYTES) -> bytes:
    """Read the body of a request that says it is JSON, unpacked. It has `most_bytes` at most, both
    packed and unpacked. Raises what `read_json` raises, but for what `parse_json` does.
    """
    if not _is_json(request):
        raise errors.UnsupportedMediaType
    encoding = encoding_of(request)
    body = await _body(request, most_bytes)
    return body if encoding is None else unpacked(body, encoding, most_bytes)


def parse_json(body: bytes, schema: Schema) -> dict[str, Any]:
    """Read JSON and validate it. Raises MalformedBody, InvalidPayload."""
    try:
        document = orjson.loads(body.removeprefix(_BYTE_ORDER_MARK))
    except orjson.JSONDecodeError as error:
        raise errors.MalformedBody from error
    if not isinstance(document, dict):
        raise errors.InvalidPayload({"_schema": ["Send a JSON object."]})
    return _loaded(schema, document)


class RepeatedBodies:
    """Reads the bodies of a route to which many clients send the same few. What the schema made of
    a good one is remembered: to find that takes a fiftieth of the time. Not for a route whose
    bodies hold secrets.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._known = lru_cache(maxsize=_REPEATED_MAX)(self._parse)

    def parse(self, body: bytes) -> Mapping[str, Any]:
        """Read it as `parse_json` does, and raise what that raises."""
        # guard: long-bodies-not-kept
        return self._known(body) if len(body) <= _REPEATED_MAX_BYTES else self._parse(body)

    def _parse(self, body: bytes) -> Mapping[str, Any]:
        return MappingProxyType(parse_json(body, self._schema))


def _is_json(request: web.Request) -> bool:
    """Only what stands before the parameters counts. JSON has no charset (RFC 8259, 11); what is
    not UTF-8 is refused when it is read. (aiohttp's own `content_type` is a parser of e-mail, which
    takes seconds for some fields and fails at others.)
    """
    given = request.headers.get(hdrs.CONTENT_TYPE, "")
    return given[:_TYPE_MAX_CHARS].partition(";")[0].strip().lower() == JSON  # guard: content-type


async def _body(request: web.Request, most_bytes: int) -> bytes:
    if request.content.is_eof():  # it came with the head, as most do: no need for a timer
        body = request.content.read_nowait()
        if len(body) > most_bytes:  # guard: whole-body-bound
            raise errors.BodyTooLarge
        return body
    # aiohttp holds what it reads to the bound of the request, which is that of most routes.
    reading = request
    if most_bytes != BODY_MAX_BYTES:
        reading = request.clone(client_max_size=most_bytes)  # guard: signed-body-bound
    if (request.content_length or 0) > most_bytes:  # guard: no-body-asked
        raise errors.BodyTooLarge
    try:
        if request.pop(WAITS_FOR_CONTINUE, False):
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0  # of the answer nothing is written yet
        async with asyncio.timeout(BODY_SECONDS):  # guard: body-time
            return await reading.read()
    except BodyCut as error:
        raise errors.MalformedRequest from error
    except TimeoutError as error:
        raise errors.BodyTooSlow from error


def path_part(request: web.Request, name: str) -> str:
    """The part of the path that has this name in its route. aiohttp takes bytes that are no UTF-8
    for the text of their percent-encoding, which may be somebody else's id. Raises InvalidPayload.
    """
    try:
        unquote(request.rel_url.raw_path, errors="strict")  # guard: player-id-readable
    except UnicodeDecodeError:
        raise errors.InvalidPayload({name: ["Must be UTF-8."]}, PATH_NOT_VALID) from None
    return request.match_info[name]


def has_query(request: web.Request) -> bool:
    """Whether anything stands behind the `?`. To validate nothing takes 20 µs too."""
    return bool(request.rel_url.raw_query_string)


def read_query(
    request: web.Request, schema: Schema, *, chars_max: int = QUERY_MAX_CHARS
) -> dict[str, Any]:
    """Validate the query, and pass over what the schema does not know (docs/decisions/0031).
    Raises InvalidPayload, which names each parameter that is wrong.
    """
    if len(request.rel_url.raw_query_string) > chars_max:
        raise errors.InvalidPayload({"_schema": ["The query is too long."]}, QUERY_NOT_VALID)
    # By aiohttp, what is no UTF-8 would be U+FFFD, which an action id may hold.
    pairs = parse_qsl(
        request.rel_url.raw_query_string, keep_blank_values=True, errors="surrogateescape"
    )
    given = Counter(name for name, _ in pairs)
    known = [field.data_key or name for name, field in schema.fields.items()]
    # Of two, a proxy on the way and this service might each take another one.
    twice = {name: ["Give it once."] for name in known if given[name] > 1}
    if twice:  # guard: parameter-query-given
        raise errors.InvalidPayload(twice, QUERY_NOT_VALID)
    return _loaded(schema, dict(pairs), QUERY_NOT_VALID)


def query_pairs(request: web.Request) -> list[tuple[str, str]]:
    """The parameters as they stand there, of a query that is twice as long at most: a provider's
    code may take a whole one. None of a longer query.
    """
    raw = request.rel_url.raw_query_string
    return parse_qsl(raw, keep_blank_values=True) if len(raw) <= 2 * QUERY_MAX_CHARS else []


def reply(
    document: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Answer with JSON."""
    return Reply(orjson.dumps(document), status, headers)


def _loaded(
    schema: Schema, document: Mapping[str, Any], message: str | None = None
) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = schema.load(document)
    except ValidationError as error:
        wrong = error.normalized_messages()  # type: ignore[no-untyped-call]
        raise errors.InvalidPayload(_named(wrong), message) from error
    return loaded


def _named(wrong: Any) -> Any:
    """Write places in lists as texts: the members of a JSON object have no other names."""
    if not isinstance(wrong, dict):
        return wrong
    return {str(name): _named(what) for name, what in wrong.items()}  # guard: place-in-list
