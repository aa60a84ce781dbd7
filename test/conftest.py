"""Applies to every test: no settings from the environment, and no network but loopback."""

import gc
import os
import re
import signal
from collections.abc import Iterator
from ipaddress import ip_address
from sys import addaudithook
from typing import Any

import pytest
from authority import Authority, make_authority
from hypothesis import settings

# Examples may take their time: on a busy machine a deadline would fail at random.
settings.register_profile("oxide", settings(), deadline=None)
settings.load_profile("oxide")

_FOREIGN_SETTING = re.compile(
    r"OXIDE_.*|(ALL|FTP|HTTPS?|NO)_PROXY|SSL_CERT_(DIR|FILE)|SSLKEYLOGFILE", re.IGNORECASE
)


def pytest_configure() -> None:
    """Make a test fail that connects to another machine; no `except OSError` of the client can catch the failure."""
    addaudithook(_refuse_other_machines)
    # A shell makes its background jobs ignore Ctrl-C, and the programs under test would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Let no garbage collection, which many tests ask for, look again at what is there before the first test."""
    gc.collect()
    gc.freeze()


def _refuse_other_machines(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect":
        address = arguments[1]
        if (
            isinstance(address, tuple)
            and address[0] != "localhost"
            and not ip_address(address[0]).is_loopback
        ):
            pytest.fail(f"A test connects to {address}.")


@pytest.fixture(scope="session", autouse=True)
def neutral_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Remove settings of the environment that would affect the client, and provide an empty home directory."""
    with pytest.MonkeyPatch.context() as patch:
        for name in filter(_FOREIGN_SETTING.fullmatch, list(os.environ)):
            patch.delenv(name)
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return a certificate authority."""
    return make_authority(tmp_path_factory.mktemp("authority"))
