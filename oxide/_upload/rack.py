"""The calls that an upload makes, one method for each operation, and what their failures mean."""

import json
import ssl
from typing import Any, Final, TypeVar, cast
from uuid import UUID

from oxide import _operations as op
from oxide._call.operation import Operation
from oxide._call.options import RequestOptions
from oxide._call.retry import FIRST_BACKOFF, MAX_BACKOFF, MAX_UNBOUNDED_WAIT, Failure, Policy
from oxide._upload.models import Disk, Snapshot, Utilization
from oxide.api_client import ApiClient
from oxide.exceptions import (
    ApiConnectionError,
    ApiException,
    ApiResponseError,
    ApiTimeoutError,
    BadRequestException,
)
from oxide.models.image import Image
from oxide.models.image_create import ImageCreate

T = TypeVar("T")

CHUNK_TIMEOUT: Final = 60.0

_PASSING: Final = frozenset({429, 500, 502, 503, 504})
_NOTHING: Final = type(None)
_PROJECT: Final = ("project",)
# Bodies are bytes already.
_BYTES: Final[Any] = bytes

_DISK_CREATE = Operation("disk_create", "POST", "/v1/disks", _PROJECT, _PROJECT, _BYTES, Disk)
_DISK_VIEW = Operation("disk_view", "GET", "/v1/disks/{0}", _PROJECT, (), None, Disk)
_DISK_DELETE = Operation("disk_delete", "DELETE", "/v1/disks/{0}", (), (), None, _NOTHING)
_BULK_WRITE_START = Operation(
    "disk_bulk_write_import_start", "POST", "/v1/disks/{0}/bulk-write-start", (), (), None, _NOTHING
)
_BULK_WRITE = Operation(
    "disk_bulk_write_import", "POST", "/v1/disks/{0}/bulk-write", (), (), _BYTES, _NOTHING
)
_BULK_WRITE_STOP = Operation(
    "disk_bulk_write_import_stop", "POST", "/v1/disks/{0}/bulk-write-stop", (), (), None, _NOTHING
)
_FINALIZE = Operation("disk_finalize_import", "POST", "/v1/disks/{0}/finalize", (), (), _BYTES, _NOTHING)
_SNAPSHOT_VIEW = Operation("snapshot_view", "GET", "/v1/snapshots/{0}", _PROJECT, (), None, Snapshot)
_SNAPSHOT_DELETE = Operation("snapshot_delete", "DELETE", "/v1/snapshots/{0}", (), (), None, _NOTHING)
_UTILIZATION_VIEW = Operation("utilization_view", "GET", "/v1/utilization", (), (), None, Utilization)


class _NoRetries:
    """For chunks, which the upload itself sends again."""

    def next(self, failure: Failure, jitter: float) -> tuple[float, Policy] | None:  # noqa: ARG002 - as in `Policy`
        return None


class Rack:
    """Makes the calls of one upload: in one project, with one set of options.

    Attributes:
        clock, sleep, jitter: those of the client.
        deadline: when the last call has to be over, by the clock, or None.
    """

    def __init__(self, client: ApiClient, project: Any, options: RequestOptions) -> None:
        engine = client._open_engine()
        self._engine = engine
        self._patient = engine
        self._once = engine._replace(policy=_NoRetries())
        self._project = project
        self._options = options
        self.host = client.configuration.host
        self.clock, self.sleep, self.jitter = engine.clock, engine.sleep, engine.jitter
        self.deadline: float | None = None

    @property
    def renews_token(self) -> bool:
        """Whether the token comes from a callable, which may give another one after a 401."""
        return callable(self._options.get("_request_auth") or self._engine.configuration.access_token)

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
        return self._call(_DISK_CREATE, body=json.dumps(body).encode(), project=self._project)

    def disk_view(self, disk: UUID) -> Disk:
        """Return a disk."""
        return self._call(_DISK_VIEW, str(disk), project=None)

    def disk_find(self, name: str) -> Disk:
        """Return the project's disk of that name."""
        return self._call(_DISK_VIEW, name, project=self._project)

    def disk_delete(self, disk: UUID) -> None:
        """Delete a disk."""
        self._call(_DISK_DELETE, str(disk))

    def bulk_write_start(self, disk: UUID) -> None:
        """Let a disk take chunks."""
        self._call(_BULK_WRITE_START, str(disk))

    def bulk_write(self, disk: UUID, body: bytes) -> None:
        """Write a chunk, once."""
        self._call(_BULK_WRITE, str(disk), body=body, timeout=CHUNK_TIMEOUT, engine=self._once)

    def bulk_write_stop(self, disk: UUID) -> None:
        """Let a disk take no more chunks."""
        self._call(_BULK_WRITE_STOP, str(disk))

    def finalize(self, disk: UUID, snapshot: str | None) -> None:
        """Make an ordinary disk of it, with a snapshot of that name or without one."""
        self._call(_FINALIZE, str(disk), body=json.dumps({"snapshot_name": snapshot}).encode())

    def snapshot_find(self, name: str) -> Snapshot:
        """Return the project's snapshot of that name."""
        return self._call(_SNAPSHOT_VIEW, name, project=self._project)

    def snapshot_delete(self, snapshot: UUID) -> None:
        """Delete a snapshot."""
        self._call(_SNAPSHOT_DELETE, str(snapshot))

    def utilization(self) -> Utilization:
        """Return how much of its quota the silo uses."""
        return self._call(_UTILIZATION_VIEW)

    def image_find(self, name: str) -> Image:
        """Return the project's image of that name."""
        return self._call(op.IMAGE_VIEW, image=name, project=self._project)

    def image_create(self, wanted: ImageCreate) -> Image:
        """Create an image in the project."""
        return self._call(op.IMAGE_CREATE, body=wanted, project=self._project)

    def pause(self, seconds: float) -> None:
        """Wait, but not past the deadline."""
        if self.deadline is not None:
            seconds = min(seconds, max(0.0, self.deadline - self.clock()))
        self.sleep(seconds)

    def _call(
        self,
        operation: Operation[T],
        *identifiers: str,
        body: object = None,
        timeout: float | None = None,
        engine: Any = None,
        **arguments: Any,
    ) -> T:
        options = self._options.copy()
        if "_request_timeout" not in options and timeout is not None:
            options["_request_timeout"] = timeout
        if self.deadline is not None:
            options["_request_timeout"] = max(0.001, self.deadline - self.clock())
        row = operation._replace(path=operation.path.format(*identifiers)) if identifiers else operation
        return cast("T", (engine or self._patient).call(row, options, arguments, body).data)


def is_passing(error: ApiException) -> bool:
    """Return whether a failure may pass by itself, so that repeating the call may help."""
    if error.status in _PASSING:
        return True
    if isinstance(error, ApiConnectionError):
        return not isinstance(error.__cause__, ssl.SSLCertVerificationError)
    return isinstance(error, (ApiTimeoutError, ApiResponseError))


def may_have_acted(error: ApiException) -> bool:
    """Return whether the server may have done what it was asked for."""
    if error.outcome == "unknown":
        return True
    if error.outcome == "not sent" or error.status is None:
        return False
    # A gateway does not know; the API itself says so in its own form of error.
    return 200 <= error.status < 300 or (error.status >= 500 and error.error_code is None)


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
