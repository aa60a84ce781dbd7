"""The `ApiResponse` that a `…_with_http_info` method returns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiResponse(Generic[T_co]):
    """A result, with the response that it was read from.

    Attributes:
        status_code: the HTTP status code.
        headers: the headers of the response; their names are compared without case.
        data: the result.
        raw_data: the body, decoded from gzip but otherwise as received.
    """

    status_code: int
    headers: Mapping[str, str] = field(default_factory=dict)
    data: T_co
    raw_data: bytes
