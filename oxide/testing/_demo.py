"""Creates what the documentation's examples expect to find, also for `python -m oxide.testing --demo`."""

from contextlib import suppress
from typing import Final
from uuid import UUID

from oxide.testing._simulator import Simulator

DEMO: Final = (
    "the projects my-project and other-project; in my-project the snapshot my-snapshot "
    "and the images alpine-edge and debian-12; in the silo the image ubuntu-24-04"
)


def seed_demo(simulator: Simulator) -> UUID:
    """Create what `DEMO` lists, and return the ID of the snapshot.

    If the snapshot exists, nothing is changed. Otherwise existing projects and images are kept.
    """
    with simulator._seeding() as store:
        project = store.projects.id("my-project")
        found = None if project is None else store.snapshots.by_name("my-snapshot", project)
    if found is not None:
        return UUID(found["id"])
    for project in ("my-project", "other-project"):
        with suppress(ValueError):
            simulator.create_project(project)
    for name, home, os, version in (
        ("alpine-edge", "my-project", "alpine", "edge"),
        ("debian-12", "my-project", "debian", "12"),
        ("ubuntu-24-04", None, "ubuntu", "24.04"),
    ):
        with suppress(ValueError):
            simulator.create_image(name, home, os=os, version=version)
    # Created last, so that it exists only if the rest does.
    return simulator.create_snapshot("my-snapshot", "my-project")
