"""The `ImageSource` to make an image from."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BeforeValidator
from typing_extensions import override

from oxide._identifiers import parse_id, plain_uuid
from oxide.models._model import RequestModel


def _snapshot_id(value: object) -> UUID:
    found = parse_id(value) if isinstance(value, str) else value
    if not isinstance(found, UUID):
        raise ValueError("expected the ID of a snapshot; its name will not do")  # noqa: TRY004 - pydantic turns only ValueError into its ValidationError
    return plain_uuid(found)


class ImageSource(RequestModel):
    """Where the contents of a new image come from.

    Attributes:
        id: the ID of the snapshot, not its name.
        type: always `snapshot`, the only kind of source.
    """

    id: Annotated[UUID, BeforeValidator(_snapshot_id)]
    type: Literal["snapshot"] = "snapshot"

    @override
    def model_post_init(self, context: Any, /) -> None:
        """Count `type` as set: the server needs it, so it must survive `exclude_unset`."""
        self.__pydantic_fields_set__.add("type")
