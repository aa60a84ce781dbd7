"""A client of a server that sends prepared responses."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from transport.fault_server import FaultServer, always, request, send

import oxide

TOKEN = "oxide-token-of-the-tests"


@contextmanager
def served(wire: bytes, **settings: Any) -> Iterator[tuple[oxide.ImagesApi, str]]:
    """Yield an API and the URL of its server, which sends these bytes in response to every request."""
    with FaultServer(otherwise=[always(request, send(wire))]) as server:
        configuration = oxide.Configuration(server.url, access_token=TOKEN, **settings)
        with oxide.ApiClient(configuration) as client:
            yield oxide.ImagesApi(client), server.url
