"""Validators are built when a model is first used: once, however many threads use it first."""

import sys
import threading
from collections.abc import Iterator

import pytest

import oxide

_MODELS = 40
_THREADS = 8


@pytest.fixture
def eager_switching() -> Iterator[None]:
    """Make threads switch as often as possible."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_several_threads_may_be_the_first_to_use_a_model(eager_switching: None) -> None:
    """Each thread gets objects of that model, whichever thread built the validator."""
    made: list[type] = []

    def use(model: type[oxide.ImageResultsPage], start: threading.Barrier) -> None:
        start.wait()
        made.extend(type(model.from_json('{"items": []}')) for _ in range(5))

    for number in range(_MODELS):
        model = type(f"Page{number}", (oxide.ImageResultsPage,), {})
        start = threading.Barrier(_THREADS)
        threads = [threading.Thread(target=use, args=(model, start)) for _ in range(_THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert made == [model] * _THREADS * 5
        made.clear()
