"""Sends a request through a urllib3 pool of our own and returns the response, or raises an exception of ours."""

import ssl
import weakref
from collections.abc import Mapping
from typing import Any, NamedTuple

import urllib3
from urllib3.exceptions import ClosedPoolError
from urllib3.util.retry import Retry

from oxide._identity.hosts import is_loopback, parse_host
from oxide._identity.secrets import Secret
from oxide._transport.exchange import Exchange, this_process
from oxide._transport.failures import TRANSLATED, translate
from oxide._transport.pool import close_pool, make_pool
from oxide._transport.response import RESTResponse
from oxide.configuration import Configuration
from oxide.exceptions import ApiException, ApiValueError

URLLIB3_VERSION: str = urllib3.__version__  # type: ignore[attr-defined]  # public, but not in its __all__


_NO_RETRIES = Retry(False, redirect=False)  # noqa: FBT003 - urllib3's API


class _OfProcess(NamedTuple):
    """What a process has of a transport, kept together so that no thread sees half of a change."""

    process: tuple[int, int]
    pool: urllib3.HTTPConnectionPool
    open_responses: "weakref.WeakValueDictionary[int, RESTResponse]"


class Transport:
    """Sends requests over one pool of connections; after a fork, the child makes its own.

    Raises `ConfigurationError`, naming the file, if TLS cannot be set up.
    """

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._host = parse_host(configuration.host)
        self._proxy = configuration._chosen_proxy()
        forwarding = self._proxy is not None and self._host.scheme == "http"
        # A forwarding proxy gets the whole URL; otherwise the path is enough.
        self._prefix = self._host.url if forwarding else self._host.base_path
        self._tls = configuration._tls()
        self._of_process = self._new_process()
        self._closed = False

    def send(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str | Secret],
        body: bytes | None,
        exchange: Exchange,
    ) -> RESTResponse:
        """Send one request and return its response, with the body still unread.

        Raises:
            ApiConnectionError: no response; see `outcome`.
            ApiTimeoutError: no response in time; see `outcome`.
            ApiResponseError: a response that is not HTTP.
        """
        # urllib3 hands the values on to http.client, which encodes them.
        encodable: Any = headers
        # Our pool gives it to the connection that it takes.
        pool_timeout: Any = exchange
        try:
            # The pool's `urlopen`, since OpenTelemetry instruments it.
            response = self._of_this_process().pool.urlopen(
                method,
                self._prefix + target,
                body=body,
                headers=encodable,
                retries=_NO_RETRIES,
                redirect=False,
                assert_same_host=False,
                preload_content=False,
                decode_content=False,
                # The exchange sets the time left before each operation, and nothing else limits it.
                timeout=None,
                pool_timeout=pool_timeout,
            )
        except ClosedPoolError:
            raise ApiValueError("the ApiClient was closed during the call") from None
        except TRANSLATED as error:
            failure = translate(error, exchange)
        else:
            return RESTResponse(response, exchange, self._configuration.max_response_bytes)
        if isinstance(failure, ApiException):
            self._explain(failure, exchange)
        raise failure

    def close_with_client(self, response: RESTResponse) -> RESTResponse:
        """Have a response that is still open close with the client at the latest, and return it."""
        self._of_this_process().open_responses[id(response)] = response
        if self._closed:
            response._hang_up()
        return response

    def close(self) -> None:
        """Close idle connections and open responses; a running call closes its connection when it ends."""
        self._closed = True
        process, pool, open_responses = self._of_process
        close_pool(pool)
        if process != this_process():
            # At the fork, another thread may have been reading one; its lock would be held forever.
            return
        for reference in open_responses.valuerefs():
            response = reference()
            if response is not None:
                response._hang_up()

    def _new_process(self) -> _OfProcess:
        pool = make_pool(self._configuration, self._tls, self._host, self._proxy)
        return _OfProcess(this_process(), pool, weakref.WeakValueDictionary())

    def _of_this_process(self) -> _OfProcess:
        if self._of_process.process != this_process():
            # The connections belong to the parent process, which still uses them; dropping the pool closes them
            # here, but sends nothing.
            self._of_process = self._new_process()
        return self._of_process

    def refusal(self) -> str | None:
        """Return why no credentials may be sent, or None: over plain http they stay on this machine."""
        if self._host.scheme == "https" or self._configuration.allow_http_token:
            return None
        names = [self._host.name] if self._proxy is None else [self._host.name, self._proxy.name]
        resolve = self._configuration.resolve
        exposed = [name for name in names if not is_loopback(resolve.get(name, name))]
        if not exposed:
            return None
        return (
            f"no token or cookie is sent over plain http to {exposed[0]}, where anyone in between could read "
            "it: use https://, or set allow_http_token=True"
        )

    def _explain(self, failure: ApiException, exchange: Exchange) -> None:
        """Add what only the configuration knows: the trusted CAs and the proxy."""
        if isinstance(failure.__cause__, ssl.SSLCertVerificationError):
            # With a forwarding proxy, it is the only TLS peer.
            of_proxy = self._proxy is not None and (exchange.with_proxy or self._host.scheme == "http")
            peer = f"proxy {self._proxy.name!r}" if self._proxy and of_proxy else f"host {self._host.name!r}"
            trusted = self._tls.trusted_for_proxy if of_proxy else self._tls.trusted
            failure.reason = f"{failure.reason} ({peer}; trusted CA certificates: {trusted})"
        if failure.outcome == "not sent" and self._configuration._source("host") == "default":
            failure.hint = "host is not set: give it to the Configuration, or use from_environment()"
        if self._proxy is not None and failure.outcome == "not sent":
            failure.reason = f"proxy {self._proxy.url}: {failure.reason}"
