"""Builds the OpenAPI document from each handler's `Operation`; apispec makes components of the
schemas.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from aiohttp import web
from aiohttp.hdrs import METH_HEAD
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow import Schema, fields

from scoreboard import __version__
from scoreboard.api.docs import about
from scoreboard.api.docs.answers import (
    FAILURE,
    json_of,
    responses_of,
    shared_examples,
    shared_responses,
)
from scoreboard.api.docs.descriptions import Operation, operation_of
from scoreboard.api.schemas.errors import FailureSchema

_VERSION: Final = "3.1.0"
_IN_PATH: Final = re.compile(r"\{(\w+)\}")
# What a program in a language with small integers has to know.
_INT32_MAX: Final = 2**31 - 1


def build(app: web.Application) -> dict[str, Any]:
    """Describe the routes that the application has now. Raises LookupError where the parameters of
    a path are not those that its operation declares.
    """
    # What HEAD does, GET says.
    routes = [
        (route.resource.canonical, route.method.lower(), route.handler, operation)
        for route in app.router.routes()
        if route.resource is not None
        and route.method != METH_HEAD
        and (operation := operation_of(route.handler)) is not None
    ]
    plugin = _Plugin()
    spec = _without_paths(plugin, [operation for *_, operation in routes])
    first_paths: dict[str, str] = {}
    for path, method, handler, operation in routes:
        _require_declared(path, operation)
        described = _operation(plugin, operation, handler)
        first = first_paths.setdefault(operation.operation_id, path)
        if first != path:
            described["operationId"] += "Alias"
            described |= {"summary": f"The same as {first}", "deprecated": True}
        spec.path(path, operations={method: described})
    return _without_unused(spec.to_dict())


class _Plugin(MarshmallowPlugin):
    """Gives each component its schema's docstring, and leaves it open, because answers may gain
    members. Members are said in the words of JSON Schema 2020-12.
    """

    def init_spec(self, spec: APISpec) -> None:
        super().init_spec(spec)
        self._words().add_attribute_function(_in_words_of_2020)  # type: ignore[no-untyped-call]

    def _words(self) -> OpenAPIConverter:
        if self.converter is None:
            raise LookupError("apispec makes the converter with the document.")
        return self.converter

    def schema_helper(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        component: dict[str, Any]
        component = super().schema_helper(*args, **kwargs)  # type: ignore[no-untyped-call]
        component.pop("additionalProperties", None)
        return component | {"description": inspect.getdoc(kwargs["schema"])}

    def query_parameters(self, schema: Schema) -> list[dict[str, Any]]:
        """The parameter objects of a query."""
        return [
            _query_parameter(
                field.data_key or name, field.required, self._words().field2property(field)
            )
            for name, field in schema.fields.items()
        ]


def _query_parameter(name: str, required: bool, value: dict[str, Any]) -> dict[str, Any]:
    """The parameter object of a member that apispec has described: absent, and never null."""
    described: dict[str, Any] = {
        "name": name,
        "in": "query",
        "description": value.pop("description"),
        "required": required,
    }
    examples = value.pop("examples", [])
    if isinstance(value["type"], list):
        value["type"] = value["type"][0]
    if value.get("default", ...) is None:
        del value["default"]
    return described | {"schema": value} | ({"example": examples[0]} if examples else {})


def _in_words_of_2020(_: Any, field: fields.Field, *, ret: dict[str, Any], **__: Any) -> Any:
    """An attribute function of apispec, the last one: it mends what the others found."""
    if "example" in ret:
        ret["examples"] = [ret.pop("example")]
    if isinstance(field, fields.Boolean) and "enum" in ret:
        [ret["const"]] = ret.pop("enum")
    if isinstance(field, fields.Integer) and "format" not in ret:
        # Without one, generated clients take 32 bits, which scores and versions pass.
        ret["format"] = "int32" if ret.get("maximum", _INT32_MAX + 1) <= _INT32_MAX else "int64"
    return {}


def _without_paths(plugin: _Plugin, operations: Sequence[Operation]) -> APISpec:
    tags = {operation.tag for operation in operations}
    parameters = {each.component: each for one in operations for each in one.heeded()}
    spec = APISpec(
        "Scoreboard",
        __version__,
        _VERSION,
        plugins=[plugin],
        info={
            "description": about.introduction(),
            "license": about.LICENSE,
            "contact": about.CONTACT,
        },
        servers=[{"url": "/"}],
        tags=[
            {"name": name, "description": text} for name, text in about.TAGS.items() if name in tags
        ],
    )
    components = spec.components
    components.schema(FAILURE, schema=FailureSchema())
    for name, scheme in about.SECURITY_SCHEMES.items():
        components.security_scheme(name, scheme)
    for name, header in about.HEADERS.items():
        components.header(name, header)
    for name, parameter in parameters.items():
        components.parameter(name, parameter.where, parameter.described())
    for name, example in shared_examples(operations).items():
        components.example(name, example)
    for name, response in shared_responses(operations).items():
        components.response(name, response)
    # No response refers to what only a stream carries.
    events = {event.component: event for each in operations for event in each.events}
    for event in events.values():
        components.schema(event.component, schema=event.data)
    return spec


def _require_declared(path: str, operation: Operation) -> None:
    """Raises LookupError."""
    declared = {each.name for each in operation.parameters if each.where == "path"}
    if set(_IN_PATH.findall(path)) != declared:
        raise LookupError(f"{path} has other parameters than {operation.operation_id} declares.")


def _operation(
    plugin: _Plugin, operation: Operation, handler: Callable[..., Any]
) -> dict[str, Any]:
    """An operation object. apispec puts references in the place of schemas and of the names of
    components.
    """
    query = [] if operation.query is None else plugin.query_parameters(operation.query)
    described: dict[str, Any] = {
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": inspect.getdoc(handler),
        "operationId": operation.operation_id,
        "parameters": [*query, *(each.component for each in operation.heeded())],
    }
    if operation.body is not None:
        described["requestBody"] = {"content": json_of(operation.body), "required": True}
    described |= {
        "responses": responses_of(operation),
        "security": about.SECURITY[operation.authorization],
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


def _without_unused(document: dict[str, Any]) -> dict[str, Any]:
    """Leave out the components that nothing refers to: a role has not all routes."""
    components = document["components"]
    while True:
        used = {*_references(document)}
        unused = [
            (kind, name)
            for kind, named in components.items()
            if kind != "securitySchemes"
            for name in named
            if f"#/components/{kind}/{name}" not in used
        ]
        if not unused:
            return document
        for kind, name in unused:
            del components[kind][name]


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from _references(each)
