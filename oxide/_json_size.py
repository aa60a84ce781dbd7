"""JSON that grows when it is parsed: of `[[],[],…`, every three bytes become an object of many more."""

import re
from typing import Final

# Values that are taken in any case: eight times those of the largest page, and at most some 200 MiB of memory.
_ALLOWED: Final = 2**20
_BYTES_PER_VALUE: Final = 64
# So many bytes for each value that is allowed take no more memory, whatever they are.
_UNCOUNTED: Final = 4
# A value comes after one of these, though not each of these is followed by one.
_SEPARATORS: Final = (b",", b"[", b"{")
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)


def json_size_problem(body: bytes, max_bytes: int) -> str | None:
    """Return what is wrong with JSON that would take many times `max_bytes` of memory, and long, to parse, or None."""
    most = max(_ALLOWED, max_bytes // _BYTES_PER_VALUE)
    if len(body) <= _UNCOUNTED * most or _separators(body) <= most or count_values(body) <= most:
        return None
    return f"the answer has more than {most} JSON values, too many for max_response_bytes ({max_bytes})"


def count_values(body: bytes) -> int:
    """Return about how many values a JSON text has: half as many at least, twice as many at most."""
    return _separators(body) - sum(_separators(text[0]) for text in _TEXT.finditer(body))


def _separators(body: bytes) -> int:
    return sum(body.count(separator) for separator in _SEPARATORS)
