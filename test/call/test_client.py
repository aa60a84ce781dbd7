"""Tests of the client itself: its repr, what it takes from the program, and a constructor that fails."""

import random
import re
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

import oxide
from oxide.testing import Answer, Simulator


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


def test_the_repr_of_a_client_shows_host_and_state_and_no_secret() -> None:
    configuration = oxide.Configuration("https://my.rack", access_token="oxide-token-0")
    client = oxide.ApiClient(configuration, cookie="secret")
    assert repr(client) == "<ApiClient https://my.rack, open>"
    client.close()
    assert repr(client) == "<ApiClient https://my.rack, closed>"
    assert repr(oxide.ApiClient.__new__(oxide.ApiClient)) == "<ApiClient closed>"


def test_passing_anything_but_a_configuration_is_refused_with_advice() -> None:
    text: Any = "https://my.rack"
    with pytest.raises(
        oxide.ApiTypeError,
        match=r"expected a Configuration, got str; use ApiClient\(Configuration\(host\)\)$",
    ):
        oxide.ApiClient(text)


def test_a_warning_that_is_an_error_leaves_the_configuration_as_it_was() -> None:
    configuration = oxide.Configuration("https://my.rack", verify_ssl=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="verify_ssl=False"):
            oxide.ApiClient(configuration)
    configuration.verify_ssl = True
    assert oxide.ApiClient(configuration).configuration is configuration


def pauses(simulator: Simulator, seed: int) -> list[float]:
    seen: list[float] = []
    random.seed(seed)
    client = oxide.ApiClient(simulator.configuration(max_retries=5), sleep=seen.append)
    simulator.fail_next(Answer(503), times=5)
    with client:
        oxide.ImagesApi(client).image_list()
    return seen


def test_backoff_does_not_depend_on_the_random_seed_of_the_program(simulator: Simulator) -> None:
    """Otherwise programs with the same seed would all retry at the same moment."""
    assert pauses(simulator, 1) != pauses(simulator, 1)


def test_a_client_does_not_disturb_the_random_numbers_of_the_program(simulator: Simulator) -> None:
    client = oxide.ApiClient(simulator.configuration(), sleep=lambda _: None)
    simulator.fail_next(Answer(503), times=2)
    random.seed(7)
    before = random.getstate()
    with client:
        oxide.ImagesApi(client).image_list()
    assert random.getstate() == before


def test_a_client_uses_the_clock_and_sleep_of_the_moment_it_is_made(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a test patched during the import of the package must not stay in use."""
    program = (
        "import time; real = time.monotonic, time.sleep\n"
        "time.monotonic = time.sleep = None\n"
        "import oxide.api_client\n"
        "time.monotonic, time.sleep = real\n"
        "engine = oxide.ApiClient()._engine\n"
        "assert (engine.clock, engine.sleep) == real\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    simulator.fail_next(Answer(503), times=2)
    with oxide.ApiClient(simulator.configuration()) as client:
        oxide.ImagesApi(client).image_list()
    assert len(slept) == 2


def test_messages_show_no_memory_address() -> None:
    with pytest.raises(oxide.ApiTypeError) as caught:
        oxide.ImagesApi(oxide.ApiClient()).image_view(object())  # type: ignore[arg-type]  # wrong on purpose
    assert re.search("0x[0-9a-f]{6}", str(caught.value)) is None
