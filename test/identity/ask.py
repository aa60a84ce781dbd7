"""Makes one call with one client."""

from collections.abc import Mapping
from typing import Any

import oxide


def ask(
    configuration: oxide.Configuration, default_headers: Mapping[str, str] | None = None, **options: Any
) -> None:
    """List images with a new client, which has `default_headers`."""
    with oxide.ApiClient(configuration) as client:
        for name, value in (default_headers or {}).items():
            client.set_default_header(name, value)
        oxide.ImagesApi(client).image_list(**options)
