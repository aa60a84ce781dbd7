"""Wraps tokens and passwords so that repr, logs and pickles show a mask, and the headers that carry them."""

import re
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, Final, NoReturn, Self

from typing_extensions import override

from oxide._traceback import calls_users_code
from oxide.exceptions import ApiTypeError, ApiValueError, ConfigurationError

MASK: Final = "<hidden>"
_MASKED_TEXT: Final = (
    f"contains {MASK!r}, which is shown in place of a secret: give the secret itself "
    "(access_token of the configuration reads as its text)"
)

# Headers whose values may be shown; any other may be a credential.
_SHOWN: Final = frozenset({"accept", "accept-encoding", "api-version", "content-type", "user-agent"})
PRODUCT_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)  # RFC 9110, section 5.6.2
# A wrong one would make the server read one request as two, or wait for bytes that never come.
_FRAMING: Final = frozenset(
    {"connection", "content-length", "expect", "te", "trailer", "transfer-encoding", "upgrade"}
)
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*", re.ASCII)  # RFC 9110, section 5.5
_SKIP_HEADER: Final = "@@@SKIP_HEADER@@@"  # urllib3 leaves out a header of its own for this value
_TOKEN = re.compile(r"[\x21-\x7e]+", re.ASCII)
# As in an env file that is not read by a shell.
QUOTED: Final = re.compile(r"([\"']).*\1", re.DOTALL)
IN_QUOTES: Final = "is in quotes, which are taken as part of it: leave them out"
_SUSPECT = re.compile(r"oxide-[a-z]+-[0-9A-Za-z]{20,}|PRIVATE KEY-----", re.ASCII | re.IGNORECASE)


class _Guarded:
    """A base for what shows a mask, copies as itself and cannot be pickled."""

    __slots__ = ()

    @override
    def __repr__(self) -> str:
        return MASK

    @override
    def __format__(self, spec: str) -> str:
        return MASK

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    @override
    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise ApiTypeError(
            "a secret cannot be pickled: build the Configuration and the ApiClient where they are used"
        )


class Secret(_Guarded):
    """Secret text. It is not a `str`, so that no printer, serializer or encoder takes it for one.

    What sends a header needs only `encode`; whatever else needs the text has to say `reveal`.
    """

    __slots__ = ("_reveal",)
    _reveal: Callable[[], str]

    def __new__(cls, text: "str | Secret") -> "Secret":  # noqa: PYI034 - there are no subclasses
        """Return the secret `text`; one that is a `Secret` already, as it is."""
        if isinstance(text, Secret):
            return text
        secret = super().__new__(cls)
        # `str.__str__` gives the characters of any subclass too. What is kept is its bound method, whose `repr` shows
        # nothing, for printers that look into the slots of an object.
        secret._reveal = str.__str__(text).__str__
        return secret

    def reveal(self) -> str:
        return self._reveal()

    def encode(self, encoding: str = "latin-1", errors: str = "strict") -> bytes:
        """Return the bytes of the text; as `http.client` calls it for the value of a header."""
        return self._reveal().encode(encoding, errors)

    def __iter__(self) -> Iterator[str]:
        # OpenTelemetry takes the value of a header that is not text for a list of values.
        return iter((MASK,))

    @override
    def __eq__(self, other: object) -> bool:
        return self._reveal() == other._reveal() if isinstance(other, Secret) else NotImplemented

    @override
    def __hash__(self) -> int:
        return hash((Secret, self._reveal()))

    def __bool__(self) -> bool:
        return bool(self._reveal())


class SecretSource(_Guarded):
    """Wraps a callable that returns a secret, since its `repr` may show the secret, as that of a partial does."""

    __slots__ = ("_held",)

    def __init__(self, read: Callable[[], object]) -> None:
        # The bound method of a built-in, as in a `Secret`.
        self._held = [read].__getitem__

    def reveal(self) -> Callable[[], object]:
        return self._held(0)

    @calls_users_code
    def __call__(self) -> Any:
        return masked(self.reveal()())


# Replaces a value of the wrong type, which may still hold a secret.
_UNUSABLE: Final = _Guarded()


def masked(value: Any) -> Any:
    """Return a possible secret (text, a callable, or a mapping with such values) in a form that does not show it.

    A function that is given a secret masks it first, so that no traceback frame holds it.
    """
    if value is None or isinstance(value, (Secret, SecretSource, Headers)):
        return value
    if isinstance(value, str):
        return Secret(value)
    if isinstance(value, Mapping):
        return {masked_name(name): masked(item) for name, item in value.items()}
    return SecretSource(value) if callable(value) else _UNUSABLE


def masked_if_suspect(value: Any) -> Any:
    """Return `value`, masked if it is text that looks like a token or a private key, given in the wrong place."""
    if not isinstance(value, str):
        return value
    return Secret(value) if _SUSPECT.search(value) else str.__str__(value)


def masked_name(name: Any) -> Any:
    """Return the name of a header, masked unless it is one: it may be the value, given in the wrong place."""
    if not isinstance(name, str):
        return name if isinstance(name, Secret) else _UNUSABLE
    is_one = PRODUCT_TOKEN.fullmatch(name) and not _SUSPECT.search(name)
    return str.__str__(name) if is_one else Secret(name)


def _masked_pairs(headers: Any) -> list[tuple[Any, Any]]:
    """Return the names and values of a mapping or of pairs, masked."""
    headers = headers.items() if isinstance(headers, Mapping) else headers
    try:
        return [(masked_name(name), masked(value)) for name, value in headers]
    except (TypeError, ValueError):
        return [(_UNUSABLE, _UNUSABLE)]


def checked_token(token: object, name: str = "access_token") -> Secret:
    """Return a masked token without surrounding white space; raise `ConfigurationError` if it cannot go into a header."""
    if not isinstance(token, Secret):
        raise ConfigurationError(f"{name} must be a str")
    token = Secret(token.reveal().strip())
    if problem := _problem_of_token(token.reveal):
        raise ConfigurationError(f"{name} {problem}")
    return token


# The text is asked for anew in each line, so that it is never in a local variable, not even for a moment.
def _problem_of_token(text: Callable[[], str]) -> str | None:
    if not text():
        return "is empty"
    if QUOTED.fullmatch(text()):
        return IN_QUOTES
    if text().lower().startswith("bearer "):
        return "must be the token alone, without 'Bearer'"
    if "://" in text():
        return "is a URL (not shown): were host and token given in the wrong order?"
    if MASK in text():
        return _MASKED_TEXT
    if not _TOKEN.fullmatch(text()):
        return "contains white space, a control character or a character outside ASCII (not shown)"
    return None


class Headers(MutableMapping[str, str]):
    """Headers to send: names compared without case, names and values checked, credentials masked when read."""

    def __init__(self, headers: Mapping[str, str] | None = None) -> None:
        self._items: dict[str, tuple[str, str | Secret]] = {}
        self.update(headers or {})

    @override
    def __setitem__(self, name: str, value: str) -> None:
        name, value = masked_name(name), masked(value)
        kept = _checked_header(name, value)
        self._items[name.lower()] = kept

    @override
    def __getitem__(self, name: str) -> str:
        value = self._items[name.lower()][1]
        return MASK if isinstance(value, Secret) else value

    @override
    def __delitem__(self, name: str) -> None:
        del self._items[name.lower()]

    @override
    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._items.values())

    @override
    def __len__(self) -> int:
        return len(self._items)

    @override
    def __repr__(self) -> str:
        return repr(dict(self))

    # The two methods of the base class would have the plain value in their frames.
    @override
    def update(self, other: Any = (), /, **named: Any) -> None:
        """Set the headers of a mapping or of pairs, and those that are given by name."""
        if isinstance(other, Headers):
            self._items.update(other._items.copy())
            other = ()
        other, named = _masked_pairs(other), masked(named)
        for name, value in (*other, *named.items()):
            self[name] = value

    @override
    def setdefault(self, name: str, default: Any = None) -> str:
        """Set a header unless there is one of that name, and return what is set, masked."""
        name, default = masked_name(name), masked(default)
        # Of any other type, it is none that a header may have.
        if not isinstance(name, str) or name not in self:
            self[name] = default
        return self[name]

    def by_lower_name(self) -> dict[str, str | Secret]:
        """Return a plain dict with lower-case names and the real values, those that may be secret as `Secret`s."""
        # A copy, since another thread may add a header meanwhile.
        return {name: value for name, (_, value) in self._items.copy().items()}

    def revealed(self) -> dict[str, str]:
        """Return a plain dict with the real values as text, for the program that set them."""
        return {
            name: value.reveal() if isinstance(value, Secret) else value
            for name, value in self._items.copy().values()
        }


def _checked_header(name: Any, value: Any) -> tuple[str, str | Secret]:
    """Return a header as it is kept; raise if it cannot be sent. Both are masked."""
    if not isinstance(name, (str, Secret)) or not isinstance(value, Secret):
        raise ApiTypeError(f"header {name!r}: name and value must be str")
    if isinstance(name, Secret):
        raise ApiValueError(
            "header: the name (not shown) is not the name of a header; were name and value swapped?"
        )
    if problem := _problem_of_header(name.lower(), value.reveal):
        raise ApiValueError(f"header {name}{problem}")
    return name, value.reveal() if name.lower() in _SHOWN else value


def _problem_of_header(name: str, value: Callable[[], str]) -> str | None:
    if name in _FRAMING:
        return ": only the transport may set it"
    if MASK in value():
        return f" {_MASKED_TEXT}"
    if value() == _SKIP_HEADER:
        return ": this value would leave the header out"
    if not _HEADER_VALUE.fullmatch(value()):
        return ": the value contains a control character or one outside Latin-1 (not shown)"
    return None
