"""What is kept in memory, and for how long, counted in objects and bytes."""

import gzip
import json
import os
import tracemalloc
import weakref
from collections.abc import Callable

import pytest
from core_support import IMAGE
from transport.fault_server import http_response

import oxide
from oxide.testing import Simulator
from performance.by_hand import PlainPage
from performance.served import served

_PAGES = 20
_LIMIT = 5


def test_the_pager_releases_a_page_before_it_fetches_the_next() -> None:
    """However many pages there are, no image of an earlier one is alive when another arrives."""
    alive_at_arrival: list[int] = []
    images: list[weakref.ref[oxide.Image]] = []

    def count(_: oxide.Attempt) -> None:
        alive_at_arrival.append(sum(image() is not None for image in images))

    with Simulator() as simulator:
        simulator.create_images(f"image-{number:03}" for number in range(_PAGES * _LIMIT))
        with oxide.ApiClient(simulator.configuration(on_attempt=count)) as client:
            images.extend(map(weakref.ref, oxide.ImagesApi(client).image_list_iter(limit=_LIMIT)))
    assert len(images) == _PAGES * _LIMIT
    # An empty page at the end ends the listing.
    assert alive_at_arrival == [0] * (_PAGES + 1)


def whole(body: bytes) -> bytes:
    """Return a response with its length."""
    return http_response(200, body)


def compressed(body: bytes) -> bytes:
    """Return a compressed response in chunks, as the real service sends it."""
    coded = gzip.compress(body, mtime=0)
    pieces = (coded[start : start + 2**14] for start in range(0, len(coded), 2**14))
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n%s0\r\n\r\n" % chunks
    )


def chunked(body: bytes) -> bytes:
    """Return a response in chunks."""
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


@pytest.mark.parametrize("framed", [whole, compressed, chunked])
def test_reading_a_body_takes_little_more_memory_than_the_body(framed: Callable[[bytes], bytes]) -> None:
    """A body as large as `max_response_bytes` is held once while it is read, however it is framed."""
    size = 8 * 2**20
    # Random digits, which gzip compresses by half.
    wire = framed(os.urandom(size // 2).hex().encode())
    with served(wire, max_response_bytes=size) as (images, _):
        tracemalloc.start()
        with images.image_list_without_preload_content() as response:
            before, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            body = response.data
            _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert len(body) == size
    # A growing buffer has a reserve of one eighth.
    assert peak - before <= size * 9 // 8 + 2**19


def test_a_page_of_known_fields_takes_no_more_memory_than_handwritten_code() -> None:
    """Support for unknown fields takes no memory if there are none."""
    page = json.dumps({"items": [IMAGE] * 1000})

    def held_by(decode: Callable[[str], object]) -> int:
        decode(page)
        tracemalloc.start()
        result = decode(page)
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert result
        return held

    assert held_by(oxide.ImageResultsPage.from_json) <= held_by(PlainPage.model_validate_json)


def test_a_result_does_not_keep_its_body() -> None:
    """Of the response to `image_list`, only the images are kept."""
    size = 2**22
    page = json.dumps({"items": [IMAGE]}).encode() + b" " * size
    with served(whole(page)) as (images, _):
        images.image_list()
        tracemalloc.start()
        result = images.image_list()
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert len(result.items) == 1
    assert held <= size // 8
