"""The base class of the API classes, and the decorators that derive the `…_with_http_info` forms of a method."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import wraps
from inspect import signature
from os import PathLike
from types import SimpleNamespace
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, Unpack, cast

from typing_extensions import override

from oxide._call.operation import Operation
from oxide._call.options import RequestOptions, mask_options
from oxide._identity.hosts import masked_host
from oxide._identity.keywords import Settings
from oxide._identity.secrets import masked, masked_if_suspect
from oxide._traceback import ends_here, leads_on, leads_on_unseen
from oxide._transport.response import RESTResponse
from oxide.api_client import ApiClient
from oxide.api_response import ApiResponse
from oxide.configuration import Configuration
from oxide.exceptions import ApiTypeError

A = TypeVar("A", bound="Api")
P = ParamSpec("P")
T = TypeVar("T")


class Api:
    """The base of the API classes.

    Args:
        api_client: sends the calls; None takes `ApiClient.get_default()`.
    """

    def __init__(self, api_client: ApiClient | None = None) -> None:
        with ends_here:
            if api_client is not None and not isinstance(api_client, ApiClient):
                raise ApiTypeError(
                    f"{type(self).__name__}: expected an ApiClient, got {_instead(type(self), api_client)}"
                )
            self.api_client = ApiClient.get_default() if api_client is None else api_client
        self._owns_client = False

    @classmethod
    def from_environment(
        cls,
        host: str | None = None,
        token: str | None = None,
        profile: str | None = None,
        config_dir: str | PathLike[str] | None = None,
        **settings: Unpack[Settings],
    ) -> Self:
        """Return an API with its own client, set up by `Configuration.from_environment`.

        `close`, or leaving its `with` block, closes that client: `with ImagesApi.from_environment() as images: …`.

        Raises:
            ConfigurationError: no usable host and token were found.
        """
        # Masked, so that no traceback frame holds a plain secret.
        host, token, profile = masked_host(host), masked(token), masked_if_suspect(profile)
        Configuration._mask(settings)
        with ends_here:
            configuration = Configuration.from_environment(host, token, profile, config_dir, **settings)
            api = cls(ApiClient(configuration))
        api._owns_client = True
        return api

    def close(self) -> None:
        """Close the client that `from_environment` made; one that was passed in may be used elsewhere, and stays open."""
        if self._owns_client:
            self.api_client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @override
    def __repr__(self) -> str:
        # A debugger may ask while the constructor is running.
        return f"<{type(self).__name__} with {getattr(self, 'api_client', None)!r}>"

    def _call(
        self,
        operation: Operation[T],
        options: RequestOptions,
        arguments: Mapping[str, Any],
        body: object = None,
    ) -> T:
        """Run one operation and return its result."""
        with leads_on_unseen:
            return self.api_client._call(operation, options, arguments, body).data

    # What the other two forms of a method call instead.
    def _call_with_http_info(self, *call: Any) -> ApiResponse[Any]:
        with leads_on_unseen:
            return self.api_client._call(*call)

    def _call_without_preload_content(self, *call: Any) -> RESTResponse:
        with leads_on_unseen:
            return self.api_client._open(*call)


def _instead(api: type[Api], given: object) -> str:
    """Return what was given in the place of a client, and what to write."""
    name = api.__name__
    if isinstance(given, Configuration):
        what = f"{name}(ApiClient(configuration))"
    elif isinstance(given, Api):
        what = f"{name}(images_api.api_client)"
    else:
        what = f"{name}.from_environment()"
    return f"{type(given).__name__}; use {what}"


def with_http_info(method: Callable[Concatenate[A, P], T]) -> Callable[Concatenate[A, P], ApiResponse[T]]:
    """Derive the form of an operation's method that returns status, headers and body as well."""
    result = method.__annotations__["return"]
    returned = "status and headers" if result is None else "status, headers and body as well"
    response: Any = ApiResponse
    return _derived(method, with_http_info.__name__, response[result], returned)


def without_preload_content(
    method: Callable[Concatenate[A, P], object],
) -> Callable[Concatenate[A, P], RESTResponse]:
    """Derive the form of an operation's method that returns the response with its body still unread."""
    returned = "the response with its body still unread"
    return _derived(method, without_preload_content.__name__, RESTResponse, returned)


def _derived(method: Callable[..., object], form: str, result: Any, returned: str) -> Callable[..., Any]:
    """Return a method that calls `Api._call_FORM` where `method` calls `Api._call`; it looks as if written by hand."""
    taken = signature(method)
    *parameters, _options = taken.parameters
    caller = f"_call_{form}"

    @wraps(method)
    def derived(self: Api, *arguments: Any, **options: Any) -> object:
        mask_options(cast("RequestOptions", options), parameters)
        with leads_on:
            return method(SimpleNamespace(_call=getattr(self, caller)), *arguments, **options)

    own: Any = derived
    own.__name__ += f"_{form}"
    own.__qualname__ += f"_{form}"
    own.__doc__ = f"Do as `{method.__name__}`, and return {returned}."
    own.__annotations__ = {**method.__annotations__, "return": result}
    own.__signature__ = taken.replace(return_annotation=result)
    # For tracebacks and profilers; what Nuitka compiles does not allow it.
    with suppress(RuntimeError):
        own.__code__ = own.__code__.replace(co_name=own.__name__, co_qualname=own.__qualname__)
    return derived
