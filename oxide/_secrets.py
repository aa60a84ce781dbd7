"""Text that must not be seen, and the headers that carry it."""

import re
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, Final, NoReturn

from oxide.exceptions import ApiTypeError, ApiValueError, ConfigurationError

MASK: Final = "<hidden>"

# Headers whose value may be shown; any other may be a credential.
_SHOWN: Final = frozenset({"accept", "accept-encoding", "api-version", "content-type", "user-agent"})
PRODUCT_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)  # RFC 9110, section 5.6.2
# A wrong one makes the server read one request as two, or wait for bytes that never come.
_FRAMING: Final = frozenset(
    {"connection", "content-length", "expect", "te", "trailer", "transfer-encoding", "upgrade"}
)
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*", re.ASCII)  # RFC 9110, section 5.5
_TOKEN = re.compile(r"[\x21-\x7e]+", re.ASCII)


class Secret(str):
    """A `str` that shows itself nowhere: `repr`, `str` and formatting give a mask, and it does not pickle.

    Whatever dumps headers or the locals of a traceback shows the mask; what needs the characters (an encoder, `+`)
    still gets them.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> "Secret":  # noqa: PYI034 - there are no subclasses
        # `str` would ask a Secret for its text, and get the mask.
        return text if isinstance(text, Secret) else super().__new__(cls, text)

    def __repr__(self) -> str:
        return MASK

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "Secret":
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        message = "a secret does not pickle: build the Configuration and the ApiClient where they are used"
        raise ApiTypeError(message)

    def reveal(self) -> str:
        """Return the characters as a plain `str`."""
        return "".join(self)


def checked_token(token: object) -> Secret:
    """Return `token` without the white space around it; raise `ConfigurationError` where no header could hold it."""
    if not isinstance(token, Secret):
        message = "access_token must be a str, or a callable that returns one"
        raise ConfigurationError(message)
    token = Secret(token.strip())
    if not token:
        message = "access_token is empty"
        raise ConfigurationError(message)
    if not _TOKEN.fullmatch(token):
        message = (
            "access_token holds white space, a control character or a character outside ASCII (not shown)"
        )
        raise ConfigurationError(message)
    return token


def masked(value: Any) -> Any:
    """Return a `str` as a `Secret`, anything else as it is."""
    return Secret(value) if isinstance(value, str) else value


class Headers(MutableMapping[str, str]):
    """Headers to send: names compared without case, names and values checked, credentials masked in `repr`."""

    def __init__(self, headers: Mapping[str, str] | None = None) -> None:
        self._items: dict[str, tuple[str, str]] = {}
        # Masked first, so that no frame of the traceback of a bad header holds a plain value.
        headers = {name: masked(value) for name, value in (headers or {}).items()}
        for name, value in headers.items():
            self[name] = value

    def __setitem__(self, name: str, value: str) -> None:
        value = masked(value)
        if not isinstance(name, str) or not isinstance(value, Secret):
            message = f"header {name!r}: name and value must be str"
            raise ApiTypeError(message)
        if not PRODUCT_TOKEN.fullmatch(name):
            message = f"header {name!r}: not a header name"
            raise ApiValueError(message)
        if name.lower() in _FRAMING:
            message = f"header {name}: it is set by the transport, which frames the message"
            raise ApiValueError(message)
        if not _HEADER_VALUE.fullmatch(value):
            message = f"header {name}: the value holds a control character or one outside Latin-1 (not shown)"
            raise ApiValueError(message)
        self._items[name.lower()] = (name, value.reveal() if name.lower() in _SHOWN else value)

    def __getitem__(self, name: str) -> str:
        return self._items[name.lower()][1]

    def __delitem__(self, name: str) -> None:
        del self._items[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._items.values())

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return repr(dict(self._items.values()))

    def by_lower_name(self) -> dict[str, str]:
        """Return a plain dict with lower-case names, whose secret values are still masked `Secret`s."""
        return {name: value for name, (_, value) in self._items.items()}
