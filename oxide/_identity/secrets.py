"""Secret text, and the headers that carry it."""

import re
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, Final, NoReturn, Self

from oxide._traceback import calls_users_code
from oxide.exceptions import ApiTypeError, ApiValueError, ConfigurationError

MASK: Final = "<hidden>"
_MASKED_TEXT: Final = (
    f"contains {MASK!r}, which is what a masked token becomes in an f-string or str(): leave the header to "
    "access_token or _request_auth, or join the text with +"
)

# Headers whose values may be shown; any other may be a credential.
_SHOWN: Final = frozenset({"accept", "accept-encoding", "api-version", "content-type", "user-agent"})
PRODUCT_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)  # RFC 9110, section 5.6.2
# A wrong one would make the server read one request as two, or wait for bytes that never come.
_FRAMING: Final = frozenset(
    {"connection", "content-length", "expect", "te", "trailer", "transfer-encoding", "upgrade"}
)
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*", re.ASCII)  # RFC 9110, section 5.5
_TOKEN = re.compile(r"[\x21-\x7e]+", re.ASCII)


class _Guarded:
    """A base for what copies as itself and cannot be pickled."""

    __slots__ = ()

    def __repr__(self) -> str:
        return MASK

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        message = "a secret cannot be pickled: build the Configuration and the ApiClient where they are used"
        raise ApiTypeError(message)


class Secret(_Guarded, str):
    """A `str` that hides its text: `repr`, `str` and formatting give a mask, and it cannot be pickled.

    Dumps of headers or of a traceback's locals show the mask, and results of `+` and `str` methods are `Secret`s too.
    Encoders, including JSON's, still get the characters.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> "Secret":  # noqa: PYI034 - there are no subclasses
        # Not `str(text)`, which for an enum member or another library's secret would not be the characters.
        return text if isinstance(text, Secret) else super().__new__(cls, str.__str__(text))

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    # Lines are asked for only to show text, such as a diff of two strings.
    def splitlines(self, keepends: bool = False) -> list[str]:  # noqa: ARG002, FBT001, FBT002 - as in str
        return [MASK]

    def __radd__(self, other: str) -> "Secret":
        return Secret(str.__add__(other, self))

    def reveal(self) -> str:
        """Return the characters as a plain `str`."""
        return str.__str__(self)


def _still_secret(method: Callable[..., Any]) -> Callable[..., Any]:
    def masking(self: Secret, *arguments: Any, **options: Any) -> Any:
        result = method(self, *arguments, **options)
        return Secret(result) if isinstance(result, str) else type(result)(map(Secret, result))

    return masking


# Printers that shorten long text take a slice before they take its `repr`.
_METHODS: Final = (
    "__add__ __getitem__ __mul__ __rmul__ capitalize casefold center expandtabs ljust lower lstrip partition "
    "removeprefix removesuffix replace rjust rpartition rsplit rstrip split strip swapcase title translate upper zfill"
)
for _name in _METHODS.split():
    setattr(Secret, _name, _still_secret(getattr(str, _name)))


class SecretSource(_Guarded):
    """Wraps a callable that returns a secret, since its `repr` may show the secret, as that of a partial does."""

    __slots__ = ("_read",)

    def __init__(self, read: Callable[[], object]) -> None:
        self._read = read

    @calls_users_code
    def __call__(self) -> Any:
        return masked(self._read())


class _Unusable(_Guarded):
    """Replaces a value of the wrong type, which may still hold a secret."""

    __slots__ = ()


_UNUSABLE = _Unusable()


def masked(value: Any) -> Any:
    """Return a possible secret (text, a callable, or a mapping with such values) in a form that does not show it.

    A function that is given a secret masks it first, so that no traceback frame holds it.
    """
    if value is None or isinstance(value, (Secret, SecretSource, Headers)):
        return value
    if isinstance(value, str):
        return Secret(value)
    if isinstance(value, Mapping):
        return {name: masked(item) for name, item in value.items()}
    return SecretSource(value) if callable(value) else _UNUSABLE


def checked_token(token: object, name: str = "access_token") -> Secret:
    """Return a masked token without surrounding white space; raise `ConfigurationError` if it cannot go into a header.

    `name` is its name in the message.
    """
    if not isinstance(token, Secret):
        message = f"{name} must be a str"
        raise ConfigurationError(message)
    token = Secret(token.strip())
    if not token:
        message = f"{name} is empty"
        raise ConfigurationError(message)
    if token.lower().startswith("bearer "):
        message = f"{name} must be the token alone, without 'Bearer'"
        raise ConfigurationError(message)
    if MASK in token:
        message = f"{name} {_MASKED_TEXT}"
        raise ConfigurationError(message)
    if not _TOKEN.fullmatch(token):
        message = f"{name} contains white space, a control character or a character outside ASCII (not shown)"
        raise ConfigurationError(message)
    return token


class Headers(MutableMapping[str, str]):
    """Headers to send: names compared without case, names and values checked, credentials masked in `repr`."""

    def __init__(self, headers: Mapping[str, str] | None = None) -> None:
        self._items: dict[str, tuple[str, str]] = {}
        for name, value in (headers or {}).items():
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
            message = f"header {name}: only the transport may set it"
            raise ApiValueError(message)
        if MASK in value:
            message = f"header {name} {_MASKED_TEXT}"
            raise ApiValueError(message)
        if not _HEADER_VALUE.fullmatch(value):
            message = (
                f"header {name}: the value contains a control character or one outside Latin-1 (not shown)"
            )
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
        # A copy, since another thread may add a header meanwhile.
        return {name: value for name, (_, value) in self._items.copy().items()}
