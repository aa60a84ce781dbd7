"""Masks our credentials where the server echoes them, such as in a page that shows the request."""

import re
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Final, TypeVar

from oxide._identity.secrets import MASK, Secret

_T = TypeVar("_T", str, bytes)

# Shorter ones would turn up in other text by chance.
_SHORTEST: Final = 6
# Nothing escapes these characters, in JSON, a URL or HTML.
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.~-]+", re.ASCII)
# Numbers are bounded, since a pattern is matched at every character.
_PERCENT: Final = "%(?:25){0,4}"
_AMPERSAND: Final = "&(?:amp;){0,4}"
_BACKSLASHES: Final = rf"(?:\\u005[Cc]|\\|{_PERCENT}5[Cc]|{_AMPERSAND}(?:bsol|\#(?:92|[Xx]5[Cc]));){{0,8}}+"


class Echo:
    """The secrets in the headers of one request, to be found in whatever form text repeats them."""

    __slots__ = ("_reveal",)

    def __init__(self, headers: Mapping[str, str | Secret]) -> None:
        secrets = [value for value in headers.values() if isinstance(value, Secret)]
        # Behind a function, whose `repr` shows nothing.
        self._reveal: Callable[[], set[str]] = lambda: set().union(
            *(self._parts(secret) for secret in secrets)
        )

    def masked(self, text: _T, *, is_cut: bool = False) -> _T:
        """Return `text` with a mask in place of each secret, and if it is cut, in place of the beginning of one."""
        if isinstance(text, bytes):
            return self.masked(text.decode("latin-1"), is_cut=is_cut).encode("latin-1")
        for secret in sorted(self._reveal(), key=len, reverse=True):
            text = text.replace(secret, MASK)
            # Only where a part of it is, since the pattern takes its time.
            if not _PLAIN.fullmatch(secret) and max(_PLAIN.findall(secret), key=len, default="") in text:
                text = re.sub("".join(map(_escaped, secret)), MASK, text)
            if is_cut:
                beginnings = (secret[:length] for length in range(len(secret), 3, -1))
                if (found := next(filter(text.endswith, beginnings), None)) is not None:
                    text = text[: -len(found)] + MASK
        return text

    @staticmethod
    def _parts(secret: Secret) -> set[str]:
        text = secret.reveal()
        # Of `Bearer …`, the token is repeated without the word as well.
        return {part for part in (text, text.rpartition(" ")[2]) if len(part) >= _SHORTEST}

    def mask_headers(self, headers: Any) -> None:
        """Mask each value in the headers of a response, in place."""
        for name, value in headers.items():
            if isinstance(value, str) and (shown := self.masked(value)) != value:
                headers[name] = shown

    def mask_error(self, error: BaseException) -> None:
        """Mask each text in an exception of ours and in its cause."""
        error.args = self._masked(error.args)
        for name, value in vars(error).items():
            vars(error)[name] = self._masked(value)
        if error.__cause__ is not None:
            self.mask_error(error.__cause__)

    def _masked(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.masked(value)
        if isinstance(value, bytes):
            return self.masked(value)
        if type(value) is tuple:
            return tuple(map(self._masked, value))
        if isinstance(value, MutableMapping):
            self.mask_headers(value)
        return value


def _escaped(character: str) -> str:
    """Return a pattern for a character as JSON, a URL or HTML may write it, escaped once or several times.

    Backslashes may stand before any other character, so that those of the secret itself need no pattern.
    """
    from html.entities import codepoint2name  # large, and rarely needed

    if character == "\\":
        return ""
    code = ord(character)
    name = codepoint2name.get(code, "apos" if character == "'" else "none")
    return (
        rf"{_BACKSLASHES}(?:{re.escape(character)}|u(?i:{code:04x})|x(?i:{code:02x})|{_PERCENT}(?i:{code:02x})"
        rf"|{_AMPERSAND}(?:{name}|\#0{{0,3}}{code}|\#(?i:x0{{0,3}}{code:x}));)"
    )
