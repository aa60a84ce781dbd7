"""The `NameOrId` of a resource."""

import json
from typing import Any, Self
from uuid import UUID

from pydantic import field_validator
from typing_extensions import override

from oxide._identifiers import name_or_id, plain_uuid
from oxide.models._model import RequestModel


class NameOrId(RequestModel):
    """The name or the ID of an image or a project.

    `NameOrId("my-project")`, `NameOrId(uuid)` and `NameOrId("urn:uuid:…")` are all valid; text in one of the four
    forms of a UUID that the server accepts becomes a `UUID`. Anything that is neither a valid name nor an ID
    raises `pydantic.ValidationError`.

    Attributes:
        actual_instance: the name (`str`) or the ID (`UUID`).
    """

    actual_instance: UUID | str

    def __init__(self, actual_instance: UUID | str) -> None:
        field: dict[str, Any] = {"actual_instance": actual_instance}
        super().__init__(**field)

    @field_validator("actual_instance", mode="plain")
    @classmethod
    def _one_of_both(cls, value: object) -> UUID | str:
        if isinstance(value, UUID):
            return plain_uuid(value)
        if not isinstance(value, str):
            raise ValueError(f"expected a name or a UUID, got {type(value).__name__}")  # noqa: TRY004 - pydantic turns only ValueError into its ValidationError
        return name_or_id(value)

    @classmethod
    @override
    def from_dict(cls, obj: Any) -> Self:
        """Return the `NameOrId` of a `str` or a `UUID`."""
        return cls(obj)

    @classmethod
    @override
    def from_json(cls, json_str: str | bytes) -> Self:
        """Return the `NameOrId` of a JSON string."""
        return cls(json.loads(json_str))

    @override
    def to_dict(self) -> Any:
        """Return the name (`str`) or the ID (`UUID`) itself, as in the API's schema."""
        return self.actual_instance

    @override
    def to_json(self) -> str:
        """Return the name or the ID as a JSON string."""
        return json.dumps(str(self.actual_instance))

    @override
    def __str__(self) -> str:
        return str(self.actual_instance)
