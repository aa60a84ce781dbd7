"""The client: owns configuration, transport, headers and lifetime."""

import codecs
import random
import sys
import time
from collections.abc import Callable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self, TypeVar

from oxide import __version__
from oxide._call import Engine
from oxide._operations import Operation
from oxide._options import RequestOptions, mask_options
from oxide._secrets import Headers, masked
from oxide._urllib3_retry import policy_of
from oxide._warnings import warn
from oxide.api_response import ApiResponse
from oxide.configuration import Configuration
from oxide.exceptions import ApiAttributeError, ApiTypeError, ApiValueError
from oxide.models import build_models
from oxide.rest import URLLIB3_VERSION, RESTResponse, Transport

T = TypeVar("T")


class ApiClient:
    """Sends the calls of any number of API objects over one pool of connections.

    Threads may share it. In a forked child it makes new connections by itself. As a context manager, or by
    `close`, it closes every connection; what is called afterwards raises `ApiValueError`.

    Args:
        configuration: what to use; None takes `Configuration.get_default()`. Its settings are fixed from now on.
        header_name: a header to send with every call, with `header_value`.
        header_value: its value.
        cookie: a `Cookie` header to send with every call.
        clock: seconds on a clock that never goes back; tests may give their own.
        sleep: waits for that many seconds; tests may give their own.
        jitter: returns a random number from 0 to 1; tests may give their own.

    Raises:
        ConfigurationError: settings that do not go together, or a file that cannot be used.
    """

    # So that assigning to an attribute that does not exist, such as generated clients' `cookie`, is an error.
    __slots__ = ("__weakref__", "_configuration", "_default_headers", "_engine")
    _default: ClassVar["ApiClient | None"] = None

    def __init__(
        self,
        configuration: Configuration | None = None,
        header_name: str | None = None,
        header_value: str | None = None,
        cookie: str | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        header_value, cookie = masked(header_value), masked(cookie)
        if configuration is not None and not isinstance(configuration, Configuration):
            message = f"ApiClient: expected a Configuration, got {type(configuration).__name__}"
            raise ApiTypeError(message)
        self._configuration = Configuration.get_default() if configuration is None else configuration
        self._default_headers = Headers({"User-Agent": _user_agent(self.configuration.application)})
        if header_name is not None:
            self.default_headers[header_name] = masked(header_value)
        if cookie is not None:
            self.set_default_header("Cookie", cookie)
        self.configuration._check()
        # Now rather than in the first call: a process that is forked meanwhile inherits the locks that this takes.
        build_models()
        codecs.lookup("idna")  # as the system's resolver of names does
        transport = Transport(self.configuration)
        self._engine: Engine | None = Engine(
            configuration=self.configuration,
            transport=transport,
            policy=policy_of(self.configuration),
            default_headers=self._default_headers,
            refusal=transport.refusal(),
            clock=clock,
            sleep=sleep,
            jitter=jitter,
        )
        self.configuration._freeze()
        if not self.configuration.verify_ssl:
            warn(
                "verify_ssl=False: anybody on the way to the host can read the token and change what is sent"
            )

    # Hidden from type checkers, which would take any name for known.
    if not TYPE_CHECKING:

        def __getattr__(self, name):
            message = (
                f"ApiClient has no attribute {name!r}; for those of generated clients, see docs/migrating.md"
            )
            raise ApiAttributeError(message)

    @classmethod
    def get_default(cls) -> "ApiClient":
        """Return the client of API objects made without one: what `set_default` was given, else one by default."""
        if ApiClient._default is None:
            ApiClient._default = ApiClient()
        return ApiClient._default

    @classmethod
    def set_default(cls, default: "ApiClient | None") -> None:
        """Set what `get_default` returns; None has it make a new one."""
        ApiClient._default = default

    @property
    def configuration(self) -> Configuration:
        """The configuration; of its settings, only `access_token` may still be assigned."""
        return self._configuration

    @property
    def default_headers(self) -> MutableMapping[str, str]:
        """The headers sent with every call, names compared without case; they may change from call to call."""
        return self._default_headers

    @property
    def user_agent(self) -> str:
        """The `User-Agent` header."""
        return self.default_headers["User-Agent"]

    @user_agent.setter
    def user_agent(self, value: str) -> None:
        self.default_headers["User-Agent"] = value

    def set_default_header(self, header_name: str, header_value: str) -> None:
        """Send a header with every call from now on."""
        header_value = masked(header_value)
        self.default_headers[header_name] = header_value

    def close(self) -> None:
        """Close every connection: the idle ones, and those of answers that are open, which can then be read no more.

        A call that another thread is in the middle of goes on to its end, and its connection closes with it. What is
        called afterwards raises `ApiValueError`.
        """
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        message = "an ApiClient does not pickle: build it in the worker that uses it"
        raise ApiTypeError(message)

    def _call(
        self,
        operation: Operation[T],
        options: RequestOptions,
        arguments: Mapping[str, Any],
        body: object = None,
    ) -> ApiResponse[T]:
        """Run one operation and return its result with the answer; raise `ApiException` where there is none."""
        if options:
            mask_options(options)
        return self._open_engine().call(operation, options, arguments, body)

    def _open(
        self,
        operation: Operation[Any],
        options: RequestOptions,
        arguments: Mapping[str, Any],
        body: object = None,
    ) -> RESTResponse:
        """Run one operation and return its answer, whatever its status, the body still to be read."""
        if options:
            mask_options(options)
        return self._open_engine().open(operation, options, arguments, body)

    def _open_engine(self) -> Engine:
        if self._engine is None:
            message = "this ApiClient is closed: make the call inside its `with` block, or make a new client"
            raise ApiValueError(message)
        return self._engine


def _user_agent(application: tuple[str, str] | None) -> str:
    python = ".".join(str(part) for part in sys.version_info[:3])
    own = f"oxide-python/{__version__} python/{python} urllib3/{URLLIB3_VERSION}"
    return own if application is None else f"{'/'.join(application)} {own}"
