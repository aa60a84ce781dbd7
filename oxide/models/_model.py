"""What every model shares: conversion to and from dicts, JSON and text."""

from collections.abc import Mapping
from threading import RLock
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import InitErrorDetails, from_json
from typing_extensions import override

_building = RLock()


class Model(BaseModel):
    """The base of all models; a field that was never set is absent from every converted form."""

    # Validators are built on first use, not on import.
    model_config = ConfigDict(protected_namespaces=(), validate_assignment=True, defer_build=True)

    # pydantic before 2.14 lets threads build a validator twice, and use that of the base class meanwhile.
    @classmethod
    @override
    def model_rebuild(cls, **options: Any) -> bool | None:
        """Build the validator, unless it is built already."""
        # pydantic looks for names in the frame of whoever calls it, so this frame counts as well.
        options["_parent_namespace_depth"] = options.get("_parent_namespace_depth", 2) + 1
        with _building:
            return super().model_rebuild(**options)

    @classmethod
    def from_dict(cls, obj: Mapping[str, Any]) -> Self:
        """Return the model that `obj` describes; raise `pydantic.ValidationError` if it is not valid."""
        return cls.model_validate(obj)

    @classmethod
    def from_json(cls, json_str: str | bytes) -> Self:
        """Return the model that a JSON text describes; raise `pydantic.ValidationError` if it is not valid."""
        return cls.model_validate_json(json_str)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that are set, as Python values (`UUID`, `datetime` and enums are not converted)."""
        return self.model_dump(exclude_unset=True)

    def to_json(self) -> str:
        """Return the fields that are set, as compact JSON."""
        return self.model_dump_json(exclude_unset=True)

    def to_str(self) -> str:
        """Return the fields that are set, formatted for people."""
        from pprint import pformat

        return pformat(self.to_dict())


class RequestModel(Model):
    """A model that is sent: unknown fields are rejected, since the server would silently ignore them.

    A model that was built or changed without validation is validated when it is used.
    """

    model_config = ConfigDict(extra="forbid", revalidate_instances="always")


class ResponseModel(Model):
    """A model that is received: fields unknown to this version are kept, as attributes and in every form."""

    model_config = ConfigDict(extra="allow")

    @classmethod
    @override
    def from_json(cls, json_str: str | bytes) -> Self:
        """Return the model that a JSON text describes; raise `pydantic.ValidationError` if it is not valid."""
        # Nearly every response has known fields only. Its models then do without a dict for the others, which
        # saves time and memory.
        try:
            return cls.model_validate_json(json_str, extra="forbid")
        except ValidationError:
            model = super().from_json(json_str)
        text = json_str.encode() if isinstance(json_str, str) else json_str
        if b"NaN" in text or b"Infinity" in text:
            # They are not JSON, but pydantic takes them as the value of a field that it does not know.
            try:
                from_json(text, allow_inf_nan=False)
            except ValueError as error:
                problem = InitErrorDetails(type="json_invalid", input=json_str, ctx={"error": str(error)})
                raise ValidationError.from_exception_data(cls.__name__, [problem]) from None
        return model

    @property
    @override
    def model_extra(self) -> dict[str, Any]:
        """The fields unknown to this version, by name."""
        if self.__pydantic_extra__ is None:
            self.__pydantic_extra__ = {}
        return self.__pydantic_extra__

    @override
    def __eq__(self, other: object) -> bool:
        if isinstance(other, ResponseModel):
            # pydantic before 2.13 says that no dict differs from an empty one.
            _ = self.model_extra, other.model_extra
        return super().__eq__(other)


def build_models() -> None:
    """Build every validator of this package now, rather than when it is first needed."""
    waiting: list[type[Model]] = [Model]
    while waiting:
        model = waiting.pop()
        # A program's own models may refer to names that do not exist yet.
        if model.__module__.startswith(__name__.rpartition(".")[0]):
            model.model_rebuild()
            waiting += model.__subclasses__()
