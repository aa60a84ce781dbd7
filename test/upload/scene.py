"""A simulator and a client that does not really sleep, with helpers for the tests of uploads."""

import io
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import oxide
from oxide.testing import Fault, Simulator
from upload.disks import disk

PROJECT = "web"


class Time:
    """The real time, except that sleeping takes no time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.slept = 0.0

    def clock(self) -> float:
        return time.monotonic() + self.slept

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept += seconds


@dataclass
class Scene:
    """A simulator with the project `web` and a client with the administrator's token."""

    simulator: Simulator
    images: oxide.ImagesApi
    time: Time
    reports: list[oxide.UploadProgress] = field(default_factory=list)

    def upload(self, data: Any = None, **options: Any) -> oxide.Image:
        """Upload a disk, or some other file, as `debian`."""
        file = io.BytesIO(disk() if data is None else data) if isinstance(data, bytes | None) else data
        arguments = {"name": "debian", "os": "debian", "version": "13", "progress": self.reports.append}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "(?s).*may not boot")
            return self.images.image_upload(file, PROJECT, **{**arguments, **options})

    def fail(self, operation: Any, fault: Fault, times: int = 1) -> None:
        """Make the next requests of an operation fail."""
        self.simulator.fail_next(fault, times, operation)

    def content(self, image: oxide.Image, size: int) -> bytes:
        """Return the first bytes of an image."""
        return self.simulator.image_content(image.id, 0, size)

    def holds(self, image: oxide.Image, data: bytes) -> bool:
        """Return whether an image is this disk, followed by zeros."""
        return self.content(image, len(data) + 10_000) == data + bytes(10_000)

    def left(self) -> list[str]:
        """Return the existing disks and snapshots."""
        simulator = self.simulator
        return [
            *(f"disk {disk.name} {disk.state}" for disk in simulator.disks(PROJECT)),
            *(f"snapshot {snapshot.name} {snapshot.state}" for snapshot in simulator.snapshots(PROJECT)),
        ]

    def paths(self, method: str = "POST") -> list[str]:
        """Return the last part of the path of every request of that method."""
        requests = self.simulator.requests
        return [request.path.rpartition("/")[2] for request in requests if request.method == method]

    def count(self, ending: str) -> int:
        """Return how many requests to a path with that ending were received."""
        return sum(request.path.endswith(ending) for request in self.simulator.requests)

    def image_exists(self) -> bool:
        """Return whether there is an image."""
        return bool(self.images.image_list(project=PROJECT).items)


@contextmanager
def open_scene(token: Any = None, **settings: Any) -> Iterator[Scene]:
    """Run a simulator and a client."""
    with Simulator() as simulator:
        simulator.create_project(PROJECT)
        time = Time()
        configuration = simulator.configuration(**settings)
        if token is not None:
            configuration.access_token = token
        with oxide.ApiClient(configuration, clock=time.clock, sleep=time.sleep, jitter=lambda: 0.5) as client:
            yield Scene(simulator, oxide.ImagesApi(client), time)
