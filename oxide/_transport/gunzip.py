"""Decodes gzip piece by piece, so that neither a decompression bomb nor a cut response goes unnoticed."""

import http.client
import zlib
from collections.abc import Callable

_PIECE_SIZE = 2**16
_GZIP = 16 + zlib.MAX_WBITS
_MAGIC = b"\x1f"  # the first byte of gzip; the second may come later


class Gunzip:
    """Decodes one body.

    With `lenient`, what does not begin as gzip is passed on as it is.
    """

    __slots__ = ("_coded", "_lenient", "_passes_on", "_started", "_stream")

    def __init__(self, *, lenient: bool) -> None:
        self._stream = zlib.decompressobj(_GZIP)
        self._coded = b""
        self._started = False
        self._lenient = lenient
        self._passes_on = False

    def read(self, pull: Callable[[int], bytes], amt: int) -> bytes:
        """Return 1 to `amt` decoded bytes, or `b""` at the end; `pull(size)` returns the next piece of gzip.

        Raises:
            http.client.HTTPException: the body is not gzip, or is cut.
        """
        while True:
            if not self._coded:
                # zlib may hold output that did not fit the last time.
                if not self._passes_on and (piece := self._decompress(amt)):
                    return piece
                self._coded = pull(_PIECE_SIZE)
                if not self._coded:
                    if self._started and not self._passes_on and not self._stream.eof:
                        raise http.client.IncompleteRead(b"")
                    return b""
                if not self._started:
                    self._started = True
                    self._passes_on = self._lenient and not self._coded.startswith(_MAGIC)
            if self._passes_on:
                piece, self._coded = self._coded[:amt], self._coded[amt:]
                return piece
            # A body may be several streams in a row (RFC 1952, section 2.2), with zeros for padding.
            if self._stream.eof:
                self._coded = self._coded.lstrip(b"\0")
                if not self._coded:
                    continue
                self._stream = zlib.decompressobj(_GZIP)
            if piece := self._decompress(amt):
                return piece

    def _decompress(self, amt: int) -> bytes:
        try:
            piece = self._stream.decompress(self._coded, amt)
        except zlib.error as error:
            raise http.client.HTTPException(f"Content-Encoding gzip: {error}") from None
        self._coded = self._stream.unconsumed_tail or self._stream.unused_data
        return piece
