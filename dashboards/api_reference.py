"""The API reference: pure, from the OpenAPI document to what a page shows."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

PLAIN = "plain"
"""Heading of operations that belong to no resource."""


@dataclass(frozen=True)
class Field:
    """A parameter of an operation, or a property of its body."""

    name: str
    where: str
    """``path``, ``query``, ``header`` or ``body``."""
    kind: str
    required: bool
    text: str


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    text: str
    fields: tuple[Field, ...]
    answers: tuple[tuple[str, str], ...]
    """Status and what it means."""


@dataclass(frozen=True)
class Resource:
    """Operations that belong together."""

    name: str
    operations: tuple[Operation, ...]


def describe(document: Mapping[str, Any]) -> tuple[Resource, ...]:
    """Group an OpenAPI 3.1 document's operations by their first tag, in its order."""
    found: dict[str, list[Operation]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            tag = (operation.get("tags") or [PLAIN])[0]
            found.setdefault(tag, []).append(_operation(document, method, path, operation))
    return tuple(Resource(name, tuple(operations)) for name, operations in found.items())


def _operation(
    document: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]
) -> Operation:
    parameters = [
        Field(
            one["name"],
            one["in"],
            _kind(document, one.get("schema", {})),
            one.get("required", False),
            one.get("description", ""),
        )
        for one in operation.get("parameters", [])
    ]
    return Operation(
        method=method.upper(),
        path=path,
        text=operation.get("description", operation.get("summary", "")),
        fields=(*parameters, *_body(document, operation)),
        answers=tuple(
            (status, answer.get("description", ""))
            for status, answer in operation.get("responses", {}).items()
        ),
    )


def _body(document: Mapping[str, Any], operation: Mapping[str, Any]) -> Sequence[Field]:
    """List a body's fields; where it has several forms, those of all of them."""
    content = operation.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    return _merged(document, _forms(document, schema), "")


def _merged(
    document: Mapping[str, Any], forms: Sequence[Mapping[str, Any]], path: str
) -> list[Field]:
    """List the properties of an object that may have several forms: each once, whichever has it."""
    listed = [_properties(document, form, path) for form in forms]
    needed = [{field.name for field in one if field.required} for one in listed]
    required = set.intersection(*needed) if needed else set()
    fields: dict[str, Field] = {}
    for field in (field for one in listed for field in one):
        known = fields.get(field.name, field)
        kind = " or ".join(dict.fromkeys([known.kind, field.kind]))
        fields[field.name] = replace(known, kind=kind, required=field.name in required)
    return list(fields.values())


def _properties(document: Mapping[str, Any], schema: Mapping[str, Any], path: str) -> list[Field]:
    """List an object's properties, and below each those of the objects it holds."""
    schema = _resolved(document, schema)
    required = schema.get("required", [])
    found = []
    for name, one in schema.get("properties", {}).items():
        text = one.get("description", "")
        if one.get("default") not in (None, "", {}):
            text = f"{text} Default: {json.dumps(one['default'])}."
        kind = _kind(document, one)
        found.append(Field(f"{path}{name}", "body", kind, name in required, text.strip()))
        found += _merged(document, _forms(document, one), f"{path}{name}.")
    return found


def _forms(document: Mapping[str, Any], schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the objects that a value is, or is a list of, or may be left out as."""
    schema = _resolved(document, schema)
    if "anyOf" in schema:
        return [form for one in schema["anyOf"] for form in _forms(document, one)]
    if "items" in schema:
        return _forms(document, schema["items"])
    return [schema] if schema.get("properties") else []


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow a reference within the document."""
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found: Any = document
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return _resolved(document, found)


def _kind(document: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """Name a schema's type in a few words: ``list of number``, ``test or validation``."""
    schema = _resolved(document, schema)
    if "anyOf" in schema:
        kinds = [_kind(document, one) for one in schema["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "const" in schema:
        constant = schema["const"]
        return constant if isinstance(constant, str) else json.dumps(constant)
    if "enum" in schema:
        return " or ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"list of {_kind(document, schema.get('items', {}))}"
    kind = schema.get("title" if schema.get("type") == "object" else "type", "any")
    return " or ".join(kind) if isinstance(kind, list) else str(kind)
