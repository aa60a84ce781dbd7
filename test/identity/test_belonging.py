"""A token belongs to the host for which it was set, and headers for a proxy to that proxy."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import oxide
from identity.ask import ask
from identity.servers import Recorder

TOKEN = "oxide-token-hunter2"
WELL_FORMED = f"oxide-token-{'0123456789abcdef' * 2}01234567"


def from_variables(monkeypatch: pytest.MonkeyPatch) -> oxide.Configuration:
    """Return a configuration with host and token from the environment."""
    monkeypatch.setenv("OXIDE_HOST", "https://one.test")
    monkeypatch.setenv("OXIDE_TOKEN", TOKEN)
    return oxide.Configuration.from_environment()


def assigned() -> oxide.Configuration:
    """Return a configuration with both assigned, as in programs for generated clients."""
    configuration = oxide.Configuration()
    configuration.host = "https://one.test"
    configuration.access_token = TOKEN
    return configuration


MADE: dict[str, Callable[[pytest.MonkeyPatch], oxide.Configuration]] = {
    "environment": from_variables,
    "arguments": lambda _: oxide.Configuration("https://one.test", access_token=TOKEN),
    "a callable": lambda _: oxide.Configuration("https://one.test", access_token=lambda: TOKEN),
    "from_environment with arguments": lambda _: oxide.Configuration.from_environment("one.test", TOKEN),
    "assigned": lambda _: assigned(),
    "copy": lambda _: copy.copy(oxide.Configuration("https://one.test", access_token=TOKEN)),
    "deep copy": lambda _: copy.deepcopy(oxide.Configuration("https://one.test", access_token=TOKEN)),
}


@pytest.mark.parametrize("made", MADE)
def test_changing_the_host_drops_the_token(
    made: str, server: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has none until one is set again, and the report says why."""
    configuration = MADE[made](monkeypatch)
    configuration.host = server.url
    assert configuration.access_token is None
    assert "access_token: None (dropped, since host was changed after it was set)" in (
        configuration.to_debug_report()
    )
    ask(copy.copy(configuration))
    assert "authorization" not in server.last.headers
    configuration.access_token = "another"
    ask(configuration)
    assert server.last.header("authorization") == "Bearer another"


@pytest.mark.parametrize("made", MADE)
def test_the_same_host_in_another_spelling_keeps_the_token(
    made: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration = MADE[made](monkeypatch)
    for same in ("one.test", "https://ONE.test/", "https://one.test:443"):
        configuration.host = same
        assert configuration.access_token is not None
    with pytest.raises(oxide.ConfigurationError):
        configuration.host = "ftp://two.test"
    assert configuration.access_token is not None


def test_a_copy_with_another_host_leaves_the_original_its_token() -> None:
    original = oxide.Configuration("https://one.test", access_token=TOKEN)
    changed = copy.copy(original)
    changed.host = "https://two.test"
    assert (original.access_token, changed.access_token) == (TOKEN, None)


@pytest.mark.parametrize("other", ["http://one.test", "https://one.test:8443", "https://one.test/api"])
def test_another_scheme_port_or_path_counts_as_another_host(other: str) -> None:
    configuration = oxide.Configuration("https://one.test", access_token=TOKEN)
    configuration.host = other
    assert configuration.access_token is None


def test_a_token_that_was_set_before_any_host_goes_to_the_first_one() -> None:
    """A token cannot be meant for the default host."""
    configuration = oxide.Configuration(access_token=TOKEN)
    configuration.host = "https://one.test"
    assert configuration.access_token == TOKEN
    configuration.host = "https://two.test"
    assert configuration.access_token is None


@given(st.lists(st.sampled_from(["one.test", "two.test", "1", "2"]), max_size=8))
def test_a_token_can_be_read_only_with_the_host_for_which_it_was_set(steps: list[str]) -> None:
    """This holds for any assignments in any order."""
    configuration = oxide.Configuration()
    host, token, its_host = None, None, None
    for step in steps:
        if "." in step:
            configuration.host = host = step
            its_host = its_host or host
        else:
            configuration.access_token = token = step
            its_host = host
        belongs = token is not None and its_host == host
        if not belongs:
            token = None
        assert configuration.access_token == token


def test_changing_the_proxy_drops_the_proxy_headers() -> None:
    """The headers may hold its password."""
    configuration = oxide.Configuration(
        "https://one.test", proxy="http://one.test", proxy_headers={"X-Key": "hunter2"}
    )
    configuration.proxy = "http://one.test"
    assert configuration.proxy_headers == {"X-Key": "hunter2"}
    for other in ("http://two.test", "", None):
        changed = copy.copy(configuration)
        changed.proxy = other
        assert changed.proxy_headers is None
        assert "proxy_headers: None (dropped, since proxy was changed" in changed.to_debug_report()
    first = oxide.Configuration("https://one.test", proxy_headers={"X-Key": "hunter2"})
    first.proxy = "http://one.test"
    assert first.proxy_headers == {"X-Key": "hunter2"}


def test_a_proxy_assigned_later_decides_where_the_token_may_go() -> None:
    """The first hop is then the proxy, on another machine."""
    configuration = oxide.Configuration("http://127.0.0.1:9", access_token=TOKEN)
    configuration.proxy = "http://proxy.test:3128"
    with pytest.raises(oxide.ApiValueError, match=r"no token .* over plain http to proxy\.test"):
        ask(configuration)


SWAPPED: dict[str, Callable[[], object]] = {
    "host and token": lambda: oxide.Configuration(WELL_FORMED, access_token="https://one.test"),
    "host and token of any form": lambda: oxide.Configuration("hunter2", access_token="https://one.test"),
    "token for host": lambda: oxide.Configuration(WELL_FORMED),
    "token in a URL": lambda: oxide.Configuration(f"https://{WELL_FORMED}"),
    "from_environment": lambda: oxide.Configuration.from_environment(WELL_FORMED, "https://one.test"),
    "from_environment of any form": lambda: oxide.Configuration.from_environment("hunter2", "https://one.test"),
    "ImagesApi": lambda: oxide.ImagesApi.from_environment(WELL_FORMED, "https://one.test"),
    "token for profile": lambda: oxide.ImagesApi.from_environment(profile=WELL_FORMED),
    "host alone": lambda: oxide.Configuration.from_environment(WELL_FORMED),
    "assigned": lambda: setattr(oxide.Configuration(), "host", WELL_FORMED),
    "proxy": lambda: oxide.Configuration(proxy=WELL_FORMED),
    "proxy with a scheme": lambda: oxide.Configuration(proxy=f"http://{WELL_FORMED}:3128"),
    "_request_auth": lambda: ask(oxide.Configuration(), _request_auth="https://one.test"),
}  # fmt: skip


@pytest.mark.parametrize("swapped", SWAPPED)
def test_a_token_passed_as_the_host_is_refused_without_a_lookup_and_not_shown(
    swapped: str, config_dir: Any
) -> None:
    with pytest.raises(oxide.ConfigurationError, match=r"given in the wrong (order|place)") as caught:
        SWAPPED[swapped]()
    assert WELL_FORMED[:20] not in str(caught.value)
    assert "hunter2" not in str(caught.value)
