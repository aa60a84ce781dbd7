"""The command `report`: what is set up, and whether the API answers."""

import time

from oxide.api.images_api import ImagesApi
from oxide.exceptions import ApiException, OpenApiException


def report(profile: str | None) -> int:
    """Print the report and return the exit status: 0 if the API answers and takes the token."""
    try:
        with ImagesApi.from_environment(profile=profile) as images:
            print(images.api_client.configuration.to_debug_report())
            return _ask(images)
    except OpenApiException as error:
        print(f"the API was not asked: {error}")
        return 1


def _ask(images: ImagesApi) -> int:
    configuration = images.api_client.configuration
    began = time.monotonic()
    try:
        images.image_list(limit=1)
        status, standing, works = 200, "accepted", True
    except ApiException as error:
        if error.status is None:
            print(f"the API does not answer: {error}")
            return 1
        status, works = error.status, error.status == 403
        standing = {
            401: "refused: it is missing, unknown or expired",
            403: "accepted, but its user may not list the images of the silo",
        }.get(error.status, f"unknown: {error}")
    elapsed = (time.monotonic() - began) * 1000
    version = configuration.api_version or "the server's newest"
    print(f"the API answers: {status} in {elapsed:.0f} ms, API version {version}")
    print(f"the token: {standing}")
    return 0 if works else 1
