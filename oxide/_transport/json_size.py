"""Guards against JSON that grows when parsed: in `[[],[],…`, every three bytes become a much larger object."""

import re
from typing import Final

# Values that are always allowed: eight times those of the largest page, at most about 200 MiB of memory.
_ALLOWED: Final = 2**20
_BYTES_PER_VALUE: Final = 64
# Up to this many bytes per allowed value need no counting: whatever they are, they take no more memory.
_UNCOUNTED: Final = 4
# Every value follows one of these, though not every one of these is followed by a value.
_SEPARATORS: Final = (b",", b"[", b"{")
_TEXT: Final = rb'(?s)"(?:[^"\\]|\\.)*+"'


def json_size_problem(body: bytes, max_bytes: int) -> str | None:
    """Return the problem with JSON that would take many times `max_bytes` of memory, and long, to parse, or None."""
    most = max(_ALLOWED, max_bytes // _BYTES_PER_VALUE)
    if len(body) <= _UNCOUNTED * most or _separators(body) <= most or count_values(body) <= most:
        return None
    return f"the answer has more than {most} JSON values, too many for max_response_bytes ({max_bytes})"


def count_values(body: bytes) -> int:
    """Return the number of values in a JSON text, within a factor of two."""
    return _separators(body) - sum(_separators(text[0]) for text in re.finditer(_TEXT, body))


def _separators(body: bytes) -> int:
    return sum(body.count(separator) for separator in _SEPARATORS)
