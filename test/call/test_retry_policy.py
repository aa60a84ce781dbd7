"""The decision to retry, and `Retry-After`, tested as pure functions over their whole input."""

import copy
import math
import pickle
import warnings
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

import pytest
import urllib3
from hypothesis import example, given
from hypothesis import strategies as st

from oxide._attempt import PASSING_STATUSES
from oxide._call.retry import (
    FIRST_BACKOFF,
    MAX_BACKOFF,
    MAX_UNBOUNDED_WAIT,
    DefaultPolicy,
    Failure,
    Policy,
    parse_http_date,
    parse_retry_after,
)
from oxide._call.urllib3_retry import Urllib3Policy

SECONDS = st.floats(0, 1e10)
FAILURES = st.builds(
    Failure,
    method=st.sampled_from(["GET", "POST", "DELETE"]),
    repeatable=st.booleans(),
    number=st.integers(1, 5000),
    outcome=st.sampled_from(["not sent", "unknown", "answered"]),
    transient=st.booleans(),
    status=st.none() | st.integers(100, 999) | st.sampled_from(sorted(PASSING_STATUSES)),
    retry_after=st.none() | SECONDS,
    time_left=st.none() | st.floats(-1e6, 1e6),
)
JITTER = st.floats(0, 1)
RETRIES = st.builds(
    urllib3.Retry,
    total=st.sampled_from([None, False, 0, 1, 5]),
    connect=st.sampled_from([None, False, 0, 3]),
    read=st.sampled_from([None, False, 0, 3]),
    status=st.sampled_from([None, 0, 3]),
    allowed_methods=st.sampled_from(
        [None, ["GET"], ["POST", "DELETE"], urllib3.Retry.DEFAULT_ALLOWED_METHODS]
    ),
    status_forcelist=st.sampled_from([None, [500, 503], [413]]),
    backoff_factor=st.floats(0, 1000),
    backoff_jitter=st.floats(0, 10),
    respect_retry_after_header=st.booleans(),
)


@given(failure=FAILURES, jitter=JITTER, max_retries=st.integers(0, 6000))
@example(Failure("GET", True, 5000, "not sent", True, None, None, None), 1.0, 6000)
def test_the_default_policy_retries_only_harmless_requests_that_may_succeed_in_time(
    failure: Failure, jitter: float, max_retries: int
) -> None:
    step = DefaultPolicy(max_retries).next(failure, jitter)
    may_help = failure.transient or (failure.outcome != "not sent" and failure.status in PASSING_STATUSES)
    harmless = failure.outcome == "not sent" or failure.repeatable
    pause = jitter * min(MAX_BACKOFF, FIRST_BACKOFF * 2 ** min(failure.number - 1, 20))
    pause = max(pause, failure.retry_after or 0)
    in_time = pause < (MAX_UNBOUNDED_WAIT if failure.time_left is None else failure.time_left)
    if may_help and harmless and in_time and failure.number <= max_retries:
        assert step == (pause, DefaultPolicy(max_retries))
    else:
        assert step is None


@given(failure=FAILURES, jitter=JITTER, max_retries=st.integers(0, 6000))
def test_a_write_that_may_have_been_sent_is_not_retried(
    failure: Failure, jitter: float, max_retries: int
) -> None:
    if not failure.repeatable and failure.outcome != "not sent":
        assert DefaultPolicy(max_retries).next(failure, jitter) is None


@given(failure=FAILURES, jitter=JITTER, retry=RETRIES)
def test_a_urllib3_retry_decides_within_the_deadline_and_is_not_changed(
    failure: Failure, jitter: float, retry: urllib3.Retry
) -> None:
    before = dict(vars(retry))
    step = Urllib3Policy(retry).next(failure, jitter)
    assert vars(retry) == before
    if step is None:
        return
    pause, _ = step
    assert 0 <= pause < (MAX_UNBOUNDED_WAIT if failure.time_left is None else failure.time_left)
    if failure.outcome == "not sent":
        assert failure.transient
    else:
        allowed = retry.allowed_methods
        if allowed is not None:
            default = set(allowed or ()) == urllib3.Retry.DEFAULT_ALLOWED_METHODS
            assert failure.repeatable if default else failure.method in set(allowed or ())


@given(failure=FAILURES, retry=RETRIES)
def test_a_urllib3_retry_is_exhausted_in_the_end(failure: Failure, retry: urllib3.Retry) -> None:
    if all(count is None for count in (retry.total, retry.connect, retry.read, retry.status)):
        return
    policy: Policy | None = Urllib3Policy(retry)
    for _ in range(20):
        step = policy.next(failure, 0.5) if policy else None
        policy = step[1] if step else None
    unlimited = (
        retry.total is None
        and {
            "not sent": retry.connect,
            "unknown": retry.read,
            "answered": retry.read if failure.transient else retry.status,
        }[failure.outcome]
        is None
    )
    assert policy is None or unlimited


DEFAULT = urllib3.Retry(3, status_forcelist=[503])
COPIES = [copy.deepcopy(DEFAULT), pickle.loads(pickle.dumps(DEFAULT)), DEFAULT.new()]
NO_METHOD: list[Any] = [[], (), frozenset(), set(), False]


def without_methods(empty: Any) -> urllib3.Retry:
    with warnings.catch_warnings():
        # urllib3 2.8 warns that urllib3 3 will treat this differently.
        warnings.simplefilter("ignore", FutureWarning)
        return urllib3.Retry(3, status_forcelist=[503], allowed_methods=empty)


LOST: list[dict[str, Any]] = [
    {"outcome": "unknown", "transient": True, "status": None},
    {"outcome": "answered", "transient": False, "status": 503},
    {"outcome": "answered", "transient": True, "status": 200},
]


@pytest.mark.parametrize("lost", LOST, ids=["no response", "refused", "cut"])
@pytest.mark.parametrize("method", ["POST", "DELETE", "GET"])
@pytest.mark.parametrize(
    "rules",
    [
        *COPIES,
        urllib3.Retry(3, status_forcelist=[503], allowed_methods=list(urllib3.Retry.DEFAULT_ALLOWED_METHODS)),
        *(without_methods(empty) for empty in NO_METHOD),
        DefaultPolicy(3),
    ],
    ids=["deep copy", "pickled", "new", "listed", "list", "tuple", "frozenset", "set", "False", "ours"],
)
def test_a_write_that_was_sent_is_retried_only_if_the_urllib3_retry_allows_it(
    rules: Any, method: str, lost: dict[str, Any]
) -> None:
    policy: Policy = Urllib3Policy(rules) if isinstance(rules, urllib3.Retry) else rules
    failure = Failure(method, method == "GET", 1, **lost, retry_after=None, time_left=None)
    step = policy.next(failure, 0.5)
    asked_for = not isinstance(rules, urllib3.Retry) or bool(rules.allowed_methods)
    assert (step is not None) is (method == "GET" and asked_for)


def test_allowed_methods_none_means_any_method() -> None:
    policy = Urllib3Policy(urllib3.Retry(3, allowed_methods=None))
    assert policy.next(Failure("POST", False, 1, "unknown", True, None, None, None), 0.5) is not None


NOW = datetime(2026, 11, 10, 12, 0, 0, tzinfo=UTC)
DATES = st.datetimes(datetime(1971, 1, 1), datetime(9999, 12, 31)).map(
    lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
)


def format_http_date(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)


@given(st.integers(0, 10**9))
def test_retry_after_may_be_in_seconds(seconds: int) -> None:
    assert parse_retry_after(f" {seconds} ", 0.0) == seconds


@given(st.decimals(0, 10**9, places=3))
def test_retry_after_may_have_decimals(seconds: Decimal) -> None:
    assert parse_retry_after(f"{seconds:f}", 0.0) == pytest.approx(float(seconds))


@given(
    st.lists(
        st.one_of(st.integers(0, 10**6).map(str), DATES.map(format_http_date), st.just("soon")), min_size=1
    )
)
def test_the_longest_of_several_retry_after_values_counts(texts: list[str]) -> None:
    """A header that is sent twice arrives as one, joined with commas."""
    alone = [parse_retry_after(text, NOW.timestamp()) for text in texts]
    known = [seconds for seconds in alone if seconds is not None]
    assert parse_retry_after(", ".join(texts), NOW.timestamp()) == max(known, default=None)


@given(st.integers(10**10, 10**400))
def test_a_huge_retry_after_is_accepted(seconds: int) -> None:
    parsed = parse_retry_after(str(seconds), 0.0)
    assert parsed is not None
    assert 10**9 <= parsed < math.inf


@given(DATES)
def test_retry_after_may_be_a_date_in_any_http_format(moment: datetime) -> None:
    forms = [
        format_datetime(moment, usegmt=True),
        moment.strftime("%a %b %e %H:%M:%S ") + f"{moment.year:04}",
    ]
    if 1971 <= moment.year <= 2067:
        forms.append(moment.strftime("%A, %d-%b-%y %H:%M:%S GMT"))
    for text in forms:
        assert parse_http_date(text) == moment.timestamp(), text
        assert parse_retry_after(text, NOW.timestamp()) == max(0.0, (moment - NOW) / timedelta(seconds=1)), (
            text
        )


@given(st.text(max_size=60) | st.text("0123456789 :,+-GMTJanSu.", max_size=40) | st.none())
@example("1 Jan 99999999999999999999 00:00:00")
@example("Mon, 01 Jan 2026 00:00:00 +9999")
@example("\u0665")
@example("\xb2")
def test_garbage_in_retry_after_is_not_an_error(text: str | None) -> None:
    parsed = parse_retry_after(text, NOW.timestamp())
    assert parsed is None or 0 <= parsed < math.inf
    date = parse_http_date(text)
    assert date is None or math.isfinite(date)


@pytest.mark.parametrize(
    "text", ["", "-1", "+1", ".5", "1e3", "0x1", "1_0", "١", "²", "one", "1 2", "nan", "inf"]
)
def test_retry_after_that_is_neither_seconds_nor_a_date_is_ignored(text: str) -> None:
    assert parse_retry_after(text, 0.0) is None


def test_policies_compare_by_value() -> None:
    same: Any = DefaultPolicy(2)
    assert same == DefaultPolicy(2) != DefaultPolicy(3)
    assert repr(same) == "DefaultPolicy(max_retries=2)"
