"""The `ApiClient`: a configuration, its connections, and the headers sent with every call."""

import codecs
import random
import sys
import time
from collections.abc import Callable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self, TypeVar

from typing_extensions import override

from oxide._call.engine import Engine
from oxide._call.operation import Operation
from oxide._call.options import RequestOptions, mask_options
from oxide._call.urllib3_retry import policy_of
from oxide._identity.secrets import Headers, masked, masked_name
from oxide._traceback import ends_above, ends_here
from oxide._transport.response import RESTResponse
from oxide._transport.transport import URLLIB3_VERSION, Transport
from oxide._version import __version__
from oxide._warnings import warn
from oxide.api_response import ApiResponse
from oxide.configuration import Configuration
from oxide.exceptions import ApiAttributeError, ApiTypeError, ApiValueError
from oxide.models._model import build_models

T = TypeVar("T")


class ApiClient:
    """Sends the calls of any number of API objects over one pool of connections.

    Threads may share it. In a forked child it makes its own connections. `close`, or the end of its `with` block,
    closes every connection; later calls raise `ApiValueError`.

    Args:
        configuration: the settings, fixed from now on; None uses `Configuration.get_default()`.
        header_name: a header to send with every call, with `header_value`.
        header_value: its value.
        cookie: a `Cookie` header to send with every call.
        clock: returns the seconds of a clock that never goes back; None uses `time.monotonic`. Tests may pass their own.
        sleep: waits for that many seconds; None uses `time.sleep`. Tests may pass their own.
        jitter: returns a random number from 0 to 1; None uses one that no seed determines. Tests may pass their own.

    Raises:
        ConfigurationError: settings that conflict, or a file that cannot be used.
    """

    # Makes it an error to assign to an unknown attribute, such as generated clients' `cookie`.
    __slots__ = ("__weakref__", "_configuration", "_default_headers", "_engine")
    _default: ClassVar["ApiClient | None"] = None

    def __init__(
        self,
        configuration: Configuration | None = None,
        header_name: str | None = None,
        header_value: str | None = None,
        cookie: str | None = None,
        *,
        clock: Callable[[], float] | None = None,
        sleep: Callable[[float], object] | None = None,
        jitter: Callable[[], float] | None = None,
    ) -> None:
        header_value, cookie = masked(header_value), masked(cookie)
        header_name = None if header_name is None else masked_name(header_name)
        with ends_here:
            if configuration is not None and not isinstance(configuration, Configuration):
                raise ApiTypeError(
                    f"ApiClient: expected a Configuration, got {type(configuration).__name__}; "
                    "use ApiClient(Configuration(host))"
                )
            self._configuration = Configuration.get_default() if configuration is None else configuration
            self._default_headers = Headers({"User-Agent": _user_agent(self.configuration.application)})
            if header_name is not None:
                self.default_headers[header_name] = masked(header_value)
            if cookie is not None:
                self.default_headers["Cookie"] = cookie
            self.configuration._check()
            # Now rather than in the first call: a fork during this would inherit the locks that it takes.
            build_models()
            codecs.lookup("idna")  # which name resolution uses
            transport = Transport(self.configuration)
            self._engine: Engine | None = Engine(
                configuration=self.configuration,
                transport=transport,
                policy=policy_of(self.configuration),
                default_headers=self._default_headers,
                refusal=transport.refusal(),
                clock=clock or time.monotonic,
                sleep=sleep or time.sleep,
                # Not the program's generator: many programs seed it alike, and must not come back in step.
                jitter=jitter or random.SystemRandom().random,
            )
        if not self.configuration.verify_ssl:
            # Before anything is frozen, since it is an error where warnings are.
            warn(
                "verify_ssl=False: anyone between here and the host can read the token and change what is sent"
            )
        self.configuration._freeze()

    # Hidden from type checkers, which would otherwise accept any name.
    if not TYPE_CHECKING:

        def __getattr__(self, name):
            raise ApiAttributeError(
                f"ApiClient has no attribute {name!r}; for those of generated clients, see docs/migrating.md"
            )

    @classmethod
    def get_default(cls) -> "ApiClient":
        """Return the client used by API objects made without one: that of `set_default`, else a new default one."""
        if ApiClient._default is None:
            ApiClient._default = ApiClient()
        return ApiClient._default

    @classmethod
    def set_default(cls, default: "ApiClient | None") -> None:
        """Set the client that `get_default` returns; None makes it create a new one."""
        ApiClient._default = default

    @property
    def configuration(self) -> Configuration:
        """The configuration; of its settings, only `access_token` may still be assigned."""
        return self._configuration

    @property
    def default_headers(self) -> MutableMapping[str, str]:
        """The headers sent with every call, with case-insensitive names; they may be changed between calls."""
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
        header_name, header_value = masked_name(header_name), masked(header_value)
        with ends_here:
            self.default_headers[header_name] = header_value

    def close(self) -> None:
        """Close every connection: idle ones, and those of open responses, which can then no longer be read.

        A call that is running in another thread still completes, and then closes its connection. Later calls raise
        `ApiValueError`.
        """
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @override
    def __repr__(self) -> str:
        # A debugger may ask while the constructor is running.
        configuration, engine = (getattr(self, name, None) for name in ("_configuration", "_engine"))
        host = "" if configuration is None else f" {configuration.host},"
        return f"<ApiClient{host} {'closed' if engine is None else 'open'}>"

    @override
    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise ApiTypeError("an ApiClient cannot be pickled: build it in the worker that uses it")

    def _call(
        self,
        operation: Operation[T],
        options: RequestOptions,
        arguments: Mapping[str, Any],
        body: object = None,
    ) -> ApiResponse[T]:
        """Run one operation and return its result with the response; raise `ApiException` if it fails."""
        with ends_above:
            mask_options(options)
            return self._open_engine().call(operation, options, arguments, body)

    def _open(
        self,
        operation: Operation[Any],
        options: RequestOptions,
        arguments: Mapping[str, Any],
        body: object = None,
    ) -> RESTResponse:
        """Run one operation and return its response, whatever its status, with the body still unread."""
        with ends_above:
            mask_options(options)
            return self._open_engine().open(operation, options, arguments, body)

    def _open_engine(self) -> Engine:
        if self._engine is None:
            raise ApiValueError(
                "this ApiClient is closed: make the call inside its `with` block, or make a new client"
            )
        return self._engine


def _user_agent(application: tuple[str, str] | None) -> str:
    python = ".".join(str(part) for part in sys.version_info[:3])
    own = f"oxide-python/{__version__} python/{python} urllib3/{URLLIB3_VERSION}"
    return own if application is None else f"{'/'.join(application)} {own}"
