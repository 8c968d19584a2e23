"""What the OpenAPI document says of a handler: an `Operation` stands above the handler, and stays
with it until `openapi` reads it.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

from aiohttp import web
from marshmallow import Schema, fields

from scoreboard import errors
from scoreboard.api.schemas.parameters import IF_MATCH, IF_NONE_MATCH, Parameter
from scoreboard.errors import ScoreboardError

HandlerT = TypeVar("HandlerT", bound=Callable[[web.Request], Awaitable[web.StreamResponse]])

# Whether a route asks for a token, or for a server key's signature. `optional`: a setting closes it
# to clients without a token.
Authorization = Literal["none", "optional", "required", "signed"]
_ATTRIBUTE: Final = "__operation__"
_Errors = Sequence[type[ScoreboardError] | ScoreboardError]
_ERRORS_OF_TOKENS: Final[_Errors] = (
    errors.NotAuthorized,
    errors.InvalidToken,
    errors.ExpiredToken,
    errors.RevokedToken,
    errors.Banned,
    errors.UnknownUser,
    errors.ProviderUnavailable,
)
_ERRORS_OF_SIGNATURES: Final[_Errors] = (
    errors.NotSigned,
    errors.BadSignature,
    errors.StaleSignature,
    errors.UnknownKey,
    errors.ExpiredKey,
    errors.KeyLacksScope("grants"),
    errors.KeyUnreadable,
)
_ERRORS_OF_BODIES: Final[_Errors] = (
    errors.MalformedBody,
    errors.BodyTooSlow,
    errors.BodyTooLarge,
    errors.UnsupportedMediaType,
    errors.UnsupportedEncoding,
    errors.ExpectationFailed,
)
# The limiter stands before every route, and is itself a queue that can be full or closed.
_ERRORS_OF_ALL: Final[_Errors] = (
    errors.RateLimited,
    errors.Overloaded,
    errors.ShuttingDown,
    ScoreboardError,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is no error: JSON of a schema, or text, or nothing but headers."""

    schema: Schema | None = None
    description: str = ""
    headers: tuple[str, ...] = ()
    media_type: str = ""  # of a text
    example: str = ""  # of a text
    shared: bool = False  # caches may hand it to other clients (`own_fields.is_shared`)
    # The ids of operations that take members of this answer, under the same names. They pass over
    # its other members, so a client may send it as it is.
    links: tuple[str, ...] = ()

    def explain(self) -> str:
        """Its description; without one, its schema's docstring."""
        return self.description or inspect.getdoc(self.schema) or ""


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a stream."""

    name: str
    data: Schema
    description: str

    @property
    def component(self) -> str:
        """The name under which the document keeps the schema of the data."""
        return type(self.data).__name__.removesuffix("Schema")


@dataclass(frozen=True, slots=True)
class Operation:
    """What a route does, takes and answers: a decorator of the handler, whose docstring becomes the
    description.

    `errors` are those of this route alone; `refusals` adds those of all routes, of all bodies and
    of all tokens or signatures. Give an instance where the class alone does not make the answer
    that a client gets.
    """

    operation_id: str  # never changes, because generated clients name their functions after it
    summary: str
    tag: str
    answers: Mapping[int, Answer]
    errors: _Errors = ()
    body: Schema | None = None
    query: Schema | None = None  # the parameters that the route knows; it ignores all others
    authorization: Authorization = "none"
    # Of the path and the head. Those of conditions need no word: a 304 brings them along.
    parameters: tuple[Parameter[Any], ...] = ()
    events: tuple[Event, ...] = ()

    def __call__(self, handler: HandlerT) -> HandlerT:
        """Stay with the handler."""
        setattr(handler, _ATTRIBUTE, self)
        return handler

    def heeded(self) -> tuple[Parameter[Any], ...]:
        """Its parameters of the path and the head, with those that a tagged answer heeds."""
        conditions = (IF_NONE_MATCH, IF_MATCH) if 304 in self.answers else ()
        return (*self.parameters, *conditions)

    def refusals(self) -> dict[int, dict[str, ScoreboardError]]:
        """Every error that this route answers with: by status, then by code."""
        listed = [*self.errors]
        if self.authorization == "signed":
            listed += _ERRORS_OF_SIGNATURES
        elif self.authorization != "none":
            listed += _ERRORS_OF_TOKENS
        if self.body is not None:
            listed += [errors.InvalidPayload(self.body.validate({})), *_ERRORS_OF_BODIES]
        by_status: dict[int, dict[str, ScoreboardError]] = {}
        for error in (*listed, *_ERRORS_OF_ALL):
            instance = error() if isinstance(error, type) else error
            by_status.setdefault(instance.status, {}).setdefault(instance.code, instance)
        return by_status


def operation_of(handler: Any) -> Operation | None:
    """The `Operation` above a handler, None if there is none."""
    operation: Operation | None = getattr(handler, _ATTRIBUTE, None)
    return operation


def example_of(schema: Schema) -> dict[str, Any]:
    """A body that satisfies the schema, made of the examples of its required fields, and of those
    that are said to be `shown`. Raises LookupError where a field has none.
    """
    return {
        field.data_key or name: _example_of_field(field)
        for name, field in schema.fields.items()
        if field.required or field.metadata.get("shown")
    }


def _example_of_field(field: fields.Field) -> Any:
    if "example" in field.metadata:
        return field.metadata["example"]
    if isinstance(field, fields.List):
        return [_example_of_field(field.inner)]
    if isinstance(field, fields.Nested):
        return example_of(field.schema)
    raise LookupError(f"{field.name} has no example")
