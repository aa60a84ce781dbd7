"""Decodes gzip piece by piece, so that neither a decompression bomb nor a cut response goes unnoticed."""

import http.client
import zlib
from collections.abc import Callable

_PIECE_SIZE = 2**16
_GZIP = 16 + zlib.MAX_WBITS


class Gunzip:
    """Decodes one body."""

    __slots__ = ("_coded", "_started", "_stream")

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(_GZIP)
        self._coded = b""
        self._started = False

    def read(self, pull: Callable[[int], bytes], amt: int) -> bytes:
        """Return 1 to `amt` decoded bytes, or `b""` at the end; `pull(size)` returns the next piece of gzip.

        Raises:
            http.client.HTTPException: the body is not gzip, or is cut.
        """
        while True:
            if not self._coded:
                # zlib may hold output that did not fit the last time.
                if piece := self._decompress(amt):
                    return piece
                self._coded = pull(_PIECE_SIZE)
                if not self._coded:
                    if self._started and not self._stream.eof:
                        cut = http.client.IncompleteRead(b"")
                        raise cut
                    return b""
                self._started = True
            # A body may be several streams in a row (RFC 1952, section 2.2).
            if self._stream.eof:
                self._stream = zlib.decompressobj(_GZIP)
            if piece := self._decompress(amt):
                return piece

    def _decompress(self, amt: int) -> bytes:
        try:
            piece = self._stream.decompress(self._coded, amt)
        except zlib.error as error:
            message = f"Content-Encoding gzip: {error}"
            raise http.client.HTTPException(message) from None
        self._coded = self._stream.unconsumed_tail or self._stream.unused_data
        return piece
