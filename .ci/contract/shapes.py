"""What a JSON value looks like: one form for the schemas of OpenAPI and those of the models."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pydantic import TypeAdapter

Schema = Mapping[str, Any]
Resolve = Callable[[str], Schema]
"""Return the part of a document that a `$ref` names."""

# Formats of a string that are types of their own in Python.
_FORMATS: Final = ("date-time", "uuid")


@dataclass(frozen=True)
class Shape:
    """What a value looks like.

    Attributes:
        kind: its JSON type, for a string with its format, as in `string (uuid)`; `anything` if the schema says none.
        name: the name of its schema, if it has one.
        nullable: whether it may be null.
        values: the values that it may have; empty if they are not listed.
        minimum: the smallest number that it may be.
        fields: the fields of an object.
        required: the fields that must be there.
        defaults: the fields that have a default other than null.
        deprecated: the fields that are marked as deprecated.
        items: the elements of an array.
        choices: the shapes of which it has one, if there are several.
    """

    kind: str = "anything"
    name: str = ""
    nullable: bool = False
    values: frozenset[Any] = frozenset()
    minimum: int | None = None
    fields: Mapping[str, "Shape"] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    defaults: frozenset[str] = frozenset()
    deprecated: frozenset[str] = frozenset()
    items: "Shape | None" = None
    choices: tuple["Shape", ...] = ()


def shape_of_model(model: Any) -> Shape:
    """Return the shape of a model or an enum."""
    document = TypeAdapter(model).json_schema()
    return replace(shape_of(document, resolver(document)), name=model.__name__)


def resolver(document: Schema) -> Resolve:
    """Return what resolves the `$ref`s of a document; it raises `KeyError` for one that leads nowhere."""

    def resolve(reference: str) -> Schema:
        found = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        return found

    return resolve


def shape_of(schema: Schema, resolve: Resolve, within: Sequence[str] = ()) -> Shape:
    """Return the shape that a schema describes; for a schema inside itself, `anything`."""
    if reference := schema.get("$ref"):
        if reference in within:
            return Shape()
        shape = shape_of(resolve(reference), resolve, [*within, reference])
        return replace(shape, name=reference.rpartition("/")[2])
    for word in ("allOf", "anyOf", "oneOf"):
        if parts := schema.get(word):
            shapes = [shape_of(part, resolve, within) for part in parts]
            nullable = schema.get("nullable", False) or any(shape.kind == "null" for shape in shapes)
            shape = one_of([shape for shape in shapes if shape.kind != "null"])
            return replace(shape, nullable=nullable or shape.nullable)
    kind, properties = schema.get("type", "anything"), schema.get("properties", {})
    return Shape(
        kind=f"{kind} ({schema['format']})" if schema.get("format") in _FORMATS else kind,
        nullable=schema.get("nullable", False),
        values=frozenset([schema["const"]] if "const" in schema else schema.get("enum", ())),
        minimum=schema.get("minimum"),
        fields={name: shape_of(member, resolve, within) for name, member in properties.items()},
        required=frozenset(schema.get("required", ())),
        defaults=frozenset(name for name, member in properties.items() if member.get("default") is not None),
        deprecated=frozenset(name for name, member in properties.items() if member.get("deprecated")),
        items=shape_of(schema["items"], resolve, within) if "items" in schema else None,
    )


def one_of(shapes: Sequence[Shape]) -> Shape:
    """Return the shape that covers several: what one of them may have, and what all of them must have."""
    if len(shapes) == 1:
        return shapes[0]
    kinds = dict.fromkeys(shape.kind for shape in shapes)
    names = dict.fromkeys(name for shape in shapes for name in shape.fields)
    return Shape(
        kind=" or ".join(kinds) or "anything",
        nullable=any(shape.nullable for shape in shapes),
        values=frozenset().union(*(shape.values for shape in shapes))
        if all(shape.values for shape in shapes)
        else frozenset(),
        fields={
            name: one_of([shape.fields[name] for shape in shapes if name in shape.fields]) for name in names
        },
        required=frozenset(name for name in names if all(name in shape.required for shape in shapes)),
        choices=tuple(shapes),
    )
