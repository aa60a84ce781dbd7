"""One operation of the API: what its row in `oxide._operations` says."""

from typing import Generic, NamedTuple, TypeVar

from oxide.models.image_create import ImageCreate

T_co = TypeVar("T_co", covariant=True)


class Operation(NamedTuple, Generic[T_co]):
    """One operation of the API.

    Attributes:
        id: its OpenAPI operationId, which is also the name of its method.
        method: the HTTP method.
        path: the path, with placeholders for identifiers.
        query: the query parameters, in the order sent.
        required: the query parameters that cannot be left out.
        body: the model of the request body, or None.
        result: the model of any 2xx answer; `NoneType` if there is nothing to read.
    """

    id: str
    method: str
    path: str
    query: tuple[str, ...]
    required: tuple[str, ...]
    body: type[ImageCreate] | None
    result: type[T_co]
