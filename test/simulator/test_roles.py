"""Which role may do what: 401, 403 and 404 for every role."""

from typing import Any

import pytest
from simulator_http import Caller, World

from oxide.testing import Simulator

REQUESTS = {
    "list silo": "GET /v1/images",
    "list project": "GET /v1/images?project=proj",
    "create in silo": "POST /v1/images",
    "create in project": "POST /v1/images?project=proj",
    "view silo image": "GET /v1/images/simg",
    "view silo image by id": "GET /v1/images/$simg",
    "view project image": "GET /v1/images/pimg?project=proj",
    "view project image by id": "GET /v1/images/$pimg",
    "promote": "POST /v1/images/pimg/promote?project=proj",
    "promote by id": "POST /v1/images/$pimg/promote",
    "promote by bare name": "POST /v1/images/pimg/promote",
    "demote": "POST /v1/images/simg/demote?project=proj",
    "demote by id": "POST /v1/images/$simg/demote?project=proj",
    "demote project image": "POST /v1/images/$pimg/demote?project=proj",
    "delete silo image": "DELETE /v1/images/simg",
    "delete silo image by id": "DELETE /v1/images/$simg",
    "delete project image": "DELETE /v1/images/pimg?project=proj",
    "delete project image by id": "DELETE /v1/images/$pimg",
}

# A column per caller: no credentials; no role; the four roles on the project; the four roles on the silo.
CALLERS = ["-", "none", "p:viewer", "p:limited_collaborator", "p:collaborator", "p:admin"]
CALLERS += ["s:viewer", "s:limited_collaborator", "s:collaborator", "s:admin"]
STATUSES = """
                             -   none  p:v p:l p:c p:a  s:v s:l s:c s:a
list silo                  : 401 403   403 403 403 403  200 200 200 200
list project               : 401 404   200 200 200 200  200 200 200 200
create in silo             : 401 403   403 403 403 403  403 201 201 201
create in project          : 401 404   403 201 201 201  403 201 201 201
view silo image            : 401 404   404 404 404 404  200 200 200 200
view silo image by id      : 401 404   404 404 404 404  200 200 200 200
view project image         : 401 404   200 200 200 200  200 200 200 200
view project image by id   : 401 404   404 404 404 404  200 200 200 200
promote                    : 401 404   403 403 403 403  403 202 202 202
promote by id              : 401 404   404 404 404 404  403 202 202 202
promote by bare name       : 401 400   400 400 400 400  400 400 400 400
demote                     : 401 404   404 404 404 404  403 202 202 202
demote by id               : 401 404   404 404 404 404  403 202 202 202
demote project image       : 401 404   404 404 404 404  400 400 400 400
delete silo image          : 401 404   404 404 404 404  403 204 204 204
delete silo image by id    : 401 404   404 404 404 404  403 204 204 204
delete project image       : 401 404   403 204 204 204  403 204 204 204
delete project image by id : 401 404   404 404 404 404  403 204 204 204
"""


def _expectations() -> list[tuple[str, str, int]]:
    rows = (row.split(":") for row in STATUSES.strip().splitlines()[1:])
    return [
        (action.strip(), caller, int(status))
        for action, statuses in rows
        for caller, status in zip(CALLERS, statuses.split(), strict=True)
    ]


@pytest.mark.parametrize(("action", "caller", "status"), _expectations())
def test_each_role_may_do_what_the_service_allows(
    simulator: Simulator, call: Caller, world: World, action: str, caller: str, status: int
) -> None:
    where, _, role = caller.partition(":")
    roles: dict[str, Any] = {"s": {"silo_role": role}, "p": {"project_roles": {"proj": role}}}
    token = None if caller == "-" else simulator.create_user("user", **roles.get(where, {}))
    request = REQUESTS[action].replace("$simg", str(world.simg)).replace("$pimg", str(world.pimg))
    method, target = request.split()

    reply = call(method, target, world.body() if action.startswith("create") else None, token=token)

    assert reply.status == status
    if status == 401:
        assert reply.error == (401, "Unauthorized", "credentials missing or invalid")
        assert "www-authenticate" not in reply.headers
    if status == 403:
        assert reply.error == (403, "Forbidden", "Forbidden")
    if status == 404:
        kind, selector = _not_found(action, world)
        assert reply.error == (404, "ObjectNotFound", f"not found: {kind} with {selector}")


def _not_found(action: str, world: World) -> tuple[str, str]:
    if action in {"list project", "create in project"}:
        return "project", 'name "proj"'
    of_project = "project" in action or "promote" in action
    if "by id" in action or action == "demote project image":
        return "image", f'id "{world.pimg if of_project else world.simg}"'
    return ("project-image", 'name "pimg"') if of_project else ("silo-image", 'name "simg"')


def test_a_malformed_request_without_credentials_gets_400(call: Caller, world: World) -> None:
    for request in (
        "GET /v1/images?limit=x",
        "GET /v1/images/BAD",
        "GET /v1/images?project=",
        f"POST /v1/images/{world.simg}/demote",
        "DELETE /v1/images/simg?project=",
        f"GET /v1/images/{world.pimg}?project=proj",
    ):
        method, target = request.split()
        assert call(method, target, token=None).status == 400, request
    # The four operations that change something check credentials before the image's selector.
    for request in (
        f"DELETE /v1/images/{world.pimg}?project=proj",
        f"POST /v1/images/{world.pimg}/promote?project=proj",
        "POST /v1/images/pimg/promote",
        f"POST /v1/images/{world.pimg}/demote?project=nope",
    ):
        method, target = request.split()
        assert call(method, target, token=None).status == 401, request


@pytest.mark.parametrize(
    "authorization",
    ["Bearer foo", "Basic $token", "Bearer", "", "$token", "Bearer  ", "Bearer oxide-session-1"],
)
def test_an_authorization_of_another_kind_counts_as_no_credentials(
    simulator: Simulator, call: Caller, world: World, authorization: str
) -> None:
    headers = {"authorization": authorization.replace("$token", simulator.token)}
    reply = call("GET", "/v1/images", token=None, headers=headers)
    assert reply.error == (401, "Unauthorized", "credentials missing or invalid")
    # Without credentials of the right kind, the image's selector is checked first.
    assert call("GET", f"/v1/images/{world.pimg}?project=proj", token=None, headers=headers).status == 400


def test_an_unknown_token_gets_401_before_any_lookup(call: Caller, world: World) -> None:
    for request in (
        "GET /v1/images",
        f"GET /v1/images/{world.pimg}?project=proj",
        "GET /v1/images?project=nope",
    ):
        method, target = request.split()
        assert call(method, target, token="oxide-token-00").status == 401, request
    assert call("GET", "/v1/images?limit=x", token="oxide-token-00").status == 400


def test_the_bearer_scheme_may_be_in_any_case(simulator: Simulator, call: Caller) -> None:
    headers = {"authorization": f"bEARER   {simulator.token}"}
    assert call("GET", "/v1/images", token=None, headers=headers).status == 200


def test_a_project_role_gives_access_to_its_images_only_by_name(
    simulator: Simulator, call: Caller, world: World
) -> None:
    token = simulator.create_user("u", project_roles={world.proj: "limited_collaborator"})
    created = call("POST", "/v1/images?project=proj", world.body(), token=token)
    assert created.status == 201
    assert call("GET", f"/v1/images/{created.json['id']}", token=token).status == 404
    assert call("GET", f"/v1/images/new?project={world.proj}", token=token).status == 200
    assert call("DELETE", "/v1/images/new?project=proj", token=token).status == 204


def test_a_limited_collaborator_of_the_silo_may_promote_demote_delete_and_create(
    simulator: Simulator, call: Caller, world: World
) -> None:
    token = simulator.create_user("u", "limited_collaborator")
    assert call("POST", f"/v1/images/{world.pimg}/promote", token=token).status == 202
    assert call("POST", f"/v1/images/{world.pimg}/demote?project=other", token=token).status == 202
    assert call("DELETE", f"/v1/images/{world.pimg}", token=token).status == 204
    assert call("POST", "/v1/images", world.body(), token=token).status == 201


def test_a_project_admin_who_views_the_silo_may_delete_only_project_images(
    simulator: Simulator, call: Caller, world: World
) -> None:
    token = simulator.create_user("u", "viewer", {"proj": "admin"})
    assert call("DELETE", f"/v1/images/{world.simg}", token=token).status == 403
    assert call("POST", f"/v1/images/{world.simg}/demote?project=proj").status == 202
    assert call("DELETE", f"/v1/images/{world.simg}", token=token).status == 204


def test_a_snapshot_that_the_caller_may_not_read_is_not_found(
    simulator: Simulator, call: Caller, world: World
) -> None:
    token = simulator.create_user("u", project_roles={"other": "admin"})
    reply = call("POST", "/v1/images?project=other", world.body(), token=token)
    assert reply.error == (404, "ObjectNotFound", f'not found: snapshot with id "{world.snap}"')


def test_a_role_on_one_project_gives_no_access_to_another(
    simulator: Simulator, call: Caller, world: World
) -> None:
    token = simulator.create_user("u", project_roles={"other": "admin"})
    assert call("GET", "/v1/images?project=proj", token=token).status == 404
    assert call("GET", "/v1/images?project=other", token=token).status == 200
