"""Uploads a file once, by our client or by hand, run as a program; it prints the time and memory.

By hand means: so many threads, each of which reads a chunk, encodes it with `binascii` and sends it with urllib3. It
knows beforehand where the file has data, makes no disk and no image, and looks at nothing but the status.
"""

import binascii
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks._contenders import TOKEN
from benchmarks._memory import peak_mebibytes
from benchmarks._worker import mark

CHUNK = 2**19
_WORKERS = 8


def _by_hand(base: str, file: str) -> Callable[[], None]:
    import urllib3

    manager = urllib3.PoolManager(maxsize=_WORKERS)
    url = f"{base}/v1/disks/0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0/bulk-write"
    headers = {
        "accept": "application/json",
        "api-version": "2025112000.0.0",
        "authorization": f"Bearer {TOKEN}",
        "content-type": "application/json",
        "user-agent": "by-hand",
    }

    def upload() -> None:
        source = os.open(file, os.O_RDONLY)

        def send(offset: int) -> None:
            encoded = binascii.b2a_base64(os.pread(source, CHUNK, offset), newline=False)
            body = b'{"offset":%d,"base64_encoded_data":"%s"}' % (offset, encoded)
            assert manager.request("POST", url, body=body, headers=headers).status == 204

        with ThreadPoolExecutor(_WORKERS) as pool:
            for _ in pool.map(send, _offsets_of_data(source)):
                pass
        os.close(source)

    manager.request("GET", f"{base}/v1/images/none", headers=headers)
    return upload


def _offsets_of_data(source: int) -> Iterator[int]:
    """Yield where a chunk of the file has data; holes end where chunks do."""
    end = 0
    while True:
        try:
            start = os.lseek(source, end, os.SEEK_DATA)
        except OSError:
            return
        end = os.lseek(source, start, os.SEEK_HOLE)
        yield from range(start, end, CHUNK)


def _ours(base: str, file: str) -> Callable[[], None]:
    import oxide

    images = oxide.ImagesApi(oxide.ApiClient(oxide.Configuration(base, access_token=TOKEN)))
    images.image_list_without_preload_content().close()

    def upload() -> None:
        image = images.image_upload(
            file, "my-project", name="debian-13", os="debian", version="13", workers=_WORKERS
        )
        assert image.size >= Path(file).stat().st_size

    return upload


def _scan(_: str, file: str) -> Callable[[], None]:
    """Read the file as fast as can be, and compare it with zeros."""

    def scan() -> None:
        buffer, zeros = bytearray(CHUNK), bytes(CHUNK)
        with Path(file).open("rb", buffering=0) as source:
            while source.readinto(buffer):
                assert buffer == zeros

    return scan


_WAYS = {"floor": _by_hand, "ours": _ours, "scan": _scan}


def _main(way: str, port: str, file: str) -> None:
    """Print seconds of wall-clock and of CPU time, MiB of peak memory before, and MiB more than that at the end."""
    upload = _WAYS[way](f"http://127.0.0.1:{port}", file)
    idle = peak_mebibytes()
    wall, cpu = time.perf_counter(), time.process_time()
    mark()
    upload()
    mark()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    print(json.dumps([wall, cpu, peak_mebibytes() - idle]))


if __name__ == "__main__":
    _main(*sys.argv[1:])
