"""Makes the part of the OpenAPI document about disks, snapshots and utilization, for the newest version of the API."""

from http import HTTPStatus
from typing import Any, Final

from oxide.testing._routing import ROUTES, SUCCESS_STATUSES

_Schema = dict[str, Any]


def _ref(schema: str) -> _Schema:
    return {"$ref": f"#/components/schemas/{schema}"}


def _object(required: _Schema, optional: _Schema | None = None) -> _Schema:
    schema = {"type": "object", "properties": {**required, **(optional or {})}}
    return {**schema, "required": sorted(required)} if required else schema


def _word(*words: str) -> _Schema:
    return {"type": "string", "enum": list(words)}


_TEXT: Final[_Schema] = {"type": "string"}
_ID: Final[_Schema] = {"type": "string", "format": "uuid"}
_TIME: Final[_Schema] = {"type": "string", "format": "date-time"}
_NO_ID: Final[_Schema] = {**_ID, "nullable": True}
_FLAG: Final[_Schema] = {"type": "boolean"}
_IDENTITY: Final[_Schema] = {
    "id": _ID,
    "name": _ref("Name"),
    "description": _TEXT,
    "time_created": _TIME,
    "time_modified": _TIME,
    "project_id": _ID,
}
_STATES: Final = (
    "creating",
    "detached",
    "import_ready",
    "importing_from_url",
    "importing_from_bulk_writes",
    "finalizing",
    "maintenance",
    "destroyed",
    "faulted",
)
_INSTANCE_STATES: Final = ("attaching", "attached", "detaching")

# For each operation: its summary, the schema of its body and the schema of its result.
_OPERATIONS: Final[dict[str, tuple[str, str | None, str | None]]] = {
    "disk_create": ("Create a disk.", "DiskCreate", "Disk"),
    "disk_view": ("Return a disk.", None, "Disk"),
    "disk_delete": ("Delete a disk.", None, None),
    "disk_bulk_write_import_start": ("Let a disk take bulk writes.", None, None),
    "disk_bulk_write_import": ("Write a chunk to a disk.", "ImportBlocksBulkWrite", None),
    "disk_bulk_write_import_stop": ("Let a disk take no more bulk writes.", None, None),
    "disk_finalize_import": ("End the import into a disk, and take a snapshot of it.", "FinalizeDisk", None),
    "snapshot_view": ("Return a snapshot.", None, "Snapshot"),
    "snapshot_delete": ("Delete a snapshot.", None, None),
    "utilization_view": ("Return what the silo may have and has.", None, "Utilization"),
}

SCHEMAS: Final[_Schema] = {
    "Disk": _object(
        {
            **_IDENTITY,
            "size": _ref("ByteCount"),
            "block_size": _ref("BlockSize"),
            "state": _ref("DiskState"),
            "device_path": _TEXT,
            "disk_type": _word("distributed", "local"),
            "read_only": _FLAG,
        },
        {"snapshot_id": _NO_ID, "image_id": _NO_ID},
    ),
    "DiskBackend": {
        "oneOf": [
            _object({"type": _word("local")}),
            _object({"type": _word("distributed"), "disk_source": _ref("DiskSource")}),
        ]
    },
    "DiskCreate": _object(
        {
            "name": _ref("Name"),
            "description": _TEXT,
            "disk_backend": _ref("DiskBackend"),
            "size": _ref("ByteCount"),
        }
    ),
    "DiskSource": {
        "oneOf": [
            _object({"type": _word("blank"), "block_size": _ref("BlockSize")}),
            _object({"type": _word("snapshot"), "snapshot_id": _ID}, {"read_only": _FLAG}),
            _object({"type": _word("image"), "image_id": _ID}, {"read_only": _FLAG}),
            _object({"type": _word("importing_blocks"), "block_size": _ref("BlockSize")}),
        ]
    },
    "DiskState": {
        "oneOf": [
            _object({"state": _word(*_STATES)}),
            _object({"state": _word(*_INSTANCE_STATES), "instance": _ID}),
        ]
    },
    "FinalizeDisk": _object({}, {"snapshot_name": {"nullable": True, "allOf": [_ref("Name")]}}),
    "ImportBlocksBulkWrite": _object({"offset": _ref("ByteCount"), "base64_encoded_data": _TEXT}),
    "Snapshot": _object(
        {
            **_IDENTITY,
            "disk_id": _ID,
            "state": _word("creating", "ready", "faulted", "destroyed"),
            "size": _ref("ByteCount"),
        }
    ),
    "Utilization": _object(
        {"capacity": _ref("VirtualResourceCounts"), "provisioned": _ref("VirtualResourceCounts")}
    ),
    "VirtualResourceCounts": _object(
        {
            "cpus": {"type": "integer", "format": "int64"},
            "memory": _ref("ByteCount"),
            "storage": _ref("ByteCount"),
        }
    ),
}


def disk_paths() -> _Schema:
    """Return the paths of the operations."""
    return {
        path: {method.lower(): _operation(path, operation) for method, operation in methods.items()}
        for path, methods in ROUTES.items()
        if not _OPERATIONS.keys().isdisjoint(methods.values())
    }


def _operation(path: str, operation: str) -> _Schema:
    summary, body, result = _OPERATIONS[operation]
    status = SUCCESS_STATUSES[operation]
    success: _Schema = {"description": HTTPStatus(status).phrase}
    if result is not None:
        success["content"] = _json(result)
    tag = path.split("/")[2]
    parameters = []
    if "{" in path:
        parameters.append(_parameter("path", tag.removesuffix("s"), required=True))
    if tag != "utilization":
        parameters.append(_parameter("query", "project", required=operation == "disk_create"))
    document: _Schema = {
        "tags": [tag],
        "operationId": operation,
        "summary": summary,
        "parameters": parameters,
        "responses": {
            str(status): success,
            "4XX": {"$ref": "#/components/responses/Error"},
            "5XX": {"$ref": "#/components/responses/Error"},
        },
    }
    if body is not None:
        document["requestBody"] = {"required": True, "content": _json(body)}
    return document


def _parameter(place: str, name: str, *, required: bool) -> _Schema:
    return {"in": place, "name": name, "required": required, "schema": _ref("NameOrId")}


def _json(schema: str) -> _Schema:
    return {"application/json": {"schema": _ref(schema)}}
