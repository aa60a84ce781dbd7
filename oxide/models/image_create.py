"""The `ImageCreate` that describes a new image."""

from typing import Annotated

from pydantic import AfterValidator, StrictStr, StringConstraints

from oxide._identifiers import name_problem
from oxide.models._model import RequestModel
from oxide.models.image_source import ImageSource


def _legal_name(name: str) -> str:
    if problem := name_problem(name):
        raise ValueError(problem)
    return name


class ImageCreate(RequestModel):
    """An image to create. It gets its size and block size from the snapshot.

    Attributes:
        description: free text of at most 512 characters; may be empty.
        name: 1 to 63 characters of `a-z`, `0-9` and `-`, beginning with a letter, not ending with `-`, and not
            a UUID in any form: the server's rule, stricter than its OpenAPI document.
        os: the family of the operating system, such as `debian`; at most 64 characters.
        source: the snapshot to create it from.
        version: the version of the operating system; at most 64 characters.

    Longer texts are refused here because the server would respond with `500 Internal Server Error`.
    """

    description: Annotated[StrictStr, StringConstraints(max_length=512)]
    name: Annotated[StrictStr, AfterValidator(_legal_name)]
    os: Annotated[StrictStr, StringConstraints(max_length=64)]
    source: ImageSource
    version: Annotated[StrictStr, StringConstraints(max_length=64)]
