"""What the client believes of the API, read from its code."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import oxide
from contract.shapes import Shape, shape_of_model
from oxide import _operations
from oxide._call.operation import Operation
from oxide._upload import operations as _upload_operations
from oxide.testing._routing import SUCCESS_STATUSES


class Belief(NamedTuple):
    """What the client believes of one operation; `None` stands for a body that is not there."""

    id: str
    method: str
    path: str
    parameters: Mapping[tuple[str, str], bool]
    """Whether it is required, for each place (`path`, `query`) and name."""
    encode: Callable[[str, Any], str]
    """Return the value of a parameter as it is sent, or raise an exception of the client's."""
    body: Shape | None
    result: Shape | None
    status: int | None
    """The status of success, if simulator and docs have the operation; the client itself takes any 2xx."""


def beliefs() -> list[Belief]:
    """Return what the client believes; only this function and the next know the form of the rows."""
    tables = {**vars(_operations), **vars(_upload_operations)}
    # The last is no operation of the API.
    rows = [row for name, row in tables.items() if isinstance(row, Operation) and name != "IMAGE_UPLOAD"]
    return [
        Belief(
            row.id,
            row.method,
            row.path,
            {
                ("query" if name in row.query else "path", name): name not in row.query
                or name in row.required
                for name in row.parameters
            },
            partial(_encode, row),
            _shape(row.body),
            _shape(row.result),
            SUCCESS_STATUSES.get(row.id),
        )
        for row in rows
    ]


def _encode(row: Operation[Any], parameter: str, value: object) -> str:
    # What may be given for a parameter may depend on the others: let these be names.
    names = dict.fromkeys(row.parameters, "a")
    return row.parameters[parameter](parameter, {**names, parameter: value})


def _shape(model: Any) -> Shape | None:
    if model is bytes:
        # A body that is written by hand, of which no model tells the form.
        return Shape()
    return None if model in {None, type(None)} else shape_of_model(model)


def is_public(name: str) -> bool:
    """Tell whether a model is public, and so has to be complete."""
    return name in dir(oxide)
