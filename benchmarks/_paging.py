"""Measures a million images through `image_list_iter` against the same pages by hand; also run as a program."""

import resource
import subprocess
import sys
import time
from itertools import islice

import oxide
from benchmarks._contenders import TOKEN
from benchmarks._report import Ratio, Report

PAGES = 100
_PAGE_SIZE = 10_000
_FEW_PAGES = 3


def measure(report: Report, port: int, rounds: int) -> None:
    """Add the rows for the pager: its time against that of the pages, its memory against that of a few pages."""
    times: dict[str, list[float]] = {way: [] for way in _WAYS}
    memory: dict[str, float] = {}
    for _ in range(rounds):
        for way, found in times.items():
            seconds, memory[way] = _run(port, way, PAGES)
            found.append(seconds)
    _, few = _run(port, "iter", _FEW_PAGES)
    report.add(
        f"{PAGES * _PAGE_SIZE:,} images, next to their pages",
        [f"{min(found):.2f} s" for found in times.values()],
        Ratio(min(times["iter"]) / min(times["pages"]), at_most=1.10),
    )
    report.add(
        f"peak memory of that, next to {_FEW_PAGES} pages",
        [f"{few:.0f} MiB", f"{memory['iter']:.0f} MiB"],
        Ratio(memory["iter"] / few, at_most=1.10),
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
    # Linux counts in KiB.
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    _main(*sys.argv[1:])
