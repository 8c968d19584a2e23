"""The answers of an operation as the OpenAPI document has them. All refusals have one schema,
`Failure`; which codes a status may have say its examples, each of which is the very answer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

import orjson
from marshmallow import Schema

from scoreboard.api.docs.about import HEADERS_OF_ALL, plain
from scoreboard.api.docs.descriptions import Answer, Operation, example_of
from scoreboard.api.http.prepared import JSON
from scoreboard.api.http.refusals import headers_of, refusal
from scoreboard.errors import ScoreboardError

FAILURE: Final = "Failure"  # the component
Described = dict[str, Any]


def responses_of(operation: Operation) -> Described:
    """The response objects by status. A text in the place of a response, schema, header or example
    is the name of a component, which apispec makes a reference of.
    """
    responses: Described = {
        str(status): _refused(together.values())
        for status, together in operation.refusals().items()
    }
    for number, answer in operation.answers.items():
        status, described = str(number), _answer(answer)
        if (refused := operation.refusals().get(number)) is not None:
            described = _either(described, described_refusal(refused.values()))
        responses[status] = described
    return dict(sorted(responses.items()))


def shared_responses(operations: Iterable[Operation]) -> dict[str, Described]:
    """The responses that have one code and say the same wherever they are, by their names."""
    return {
        _name(error): described_refusal([error])
        for operation in operations
        for together in operation.refusals().values()
        for error in together.values()
        if len(together) == 1 and is_usual(error)
    }


def shared_examples(operations: Iterable[Operation]) -> dict[str, Described]:
    """The very answers of errors that read the same wherever they are, by their codes."""
    return {
        error.code: {"value": _document(error)}
        for operation in operations
        for together in operation.refusals().values()
        for error in together.values()
        if is_usual(error)
    }


def is_usual(error: ScoreboardError) -> bool:
    """Whether an error has no words of its own."""
    try:
        usual = type(error)()
    except TypeError:  # it takes what a request was about
        return False
    return bool(_document(error) == _document(usual))


def _refused(together: Collection[ScoreboardError]) -> Described | str:
    first = next(iter(together))
    return _name(first) if len(together) == 1 and is_usual(first) else described_refusal(together)


def described_refusal(together: Collection[ScoreboardError]) -> Described:
    """The errors that share a status: each with its code."""
    return {
        "description": "\n".join(f"- `{error.code}`: {plain(error.message)}" for error in together),
        "headers": _named(
            *HEADERS_OF_ALL, *(name for error in together for name in headers_of(error))
        ),
        "content": {
            JSON: {
                "schema": FAILURE,
                "examples": {
                    error.code: error.code if is_usual(error) else {"value": _document(error)}
                    for error in together
                },
            }
        },
    }


def _answer(answer: Answer) -> Described:
    response: Described = {
        "description": answer.explain(),
        "headers": _named(*(() if answer.shared else HEADERS_OF_ALL), *answer.headers),
    }
    if answer.schema is not None:
        response["content"] = json_of(answer.schema)
    elif answer.media_type:
        text = {"schema": {"type": "string"}, "example": answer.example}
        response["content"] = {answer.media_type: text}
    if answer.links:
        # A text, because openapi-generator takes no object here.
        response["links"] = {
            operation_id: {"operationId": operation_id, "requestBody": "$response.body"}
            for operation_id in answer.links
        }
    return response


def _either(answer: Mapping[str, Any], refused: Mapping[str, Any]) -> Described:
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


def json_of(schema: Schema) -> Described:
    """A body of this schema, with an example."""
    return {JSON: {"schema": schema, "example": example_of(schema)}}


def _document(error: ScoreboardError) -> Any:
    return orjson.loads(refusal(error).text or "null")


def _name(error: ScoreboardError) -> str:
    """The name of the response: `rate_limited` is `RateLimited`."""
    return "".join(word.capitalize() for word in error.code.split("_"))


def _named(*names: str) -> dict[str, str]:
    """Headers by name."""
    return dict(zip(names, names, strict=True))
