"""Finds the differences between what the client believes and what a document says."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from typing import NamedTuple
from uuid import UUID

import oxide
from contract.beliefs import Belief, is_public
from contract.documents import Document, NotComparableError, Parameter, Published
from contract.shapes import Shape, one_of, shape_of_model

_ADD_A_FIELD = 'Follow "Add a field" in CONTRIBUTING.md.'
_ROW = "in its row of oxide/_operations.py, its method, the simulator and docs/"


class Difference(NamedTuple):
    """One difference: where, what it is, and what to do."""

    where: str
    what: str
    to_do: str


class Comparison(NamedTuple):
    """The differences, each once, and the IDs of the operations that a partial document leaves out."""

    differences: list[Difference]
    left_out: list[str]


def compare(beliefs: Sequence[Belief], document: Document) -> Comparison:
    """Compare what the client believes with a document.

    Raises:
        NotComparableError: the document has none of the client's operations.
    """
    by_place = {(operation.method, operation.path): operation for operation in document.operations.values()}
    pairs = {
        belief.id: document.operations.get(belief.id) or by_place.get((belief.method, belief.path))
        for belief in beliefs
    }
    if not any(pairs.values()):
        message = "it has none of the operations that the client knows"
        raise NotComparableError(message)
    found = [*_version(document), *_new_operations(pairs, document)]
    left_out = []
    covered = {_resource(operation.path) for operation in document.operations.values()}
    whole = not covered <= {_resource(belief.path) for belief in beliefs}
    for belief in beliefs:
        published = pairs[belief.id]
        if published is not None:
            found += _operation(belief, published)
        elif whole or _resource(belief.path) in covered:
            what = f"{belief.method} {belief.path} is gone."
            found.append(
                Difference(belief.id, what, "Deprecate the method, and say which servers refuse it.")
            )
        else:
            left_out.append(belief.id)
    return Comparison(list(dict.fromkeys(found)), left_out)


def _resource(path: str) -> str:
    return "/".join(path.split("/")[:3])


def _version(document: Document) -> Iterator[Difference]:
    sent = oxide.Configuration().api_version
    if sent is not None and document.version < tuple(int(number) for number in sent.split(".")):
        what = f"A server of this version refuses every call, since the client asks for {sent}."
        yield Difference(
            "api-version", what, "Compare with a newer document, or lower the default of api_version."
        )


def _new_operations(pairs: Mapping[str, Published | None], document: Document) -> Iterator[Difference]:
    known = [published for published in pairs.values() if published is not None]
    tags = {tag for published in known if hasattr(oxide.ImagesApi, published.id) for tag in published.tags}
    for operation in document.operations.values():
        if operation not in known and tags.intersection(operation.tags):
            what = f"{operation.method} {operation.path} is new."
            yield Difference(operation.id, what, 'Follow "Add an operation" in CONTRIBUTING.md.')


def _operation(belief: Belief, published: Published) -> Iterator[Difference]:
    where = belief.id
    ours, theirs = f"{belief.method} {belief.path}", f"{published.method} {published.path}"
    if ours != theirs:
        yield Difference(where, f"It is {theirs}, and the client sends {ours}.", f"Change it {_ROW}.")
    if belief.id != published.id:
        to_do = f"Add a method of that name, and deprecate {belief.id}."
        yield Difference(where, f"Its name is {published.id}.", to_do)
    for key in sorted({*belief.parameters, *published.parameters}):
        yield from _parameter(belief, key, published.parameters.get(key))
    yield from _body(where, belief.body, published.body)
    yield from _responses(belief, published)


def _parameter(belief: Belief, key: tuple[str, str], theirs: Parameter | None) -> Iterator[Difference]:
    where, label, ours = belief.id, f"The {key[0]} parameter {key[1]}", belief.parameters.get(key)
    if theirs is None:
        yield Difference(where, f"{label} is gone.", "Deprecate it, and say which servers take it.")
        return
    if ours is None:
        what = f"{label} is new, and {'required' if theirs.required else 'optional'}."
        yield Difference(where, what, f"Add it {_ROW}.")
        return
    if ours != theirs.required:
        what = f"{label} is {'required' if theirs.required else 'optional'}."
        yield Difference(where, what, f"Change that {_ROW}.")
    for sample in _samples(theirs.shape):
        try:
            belief.encode(key[1], sample)
        except oxide.OpenApiException as error:
            yield Difference(
                where, f"{label} may be {sample!r}: {error}.", "Let the encoder of the row take that."
            )
    model = getattr(oxide.models, theirs.shape.name, None)
    if isinstance(model, type) and issubclass(model, Enum):
        yield from _values(model.__name__, shape_of_model(model), theirs.shape, sent=True)


def _samples(shape: Shape) -> Iterator[object]:
    """Yield values that a parameter may have: of each choice those that are listed, or one of its kind."""
    one = {"integer": shape.minimum or 0, "string": "a", "string (uuid)": UUID(int=0)}
    for choice in shape.choices or [shape]:
        yield from sorted(choice.values, key=str) or [one.get(choice.kind, choice.kind)]


def _body(where: str, ours: Shape | None, theirs: Shape | None) -> Iterator[Difference]:
    if ours is not None and theirs is not None:
        if ours.kind != "anything":
            yield from _shapes(ours.name, ours, theirs, sent=True)
    elif theirs is not None:
        yield Difference(where, "It takes a JSON body.", f"Add a model for the body {_ROW}.")
    elif ours is not None:
        yield Difference(where, "It takes no JSON body.", f"Remove the body {_ROW}.")


def _responses(belief: Belief, published: Published) -> Iterator[Difference]:
    where, ours = belief.id, belief.result
    success = [status for status in published.responses if status.startswith("2")]
    if belief.status is not None and success != [str(belief.status)]:
        what = f"The status of success is {' or '.join(success)}, and was {belief.status}."
        yield Difference(where, what, "Change it in the simulator and in docs/; the client takes any 2xx.")
    for status, theirs in {"4XX": None, "5XX": None, **published.responses}.items():
        if status in success:
            if ours is not None and theirs is not None:
                yield from _shapes(ours.name, ours, theirs, sent=False)
            elif ours is not None:
                to_do = "Take the result off its row: the client calls such a response broken."
                yield Difference(where, f"A response with {status} has no JSON body.", to_do)
            elif theirs is not None:
                to_do = f"Add a model for the result {_ROW}."
                yield Difference(where, f"A response with {status} has a JSON body.", to_do)
        elif theirs is not None:
            yield from _shapes("Error", shape_of_model(oxide.Error), theirs, sent=False)
        elif published.responses.get("default") is None:
            to_do = (
                "Expect its exceptions to have no error_code, message and request_id, and say so in docs/."
            )
            yield Difference(where, f"A response with {status} has no form of error.", to_do)


def _shapes(where: str, ours: Shape, theirs: Shape, *, sent: bool) -> Iterator[Difference]:
    """Yield the differences of a value, which is sent or received, and of what is in it."""
    public = is_public(where.partition(".")[0])
    chosen = [choice for choice in theirs.choices if _may_be(ours, choice)]
    if chosen and len(chosen) < len(theirs.choices):
        for other in (choice for choice in theirs.choices if choice not in chosen and public):
            form = ", ".join(
                f"{name}={min(shape.values)!r}" for name, shape in other.fields.items() if shape.values
            )
            yield Difference(where, f"The form with {form} is new.", _ADD_A_FIELD)
        theirs = replace(one_of(chosen), nullable=theirs.nullable)
    looser = not sent and not public and theirs.kind.startswith(ours.kind)
    if ours.kind != theirs.kind and not looser:
        yield Difference(where, f"It is {theirs.kind}, and was {ours.kind}.", "Change its type in the model.")
        return
    if sent and ours.nullable and not theirs.nullable:
        yield Difference(where, "It must not be null.", "Refuse None in the model.")
    if not sent and theirs.nullable and not ours.nullable:
        yield Difference(where, "It may be null; decoding that fails.", "Allow None in the model.")
    yield from _values(where, ours, theirs, sent=sent)
    if ours.items is not None and theirs.items is not None:
        yield from _shapes(
            _place(f"{where}[]", ours.items, theirs.items), ours.items, theirs.items, sent=sent
        )
    for name in {**ours.fields, **theirs.fields}:
        yield from _field(where, name, ours, theirs, sent=sent, public=public)


def _may_be(ours: Shape, choice: Shape) -> bool:
    """Tell whether a value of ours may be of that choice, by the fields with listed values, such as `type`."""
    pairs = [
        (shape.values, choice.fields[name].values)
        for name, shape in ours.fields.items()
        if name in choice.fields
    ]
    return all(not our_values.isdisjoint(values) for our_values, values in pairs if our_values and values)


def _place(within: str, ours: Shape, theirs: Shape) -> str:
    """Return the name of a schema if both know it by the same one, so that its differences are found once."""
    return ours.name if ours.name and ours.name == theirs.name else within


def _values(where: str, ours: Shape, theirs: Shape, *, sent: bool) -> Iterator[Difference]:
    if not ours.values or not theirs.values:
        return
    for value in sorted(ours.values - theirs.values, key=str):
        to_do = (
            "Deprecate it: the server refuses it." if sent else "Deprecate it: the server does not send it."
        )
        yield Difference(where, f"The value {value!r} is gone.", to_do)
    if is_public(where.partition(".")[0]):
        for value in sorted(theirs.values - ours.values, key=str):
            yield Difference(
                where, f"The value {value!r} is new.", "Add it to the model, the simulator and docs/."
            )


def _field(
    where: str, name: str, ours: Shape, theirs: Shape, *, sent: bool, public: bool
) -> Iterator[Difference]:
    place, our, their = f"{where}.{name}", ours.fields.get(name), theirs.fields.get(name)
    required = name in theirs.required
    if our is None:
        if public or (sent and required):
            yield Difference(
                place, f"The field is new, and {'required' if required else 'optional'}.", _ADD_A_FIELD
            )
    elif their is None:
        # A field for older servers is marked as deprecated in the model.
        if name not in ours.deprecated:
            to_do = (
                "Send it to older servers only."
                if sent
                else "Make it optional in the model, and deprecate it."
            )
            yield Difference(place, "The field is gone.", to_do)
    else:
        if sent and required and name not in ours.required | ours.defaults:
            yield Difference(place, "It is required.", "Require it in the model.")
        # A field that must be there may be optional here: an older server does not send it.
        if name in ours.required and not required:
            to_do = "Make it optional in the model" + (
                "." if sent else "; decoding a response without it fails."
            )
            yield Difference(place, "It is optional.", to_do)
        yield from _shapes(_place(place, our, their), our, their, sent=sent)
