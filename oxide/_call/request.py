"""Builds and checks the request of a call, which every attempt then sends: target, headers, token, body, limits."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from oxide._call.operation import Operation
from oxide._call.options import RequestOptions, check_options
from oxide._identity.secrets import Headers, Secret, SecretSource
from oxide._identity.settings import ARGUMENT, DROPPED
from oxide._transport.exchange import Limits
from oxide.configuration import Configuration
from oxide.exceptions import ApiValueError


class Request(NamedTuple):
    """What stays the same from attempt to attempt.

    Attributes:
        token: goes into the `Authorization` header; None if that is among `headers`, or nothing is to be sent.
        credentials_from: where the token, or that header, came from; without one, why it was dropped, or `""`.
    """

    operation: Operation[Any]
    arguments: Mapping[str, Any]
    target: str
    headers: dict[str, str | Secret]
    token: Secret | SecretSource | None
    credentials_from: str
    body: bytes | None
    limits: Limits


def make_request(
    configuration: Configuration,
    default_headers: Headers,
    refusal: str | None,
    operation: Operation[Any],
    options: RequestOptions,
    arguments: Mapping[str, Any],
    body: object,
) -> Request:
    """Return the request of a call. `refusal` is why no credentials may be sent, or None.

    Raises:
        ApiTypeError: an argument or option of the wrong type.
        ApiValueError: a value that the server would refuse, or that may not be sent.
    """
    if options:
        check_options(operation, options)
    target = operation.target(arguments)
    encoded = operation.encode_body(body)
    headers: dict[str, str | Secret] = {"accept": "application/json", "accept-encoding": "gzip"}
    if configuration.api_version is not None:
        headers["api-version"] = configuration.api_version
    if encoded is not None:
        headers["content-type"] = "application/json"
    headers.update(default_headers.by_lower_name())
    credentials_from = "a default header of the ApiClient" if "authorization" in headers else ""
    token: Any = options.get("_request_auth")
    if token is not None:
        credentials_from = "_request_auth of the call"
    else:
        token, source = configuration._kept("access_token"), configuration._source("access_token")
        if token is not None:
            credentials_from = "access_token of the Configuration" if source == ARGUMENT else source
        elif source.startswith(DROPPED):
            credentials_from = credentials_from or source
    if given := options.get("_headers"):
        own = Headers(given).by_lower_name()
        headers.update(own)
        if "authorization" in own:
            token, credentials_from = None, "_headers of the call"
    if refusal is not None and (token is not None or "authorization" in headers or "cookie" in headers):
        raise ApiValueError(refusal)
    limits = _limits(configuration, operation, options)
    return Request(operation, arguments, target, headers, token, credentials_from, encoded, limits)


def _limits(settings: Configuration, operation: Operation[Any], options: RequestOptions) -> Limits:
    # The server works on a write until it is done; giving up early only makes the outcome unknown.
    silence = settings.read_timeout if operation.repeatable else None
    if "_request_timeout" not in options:
        return Limits(settings.timeout, settings.connect_timeout, silence)
    given: Any = options["_request_timeout"]
    if given is None:
        return Limits()
    if isinstance(given, tuple):
        return Limits(settings.timeout, *given)
    return Limits(given, settings.connect_timeout, silence)
