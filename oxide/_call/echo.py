"""Masks what was sent as a credential wherever the server sends it back, such as in a page that shows the request."""

import html
import json
import re
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, Final, TypeVar
from urllib.parse import quote

from oxide._identity.secrets import MASK, Secret

_T = TypeVar("_T", str, bytes)

# Shorter ones would turn up in other text by chance.
_SHORTEST: Final = 6
# Nothing in such text is ever escaped.
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.~-]+", re.ASCII)


class Echo:
    """The secrets in the headers of one request, in every form in which text may repeat them."""

    __slots__ = ("_reveal",)

    def __init__(self, headers: Mapping[str, Any]) -> None:
        secrets = [value for value in headers.values() if isinstance(value, Secret)]
        # Behind a function, whose `repr` shows nothing.
        self._reveal: Callable[[], set[str]] = lambda: {
            form for secret in secrets for form in _forms(secret.reveal())
        }

    def masked(self, text: _T, *, is_cut: bool = False) -> _T:
        """Return `text` with a mask in place of each secret, and if it is cut, in place of the beginning of one."""
        for form in sorted(self._reveal(), key=len, reverse=True):
            secret, mask = (
                (form.encode("latin-1"), MASK.encode()) if isinstance(text, bytes) else (form, MASK)
            )
            text = text.replace(secret, mask)
            length = next((n for n in range(len(secret), 3, -1) if is_cut and text.endswith(secret[:n])), 0)
            if length:
                text = text[:-length] + mask
        return text

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
        if isinstance(value, tuple) and type(value) is tuple:
            return tuple(map(self._masked, value))
        if isinstance(value, MutableMapping):
            for name, item in value.items():
                if isinstance(item, str) and (shown := self.masked(item)) != item:
                    value[name] = shown
        return value


def _forms(secret: str) -> Iterator[str]:
    # Of `Bearer …`, the token is repeated without the word as well.
    for text in {secret, secret.rpartition(" ")[2]}:
        if len(text) >= _SHORTEST:
            yield text
            if not _PLAIN.fullmatch(text):
                yield from (json.dumps(text)[1:-1], repr(text)[1:-1], quote(text, safe=""), html.escape(text))
