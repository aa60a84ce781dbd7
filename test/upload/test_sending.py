"""The number of requests at a time: it falls while the server struggles, and rises again afterwards."""

import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from oxide._upload.journal import Journal
from oxide._upload.notes import Notes
from oxide._upload.progress import Meter
from oxide._upload.sending import Sender

CLOCK: Any = SimpleNamespace(clock=time.monotonic)


def sender(workers: int) -> Sender:
    meter = Meter(lambda _: None, time.monotonic)
    return Sender(CLOCK, Notes(), UUID(int=0), workers=workers, meter=meter, forgiving=False)


def finish(it: Sender, began: list[int | None], *, trouble: bool) -> None:
    for token in began:
        assert token is not None
        it._leave(token, trouble=trouble)


def test_simultaneous_failures_halve_the_number_of_requests_only_once() -> None:
    it = sender(8)
    seen = []
    for _ in range(5):
        finish(it, [it._enter() for _ in range(it._allowed)], trouble=True)
        seen.append(it._allowed)
    assert seen == [4, 2, 1, 1, 1]


def test_successes_raise_the_number_of_requests_one_by_one() -> None:
    it = sender(8)
    for _ in range(3):
        finish(it, [it._enter()], trouble=True)
    seen = []
    for _ in range(60):
        finish(it, [it._enter()], trouble=False)
        seen.append(it._allowed)
    assert seen[:12] == [1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4]
    assert seen[-1] == 8
    assert sorted(seen) == seen


@given(st.lists(st.booleans(), max_size=200), st.integers(1, 9))
def test_there_may_be_at_least_one_request_and_at_most_one_for_each_worker(
    troubles: list[bool], workers: int
) -> None:
    it = sender(workers)
    under_way: list[int | None] = []
    for trouble in troubles:
        while len(under_way) < it._allowed:
            under_way.append(it._enter())
        finish(it, [under_way.pop(0)], trouble=trouble)
        assert 1 <= it._allowed <= workers


def test_with_a_journal_at_most_a_quarter_of_what_has_arrived_is_under_way(tmp_path: Path) -> None:
    meter = Meter(lambda _: None, time.monotonic)
    with closing(Journal(tmp_path / "journal", {})) as journal:
        it = Sender(CLOCK, journal, UUID(int=0), workers=8, meter=meter, forgiving=False)
        for arrived in range(40):
            assert it._allowed <= 1 + arrived // 4
            finish(it, [it._enter()], trouble=False)
    assert it._allowed == 8
