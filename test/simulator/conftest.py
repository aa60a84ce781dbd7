"""Fixtures: a simulator, its contents, and a raw connection to it."""

from collections.abc import Iterator

import pytest
from simulator_http import Caller, World

from oxide.testing import Simulator


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Run an empty simulator."""
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def call(simulator: Simulator) -> Iterator[Caller]:
    """Return a function that sends one request and returns its reply."""
    caller = Caller(simulator)
    yield caller
    caller.close()


@pytest.fixture
def world(simulator: Simulator) -> World:
    """Fill the simulator with the projects `proj` and `other`, snapshot `snap`, images `pimg` and `simg`."""
    proj, other = simulator.create_project("proj"), simulator.create_project("other")
    return World(
        proj=proj,
        other=other,
        snap=simulator.create_snapshot("snap", project="proj"),
        pimg=simulator.create_image("pimg", project="proj"),
        simg=simulator.create_image("simg"),
    )
