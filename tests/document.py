"""The OpenAPI document as tests read it, without a server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aiohttp import web

from scoreboard.app import create_app
from tests.instances import test_settings


def make_app(**settings: Any) -> web.Application:
    """The application as it is served; nothing is connected before it starts."""
    urls = {"database_url": "postgresql://nowhere/scoreboard", "redis_url": "redis://nowhere"}
    return create_app(test_settings(**(urls | settings)))


def resolved(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with each `$ref` replaced by what it refers to."""
    found: dict[str, Any] = _resolved(document, document)
    return found


def _resolved(node: Any, document: Mapping[str, Any]) -> Any:
    if isinstance(node, list):
        return [_resolved(item, document) for item in node]
    if not isinstance(node, dict):
        return node
    if isinstance(node.get("$ref"), str):
        target: Any = document
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        return _resolved(target, document)
    return {key: _resolved(value, document) for key, value in node.items()}


def operations_of(document: Mapping[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (path, method): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }


def media_types_of(operation: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every body of an operation: what it is, and its media type object."""
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"request {media_type}", content
    for status, response in operation["responses"].items():
        for media_type, content in response.get("content", {}).items():
            yield f"{status} {media_type}", content


def examples_of(content: Mapping[str, Any]) -> list[Any]:
    if "example" in content:
        return [content["example"]]
    return [example["value"] for example in content["examples"].values()]


def codes_of(response: Mapping[str, Any]) -> dict[str, Any]:
    """The machine codes of a response, each with its example."""
    examples = response.get("content", {}).get("application/json", {}).get("examples", {})
    return {name: example["value"] for name, example in examples.items() if name != "answer"}
