"""Which role may do what with disks and snapshots."""

from typing import Any

import pytest
from importing import create_disk, disk_body, finalize, snapshot, start, stop
from simulator_http import Caller, World

from oxide.testing import Simulator

CHUNK: Any = {"offset": 0, "base64_encoded_data": ""}
# Each request with what comes before it, and its body.
REQUESTS: dict[str, tuple[str, str, Any]] = {
    "create": ("", "POST /v1/disks?project=proj", disk_body("new")),
    "view": ("", "GET /v1/disks/$disk", None),
    "view by name": ("", "GET /v1/disks/disk?project=proj", None),
    "start": ("", "POST /v1/disks/$disk/bulk-write-start", None),
    "start by name": ("", "POST /v1/disks/disk/bulk-write-start?project=proj", None),
    "write": ("start", "POST /v1/disks/$disk/bulk-write", CHUNK),
    "stop": ("start", "POST /v1/disks/$disk/bulk-write-stop", None),
    "finalize": ("", "POST /v1/disks/$disk/finalize", {"snapshot_name": "s"}),
    "delete": ("finalize", "DELETE /v1/disks/$disk", None),
    "view snapshot": ("", "GET /v1/snapshots/$snap", None),
    "view snapshot by name": ("", "GET /v1/snapshots/snap?project=proj", None),
    "delete snapshot": ("", "DELETE /v1/snapshots/$snap", None),
    "utilization": ("", "GET /v1/utilization", None),
}
# A column per caller: no credentials; no role; the four roles on the project; the four roles on the silo.
CALLERS = ["-", "none", "p:viewer", "p:limited_collaborator", "p:collaborator", "p:admin"]
CALLERS += ["s:viewer", "s:limited_collaborator", "s:collaborator", "s:admin"]
STATUSES = """
                        -   none  p:v p:l p:c p:a  s:v s:l s:c s:a
create                : 401 404   403 201 201 201  403 201 201 201
view                  : 401 404   200 200 200 200  200 200 200 200
view by name          : 401 404   200 200 200 200  200 200 200 200
start                 : 401 404   403 204 204 204  403 204 204 204
start by name         : 401 404   403 204 204 204  403 204 204 204
write                 : 401 404   403 204 204 204  403 204 204 204
stop                  : 401 404   403 204 204 204  403 204 204 204
finalize              : 401 404   403 204 204 204  403 204 204 204
delete                : 401 404   403 204 204 204  403 204 204 204
view snapshot         : 401 404   200 200 200 200  200 200 200 200
view snapshot by name : 401 404   200 200 200 200  200 200 200 200
delete snapshot       : 401 404   403 204 204 204  403 204 204 204
utilization           : 401 200   200 200 200 200  200 200 200 200
"""


def _expectations() -> list[tuple[str, str, int]]:
    rows = (row.split(":", 1) for row in STATUSES.strip().splitlines()[1:])
    return [
        (action.strip(), caller, int(status))
        for action, statuses in rows
        for caller, status in zip(CALLERS, statuses.split(), strict=True)
    ]


def token_of(simulator: Simulator, caller: str) -> str | None:
    """Return the token of a new user with the roles that `caller` stands for."""
    place, _, role = caller.partition(":")
    roles: dict[str, Any] = {}
    if place == "p":
        roles = {"project_roles": {"proj": role}}
    elif place == "s":
        roles = {"silo_role": role}
    return None if caller == "-" else simulator.create_user("carol", **roles)


@pytest.mark.parametrize(("action", "caller", "status"), _expectations())
def test_each_role_may_do_what_the_service_allows(
    simulator: Simulator, call: Caller, world: World, action: str, caller: str, status: int
) -> None:
    before, request, body = REQUESTS[action]
    disk = create_disk(call)
    if before == "start":
        start(call, disk)
    elif before == "finalize":
        assert finalize(call, disk).status == 204
    method, target = request.replace("$disk", disk).replace("$snap", str(world.snap)).split()
    reply = call(method, target, body, token=token_of(simulator, caller))
    assert reply.status == status
    if status == 403:
        assert reply.error == (403, "Forbidden", "Forbidden")
    if status == 404 and "name" in action:
        assert reply.error[2] == 'not found: project with name "proj"'


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ("GET /v1/disks/$disk", 400),
        ("POST /v1/disks/$disk/bulk-write", 400),
        ("POST /v1/disks/$disk/bulk-write-start", 401),
        ("POST /v1/disks/$disk/bulk-write-stop", 401),
        ("POST /v1/disks/$disk/finalize", 401),
        ("DELETE /v1/disks/$disk", 401),
        ("GET /v1/snapshots/$snap", 400),
        ("DELETE /v1/snapshots/$snap", 401),
    ],
)
def test_without_credentials_some_operations_look_at_the_selector_first(
    call: Caller, world: World, request_: str, status: int
) -> None:
    method, target = request_.replace("$disk", create_disk(call)).replace("$snap", str(world.snap)).split()
    body = CHUNK if target.endswith("bulk-write") else {} if target.endswith("finalize") else None
    assert call(method, f"{target}?project=proj", body, token=None).status == status
    assert call(method, f"{target}?project=proj", body).status == 400


def test_a_role_on_the_project_is_enough_for_an_import(
    simulator: Simulator, call: Caller, world: World
) -> None:
    token = simulator.create_user("carol", project_roles={"proj": "limited_collaborator"})
    created = call("POST", "/v1/disks?project=proj", disk_body(), token=token)
    target = f"/v1/disks/{created.json['id']}"
    for step, body in (
        ("bulk-write-start", None),
        ("bulk-write", CHUNK),
        ("bulk-write-stop", None),
        ("finalize", {"snapshot_name": "s"}),
    ):
        assert call("POST", f"{target}/{step}", body, token=token).status == 204
    source = {"type": "snapshot", "id": snapshot(call, "s")["id"]}
    body = world.body(source=source)
    assert call("POST", "/v1/images?project=proj", body, token=token).status == 201
    assert call("POST", "/v1/images", world.body(), token=token).status == 403
    assert call("DELETE", f"/v1/snapshots/{source['id']}", token=token).status == 204
    assert call("DELETE", target, token=token).status == 204


def test_an_unknown_token_is_reported_before_a_wrong_state(call: Caller, world: World) -> None:
    disk = create_disk(call)
    for step in ("bulk-write-start", "bulk-write-stop"):
        assert call("POST", f"/v1/disks/{disk}/{step}", token="oxide-token-unknown").status == 401
    start(call, disk)
    assert call("POST", f"/v1/disks/{disk}/bulk-write", CHUNK, token="oxide-token-unknown").status == 401
    stop(call, disk)
