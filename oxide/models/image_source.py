"""The `ImageSource` to make an image from."""

from typing import Any, Literal
from uuid import UUID

from oxide.models._model import RequestModel


class ImageSource(RequestModel):
    """Where the contents of a new image come from.

    Attributes:
        id: the ID of the snapshot; its name will not do.
        type: always `snapshot`, the one kind of source there is.
    """

    id: UUID
    type: Literal["snapshot"] = "snapshot"

    def model_post_init(self, context: Any, /) -> None:  # noqa: ARG002 - pydantic's own signature
        """Count `type` as set: the server needs it, so it must survive `exclude_unset`."""
        self.__pydantic_fields_set__.add("type")
