"""Measures a million images through `image_list_iter` against the same pages by hand; also run as a program."""

import statistics
import subprocess
import sys
import time
from functools import partial
from itertools import islice

import oxide
from benchmarks._contenders import TOKEN
from benchmarks._memory import peak_mebibytes
from benchmarks._report import Ratio, Table
from benchmarks._turns import in_turn, median_ratio

PAGES = 100
_PAGE_SIZE = 10_000
_FEW_PAGES = 3


def measure(table: Table, port: int, rounds: int) -> None:
    """Add the rows for the pager: its time next to that of the pages, its memory next to that of a few pages."""
    works = {way: partial(_run, port, way, PAGES) for way in _WAYS}
    works["few"] = partial(_run, port, "iter", _FEW_PAGES)
    found = in_turn(works, rounds)
    seconds = {name: [run[0] for run in runs] for name, runs in found.items()}
    memory = {name: [run[1] for run in runs] for name, runs in found.items()}
    table.add(
        f"{PAGES * _PAGE_SIZE:,} images through `image_list_iter`",
        f"their pages: {statistics.median(seconds['pages']):.2f} s",
        f"{statistics.median(seconds['iter']):.2f} s",
        Ratio(median_ratio(seconds["iter"], seconds["pages"]), at_most=1.10),
    )
    table.add(
        "peak memory of that",
        f"{_FEW_PAGES} pages: {statistics.median(memory['few']):.0f} MiB",
        f"{statistics.median(memory['iter']):.0f} MiB",
        Ratio(median_ratio(memory["iter"], memory["few"]), at_most=1.10),
    )


def _run(port: int, way: str, pages: int) -> tuple[float, float]:
    """Return CPU seconds and peak memory in MiB of one run in a fresh process."""
    command = [sys.executable, "-m", "benchmarks._paging", str(port), way, str(pages)]
    seconds, mebibytes = subprocess.check_output(command, text=True).split()
    return float(seconds), float(mebibytes)


def _through_pager(images: oxide.ImagesApi, pages: int) -> int:
    return sum(1 for _ in islice(images.image_list_iter(limit=_PAGE_SIZE), pages * _PAGE_SIZE))


def _through_pages(images: oxide.ImagesApi, pages: int) -> int:
    """Fetch the pages without looking at the images."""
    count = 0
    token = None
    for _ in range(pages):
        page = images.image_list(limit=_PAGE_SIZE, page_token=token)
        count += len(page.items)
        token = page.next_page
        del page
    return count


_WAYS = {"pages": _through_pages, "iter": _through_pager}


def _main(port: str, way: str, pages: str) -> None:
    configuration = oxide.Configuration(f"http://127.0.0.1:{port}", access_token=TOKEN)
    with oxide.ApiClient(configuration) as client:
        images = oxide.ImagesApi(client)
        images.image_list(limit=1)
        started = time.process_time()
        count = _WAYS[way](images, int(pages))
        seconds = time.process_time() - started
    assert count == int(pages) * _PAGE_SIZE
    print(seconds, peak_mebibytes())


if __name__ == "__main__":
    _main(*sys.argv[1:])
