"""Makes the calls of an upload, one method for each operation, and says what their failures mean."""

import json
import ssl
from collections.abc import Callable
from typing import Any, Final, TypeVar
from uuid import UUID

from oxide import _operations as op
from oxide._attempt import PASSING_STATUSES
from oxide._call.operation import Operation
from oxide._call.options import RequestOptions
from oxide._call.retry import FIRST_BACKOFF, MAX_BACKOFF, MAX_UNBOUNDED_WAIT, Failure, Policy
from oxide._upload import operations as own
from oxide._upload.models import Disk, Utilization
from oxide.api_client import ApiClient
from oxide.exceptions import (
    ApiConnectionError,
    ApiException,
    ApiResponseError,
    ApiTimeoutError,
    BadRequestException,
    ForbiddenException,
)
from oxide.models._snapshot import Snapshot
from oxide.models.image import Image
from oxide.models.image_create import ImageCreate

T = TypeVar("T")

CHUNK_TIMEOUT: Final = 60.0


class _NoRetries:
    """The policy for chunks, which the upload itself retries."""

    def next(self, failure: Failure, jitter: float) -> tuple[float, Policy] | None:  # noqa: ARG002 - as in `Policy`
        return None


class Rack:
    """Makes the calls of one upload: in one project, with one set of options.

    Attributes:
        image_ensure: returns the image of a name if it agrees, or creates it.
        clock, sleep, jitter: those of the client.
        deadline: when the last call has to be over, by the clock, or None.
    """

    def __init__(
        self,
        client: ApiClient,
        project: str,
        ensure: Callable[[ImageCreate], Image],
        options: RequestOptions,
    ) -> None:
        self.image_ensure = ensure
        engine = client._open_engine()
        self._engine = engine
        self._once = engine._replace(policy=_NoRetries())
        self._project = project
        self._options = options
        self.host = client.configuration.host
        self.clock, self.sleep, self.jitter = engine.clock, engine.sleep, engine.jitter
        self.deadline: float | None = None

    def disk_create(self, name: str, description: str, size: int, block_size: int) -> Disk:
        """Create a disk to import into. Older racks read one form of its source, newer ones the other."""
        source = {"type": "importing_blocks", "block_size": block_size}
        body = {
            "name": name,
            "description": description,
            "size": size,
            "disk_source": source,
            "disk_backend": {"type": "distributed", "disk_source": source},
        }
        return self._call(own.DISK_CREATE, json.dumps(body).encode(), project=self._project)

    def disk_view(self, disk: UUID) -> Disk:
        """Return a disk."""
        return self._call(own.DISK_VIEW, disk=disk)

    def disk_find(self, name: str) -> Disk:
        """Return the project's disk of that name."""
        return self._call(own.DISK_VIEW, disk=name, project=self._project)

    def disk_delete(self, disk: UUID) -> None:
        """Delete a disk."""
        self._call(own.DISK_DELETE, disk=disk)

    def bulk_write_start(self, disk: UUID) -> None:
        """Let a disk take chunks."""
        self._call(own.BULK_WRITE_START, disk=disk)

    def bulk_write(self, disk: UUID, body: bytes) -> None:
        """Write a chunk, once."""
        self._call(own.BULK_WRITE, body, disk=disk)

    def bulk_write_stop(self, disk: UUID) -> None:
        """Let a disk take no more chunks."""
        self._call(own.BULK_WRITE_STOP, disk=disk)

    def finalize(self, disk: UUID, snapshot: str | None) -> None:
        """Make an ordinary disk of it, with a snapshot of that name or without one."""
        self._call(own.FINALIZE, json.dumps({"snapshot_name": snapshot}).encode(), disk=disk)

    def snapshot_find(self, name: str) -> Snapshot:
        """Return the project's snapshot of that name."""
        return self._call(op.SNAPSHOT_VIEW, snapshot=name, project=self._project)

    def snapshot_delete(self, snapshot: UUID) -> None:
        """Delete a snapshot."""
        self._call(own.SNAPSHOT_DELETE, snapshot=snapshot)

    def utilization(self) -> Utilization:
        """Return how much of its quota the silo uses."""
        return self._call(own.UTILIZATION_VIEW)

    def image_find(self, name: str) -> Image:
        """Return the project's image of that name."""
        return self._call(op.IMAGE_VIEW, image=name, project=self._project)

    def pause(self, seconds: float) -> None:
        """Wait, but not past the deadline."""
        if self.deadline is not None:
            seconds = min(seconds, max(0.0, self.deadline - self.clock()))
        self.sleep(seconds)

    def _call(self, operation: Operation[T], body: object = None, **arguments: Any) -> T:
        options, is_chunk = self._options.copy(), operation is own.BULK_WRITE
        if is_chunk:
            options.setdefault("_request_timeout", CHUNK_TIMEOUT)
        if self.deadline is not None:
            options["_request_timeout"] = max(0.001, self.deadline - self.clock())
        engine = self._once if is_chunk else self._engine
        try:
            return engine.call(operation, options, arguments, body).data
        except ForbiddenException as error:
            error.hint = f"this needs the limited-collaborator role on project {self._project}"
            raise


def is_passing(error: ApiException) -> bool:
    """Return whether a failure may pass by itself, so that repeating the call may help.

    The server responds with 500 if the service that writes to a disk is too slow.
    """
    if error.status == 500 or error.status in PASSING_STATUSES:
        return True
    if isinstance(error, ApiConnectionError):
        return not isinstance(error.__cause__, ssl.SSLCertVerificationError)
    return isinstance(error, (ApiTimeoutError, ApiResponseError))


def is_lost_volume(error: ApiException) -> bool:
    """Return whether the service that writes the chunks no longer has the disk open."""
    return isinstance(error, BadRequestException) and (
        error.message == "Not Found" or "is no longer active" in (error.message or "")
    )


def backoff(rack: Rack, failures: int, error: ApiException | None = None) -> float:
    """Return the seconds to wait after so many failures, the last of them `error`."""
    # Never nothing, so that time goes on.
    delay = max(0.05, rack.jitter() * min(MAX_BACKOFF, FIRST_BACKOFF * 2.0 ** min(failures, 9)))
    asked = error.retry_after if error is not None and error.retry_after is not None else 0.0
    return max(delay, min(asked, MAX_UNBOUNDED_WAIT))
