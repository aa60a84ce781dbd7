"""The three contenders, which all get the same tasks: the floor, our client and the generated client."""

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

TOKEN = "oxide-token-" + "0" * 40
IMAGE = "debian-12"


class Contender(NamedTuple):
    """One way to fetch an image and a page of images; both return the model."""

    view: Callable[[], Any]
    page: Callable[[int], Any]


def floor(base: str) -> Contender:
    """Return the floor: urllib3's pool manager, plain pydantic models, and the headers that our client sends."""
    import urllib3

    from benchmarks._plain_models import Image, ImageResultsPage

    manager = urllib3.PoolManager()
    headers = {
        "accept": "application/json",
        "accept-encoding": "gzip",
        "api-version": "2025112000.0.0",
        "user-agent": "oxide-python/0.1.0 python/3.11.0 urllib3/2.8.0",
        "authorization": f"Bearer {TOKEN}",
    }

    def view() -> Image:
        response = manager.request("GET", f"{base}/v1/images/{IMAGE}", headers=headers)
        return Image.model_validate_json(response.data)

    def page(limit: int) -> ImageResultsPage:
        response = manager.request("GET", f"{base}/v1/images?limit={limit}", headers=headers)
        return ImageResultsPage.model_validate_json(response.data)

    return Contender(view, page)


def ours(base: str) -> Contender:
    """Return our client, with its defaults."""
    import oxide

    images = oxide.ImagesApi(oxide.ApiClient(oxide.Configuration(base, access_token=TOKEN)))
    return Contender(lambda: images.image_view(IMAGE), lambda limit: images.image_list(limit=limit))


def generated(base: str) -> Contender:
    """Return the generated client, asking for gzip and naming the API version as the others do."""
    package = importlib.import_module("generated_oxide")
    client = package.ApiClient(package.Configuration(host=base, access_token=TOKEN))
    client.set_default_header("accept-encoding", "gzip")
    client.set_default_header("api-version", "2025112000.0.0")
    images = package.ImagesApi(client)
    return Contender(lambda: images.image_view(IMAGE), lambda limit: images.image_list(limit=limit))


CONTENDERS = {"floor": floor, "ours": ours, "generated": generated}
