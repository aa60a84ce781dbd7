"""The exceptions of this package, as one tree.

    OpenApiException
    ├── ApiTypeError (TypeError)                  an argument of the wrong type
    ├── ApiValueError (ValueError)                a bad value; use of a closed client
    │   └── ConfigurationError                    unusable settings or credentials
    ├── ApiKeyError (KeyError)                    never raised; for generated clients
    ├── ApiAttributeError (AttributeError)        no such setting or attribute
    ├── UploadError                               an upload that made no image
    └── ApiException                              a call failed
        ├── ApiConnectionError (ConnectionError)  no response: refused, cut, TLS, proxy
        ├── ApiTimeoutError (TimeoutError)        no response in time
        ├── ApiResponseError (ValueError)         a response that cannot be read
        ├── RedirectException                     3xx
        ├── BadRequestException                   400
        │   └── ObjectAlreadyExists               with that error code
        ├── UnauthorizedException                 401
        ├── ForbiddenException                    403
        ├── NotFoundException                     404
        ├── ConflictException                     409
        ├── UnprocessableEntityException          422
        ├── TooManyRequestsException              429
        └── ServiceException                      5xx

Bad arguments raise before anything is sent. An `ApiException` says whether the server may have acted
(`may_have_acted`), and whether calling again is safe and may help (`retryable`). All can be pickled and copied.
"""

import copyreg
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

from typing_extensions import override

from oxide._attempt import PASSING_STATUSES, Attempt, Outcome, may_have_acted, one_line
from oxide._uploading import Leftover

_MAX_TEXT = 1000  # bytes of UTF-8
_MAX_REQUEST_ID = 100  # likewise; a UUID has 36
_MAX_TARGET = 300  # likewise; a path with two names has less, but a page token may be long


class OpenApiException(Exception):  # noqa: N818 - the name used by generated clients
    """The base class of all exceptions of this package.

    Attributes:
        leftovers: what a failed `image_upload` left on the rack, one `oxide.Leftover` for each; usually none.
    """

    leftovers: tuple[Leftover, ...] = ()

    # The message says everything: see `oxide._traceback`.
    _needs_our_frames = False

    # Python would rebuild some from `args` alone, and keeps these outside `__dict__`.
    @override
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
        of_python = ("args", "errno", "strerror", "name")
        state = {name: getattr(self, name) for name in of_python if hasattr(self, name)}
        return copyreg.__newobj__, (type(self),), {**vars(self), **state}  # type: ignore[attr-defined]  # not in typeshed


class ApiTypeError(OpenApiException, TypeError):
    """An argument has the wrong type; nothing was sent."""


class ApiValueError(OpenApiException, ValueError):
    """An argument has a value that the API does not accept, or the client is closed; nothing was sent."""


class ApiKeyError(OpenApiException, KeyError):
    """Kept for generated clients; never raised."""


class ApiAttributeError(OpenApiException, AttributeError):
    """A setting, or an attribute of the client, does not exist; check the spelling."""


class ConfigurationError(ApiValueError):
    """A setting or the credentials cannot be used; the message says where the problem is and what to do."""


class UploadError(OpenApiException):
    """An upload created no image. Its `__cause__` is the exception of the call, or of the local step, that failed.

    Attributes:
        step: the step that failed, as in `UploadProgress.step`.
        leftovers: what it left on the rack, one `oxide.Leftover` for each.
        journal: the path of the journal if the same call can continue with it, or None.
    """

    def __init__(
        self, reason: str, *, step: str, leftovers: Sequence[Leftover] = (), journal: str | None = None
    ) -> None:
        super().__init__(reason)
        self.step = step
        self.leftovers = tuple(leftovers)
        self.journal = journal

    @property
    def retryable(self) -> bool:
        """Whether the same call, which is always safe to repeat, may succeed later: its cause is temporary."""
        return isinstance(self.__cause__, ApiException) and self.__cause__._is_passing()

    @override
    def __str__(self) -> str:
        """Return one line: what failed, what is left, and what to do."""
        parts = [f"upload failed at the step {self.step!r}: {self.args[0]}"]
        if self.leftovers:
            parts.append(f"still on the rack: {', '.join(map(str, self.leftovers))}")
        if self.journal is not None:
            parts.append(f"the same call resumes with the journal {self.journal}")
        elif self.leftovers:
            parts.append("remove that by hand")
        else:
            parts.append("nothing is left on the rack")
        return "; ".join(parts)


@dataclass(eq=False, repr=False, match_args=False)
class ApiException(OpenApiException):
    """A call failed.

    Attributes:
        status: the HTTP status code, or None if there was no response.
        reason: the HTTP reason phrase or, if there was no response, a description of what happened.
        body: the body of the response as text (`bytes` if it is not UTF-8), at most its first MiB, or None.
        data: the body as an `oxide.Error`, or None if it is not one.
        headers: the headers of the response, with case-insensitive names, or None.
        error_code: the server's code for the error, such as `ObjectNotFound`, or None.
        message: the server's message, or None.
        request_id: the server's ID of the request, from the body or the `x-request-id` header, or None.
        operation: the operation, such as `image_view`, or None.
        method: the HTTP method, or None.
        url: the requested URL, or None.
        outcome: how far the call got: `not sent` (the request never left), `unknown` (it left, and there is no response)
            or `answered`.
        attempts: one `oxide.Attempt` for each attempt, in order.
        retry_after: how long the server asks you to wait, in seconds, or None.
        hint: what to do about the error, or None if that is not known.
    """

    status: int | None = None
    reason: str | None = None
    _: KW_ONLY
    body: str | bytes | None = None
    data: Any = None
    headers: Mapping[str, str] | None = None
    error_code: str | None = None
    message: str | None = None
    request_id: str | None = None
    operation: str | None = None
    method: str | None = None
    url: str | None = None
    outcome: Outcome = "answered"
    attempts: tuple[Attempt, ...] = ()
    retry_after: float | None = None
    hint: str | None = None

    # Whether the connection failed in a way that may not recur, and whether the request does no harm if it is sent
    # twice. The retry decision goes by both.
    _transient = False
    _repeatable = False

    def __post_init__(self) -> None:
        super().__init__(self.reason)

    @property
    def may_have_acted(self) -> bool:
        """Whether the server may have carried out the request, in any attempt: look before you call again.

        False for a read, for a request that was never sent, and for a response that rejects it (3xx, or 4xx other than
        408). True for a write without a response, with a 2xx response that cannot be read, or with a 5xx response.
        """
        return not self._repeatable and (
            may_have_acted(self.outcome, self.status)
            or any(may_have_acted(attempt.outcome, attempt.status) for attempt in self.attempts)
        )

    @property
    def retryable(self) -> bool:
        """Whether calling again is safe and may help: the failure is temporary, and `may_have_acted` is False."""
        return self._is_passing() and not self.may_have_acted

    def _is_passing(self) -> bool:
        return self._transient or isinstance(self, TimeoutError) or self.status in PASSING_STATUSES

    @override
    def __str__(self) -> str:
        """Return one line: status, code, message, what was asked for, request ID, attempts, and what to do if known."""
        what = " ".join(str(part) for part in (self.status, self.error_code or self.reason) if part)
        text = ": ".join(part for part in (what, self.message) if part) or type(self).__name__
        facts = [
            self._asked_for(),
            self.request_id and f"request id {one_line(self.request_id, _MAX_REQUEST_ID)}",
            self.may_have_acted and "the server may have acted",
            len(self.attempts) > 1 and f"{len(self.attempts)} attempts",
            self.retry_after is not None and f"retry after {self.retry_after:g} s",
        ]
        if known := ", ".join(fact for fact in facts if fact):
            # The facts stay readable however long the server's message is.
            text = f"{one_line(text, _MAX_TEXT - len(known.encode()) - 3)} ({known})"
        return one_line(text, _MAX_TEXT) + (f"; {self.hint}" if self.hint else "")

    def _asked_for(self) -> str | None:
        if self.method is None or self.url is None:
            return self.operation
        _, slash, target = self.url.partition("://")[2].partition("/")
        return one_line(f"{self.method} {slash}{target}", _MAX_TARGET)

    @override
    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self}>"


class ApiConnectionError(ApiException, ConnectionError):
    """No response: the connection was refused, reset or cut, or TLS or a proxy failed. See `may_have_acted`.

    `errno` and `strerror` are those of the cause, or None.
    """


class ApiTimeoutError(ApiException, TimeoutError):
    """No response in time. See `may_have_acted`: if it is True, look before you call again.

    `errno` and `strerror` are those of the cause, or None.
    """


class ApiResponseError(ApiException, ValueError):
    """A response that cannot be read: not HTTP, not JSON, not of the expected form, or too large."""


class RedirectException(ApiException):
    """3xx: redirects are not followed, so that a token never goes to another host. Correct `host`."""

    @property
    def location(self) -> str | None:
        """The target of the redirect, or None."""
        return self.headers.get("location") if self.headers else None


class BadRequestException(ApiException):
    """400: the server rejects the request; a retry will not help."""


class ObjectAlreadyExists(BadRequestException):
    """400 with the code `ObjectAlreadyExists`: the name is taken.

    `ImagesApi.image_ensure` raises it too, without a status, if the image of that name differs.
    """


class UnauthorizedException(ApiException):
    """401: the token is missing, unknown or expired."""


class ForbiddenException(ApiException):
    """403: the token's user may see the resource, but may not do this with it."""


class NotFoundException(ApiException):
    """404: the resource does not exist, or the token's user may not see it."""


class ConflictException(ApiException):
    """409: the resource is in a state that does not allow this."""


class UnprocessableEntityException(ApiException):
    """422: the request was understood but rejected."""


class TooManyRequestsException(ApiException):
    """429: something between client and rack limits the rate; see `retry_after`."""


class ServiceException(ApiException):
    """5xx: the server, or something in front of it, failed."""
