"""See the client at work: real HTTP, against the simulator that comes with it."""

import os
import tempfile
from pathlib import Path
from textwrap import fill

import oxide
from oxide.testing import Answer, Drop, Simulator

MIB = 2**20


def main() -> None:
    """Upload a file, list images, and get past a busy server and a lost response."""
    with Simulator() as rack, tempfile.TemporaryDirectory() as directory:
        rack.create_project("web")
        rack.create_images(["alpine-edge", "nginx"], "web", os="alpine", version="3.22")
        rack.create_image("nginx")
        print(f"oxide {oxide.__version__}, on a simulated Oxide rack at {rack.url}")

        disk = make_disk(Path(directory, "debian.raw"))
        step("1. A disk file of 1 GiB becomes an image. Its zeros are not sent.")
        with oxide.ImagesApi.from_environment(rack.url, rack.token) as images:
            debian = images.image_upload(
                disk, "web", name="debian-13", os="debian", version="13", progress=True
            )
            print(f"   {debian.name} exists, with the ID {debian.id}")

        with oxide.ImagesApi.from_environment(
            rack.url, rack.token, on_attempt=show
        ) as images:
            step("2. The project's images, on one page:")
            for image in images.image_list(project="web").items:
                size = f"{image.size // MIB} MiB"
                print(f"   {image.name:12} {image.os} {image.version:6} {size}")

            step(
                "3. The rack is busy: 503, Retry-After: 1. The client waits and retries."
            )
            rack.fail_next(Answer(503, headers={"Retry-After": "1"}))
            images.image_view("debian-13", project="web")

            step(
                "4. The image moves to the silo, for every project. The response is lost.\n"
                "   The client looks where the image is, and does not move it twice."
            )
            rack.fail_next(Drop(after_acting=True), operation="image_promote")
            image = images.image_ensure_location(debian)
            print(f"   {image}")

            step("5. The silo has another nginx. The error says so on one line:")
            try:
                images.image_promote("nginx", project="web")
            except oxide.ObjectAlreadyExists as error:
                print(
                    fill(str(error), 79, initial_indent="   ", subsequent_indent="   ")
                )

    print(NEXT)


def make_disk(path: Path) -> Path:
    """Make a disk file with 64 MiB of data and the mark of a partition table."""
    with path.open("wb") as file:
        for place in range(0, 1024, 128):
            file.seek(place * MIB)
            file.write(os.urandom(8 * MIB))
        file.truncate(1024 * MIB)
        file.seek(512)
        file.write(b"EFI PART")
    return path


def step(text: str) -> None:
    """Print what comes next."""
    print(f"\n{text}\n", flush=True)


def show(attempt: oxide.Attempt) -> None:
    """Print one line for each attempt."""
    result = f"{attempt.status or 'no response'} in {1000 * attempt.elapsed:.0f} ms"
    retry = "" if attempt.delay is None else f", retry in {attempt.delay:g} s"
    print(f"   {attempt.operation}: {result}{retry}")


NEXT = """
All went as it should, and the simulated rack has stopped. What to try next:

   docs/quickstart.md                          write your first program
   .venv/bin/python -m oxide.testing --demo    keep a simulated rack running
   .venv/bin/python -m oxide upload --help     upload an image from the shell
"""


if __name__ == "__main__":
    main()
