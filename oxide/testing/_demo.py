"""Something to look at: two projects, their snapshots, and images in every scope."""

from typing import Final

from oxide.testing._simulator import Simulator

PROJECTS: Final = ("web", "database")
SNAPSHOT: Final = "debian-13-root"


def seed_demo(simulator: Simulator) -> None:
    """Create the demonstration's projects, snapshots and images; a database that has them stays as it is."""
    try:
        simulator.create_project(PROJECTS[0])
    except ValueError:
        return
    for project in PROJECTS[1:]:
        simulator.create_project(project)
    for project in PROJECTS:
        simulator.create_snapshot(SNAPSHOT, project, size=8 * 2**30, block_size=4096)
    simulator.create_image(
        "debian-13", os="debian", version="13", description="For everybody", size=8 * 2**30
    )
    simulator.create_image("alpine-edge", description="For everybody")
    simulator.create_image("nginx", "web", os="debian", version="13", description="Debian with nginx")
    simulator.create_image(
        "postgresql", "database", os="debian", version="13", description="Debian with PostgreSQL"
    )
