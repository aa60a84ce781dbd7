"""Translates what urllib3, `ssl` and `http.client` raise into the exceptions of this package."""

import http.client
import socket
import ssl

from urllib3.exceptions import HTTPError
from urllib3.util.ssl_match_hostname import CertificateError

from oxide._attempt import PASSING_STATUSES, Outcome
from oxide._transport.exchange import Exchange
from oxide.exceptions import ApiConnectionError, ApiException, ApiResponseError, ApiTimeoutError

TRANSLATED = (HTTPError, OSError, http.client.HTTPException)

# How TLS reports the end of a connection.
_TLS_END = (ssl.SSLEOFError, ssl.SSLZeroReturnError)
_NO_TLS = frozenset({"HTTP_REQUEST", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL", "WRONG_VERSION_NUMBER"})


class ConnectError(http.client.HTTPException):
    """No connection could be made to any address of the host."""


class TunnelRefused(http.client.HTTPException):
    """The proxy does not connect us to the host."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"Tunnel connection failed: {status} {reason.strip()}")
        self.status = status


class SignalInterrupt(http.client.HTTPException):
    """A signal handler of the program has raised an exception, which is the cause of this one."""


def is_from_signal_handler(error: BaseException) -> bool:
    """Return whether a signal handler of the program has raised `error`, rather than the connection.

    The system call that it interrupts is where both come from, and an alarm may well raise a `TimeoutError`.
    """
    traceback = error.__traceback__
    while traceback is not None:
        frame = traceback.tb_frame
        # A handler, and nothing else here, is called with the frame that calls it.
        for value in frame.f_locals.values():
            given = value if isinstance(value, tuple) else (value,)
            if frame.f_back is not None and any(one is frame.f_back for one in given):
                return True
        traceback = traceback.tb_next
    return False


def translate(error: Exception, exchange: Exchange) -> Exception:
    """Return our exception for `error`, with its root cause as the only cause.

    If the root cause does not come from the connection, but from a signal handler of the program, return that.
    """
    root, where = _root(error)
    if is_from_signal_handler(root):
        return root
    failure_class: type[ApiException] = ApiConnectionError
    transient = True
    if isinstance(root, TimeoutError):
        failure_class, message = ApiTimeoutError, _timeout_message(root, exchange, where)
        # With an errno, the system gave up on the peer, rather than a limit of ours.
        transient = not exchange.sent or root.errno is not None
    elif isinstance(root, (ssl.SSLCertVerificationError, CertificateError)):
        message, transient = f"TLS: certificate refused: {getattr(root, 'verify_message', root)}", False
    elif isinstance(root, ssl.SSLError) and (exchange.connecting or not isinstance(root, _TLS_END)):
        message, transient = f"TLS: {root.reason or root}", False
        if root.reason in _NO_TLS:
            message += " (the other side does not speak TLS: http instead of https?)"
    elif isinstance(root, socket.gaierror):
        message, transient = f"{where}: {root.strerror}", root.errno == socket.EAI_AGAIN
    elif isinstance(root, ConnectError):
        message, transient = where, False
    elif isinstance(root, TunnelRefused):
        message, transient = str(root), root.status in PASSING_STATUSES
    elif isinstance(root, http.client.IncompleteRead) or (exchange.status and isinstance(root, _TLS_END)):
        message = "the response was cut short"
    elif isinstance(root, (http.client.RemoteDisconnected, *_TLS_END)):
        message = "the server closed the connection without a response"
    elif isinstance(root, OSError):
        message = ": ".join(part for part in (where, root.strerror or str(root)) if part)
    else:
        failure_class, message, transient = ApiResponseError, f"malformed response: {root}", False
    outcome: Outcome = (
        "not sent" if not exchange.sent else "unknown" if exchange.status is None else "answered"
    )
    failure = failure_class(exchange.status, message, outcome=outcome)
    failure._transient = transient
    if isinstance(failure, OSError) and isinstance(root, OSError):
        failure.errno, failure.strerror = root.errno, root.strerror
    # http.client's frames hold the request, with the token, and error reporters print the locals of every frame.
    root.__traceback__ = root.__cause__ = root.__context__ = None
    failure.__cause__ = root
    return failure


def _root(error: Exception) -> tuple[Exception, str]:
    """Return the root cause of `error`, and the text of the `ConnectError` in its chain, if any."""
    where = ""
    while True:
        if isinstance(error, ConnectError):
            where = str(error)
        inner = next((part for part in error.args if isinstance(part, Exception)), None) or error.__cause__
        if not isinstance(inner, Exception):
            return error, where
        error = inner


def _timeout_message(root: TimeoutError, exchange: Exchange, where: str) -> str:
    if root.errno is not None:
        # The system gave up, not a limit of ours.
        return ": ".join(part for part in (where, root.strerror) if part)
    limits, expected = exchange.limits, "response" if exchange.status is None else "complete response"
    if exchange.limit == "timeout":
        # Counted from the beginning of the call, whatever has been done since.
        return f"no {expected} within {limits.whole:.9g} s (timeout={limits.whole:.9g})"
    if exchange.limit == "connect_timeout":
        what = f"{where}: " if where else ""
        return f"{what}no connection within {limits.connect:.9g} s (connect_timeout={limits.connect:.9g})"
    return f"no data for {limits.silence:.9g} s (read_timeout={limits.silence:.9g})"
