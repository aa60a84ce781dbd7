"""A wrapper SDK: a client behind an interface of its own, with its own exceptions, metrics and lifetime."""

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

import oxide

logger = logging.getLogger("acme")


class AcmeError(Exception):
    """Whatever goes wrong in this SDK."""


class MissingError(AcmeError):
    """There is no such thing."""


class UnavailableError(AcmeError):
    """The service cannot be reached at the moment; try again later."""


@dataclass
class Metrics:
    """What the calls of a client amounted to."""

    attempts: Counter[str] = field(default_factory=Counter)
    retries: int = 0
    seconds: float = 0.0

    def add(self, attempt: oxide.Attempt) -> None:
        """Count an attempt."""
        self.attempts[f"{attempt.operation} {attempt.status or attempt.outcome}"] += 1
        self.retries += attempt.delay is not None
        self.seconds += attempt.elapsed


class Acme:
    """The SDK's client: make it once, and close it at the end."""

    def __init__(self, host: str | None = None, token: str | None = None) -> None:
        self.metrics = Metrics()
        with translated():
            self._images = oxide.ImagesApi.from_environment(
                host, token, application=("acme", "2.1"), on_attempt=self.metrics.add, timeout=60
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._images.close()

    def names(self, project: str) -> list[str]:
        """Return the names of a project's images."""
        with translated():
            return [image.name for image in self._images.image_list_iter(project=project)]

    def describe(self, name: str, project: str) -> str:
        """Return a line about an image."""
        with translated():
            return str(self._images.image_view(name, project=project))

    def remove(self, name: str, project: str) -> bool:
        """Remove an image, and return whether there was one."""
        with translated():
            return self._images.image_ensure_absent(name, project=project)


@contextmanager
def translated() -> Iterator[None]:
    """Turn exceptions of the client into those of this SDK."""
    try:
        yield
    except oxide.NotFoundException as error:
        raise MissingError(error.message) from error
    except oxide.ApiException as error:
        logger.warning("%s", error)
        message = f"{error.operation} failed, request {error.request_id}"
        raise (UnavailableError if error.retryable else AcmeError)(message) from error
    except oxide.OpenApiException as error:
        raise AcmeError(str(error)) from error


def main() -> None:
    """Show what it does."""
    with Acme() as acme:
        print(acme.names("my-project"))
        print(acme.describe("alpine-edge", "my-project"))
        print(acme.remove("alpine-edge", "my-project"), acme.remove("alpine-edge", "my-project"))
        try:
            acme.describe("alpine-edge", "my-project")
        except MissingError as error:
            print(f"missing: {error}")
        try:
            acme.names("Not a project")
        except AcmeError as error:
            print(f"refused: {error}")
        print(dict(acme.metrics.attempts), acme.metrics.retries)


if __name__ == "__main__":
    main()
