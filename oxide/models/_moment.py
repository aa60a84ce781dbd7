"""A moment in time, as the API writes it: text by RFC 3339."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema


class _Rfc3339:
    """Refuses numbers, and text of digits, which pydantic would take for seconds since 1970."""

    @staticmethod
    def __get_pydantic_core_schema__(source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        moment = handler(source)
        # A colon tells a time from a number, and a page has thousands of times: a longer pattern, or a function, costs
        # several times as much.
        text = core_schema.chain_schema([core_schema.str_schema(strict=True, pattern=":"), moment])
        value = core_schema.no_info_before_validator_function(_not_a_number, moment)
        return core_schema.json_or_python_schema(text, value)

    @staticmethod
    def __get_pydantic_json_schema__(_: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(core_schema.datetime_schema())


def _not_a_number(value: object) -> object:
    if isinstance(value, datetime) or (isinstance(value, str) and ":" in value):
        return value
    raise ValueError("expected a datetime, or text such as 2026-11-28T09:30:00Z")


Moment = Annotated[AwareDatetime, _Rfc3339]
