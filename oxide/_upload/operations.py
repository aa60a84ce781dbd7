"""The operations that only an upload needs, loaded with it; `oxide._operations` has the others."""

from typing import Final

from oxide._call.encoding import identifier, project_of
from oxide._call.operation import Operation
from oxide._upload.models import Disk, Utilization
from oxide.models.image import Image

_NOTHING: Final = type(None)
_PROJECT: Final = {"project": identifier}
_DISK: Final = {"disk": identifier, "project": project_of("disk", identifier)}
_SNAPSHOT: Final = {"snapshot": identifier, "project": project_of("snapshot", identifier)}

DISK_CREATE: Final = Operation(
    "disk_create", "POST", "/v1/disks", _PROJECT, Disk, body=bytes, required=("project",)
)
DISK_VIEW: Final = Operation("disk_view", "GET", "/v1/disks/{disk}", _DISK, Disk)
DISK_DELETE: Final = Operation("disk_delete", "DELETE", "/v1/disks/{disk}", _DISK, _NOTHING)
BULK_WRITE_START: Final = Operation(
    "disk_bulk_write_import_start", "POST", "/v1/disks/{disk}/bulk-write-start", _DISK, _NOTHING
)
# Writing the same bytes again does no harm.
BULK_WRITE: Final = Operation(
    "disk_bulk_write_import",
    "POST",
    "/v1/disks/{disk}/bulk-write",
    _DISK,
    _NOTHING,
    body=bytes,
    repeatable=True,
)
BULK_WRITE_STOP: Final = Operation(
    "disk_bulk_write_import_stop", "POST", "/v1/disks/{disk}/bulk-write-stop", _DISK, _NOTHING
)
FINALIZE: Final = Operation(
    "disk_finalize_import", "POST", "/v1/disks/{disk}/finalize", _DISK, _NOTHING, body=bytes
)
SNAPSHOT_DELETE: Final = Operation(
    "snapshot_delete", "DELETE", "/v1/snapshots/{snapshot}", _SNAPSHOT, _NOTHING
)
UTILIZATION_VIEW: Final = Operation("utilization_view", "GET", "/v1/utilization", {}, Utilization)

# This is not an operation of the API: it names the method in messages about its options.
IMAGE_UPLOAD: Final = Operation("image_upload", "POST", "/v1/images", _PROJECT, Image)
