"""The keyword arguments for one call, such as `_request_timeout`, that every method takes."""

from collections.abc import Callable, Container, Mapping
from datetime import timedelta
from typing import Any, SupportsIndex, cast

from typing_extensions import TypedDict

from oxide._call.encoding import shown
from oxide._call.operation import Operation
from oxide._identity import checks
from oxide._identity.names import suggestion
from oxide._identity.secrets import Secret, checked_token, masked
from oxide.exceptions import ApiTypeError, ApiValueError


class RequestOptions(TypedDict, total=False, closed=True):
    """The keyword arguments that every method takes, for one call.

    Keys:
        _request_timeout: the limit for the whole call, in seconds or as a `timedelta`; or a pair, for one attempt to
            connect and for silence, both within the configured `timeout`; or None for no limit at all.
        _request_auth: the token to send instead of the configuration's; a `str` or a callable that returns one.
        _headers: headers to send with the client's; they replace those of the same name.
    """

    _request_timeout: float | timedelta | tuple[float | timedelta | None, float | timedelta | None] | None
    _request_auth: str | Callable[[], str] | None
    _headers: Mapping[str, str] | None


def mask_options(options: RequestOptions, parameters: Container[str] = ()) -> None:
    """Mask options in place, even misspelled ones, so that no traceback frame holds a plain secret.

    `parameters` are those of the operation, which may be among the options.
    """
    values = cast("dict[str, Any]", options)
    for name, value in values.items():
        if name != "_request_timeout" and name not in parameters:
            values[name] = masked(value)


def check_options(operation: Operation[Any], options: RequestOptions) -> None:
    """Check options, and replace token and times by what is used.

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
    values = cast("dict[str, Any]", options)
    if "_request_timeout" in options:
        values["_request_timeout"] = _checked_timeout(options["_request_timeout"])
    headers, token = options.get("_headers"), options.get("_request_auth")
    if headers is not None and not isinstance(headers, Mapping):
        raise ApiTypeError(f"{operation.id}: _headers must map header names to values")
    if isinstance(token, Secret):
        values["_request_auth"] = checked_token(token, "_request_auth")
    elif token is not None and not callable(token):
        raise ApiTypeError(
            f"{operation.id}: _request_auth must be a token or a callable that returns one: see docs/migrating.md"
        )


def _checked_timeout(given: object) -> object:
    """Return a time limit in seconds, or a pair of them."""
    if isinstance(given, tuple) and len(given) == 2:
        return tuple(
            checks.seconds(f"_request_timeout[{number}]", seconds) for number, seconds in enumerate(given)
        )
    if given is None or isinstance(given, (float, timedelta, SupportsIndex)):
        return checks.seconds("_request_timeout", given)
    raise ApiValueError(
        "_request_timeout must be seconds, a tuple (seconds to connect, seconds of silence) or None, "
        f"not {shown(given)}"
    )
