"""What the client believes of the API, read from its code."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import oxide
from contract.shapes import Shape, shape_of_model
from oxide._encoding import _ENCODERS, encode_image
from oxide._operations import OPERATIONS
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
    """Return what the client believes; only this function knows the form of the rows."""

    def encode(name: str, value: Any) -> str:
        return encode_image(name, value) if name == "image" else _ENCODERS[name](name, value)

    return [
        Belief(
            row.id,
            row.method,
            row.path,
            {("path", part[1:-1]): True for part in row.path.split("/") if part.startswith("{")}
            | {("query", name): name in row.required for name in row.query},
            encode,
            shape_of_model(row.body) if row.body else None,
            shape_of_model(row.result) if row.result is not type(None) else None,
            SUCCESS_STATUSES.get(row.id),
        )
        for row in OPERATIONS
    ]


def is_public(name: str) -> bool:
    """Tell whether a model is public, and so has to be complete."""
    return name in oxide.__all__
