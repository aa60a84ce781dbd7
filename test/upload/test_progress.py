"""Progress reports are few and in order, with the first and last state of each step; and the bar."""

import dataclasses
import io
import pickle
import sys
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

import oxide
from oxide._upload.progress import Meter, reporting
from oxide._uploading import Step, UploadProgress

STEPS: list[Step] = ["check", "create disk", "upload", "finalize", "create image", "clean up", "done"]


class Clock:
    """A clock that advances only on command."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@given(st.lists(st.tuples(st.sampled_from(["tick", "count", "next"]), st.floats(0, 0.2)), max_size=60))
def test_reports_are_limited_in_rate_and_include_the_end_of_each_step(
    events: list[tuple[str, float]],
) -> None:
    clock, seen = Clock(), list[UploadProgress]()
    meter = Meter(seen.append, clock)
    steps = iter(STEPS)
    meter.enter(next(steps))
    last = {"check": 0}
    for event, seconds in events:
        clock.now += seconds
        if event == "count":
            meter.done += 1
            meter.tick()
        elif event == "tick":
            meter.tick()
        elif (step := next(steps, None)) is not None:
            meter.enter(step)
        last[meter.step] = meter.done
    meter.flush()
    assert [step for step, _ in groupby(report.step for report in seen)] == STEPS[: len(last)]
    for step, group in groupby(seen, lambda report: report.step):
        reports = list(group)
        assert reports[-1].done == last[step]
        inner = reports[1:-1]
        assert all(b.elapsed - a.elapsed > 0.0999 for a, b in zip(reports, inner, strict=False))
    assert [report.elapsed for report in seen] == sorted(report.elapsed for report in seen)


def test_a_report_is_immutable_and_complete() -> None:
    clock, seen = Clock(), list[UploadProgress]()
    meter = Meter(seen.append, clock)
    meter.enter("upload")
    meter.done, meter.total, meter.skipped, meter.retries = 5, 10, 3, 1
    clock.now += 2
    meter.tick()
    assert seen[1] == oxide.UploadProgress("upload", 5, 10, 3, 1, 2.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        seen[1].done = 6  # type: ignore[misc]  # what must not work
    assert pickle.loads(pickle.dumps(seen[1])) == seen[1]


def test_none_and_false_report_nothing() -> None:
    for silent in (None, False):
        with reporting(silent) as report:
            report(UploadProgress("done", 1, 1, 0, 0, 0.0))


def test_a_callable_gets_the_reports() -> None:
    seen: list[UploadProgress] = []
    with reporting(seen.append) as report:
        report(UploadProgress("done", 1, 1, 0, 0, 0.0))
    assert len(seen) == 1


def test_progress_that_is_not_callable_is_refused() -> None:
    with pytest.raises(oxide.ApiTypeError, match=r"^progress: expected a callable"):
        reporting("yes")


def test_a_bar_without_tqdm_is_an_error_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with pytest.raises(oxide.ApiValueError, match=r"pip install 'oxide\[upload\]'"):
        reporting(True)


def test_the_bar_shows_step_and_bytes_on_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    with reporting(True) as report:
        report(UploadProgress("check", 0, None, 0, 0, 0.0))
        report(UploadProgress("upload", 2**30, 2**31, 0, 0, 1.0))
    shown = stderr.getvalue()
    assert "upload:  50%" in shown
    assert "1.00G/2.00G" in shown


def test_an_upload_error_is_one_line_and_survives_pickling() -> None:
    disk = oxide.Leftover("disk", "upload-abc", "1234", "import_ready", "503 from the server")
    error = oxide.UploadError("no response", step="upload", leftovers=[disk])
    assert str(error) == (
        "upload failed at the step 'upload': no response; still on the rack: disk upload-abc (1234, import_ready): "
        "503 from the server; remove that by hand"
    )
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.step, again.leftovers, again.journal) == (str(error), "upload", (disk,), None)
    assert isinstance(error, oxide.OpenApiException)


def test_an_upload_error_says_that_the_journal_can_resume_or_that_nothing_is_left() -> None:
    assert "resumes with the journal a.journal" in str(
        oxide.UploadError("x", step="upload", journal="a.journal")
    )
    assert str(oxide.UploadError("x", step="check")).endswith("nothing is left on the rack")
