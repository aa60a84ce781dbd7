"""Run each of the six operations once, over real HTTP, against the simulator that ships with the package."""

from uuid import UUID

from oxide import ImageCreate, ImagesApi, ImageSource, NotFoundException
from oxide.testing import Simulator


def main() -> None:
    """Create, list, view, promote, demote and delete an image; print each request and its result."""
    with Simulator() as simulator:
        homes: dict[UUID | None, str] = {None: "the silo, for every project to see"}
        for name in ("web", "database"):
            homes[simulator.create_project(name)] = f"project {name}"
        snapshot_id = simulator.create_snapshot("debian-root", "web", size=8 * 2**30)

        def show(result: str) -> None:
            request = simulator.requests[-1]
            print(f"{request.method:6} {request.target:46} {request.status}  {result}")

        print(f"A simulated Oxide rack answers at {simulator.url}:")
        with ImagesApi.from_environment(simulator.url, simulator.token) as images:
            wanted = ImageCreate(
                name="debian-13",
                description="Debian with our settings",
                os="debian",
                version="13",
                source=ImageSource(id=snapshot_id),
            )
            image = images.image_create(wanted, project="web")
            show(
                f"created {image.name}, {image.size // 2**30} GiB, in {homes[image.project_id]}"
            )

            page = images.image_list(project="web")
            show(f"project web has {', '.join(image.name for image in page.items)}")

            image = images.image_view("debian-13", project="web")
            show(f"it is {image.os} {image.version}: {image.description}")

            image = images.image_promote("debian-13", project="web")
            show(f"promoted to {homes[image.project_id]}")

            image = images.image_demote("debian-13", project="database")
            show(f"demoted to {homes[image.project_id]}")

            images.image_delete("debian-13", project="database")
            show("deleted")

            try:
                images.image_view("debian-13", project="database")
            except NotFoundException as error:
                show(f"{error.error_code}: {error.message}")


if __name__ == "__main__":
    main()
