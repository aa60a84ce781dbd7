"""Fixtures: a home directory for profiles, and a server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import oxide
from identity.servers import Recorder, recorder


@pytest.fixture
def config_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a new home directory, and return the directory in it where the official CLI keeps its files."""
    monkeypatch.setenv("HOME", str(tmp_path))
    directory = tmp_path / ".config" / "oxide"
    directory.mkdir(parents=True)
    return directory


@pytest.fixture
def server() -> Iterator[Recorder]:
    """Run a server that records its requests, over plain HTTP."""
    with recorder() as record:
        yield record


@pytest.fixture(autouse=True)
def no_defaults_left() -> Iterator[None]:
    """Remove the default configuration and the default client after the test."""
    yield
    oxide.Configuration.set_default(None)
    oxide.ApiClient.set_default(None)
