"""What the OpenAPI document says of a handler, said above the handler.

An `Operation` hands its schemas to aiohttp-apigami, which makes components of them, and stays with
the handler: `openapi` asks it for what apigami has no words for (machine codes, examples, headers,
events).
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeVar

from aiohttp import web
from aiohttp_apigami import docs, json_schema, querystring_schema, response_schema
from marshmallow import Schema, fields

from scoreboard.api.schemas import ErrorSchema
from scoreboard.errors import (
    BodyTooLarge,
    BodyTooSlow,
    ExpectationFailed,
    ExpiredToken,
    InvalidPayload,
    InvalidToken,
    MalformedBody,
    NotAuthorized,
    Overloaded,
    RateLimited,
    RevokedToken,
    ScoreboardError,
    ShuttingDown,
    UnknownUser,
    UnsupportedEncoding,
    UnsupportedMediaType,
)

HandlerT = TypeVar("HandlerT", bound=Callable[[web.Request], Awaitable[web.StreamResponse]])

# Whether a route asks for a token. `optional`: a setting closes it to clients without one.
Authorization = Literal["none", "optional", "required"]
_SECURITY: Final[Mapping[Authorization, list[dict[str, list[str]]]]] = {
    "none": [],
    "optional": [{}, {"bearerAuth": []}],
    "required": [{"bearerAuth": []}],
}
_ATTRIBUTE: Final = "__operation__"


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply that is no error: JSON of a schema, or text, or nothing but headers."""

    schema: Schema | None = None
    description: str = ""
    headers: tuple[str, ...] = ()
    media_type: str = ""  # of a text
    example: str = ""  # of a text
    shared: bool = False  # caches may hand it to others (`replies.is_shared`)
    # The operations that take something of this answer: per operation a member of its body, and
    # the member of the answer that belongs there.
    links: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def explain(self) -> str:
        """What it means; a schema's docstring unless it was told here."""
        return self.description or inspect.getdoc(self.schema) or ""


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a stream."""

    name: str
    data: Schema
    description: str


@dataclass(frozen=True, slots=True)
class Operation:
    """What a route does, takes and answers. It decorates the handler, whose docstring becomes the
    description.

    `errors` are those that this route has of its own; what all routes share, and all with a body or
    a token, is added. Give an instance where the class alone does not make the answer that a client
    gets.
    """

    operation_id: str  # generated clients name their functions after it: it never changes
    summary: str
    tag: str
    answers: Mapping[int, Answer]
    errors: Sequence[type[ScoreboardError] | ScoreboardError] = ()
    body: Schema | None = None
    query: Schema | None = None  # the parameters that it knows; all others are passed over
    authorization: Authorization = "none"
    parameters: tuple[str, ...] = ()  # request headers
    events: tuple[Event, ...] = ()

    def __call__(self, handler: HandlerT) -> HandlerT:
        """Tell apigami, and leave the rest with the handler."""
        docs(
            operation_id=self.operation_id,
            summary=self.summary,
            description=inspect.getdoc(handler),
            tags=[self.tag],
            security=_SECURITY[self.authorization],
        )(handler)
        if self.body is not None:
            json_schema(self.body, required=True)(handler)
        if self.query is not None:
            querystring_schema(self.query)(handler)
        for status, schema in self._schemas().items():
            response_schema(schema, status)(handler)
        setattr(handler, _ATTRIBUTE, self)
        return handler

    def refusals(self) -> dict[int, list[ScoreboardError]]:
        """Every error that this route answers with, by status."""
        found: dict[str, ScoreboardError] = {}
        for error in (*self.errors, *self._shared_errors()):
            instance = error() if isinstance(error, type) else error
            found.setdefault(instance.code, instance)
        by_status: dict[int, list[ScoreboardError]] = {}
        for instance in found.values():
            by_status.setdefault(instance.status, []).append(instance)
        return dict(sorted(by_status.items()))

    def _shared_errors(self) -> list[ScoreboardError]:
        errors: list[ScoreboardError] = []
        if self.authorization != "none":
            errors += [
                NotAuthorized(),
                InvalidToken(),
                ExpiredToken(),
                RevokedToken(),
                UnknownUser(),
            ]
        if self.body is not None:
            invalid = InvalidPayload(self.body.validate({}))
            errors += [
                invalid,
                MalformedBody(),
                BodyTooSlow(),
                BodyTooLarge(),
                UnsupportedMediaType(),
                UnsupportedEncoding(),
                ExpectationFailed(),
            ]
        # The limiter stands before every route, and is itself a queue that can be full or closed.
        limited = RateLimited(headers={"Retry-After": "1"})
        return [*errors, limited, Overloaded(), ShuttingDown(), ScoreboardError()]

    def _schemas(self) -> dict[int, Schema]:
        answers = {status: answer.schema for status, answer in self.answers.items()}
        return dict.fromkeys(self.refusals(), ErrorSchema()) | {
            status: schema for status, schema in answers.items() if schema is not None
        }


def operation_of(handler: Any) -> Operation | None:
    """What was said above the handler, if anything was."""
    found: Operation | None = getattr(handler, _ATTRIBUTE, None)
    return found


def example_of(schema: Schema) -> dict[str, Any]:
    """A body that satisfies the schema, put together from the examples of its required fields."""
    return {
        field.data_key or name: _example_of_field(field)
        for name, field in schema.fields.items()
        if field.required
    }


def _example_of_field(field: fields.Field) -> Any:
    if "example" in field.metadata:
        return field.metadata["example"]
    if isinstance(field, fields.List):
        return [_example_of_field(field.inner)]
    if isinstance(field, fields.Nested):
        return example_of(field.schema)
    raise LookupError(f"{field.name} has no example")
