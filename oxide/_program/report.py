"""The command `report`: prints the settings in use, and whether the API responds."""

import time

from oxide.api.images_api import ImagesApi
from oxide.exceptions import ApiException, OpenApiException


def report(profile: str | None) -> int:
    """Print the report and return the exit status: 0 if the API responds and accepts the token."""
    try:
        with ImagesApi.from_environment(profile=profile) as images:
            print(images.api_client.configuration.to_debug_report())
            return _report_on_call(images)
    except OpenApiException as error:
        print(f"no request was sent to the API: {error}")
        return 1


def _report_on_call(images: ImagesApi) -> int:
    configuration = images.api_client.configuration
    began = time.monotonic()
    try:
        images.image_list(limit=1)
        status, token, works = 200, "accepted", True
    except ApiException as error:
        if error.status is None:
            print(f"the API does not respond: {error}")
            return 1
        status, works = error.status, error.status == 403
        token = {
            401: "refused: it is missing, unknown or expired",
            403: "accepted, but its user may not list the images of the silo",
        }.get(error.status, f"unknown: {error}")
    elapsed = (time.monotonic() - began) * 1000
    version = configuration.api_version or "the server's newest"
    print(f"the API responds: {status} in {elapsed:.0f} ms, API version {version}")
    print(f"the token: {token}")
    return 0 if works else 1
