"""Translates what urllib3, `ssl` and `http.client` raise into the exceptions of this package."""

import http.client
import re
import socket
import ssl

from urllib3.exceptions import HTTPError
from urllib3.util.ssl_match_hostname import CertificateError

from oxide._attempt import PASSING_STATUSES, Outcome
from oxide._transport.exchange import ConnectError, Exchange
from oxide.exceptions import (
    ApiConnectionError,
    ApiException,
    ApiResponseError,
    ApiTimeoutError,
)

TRANSLATED = (HTTPError, OSError, http.client.HTTPException)

# How TLS reports the end of a connection.
_TLS_END = (ssl.SSLEOFError, ssl.SSLZeroReturnError)
_NO_TLS = frozenset({"HTTP_REQUEST", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL", "WRONG_VERSION_NUMBER"})
_TUNNEL_REFUSED = r"Tunnel connection failed: (\d+)"


def translate(error: Exception, exchange: Exchange) -> ApiException:
    """Return our exception for `error`, with its root cause as the only cause."""
    root, place = _root(error)
    failure_class: type[ApiException] = ApiConnectionError
    transient = True
    if isinstance(root, TimeoutError):
        failure_class, message = ApiTimeoutError, _timeout_message(root, exchange, place)
        # With an errno, the system gave up on the peer, rather than a limit of ours.
        transient = not exchange.sent or root.errno is not None
    elif isinstance(root, (ssl.SSLCertVerificationError, CertificateError)):
        message, transient = f"TLS: certificate refused: {getattr(root, 'verify_message', root)}", False
    elif isinstance(root, ssl.SSLError) and (exchange.connecting or not isinstance(root, _TLS_END)):
        message, transient = f"TLS: {root.reason or root}", False
        if root.reason in _NO_TLS:
            message += " (the other side does not speak TLS: http instead of https?)"
    elif isinstance(root, socket.gaierror):
        message, transient = f"{place}: {root.strerror}", root.errno == socket.EAI_AGAIN
    elif isinstance(root, ConnectError):
        message, transient = place, False
    elif isinstance(root, (http.client.RemoteDisconnected, *_TLS_END)):
        message = "the server closed the connection without a response"
    elif isinstance(root, http.client.IncompleteRead):
        message = "the response was cut short"
    elif isinstance(root, OSError):
        refused = re.search(_TUNNEL_REFUSED, str(root))
        transient = refused is None or int(refused[1]) in PASSING_STATUSES
        message = ": ".join(part for part in (place, root.strerror or str(root)) if part)
    else:
        failure_class, message, transient = ApiResponseError, f"malformed response: {root}", False
    outcome: Outcome = (
        "not sent" if not exchange.sent else "unknown" if exchange.status is None else "answered"
    )
    failure = failure_class(exchange.status, message, outcome=outcome)
    failure._transient = transient
    # http.client's frames hold the request, with the token, and error reporters print the locals of every frame.
    root.__traceback__ = root.__cause__ = root.__context__ = None
    failure.__cause__ = root
    return failure


def _root(error: BaseException) -> tuple[BaseException, str]:
    """Return the root cause of `error`, and the text of the `ConnectError` in its chain, if any."""
    place = ""
    while True:
        if isinstance(error, ConnectError):
            place = str(error)
        inner = (
            next((part for part in error.args if isinstance(part, BaseException)), None) or error.__cause__
        )
        if inner is None:
            return error, place
        error = inner


def _timeout_message(root: TimeoutError, exchange: Exchange, place: str) -> str:
    if root.errno is not None:
        # The system gave up, not a limit of ours.
        return ": ".join(part for part in (place, root.strerror) if part)
    if exchange.limit == "timeout":
        return "the time limit for the whole call was reached (timeout)"
    if exchange.limit == "connect_timeout":
        what = f"{place}: " if place else ""
        return f"{what}no connection within {exchange.limits.connect:g} s (connect_timeout)"
    return f"no data for {exchange.limits.silence:g} s (read_timeout)"
