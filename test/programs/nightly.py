"""A nightly job: make today's golden image, publish it to the silo, archive the earlier ones, delete the oldest.

It may be killed at any moment and run again. It exits with 75 where running it again later may help, else with 1.
"""

import argparse
import logging
import sys
from uuid import UUID

import oxide

logger = logging.getLogger("nightly")
PREFIX = "golden-"
TRY_LATER = 75


def versions(images: oxide.ImagesApi, project: str | None = None) -> list[oxide.Image]:
    """Return the golden images of a project, or of the silo, oldest first."""
    return [image for image in images.image_list_iter(project) if image.name.startswith(PREFIX)]


def publish(images: oxide.ImagesApi, date: str, snapshot: UUID, build: str, archive: str) -> oxide.Image:
    """Make the image of a date and publish it, unless that is done."""
    wanted = oxide.ImageCreate(
        name=PREFIX + date,
        description=f"Golden image of {date}",
        os="debian",
        version="13",
        source=oxide.ImageSource(id=snapshot),
    )
    for image in versions(images) + versions(images, archive):
        if image.name == wanted.name:
            return image
    return images.image_ensure_location(images.image_ensure(wanted, project=build))


def retire(images: oxide.ImagesApi, archive: str, keep: int) -> None:
    """Move all but the newest golden image of the silo to the archive, and delete all but the `keep` newest there."""
    for image in versions(images)[:-1]:
        logger.info("archiving %s", images.image_ensure_location(image, archive))
    for image in versions(images, archive)[:-keep]:
        if images.image_ensure_absent(image):
            logger.info("deleted %s", image)


def main() -> int:
    """Do the job, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("date")
    parser.add_argument("--snapshot", type=UUID, required=True)
    parser.add_argument("--build", default="my-project")
    parser.add_argument("--archive", default="other-project")
    parser.add_argument("--keep", type=int, default=1)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        with oxide.ImagesApi.from_environment(application=("nightly", "1.0"), timeout=120) as images:
            current = publish(images, arguments.date, arguments.snapshot, arguments.build, arguments.archive)
            retire(images, arguments.archive, arguments.keep)
    except oxide.ApiException as error:
        print(f"failed: {error}", file=sys.stderr)
        # The helpers look before they act, so it is safe to run them again even if the server may have acted.
        return TRY_LATER if error.retryable or error.may_have_acted else 1
    except oxide.OpenApiException as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    print(f"current: {current}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
