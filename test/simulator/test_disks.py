"""Disks and snapshots behave as in the real service, scenario by scenario, over raw HTTP."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest
from importing import (
    GIB,
    IMPORTING,
    WITH_BACKEND,
    WITH_READ_ONLY,
    WITHOUT_BACKEND,
    create_disk,
    create_image,
    delete_disk,
    disk_body,
    finalize,
    import_image,
    provisioned,
    snapshot,
    start,
    state,
    stop,
    stored_extents,
    write,
)
from simulator_http import Caller, World

from oxide.testing import LosePantry, Refuse, Simulator, Unwind

NOBODY = "2aee9f0a-4d5c-4b3c-8f6d-3c1a2c0c8d11"
CREATE = "/v1/disks?project=proj"
OVER_QUOTA = (
    507,
    "InsufficientCapacity",
    (
        "Insufficient capacity: Storage Limit Exceeded: Not enough storage to complete request. Either remove unneeded "
        "disks and snapshots to free up resources or contact the rack operator to request a capacity increase."
    ),
)
NO_SPACE = (507, "InsufficientCapacity", "Insufficient capacity: Not enough storage")
INTERNAL = (500, "Internal", "Internal Server Error")


def refused(message: str) -> tuple[int, str, str]:
    """Return the error of a request that cannot be carried out."""
    return 400, "InvalidRequest", message


def test_a_created_disk_has_the_requested_values(call: Caller, world: World) -> None:
    reply = call("POST", CREATE, disk_body("debian", description="a"))
    disk = reply.json
    assert reply.status == 201
    assert list(disk) == [
        "id", "name", "description", "time_created", "time_modified", "project_id", "snapshot_id", "image_id", "size",
        "block_size", "state", "device_path", "disk_type", "read_only",
    ]  # fmt: skip
    assert disk == {
        "id": str(UUID(disk["id"], version=4)),
        "name": "debian",
        "description": "a",
        "time_created": disk["time_created"],
        "time_modified": disk["time_created"],
        "project_id": str(world.proj),
        "snapshot_id": None,
        "image_id": None,
        "size": GIB,
        "block_size": 512,
        "state": {"state": "creating"},
        "device_path": "/mnt/debian",
        "disk_type": "distributed",
        "read_only": False,
    }
    # It accepts bulk writes as soon as it is created.
    assert call("GET", f"/v1/disks/{disk['id']}").json == disk | {"state": {"state": "import_ready"}}


def test_a_disk_is_shown_as_the_api_version_writes_it(call: Caller, world: World) -> None:
    created = call(
        "POST", CREATE, disk_body(disk_backend=None, disk_source=IMPORTING), headers=WITHOUT_BACKEND
    )
    assert (created.status, created.json["disk_type"]) == (201, "crucible")
    target = f"/v1/disks/{created.json['id']}"
    shown = [
        (disk["disk_type"], disk.get("read_only"))
        for disk in (
            call("GET", target, headers=headers).json
            for headers in (WITHOUT_BACKEND, WITH_BACKEND, WITH_READ_ONLY, {})
        )
    ]
    assert shown == [
        ("crucible", None),
        ("distributed", None),
        ("distributed", False),
        ("distributed", False),
    ]


@pytest.mark.parametrize(
    ("headers", "taken"),
    [
        (WITHOUT_BACKEND, "disk_source"),
        ({"api-version": "2025120299.0.0"}, "disk_source"),
        (WITH_BACKEND, "disk_backend"),
        (WITH_READ_ONLY, "disk_backend"),
        ({}, "disk_backend"),
    ],
)
def test_each_api_version_accepts_one_form_of_the_source(
    call: Caller, world: World, headers: dict[str, str], taken: str
) -> None:
    forms: dict[str, Any] = {
        "disk_source": IMPORTING,
        "disk_backend": {"type": "distributed", "disk_source": IMPORTING},
    }
    for form, source in forms.items():
        body = disk_body(form.replace("_", "-"), **{"disk_backend": None, form: source})
        reply = call("POST", CREATE, body, headers=headers)
        if form == taken:
            assert reply.status == 201
        else:
            status, code, message = reply.error
            assert (status, code) == (400, None)
            assert message.startswith(f"unable to parse JSON body: missing field `{taken}` at line 1 column ")
    assert call("POST", CREATE, disk_body(**forms), headers=headers).status == 201


def test_a_simulator_of_an_old_version_accepts_the_old_form() -> None:
    with Simulator(max_api_version="2025112000.0.0") as simulator, closing(Caller(simulator)) as call:
        simulator.create_project("proj")
        assert call("POST", CREATE, disk_body(disk_backend=None, disk_source=IMPORTING)).status == 201
        assert call("POST", CREATE, disk_body("other")).status == 400


def test_a_local_disk_cannot_be_imported_into(call: Caller, world: World) -> None:
    disk = create_disk(call, disk_backend={"type": "local"})
    shown = call("GET", f"/v1/disks/{disk}").json
    assert (shown["disk_type"], shown["state"]) == ("local", {"state": "detached"})
    reply = call("GET", f"/v1/disks/{disk}", headers=WITHOUT_BACKEND)
    assert reply.error == (406, "Not Acceptable", "disk type variant not supported for client version")
    for step, body in (
        ("bulk-write-start", None),
        ("bulk-write", {"offset": 0, "base64_encoded_data": ""}),
        ("bulk-write-stop", None),
        ("finalize", {}),
    ):
        assert call("POST", f"/v1/disks/{disk}/{step}", body).error == INTERNAL
    assert delete_disk(call, disk).status == 204


def test_a_blank_disk_is_detached(call: Caller, world: World) -> None:
    source = {"type": "blank", "block_size": 4096}
    disk = create_disk(call, disk_backend={"type": "distributed", "disk_source": source})
    shown = call("GET", f"/v1/disks/{disk}").json
    assert (shown["state"], shown["block_size"]) == ({"state": "detached"}, 4096)
    assert delete_disk(call, disk).status == 204


@pytest.mark.parametrize("kind", ["snapshot", "image"])
def test_a_disk_can_copy_a_snapshot_or_an_image(
    simulator: Simulator, call: Caller, world: World, kind: str
) -> None:
    simulator.create_snapshot("big", "proj", size=2 * GIB, block_size=2048)
    big = snapshot(call, "big")["id"]
    copied = big if kind == "snapshot" else create_image(call, big).json["id"]

    def attempt(name: str, copied: str, **changes: object) -> Any:
        source = {"type": kind, f"{kind}_id": copied, "read_only": True}
        return call(
            "POST",
            CREATE,
            disk_body(name, **{"disk_backend": {"type": "distributed", "disk_source": source}, **changes}),
        )

    disk = attempt("disk", copied, size=3 * GIB).json
    assert (disk["block_size"], disk[f"{kind}_id"], disk["read_only"]) == (2048, copied, True)
    assert state(call, disk["id"]) == "detached"
    assert attempt("small", copied).error[:2] == (400, "InvalidRequest")
    assert attempt("none", NOBODY).error == (404, "ObjectNotFound", f'not found: {kind} with id "{NOBODY}"')
    assert attempt("odd", "snap").status == 400
    assert [found.name for found in simulator.disks("proj")] == ["disk"]


# Scenario, request, changes to a good body, response.
CREATE_ERRORS = [
    (9, "/v1/disks", {}, (400, None, "unable to parse query string: missing field `project`")),
    (10, "/v1/disks?project=nope", {}, (404, "ObjectNotFound", 'not found: project with name "nope"')),
    (11, CREATE, {"name": "taken"}, (400, "ObjectAlreadyExists", 'already exists: disk "taken"')),
    (
        14,
        CREATE,
        {"size": GIB + 256},
        (
            400,
            "InvalidValue",
            'unsupported value for "size and block_size": total size must be a multiple of block size 512',
        ),
    ),
    *(
        (
            15,
            CREATE,
            {"size": size},
            (400, "InvalidValue", 'unsupported value for "size": total size must be at least 1 GiB'),
        )
        for size in (0, 512 * 2**20)
    ),
    (
        16,
        CREATE,
        {"size": GIB + 512},
        (400, "InvalidValue", 'unsupported value for "size": total size must be a multiple of 1 GiB'),
    ),
    (
        17,
        CREATE,
        {"size": 1024 * GIB},
        (400, "InvalidValue", 'unsupported value for "size": total size must be less than 1023 GiB'),
    ),
]


@pytest.mark.parametrize(("number", "target", "changes", "error"), CREATE_ERRORS)
def test_creating_a_bad_disk_fails_with_the_error_of_the_service(
    simulator: Simulator,
    call: Caller,
    world: World,
    number: int,
    target: str,
    changes: dict[str, Any],
    error: tuple[int, str | None, str],
) -> None:
    create_disk(call, "taken")
    assert call("POST", target, disk_body(**changes)).error == error
    assert [disk.name for disk in simulator.disks("proj")] == ["taken"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        *(
            (
                {"disk_backend": {"type": "distributed", "disk_source": {**IMPORTING, "block_size": size}}},
                f"disk_backend: invalid block size {size}",
            )
            for size in (1024, 0, 8192)
        ),
        ({"size": 2**63}, "size: value is too large for a byte count"),
        ({"size": 2**64}, f"size: invalid value: integer `{2**64}`, expected u64"),
        ({"size": -1}, "size: invalid value: integer `-1`, expected u64"),
        ({"size": 1.5}, "size: invalid type, expected u64"),
        ({"size": "1"}, "size: invalid type, expected u64"),
        ({"size": True}, "size: invalid type, expected u64"),
        ({"size": None}, "missing field `size`"),
        ({"description": None}, "missing field `description`"),
        ({"name": None}, "missing field `name`"),
        ({"name": "Abc"}, "name must begin with an ASCII lowercase character"),
        (
            {"disk_backend": {"type": "crucible"}},
            "disk_backend.type: unknown variant `crucible`, expected `local` or `distributed` at",
        ),
        ({"disk_backend": {}}, "disk_backend: missing field `type`"),
        ({"disk_backend": []}, "disk_backend: invalid type"),
        ({"disk_backend": {"type": "distributed"}}, "disk_backend: missing field `disk_source`"),
        (
            {"disk_backend": {"type": "distributed", "disk_source": {"type": "url"}}},
            "disk_backend: unknown variant `url`, expected one of `blank`, `snapshot`, `image`, `importing_blocks`",
        ),
        (
            {"disk_backend": {"type": "distributed", "disk_source": {"type": "importing_blocks"}}},
            "disk_backend: missing field `block_size`",
        ),
    ],
)
def test_a_body_that_cannot_be_parsed_is_refused(
    call: Caller, world: World, changes: dict[str, Any], problem: str
) -> None:
    body = {key: value for key, value in (disk_body() | changes).items() if value is not None}
    for token in ("", None):
        status, code, message = call("POST", CREATE, body, token=token).error
        assert (status, code) == (400, None)
        assert message.startswith(f"unable to parse JSON body: {problem}")


def test_a_bad_block_size_in_the_old_form_is_refused(call: Caller, world: World) -> None:
    body = disk_body(disk_backend=None, disk_source={**IMPORTING, "block_size": 513})
    message = call("POST", CREATE, body, headers=WITHOUT_BACKEND).error[2]
    assert message.startswith(
        "unable to parse JSON body: disk_source: invalid block size 513 at line 1 column "
    )


def test_a_description_longer_than_its_column_is_an_internal_error(call: Caller, world: World) -> None:
    assert call("POST", CREATE, disk_body(description="x" * 513)).error == INTERNAL
    assert call("POST", CREATE, disk_body(description="x" * 512)).status == 201


def test_a_disk_a_snapshot_and_an_image_may_share_a_name(
    simulator: Simulator, call: Caller, world: World
) -> None:
    create_disk(call, "same")
    simulator.create_snapshot("same", "proj")
    simulator.create_image("same", "proj")
    assert call("GET", "/v1/disks/same?project=proj").status == 200
    assert call("GET", "/v1/snapshots/same?project=proj").status == 200
    # Each project has its own names.
    assert call("POST", "/v1/disks?project=other", disk_body("same")).status == 201


def test_the_name_of_a_deleted_disk_is_free(call: Caller, world: World) -> None:
    first = create_disk(call)
    assert finalize(call, first).status == 204
    assert delete_disk(call, first).status == 204
    assert create_disk(call) != first


def test_a_disk_may_have_1023_gib(call: Caller, world: World) -> None:
    disk = create_disk(call, size=1023 * GIB)
    start(call, disk)
    assert write(call, disk, 1023 * GIB - 512, b"x" * 512).status == 204
    stop(call, disk)
    assert finalize(call, disk, "s").status == 204
    assert snapshot(call, "s")["size"] == 1023 * GIB


def test_a_disk_over_the_quota_is_refused(simulator: Simulator, call: Caller, world: World) -> None:
    simulator.create_snapshot("counts", "other", size=GIB)
    simulator.quota = 4 * GIB
    create_disk(call)
    # The world's snapshot counts too. The name is also taken, but the quota is checked first.
    assert call("POST", CREATE, disk_body(size=2 * GIB)).error == OVER_QUOTA
    assert [disk.name for disk in simulator.disks("proj")] == ["disk"]
    assert create_disk(call, "last")
    assert simulator.quota == 4 * GIB
    assert call("GET", "/v1/utilization").json == {
        "capacity": {"cpus": 0, "memory": 0, "storage": 4 * GIB},
        "provisioned": {"cpus": 0, "memory": 0, "storage": 4 * GIB},
    }
    simulator.quota = None
    assert create_disk(call, "more")
    assert call("GET", "/v1/utilization").json["capacity"]["storage"] == 2**63 - 1


def test_a_taken_name_is_reported_before_a_lack_of_space(
    simulator: Simulator, call: Caller, world: World
) -> None:
    create_disk(call)
    simulator.space = 2 * GIB
    assert call("POST", CREATE, disk_body("more")).error == NO_SPACE
    assert call("POST", CREATE, disk_body()).error[1] == "ObjectAlreadyExists"
    assert [disk.name for disk in simulator.disks("proj")] == ["disk"]
    simulator.space = 3 * GIB
    assert create_disk(call, "more")


# Scenario, request, error.
SELECTORS = [
    (
        24,
        "GET /v1/disks/$disk?project=proj",
        refused("when providing disk as an ID project should not be specified"),
    ),
    (25, "GET /v1/disks/disk", refused("disk should either be UUID or project should be specified")),
    (26, "GET /v1/disks/nope?project=proj", (404, "ObjectNotFound", 'not found: disk with name "nope"')),
    (26, "GET /v1/disks/disk?project=nope", (404, "ObjectNotFound", 'not found: project with name "nope"')),
    (27, f"GET /v1/disks/{NOBODY}", (404, "ObjectNotFound", f'not found: disk with id "{NOBODY}"')),
    (62, "GET /v1/snapshots/snap", refused("snapshot should either be an ID or project should be specified")),
    (
        62,
        "GET /v1/snapshots/$snap?project=proj",
        refused("when providing snapshot as an ID, project should not be specified"),
    ),
    (
        62,
        "GET /v1/snapshots/nope?project=proj",
        (404, "ObjectNotFound", 'not found: snapshot with name "nope"'),
    ),
    (
        62,
        f"DELETE /v1/snapshots/{NOBODY}",
        (404, "ObjectNotFound", f'not found: snapshot with id "{NOBODY}"'),
    ),
]


@pytest.mark.parametrize(("number", "request_", "error"), SELECTORS)
def test_a_bad_selector_is_refused_with_the_error_of_the_service(
    call: Caller, world: World, number: int, request_: str, error: tuple[int, str, str]
) -> None:
    filled = request_.replace("$disk", create_disk(call)).replace("$snap", str(world.snap))
    assert call(*filled.split()).error == error


@pytest.mark.parametrize("kind", ["disks", "snapshots"])
def test_a_selector_that_is_neither_name_nor_id_is_refused(call: Caller, world: World, kind: str) -> None:
    reply = call("GET", f"/v1/{kind}/my_disk")
    assert reply.error[:2] == (400, None)


@pytest.mark.parametrize("project", ["proj", "$proj"])
def test_a_disk_is_viewed_by_name_and_by_id(call: Caller, world: World, project: str) -> None:
    disk = create_disk(call)
    by_name = call("GET", f"/v1/disks/disk?project={project.replace('$proj', str(world.proj))}")
    assert by_name.json == call("GET", f"/v1/disks/{disk}").json


STEPS = {
    "start": ("bulk-write-start", None, 'cannot set disk in state {} to "importing_from_bulk_writes"'),
    "write": (
        "bulk-write",
        {"offset": 0, "base64_encoded_data": ""},
        "cannot import blocks with a bulk write for disk in state {}",
    ),
    "stop": ("bulk-write-stop", None, 'cannot set disk in state {} to "import_ready"'),
    "finalize": ("finalize", {}, "cannot finalize disk in state DiskState({})"),
}


@pytest.mark.parametrize(
    ("now", "steps", "allowed"),
    [
        ("import_ready", [], {"start", "finalize"}),
        ("importing_from_bulk_writes", ["start"], {"write", "stop"}),
        ("detached", ["finalize"], {"delete"}),
        ("faulted", ["finalize", "fail"], {"delete"}),
    ],
)
def test_each_state_allows_only_its_operations(
    simulator: Simulator, call: Caller, world: World, now: str, steps: list[str], allowed: set[str]
) -> None:
    for step in [*STEPS, "delete"]:
        disk = create_disk(call, step)
        for before in steps:
            if before == "fail":
                simulator.fail_next(Unwind())
                assert delete_disk(call, disk).error == INTERNAL
            else:
                assert call("POST", f"/v1/disks/{disk}/{STEPS[before][0]}", STEPS[before][1]).status == 204
        assert state(call, disk) == now
        if step == "delete":
            reply, message = delete_disk(call, disk), f'disk cannot be deleted in state "{now}"'
        else:
            path, body, message = STEPS[step]
            reply = call("POST", f"/v1/disks/{disk}/{path}", body)
            message = message.format("".join(word.capitalize() for word in now.split("_")))
        if step in allowed:
            assert (reply.status, reply.body) == (204, b"")
        else:
            assert reply.error == refused(message)
            assert state(call, disk) == now


def test_bulk_writes_can_be_started_and_stopped_repeatedly(call: Caller, world: World) -> None:
    disk = create_disk(call)
    for _ in range(16):
        start(call, disk)
        assert state(call, disk) == "importing_from_bulk_writes"
        stop(call, disk)
        assert state(call, disk) == "import_ready"


def test_a_change_of_state_does_not_change_time_modified(call: Caller, world: World) -> None:
    disk = create_disk(call)
    start(call, disk)
    shown = call("GET", f"/v1/disks/{disk}").json
    assert shown["time_modified"] == shown["time_created"]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "EOF while parsing a value at line 1 column 0"),
        (b'{"snapshot_name":""}', "snapshot_name: name requires at least one character at line 1 column "),
        (b'{"snapshot_name":"Abc"}', "snapshot_name: name must begin with an ASCII lowercase character at "),
        (b'{"snapshot_name":5}', "snapshot_name: invalid type"),
        (b"[]", "invalid type, expected struct FinalizeDisk"),
    ],
)
def test_finalizing_with_a_body_that_cannot_be_parsed_is_refused(
    call: Caller, world: World, body: bytes, problem: str
) -> None:
    disk = create_disk(call)
    status, code, message = call("POST", f"/v1/disks/{disk}/finalize", body).error
    assert (status, code) == (400, None)
    assert message.startswith(f"unable to parse JSON body: {problem}")
    assert state(call, disk) == "import_ready"


@pytest.mark.parametrize("body", [{}, {"snapshot_name": None}, {"more": 1}])
def test_finalizing_without_a_snapshot_name_takes_no_snapshot(
    simulator: Simulator, call: Caller, world: World, body: object
) -> None:
    disk = create_disk(call)
    assert call("POST", f"/v1/disks/{disk}/finalize", body).status == 204
    assert state(call, disk) == "detached"
    assert [found.name for found in simulator.snapshots("proj")] == ["snap"]


def test_finalizing_with_a_snapshot_name_takes_a_snapshot(call: Caller, world: World) -> None:
    disk = create_disk(call, size=2 * GIB)
    reply = finalize(call, disk, "s")
    assert (reply.status, reply.body) == (204, b"")
    assert state(call, disk) == "detached"
    found = snapshot(call, "s")
    assert found == {
        "id": found["id"],
        "name": "s",
        "description": f"snapshot of finalized disk {disk}",
        "time_created": found["time_created"],
        "time_modified": found["time_created"],
        "project_id": str(world.proj),
        "disk_id": disk,
        "state": "ready",
        "size": 2 * GIB,
    }
    assert call("GET", f"/v1/snapshots/{found['id']}").json == found


def test_finalizing_with_a_taken_snapshot_name_is_refused(call: Caller, world: World) -> None:
    disk = create_disk(call)
    assert finalize(call, disk, "snap").error == (
        400,
        "ObjectAlreadyExists",
        'already exists: snapshot "snap"',
    )
    assert state(call, disk) == "import_ready"
    assert finalize(call, disk, "free").status == 204


@pytest.mark.parametrize(("limit", "error"), [("quota", OVER_QUOTA), ("space", NO_SPACE)])
def test_finalizing_without_quota_or_space_for_the_snapshot_is_refused(
    simulator: Simulator, call: Caller, world: World, limit: str, error: tuple[int, str, str]
) -> None:
    disk = create_disk(call)
    setattr(simulator, limit, provisioned(call) + GIB - 1)
    assert finalize(call, disk, "s").error == error
    assert state(call, disk) == "import_ready"
    assert [found.name for found in simulator.snapshots("proj")] == ["snap"]
    # The space is checked before the name, and the name before the quota.
    expected = error[1] if limit == "space" else "ObjectAlreadyExists"
    assert finalize(call, disk, "snap").error[1] == expected
    assert finalize(call, disk).status == 204


def test_finalizing_while_a_region_is_replaced_is_a_conflict(
    simulator: Simulator, call: Caller, world: World
) -> None:
    disk = create_disk(call)
    simulator.fail_next(Refuse(409, "volume repair lock", "Conflict"), operation="disk_finalize_import")
    assert finalize(call, disk, "s").error == (409, "Conflict", "volume repair lock")
    assert state(call, disk) == "import_ready"


def test_finalizing_with_a_snapshot_fails_if_the_pantry_is_lost(
    simulator: Simulator, call: Caller, world: World
) -> None:
    disk = create_disk(call)
    start(call, disk)
    simulator.fail_next(LosePantry())
    assert write(call, disk, 0, b"x" * 512).error == refused("Not Found")
    stop(call, disk)
    assert finalize(call, disk, "s").error == INTERNAL
    assert state(call, disk) == "import_ready"
    assert [found.name for found in simulator.snapshots("proj")] == ["snap"]
    assert finalize(call, disk).status == 204
    assert state(call, disk) == "detached"


def test_an_image_keeps_its_bytes_when_disk_and_snapshot_are_deleted(
    simulator: Simulator, call: Caller, world: World
) -> None:
    for number, order in enumerate(permutations(["snapshot", "disk", "image"])):
        name = f"d{number}"
        disk = create_disk(
            call,
            name,
            size=2 * GIB,
            disk_backend={"type": "distributed", "disk_source": {**IMPORTING, "block_size": 4096}},
        )
        start(call, disk)
        assert write(call, disk, 4096, b"x" * 4096).status == 204
        stop(call, disk)
        assert finalize(call, disk, name).status == 204
        snapshot_id = snapshot(call, name)["id"]
        created = create_image(call, snapshot_id, name)
        assert created.status == 201
        image = created.json["id"]
        assert (created.json["size"], created.json["block_size"]) == (2 * GIB, 4096)
        targets = {
            "snapshot": f"/v1/snapshots/{snapshot_id}",
            "disk": f"/v1/disks/{disk}",
            "image": f"/v1/images/{image}",
        }
        for kind in order:
            if kind == "image":
                assert simulator.image_content(image, 4095, 4098) == b"\0" + b"x" * 4096 + b"\0"
            assert call("DELETE", targets[kind]).status == 204
    # Nothing of their bytes is left.
    assert stored_extents(simulator) == []


def test_an_image_can_be_made_of_a_snapshot_whose_disk_is_deleted(call: Caller, world: World) -> None:
    disk = create_disk(call)
    assert finalize(call, disk, "s").status == 204
    assert delete_disk(call, disk).status == 204
    assert create_image(call, snapshot(call, "s")["id"]).status == 201


def test_a_disk_or_a_snapshot_can_be_deleted_only_once(call: Caller, world: World) -> None:
    disk = create_disk(call)
    assert finalize(call, disk, "s").status == 204
    for target in (f"/v1/disks/{disk}", f"/v1/snapshots/{snapshot(call, 's')['id']}"):
        assert call("DELETE", target).status == 204
        assert call("DELETE", target).error[:2] == (404, "ObjectNotFound")


def test_a_disk_whose_deletion_fails_comes_back_faulted(
    simulator: Simulator, call: Caller, world: World
) -> None:
    disk = create_disk(call)
    assert finalize(call, disk).status == 204
    simulator.fail_next(Unwind())
    assert delete_disk(call, disk).error == INTERNAL
    shown = call("GET", f"/v1/disks/{disk}").json
    assert (shown["name"], shown["state"]) == (f"deleted-{disk}", {"state": "faulted"})
    assert call("GET", "/v1/disks/disk?project=proj").status == 404
    assert delete_disk(call, disk).status == 204
    assert simulator.disks("proj") == []


def test_disks_and_snapshots_count_against_the_quota(call: Caller, world: World) -> None:
    before = provisioned(call)
    disk = create_disk(call, size=3 * GIB)
    assert provisioned(call) - before == 3 * GIB
    assert finalize(call, disk, "s").status == 204
    assert provisioned(call) - before == 6 * GIB
    snapshot_id = snapshot(call, "s")["id"]
    assert create_image(call, snapshot_id).status == 201
    assert provisioned(call) - before == 6 * GIB
    assert call("DELETE", f"/v1/snapshots/{snapshot_id}").status == 204
    assert delete_disk(call, disk).status == 204
    assert provisioned(call) == before


def test_unknown_methods_are_refused_with_the_allowed_ones(call: Caller, world: World) -> None:
    for request, allowed in (
        ("GET /v1/disks/x/bulk-write", ["POST"]),
        ("PUT /v1/disks/x/finalize", ["POST"]),
        ("PUT /v1/disks/x", ["DELETE", "GET"]),
        ("POST /v1/utilization", ["GET"]),
    ):
        reply = call(*request.split(), token=None)
        assert reply.error == (405, None, "Method Not Allowed")
        assert reply.headers.get_all("allow") == allowed


def test_only_one_of_two_simultaneous_starts_succeeds(
    simulator: Simulator, call: Caller, world: World
) -> None:
    disk = create_disk(call)
    together = threading.Barrier(2)

    def begin(caller: Caller) -> int:
        together.wait()
        return caller("POST", f"/v1/disks/{disk}/bulk-write-start").status

    callers = [Caller(simulator), Caller(simulator)]
    with ThreadPoolExecutor(2) as pool:
        statuses = sorted(pool.map(begin, callers))
    for caller in callers:
        caller.close()
    # A rack may let both succeed.
    assert statuses == [204, 400]
    assert state(call, disk) == "importing_from_bulk_writes"


def test_an_imported_image_has_its_bytes_and_does_not_count_against_the_quota(
    simulator: Simulator, call: Caller, world: World
) -> None:
    before = provisioned(call)
    image = import_image(call, {512: b"a" * 512})
    assert provisioned(call) == before
    assert simulator.image_content(image, 0, 1536) == bytes(512) + b"a" * 512 + bytes(512)
