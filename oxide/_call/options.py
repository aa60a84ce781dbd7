"""The options that every method takes as keyword arguments, for one call."""

from collections.abc import Callable, Mapping
from typing import Any, TypedDict, cast

from oxide._call.operation import Operation
from oxide._identity.secrets import checked_token, masked
from oxide._identity.settings import check_seconds, suggestion
from oxide.exceptions import ApiTypeError, ApiValueError


class RequestOptions(TypedDict, total=False):
    """The keyword arguments that every method takes, for one call.

    Keys:
        _request_timeout: seconds for the whole call; or a pair, the seconds for one attempt to connect and the
            seconds of silence, both within the configured `timeout`; or None for no limit at all.
        _request_auth: the token to send instead of the configuration's; a `str` or a callable that returns one.
        _headers: headers to send with the client's; they replace those of the same name.
    """

    _request_timeout: float | tuple[float | None, float | None] | None
    _request_auth: str | Callable[[], str] | None
    _headers: Mapping[str, str] | None


def mask_options(options: RequestOptions) -> None:
    """Mask options in place, even misspelled ones, so that no traceback frame holds a plain secret."""
    values = cast("dict[str, Any]", options)
    for name, value in values.items():
        if name != "_request_timeout":
            values[name] = masked(value)


def check_options(operation: Operation[Any], options: RequestOptions) -> None:
    """Check options, and clean the token in place.

    Raises:
        ApiTypeError: one is unknown or has the wrong type.
        ApiValueError: a time limit or token that cannot be used.
    """
    for name in options:
        if name not in RequestOptions.__optional_keys__:
            message = f"{operation.id}() got an unexpected keyword argument {name!r}"
            if name in {"_content_type", "_host_index"}:
                message += ", which generated clients have: see docs/migrating.md"
            else:
                message += suggestion(name, (*operation.query, *sorted(RequestOptions.__optional_keys__)))
            raise ApiTypeError(message)
    _check_timeout(options.get("_request_timeout"))
    headers, token = options.get("_headers"), options.get("_request_auth")
    if headers is not None and not isinstance(headers, Mapping):
        message = f"{operation.id}: _headers must map header names to values"
        raise ApiTypeError(message)
    if isinstance(token, str):
        options["_request_auth"] = checked_token(token, "_request_auth")
    elif token is not None and not callable(token):
        message = f"{operation.id}: _request_auth must be a token or a callable that returns one: see docs/migrating.md"
        raise ApiTypeError(message)


def _check_timeout(given: object) -> None:
    if isinstance(given, tuple) and len(given) == 2:
        for number, seconds in enumerate(given):
            check_seconds(f"_request_timeout[{number}]", seconds)
    elif given is None or isinstance(given, (int, float)):
        check_seconds("_request_timeout", given)
    else:
        message = (
            "_request_timeout must be seconds, a tuple (seconds to connect, seconds of silence) or None, "
            f"not {given!r:.80}"
        )
        raise ApiValueError(message)
