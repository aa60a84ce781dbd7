"""Faults of disk operations: lost responses, work that continues without its client, failures that are undone."""

import json
import math
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from importing import (
    GIB,
    create_disk,
    create_image,
    delete_disk,
    disk_body,
    finalize,
    provisioned,
    snapshot,
    start,
    state,
    stop,
    write,
)
from simulator_http import Caller, World, connected, raw_request, read_to_end

from oxide.testing import Answer, Delay, Drop, Fault, LosePantry, Refuse, Simulator, Unwind

CREATE = "POST /v1/disks?project=proj HTTP/1.1"
LOST: list[Fault] = [Drop(during=0.05), Drop(during=0.05, reset=True), Drop(after_acting=True), Delay(0.05)]


def send(simulator: Simulator, head: str, body: object = None) -> socket.socket:
    """Send a request and return its connection, without reading a response."""
    url = simulator.url.partition("//")[2].split(":")
    connection = socket.create_connection((url[0], int(url[1])), timeout=30)
    content = b"" if body is None else json.dumps(body).encode()
    connection.sendall(raw_request(simulator, f"{head}\r\nconnection: close", content))
    return connection


def ask_until(look: Callable[[], str], wanted: str) -> None:
    """Repeat a request until its result is the wanted one."""
    seen = ""
    for _ in range(100_000):
        seen = look()
        if seen == wanted:
            return
    pytest.fail(f"it is {seen} for good")


@pytest.fixture
def detached(call: Caller, world: World) -> str:
    """Return the ID of a disk that has been finalized."""
    disk = create_disk(call)
    assert finalize(call, disk).status == 204
    return disk


@pytest.mark.parametrize("fault", LOST)
def test_a_finalization_continues_without_its_client(
    simulator: Simulator, call: Caller, world: World, fault: Fault
) -> None:
    disk = create_disk(call)
    count = len(simulator.requests)
    simulator.fail_next(fault, operation="disk_finalize_import")
    with send(simulator, f"POST /v1/disks/{disk}/finalize HTTP/1.1", {"snapshot_name": "s"}):
        pass
    simulator.wait_for_requests(count + 1)
    assert state(call, disk) == "detached"
    assert snapshot(call, "s")["state"] == "ready"


def test_a_disk_is_finalizing_while_its_finalization_is_delayed(
    simulator: Simulator, call: Caller, world: World
) -> None:
    disk = create_disk(call)
    simulator.fail_next(Delay(math.inf), operation="disk_finalize_import")
    with send(simulator, f"POST /v1/disks/{disk}/finalize HTTP/1.1", {"snapshot_name": "s"}):
        ask_until(lambda: state(call, disk), "finalizing")
        found = snapshot(call, "s")
        assert (found["state"], found["disk_id"]) == ("creating", disk)
        assert [(s.name, s.state, str(s.id)) for s in simulator.snapshots("proj")] == [
            ("s", "creating", found["id"]),
            ("snap", "ready", str(world.snap)),
        ]
        assert [(d.name, d.state, str(d.id), d.size) for d in simulator.disks("proj")] == [
            ("disk", "finalizing", disk, GIB)
        ]
        # Nothing else can be done with the disk meanwhile.
        assert delete_disk(call, disk).error[2] == 'disk cannot be deleted in state "finalizing"'
        assert finalize(call, disk).error[2] == "cannot finalize disk in state DiskState(Finalizing)"
        assert call("POST", f"/v1/disks/{disk}/bulk-write-start").status == 400
        # Nor can the snapshot be used yet.
        message = "snapshot cannot be deleted in state Creating"
        assert call("DELETE", f"/v1/snapshots/{found['id']}").error == (400, "InvalidRequest", message)
        assert create_image(call, found["id"]).error == (500, "Internal", "Internal Server Error")


@pytest.mark.parametrize("fault", LOST)
def test_the_creation_of_a_disk_continues_without_its_client(
    simulator: Simulator, call: Caller, world: World, fault: Fault
) -> None:
    simulator.fail_next(fault, operation="disk_create")
    with send(simulator, CREATE, disk_body()):
        pass
    simulator.wait_for_requests(1)
    found = call("GET", "/v1/disks/disk?project=proj").json
    assert found["state"] == {"state": "import_ready"}
    error = call("POST", "/v1/disks?project=proj", disk_body()).error
    assert error == (400, "ObjectAlreadyExists", 'already exists: disk "disk"')


def test_a_disk_is_creating_while_its_creation_is_delayed(
    simulator: Simulator, call: Caller, world: World
) -> None:
    simulator.fail_next(Delay(math.inf), operation="disk_create")
    with send(simulator, CREATE, disk_body()):
        ask_until(lambda: "".join(disk.state for disk in simulator.disks("proj")), "creating")
        (disk,) = simulator.disks("proj")
        assert state(call, str(disk.id)) == "creating"
        assert delete_disk(call, str(disk.id)).error[2] == 'disk cannot be deleted in state "creating"'
        error = call("POST", "/v1/disks?project=proj", disk_body()).error
        assert error[1] == "ObjectAlreadyExists"


def test_a_disk_whose_deletion_is_delayed_is_not_found_but_counts_against_the_quota(
    simulator: Simulator, call: Caller, detached: str
) -> None:
    before = provisioned(call)
    simulator.fail_next(Delay(math.inf), operation="disk_delete")
    with send(simulator, f"DELETE /v1/disks/{detached} HTTP/1.1"):
        ask_until(lambda: str(call("GET", f"/v1/disks/{detached}").status), "404")
        assert simulator.disks("proj") == []
        assert provisioned(call) == before
        assert delete_disk(call, detached).status == 404
        # Its name is free.
        assert create_disk(call) != detached


def test_a_delayed_response_arrives(simulator: Simulator, call: Caller, world: World) -> None:
    simulator.fail_next(Delay(0.01), times=3)
    disk = create_disk(call)
    assert state(call, disk) == "import_ready"
    assert finalize(call, disk, "s").status == 204
    assert snapshot(call, "s")["state"] == "ready"


def test_a_refusal_is_delayed_too(simulator: Simulator, call: Caller, detached: str) -> None:
    simulator.fail_next(Delay(math.inf), operation="disk_finalize_import")
    count = len(simulator.requests)
    with send(simulator, f"POST /v1/disks/{detached}/finalize HTTP/1.1", {}) as connection:
        simulator.wait_for_requests(count + 1, answered=False)
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(1)


@pytest.mark.parametrize("reset", [False, True])
def test_drop_during_closes_the_connection_before_the_work_is_done(
    simulator: Simulator, call: Caller, world: World, reset: bool
) -> None:
    disk = create_disk(call)
    simulator.fail_next(Drop(during=math.inf, reset=reset), operation="disk_finalize_import")
    with send(simulator, f"POST /v1/disks/{disk}/finalize HTTP/1.1", {}) as connection:
        if reset:
            with pytest.raises(ConnectionResetError):
                read_to_end(connection)
        else:
            assert read_to_end(connection) == b""
    ask_until(lambda: state(call, disk), "finalizing")


def test_drop_alone_does_not_start_the_work(simulator: Simulator, call: Caller, world: World) -> None:
    disk = create_disk(call)
    for fault in (Drop(), Answer(503), Refuse(503, "Service Unavailable", "ServiceNotAvailable")):
        simulator.fail_next(fault, operation="disk_finalize_import")
        with send(
            simulator, f"POST /v1/disks/{disk}/finalize HTTP/1.1", {"snapshot_name": "s"}
        ) as connection:
            read_to_end(connection)
        assert state(call, disk) == "import_ready"
        assert [found.name for found in simulator.snapshots("proj")] == ["snap"]


@pytest.mark.parametrize("operation", ["disk_create", "disk_finalize_import", "disk_delete", "image_create"])
def test_a_hand_over_to_newer_software_refuses_new_work(
    simulator: Simulator, call: Caller, world: World, operation: str
) -> None:
    simulator.fail_next(Refuse(503, "Service Unavailable", "ServiceNotAvailable"), operation=operation)  # type: ignore[arg-type]  # a plain str, which the parameters of a test are
    error = (503, "ServiceNotAvailable", "Service Unavailable")
    body = disk_body()
    if operation == "disk_create":
        assert call("POST", "/v1/disks?project=proj", body).error == error
        assert simulator.disks("proj") == []
    disk = create_disk(call)
    start(call, disk)
    assert write(call, disk, 0, b"x" * 512).status == 204
    stop(call, disk)
    if operation == "disk_finalize_import":
        assert finalize(call, disk, "s").error == error
        assert state(call, disk) == "import_ready"
    assert finalize(call, disk, "s").status == 204
    if operation == "image_create":
        assert create_image(call, snapshot(call, "s")["id"]).error == error
    assert create_image(call, snapshot(call, "s")["id"]).status == 201
    if operation == "disk_delete":
        assert delete_disk(call, disk).error == error
    assert delete_disk(call, disk).status == 204


def test_unwind_undoes_the_work(simulator: Simulator, call: Caller, world: World) -> None:
    before = provisioned(call)
    internal = (500, "Internal", "Internal Server Error")
    simulator.fail_next(Unwind())
    # Only requests that begin work suffer it.
    assert call("GET", "/v1/disks/disk?project=proj").status == 404
    assert call("POST", "/v1/disks?project=proj", disk_body()).error == internal
    assert (simulator.disks("proj"), provisioned(call)) == ([], before)
    disk = create_disk(call)
    simulator.fail_next(Unwind())
    assert finalize(call, disk, "s").error == internal
    assert state(call, disk) == "import_ready"
    assert snapshot(call, "s")["error_code"] == "ObjectNotFound"
    assert provisioned(call) == before + GIB
    assert finalize(call, disk, "s").status == 204


def test_unwind_does_not_change_a_refusal(simulator: Simulator, call: Caller, detached: str) -> None:
    simulator.fail_next(Unwind(), operation="disk_finalize_import")
    assert finalize(call, detached).error[2] == "cannot finalize disk in state DiskState(Detached)"
    assert state(call, detached) == "detached"


@pytest.mark.parametrize(
    ("fault", "operation", "message"),
    [
        (LosePantry(), "disk_create", r"LosePantry\(\) is for disk_bulk_write_import, not for disk_create"),
        (
            Unwind(),
            "image_list",
            r"Unwind\(\) is for disk_create, disk_delete, disk_finalize_import, not for ",
        ),
    ],
)
def test_a_fault_that_an_operation_cannot_suffer_is_refused(
    simulator: Simulator, fault: Fault, operation: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        simulator.fail_next(fault, operation=operation)  # type: ignore[arg-type]  # a plain str, as above


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Return a database whose simulator was stopped while it worked on three disks."""
    path = tmp_path / "state.db"
    with Simulator(database=path) as simulator, closing(Caller(simulator)) as call:
        simulator.create_project("proj")
        simulator.create_snapshot("snap", "proj")
        finalizing, deleted = create_disk(call, "finalizing"), create_disk(call, "deleted")
        assert finalize(call, deleted).status == 204
        simulator.fail_next(Delay(math.inf), times=3)
        requests = {
            f"POST /v1/disks/{finalizing}/finalize HTTP/1.1": {"snapshot_name": "s"},
            f"DELETE /v1/disks/{deleted} HTTP/1.1": None,
            CREATE: disk_body("creating"),
        }
        connections = [send(simulator, head, body) for head, body in requests.items()]
        ask_until(
            lambda: " ".join(f"{disk.name} {disk.state}" for disk in simulator.disks("proj")),
            "creating creating finalizing finalizing",
        )
    for connection in connections:
        connection.close()
    return path


def test_a_restarted_simulator_finishes_the_work_under_way(database: Path) -> None:
    with Simulator(database=database) as simulator, closing(Caller(simulator)) as call:
        assert [(disk.name, disk.state) for disk in simulator.disks("proj")] == [
            ("creating", "import_ready"),
            ("finalizing", "detached"),
        ]
        assert [(found.name, found.state) for found in simulator.snapshots("proj")] == [
            ("s", "ready"),
            ("snap", "ready"),
        ]
        assert provisioned(call) == 4 * GIB


def test_faults_do_not_affect_other_connections(simulator: Simulator, world: World) -> None:
    simulator.fail_next(LosePantry())
    with connected(simulator) as connection:
        connection.sendall(raw_request(simulator, "GET /v1/images HTTP/1.1\r\nconnection: close"))
        assert read_to_end(connection).startswith(b"HTTP/1.1 200 ")
