"""The simulator behaves like the real service, scenario by scenario, over raw HTTP; equal numbers mark related rows."""

import json
from dataclasses import asdict
from string import Template
from uuid import UUID

import pytest
from core_support import published_fields
from simulator_http import Caller, World, connected, raw_request

from oxide.testing import Delay, Simulator

# Scenario, request, body, response. A body lists changes to a good one (null removes), or is text after a colon.
# A response is status, code (`-` for none), message, which may end anywhere with an ellipsis.
ERRORS = r"""
 1 | GET /v1/images?project=nope           |  | 404 ObjectNotFound not found: project with name "nope"
 1 | GET /v1/images?project=$nobody        |  | 404 ObjectNotFound not found: project with id "$nobody"
 6 | POST /v1/images?project=other         | {} | 400 InvalidRequest snapshot does not belong to this project
 7 | POST /v1/images                       | {"source": {"type": "snapshot", "id": "$nobody"}} | 404 ObjectNotFound not found: snapshot with id "$nobody"
 8 | POST /v1/images?project=proj          | {"name": "pimg"} | 400 ObjectAlreadyExists already exists: project-image "pimg"
 9 | POST /v1/images                       | {"name": "simg"} | 400 ObjectAlreadyExists already exists: project-image "simg"
12 | POST /v1/images                       | {"name": "a_b"} | 400 - unable to parse JSON body: name contains invalid character: "_" (allowed characters are lowercase ASCII, digits, and "-") at line 1 column …
13 | POST /v1/images                       | {"name": "Abc"} | 400 - unable to parse JSON body: name must begin with an ASCII lowercase character at line 1 column …
13 | POST /v1/images                       | {"name": "$long"} | 400 - unable to parse JSON body: name may contain at most 63 characters at line 1 column …
13 | POST /v1/images                       | {"name": "a-"} | 400 - unable to parse JSON body: name cannot end with "-" at line 1 column …
13 | POST /v1/images                       | {"name": ""} | 400 - unable to parse JSON body: name requires at least one character at line 1 column …
14 | POST /v1/images                       | {"name": "aaaaaaaa-2222-3333-4444-555555555555"} | 400 - unable to parse JSON body: name cannot be a UUID to avoid ambiguity with IDs at line 1 column …
14 | POST /v1/images                       | {"name": "aaaaaaaa222233334444555555555555"} | 400 - unable to parse JSON body: name cannot be a UUID to avoid ambiguity with IDs at line 1 column …
15 | POST /v1/images                       | {"description": null} | 400 - unable to parse JSON body: missing field `description` at line 1 column …
17 | POST /v1/images                       | {"source": {"type": "url", "url": "https://x"}} | 400 - unable to parse JSON body: source.type: unknown variant `url`, expected `snapshot` at line 1 column …
18 | POST /v1/images                       | : | 400 - unable to parse JSON body: EOF while parsing a value at line 1 column 0
24 | POST /v1/images (anonymous)           | :{ | 400 - unable to parse JSON body: EOF while parsing an object at line 1 column 1
24 | POST /v1/images (anonymous)           | {} | 401 Unauthorized credentials missing or invalid
25 | GET /v1/images (anonymous)            |  | 401 Unauthorized credentials missing or invalid
25 | GET /v1/images?project=proj (anonymous) |  | 401 Unauthorized credentials missing or invalid
25 | GET /v1/images/$pimg (anonymous)      |  | 401 Unauthorized credentials missing or invalid
25 | GET /v1/images/simg (anonymous)       |  | 401 Unauthorized credentials missing or invalid
25 | DELETE /v1/images/$pimg (anonymous)   |  | 401 Unauthorized credentials missing or invalid
25 | POST /v1/images/$pimg/promote (anonymous) |  | 401 Unauthorized credentials missing or invalid
25 | POST /v1/images/$simg/demote?project=proj (anonymous) |  | 401 Unauthorized credentials missing or invalid
28 | GET /v1/images/$pimg?project=proj     |  | 400 InvalidRequest when providing image as an ID, project should not be specified
30 | GET /v1/images/pimg                   |  | 404 ObjectNotFound not found: silo-image with name "pimg"
31 | GET /v1/images/pimg?project=other     |  | 404 ObjectNotFound not found: project-image with name "pimg"
31 | GET /v1/images/pimg?project=nope      |  | 404 ObjectNotFound not found: project with name "nope"
32 | GET /v1/images/$nobody                |  | 404 ObjectNotFound not found: image with id "$nobody"
33 | GET /v1/images/my_image               |  | 400 - bad parameter in URL path: data did not match any variant of untagged enum NameOrId
34 | GET /v1/images/simg?project=          |  | 400 - unable to parse query string: data did not match any variant of untagged enum NameOrId
34 | GET /v1/images?project=               |  | 400 - unable to parse query string: data did not match any variant of untagged enum NameOrId
40 | POST /v1/images/$simg/promote         |  | 400 InvalidRequest Cannot promote a silo image
41 | POST /v1/images/no-such-name/promote  |  | 400 InvalidRequest Cannot promote a silo image
41 | POST /v1/images/pimg/promote          |  | 400 InvalidRequest Cannot promote a silo image
41 | POST /v1/images/$pimg/promote?project=proj |  | 400 InvalidRequest when providing image as an ID, project should not be specified
45 | POST /v1/images/$simg/demote          |  | 400 - unable to parse query string: missing field `project`
46 | POST /v1/images/$pimg/demote?project=other |  | 400 InvalidRequest Cannot demote a project image
46 | POST /v1/images/$pimg/demote?project=nope |  | 400 InvalidRequest Cannot demote a project image
47 | POST /v1/images/pimg/demote?project=proj |  | 404 ObjectNotFound not found: silo-image with name "pimg"
48 | POST /v1/images/$simg/demote?project=nope |  | 404 ObjectNotFound not found: project with name "nope"
"""


NOBODY = "2aee9f0a-4d5c-4b3c-8f6d-3c1a2c0c8d11"


def _rows(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|", 3)] for line in table.strip().splitlines()]


def _everything(call: Caller) -> list[object]:
    scopes = ("/v1/images", "/v1/images?project=proj", "/v1/images?project=other")
    return [call("GET", scope).json["items"] for scope in scopes]


@pytest.mark.parametrize(("number", "request_", "body", "response"), _rows(ERRORS))
def test_an_error_has_the_expected_response_and_changes_nothing(
    call: Caller, world: World, number: str, request_: str, body: str, response: str
) -> None:
    values = {"nobody": NOBODY, "long": "a" * 64, **asdict(world)}
    request, _, anonymous = Template(request_).substitute(values).partition(" (")
    method, target = request.split()
    content: object = None
    if body.startswith(":"):
        content = body[1:].encode()
    elif body:
        changes = json.loads(Template(body).substitute(values))
        content = {key: value for key, value in world.body(**changes).items() if value is not None}
    before = _everything(call)

    status, code, message = call(method, target, content, token=None if anonymous else "").error

    expected_status, expected_code, expected = Template(response).substitute(values).split(" ", 2)
    assert (str(status), code or "-") == (expected_status, expected_code), number
    beginning, ellipsis, _ = expected.partition("…")
    assert message.startswith(beginning)
    assert ellipsis or message == beginning
    assert _everything(call) == before


def test_an_empty_silo_lists_no_images(call: Caller) -> None:
    reply = call("GET", "/v1/images")
    assert (reply.status, reply.body) == (200, b'{"next_page":null,"items":[]}')


def test_an_image_is_created_in_a_project(call: Caller, world: World) -> None:
    reply = call("POST", "/v1/images?project=proj", world.body(name="alpine-edge", description="a"))
    image = reply.json
    assert reply.status == 201
    assert "location" not in reply.headers
    assert image.keys() == published_fields("Image")[0]
    expected = {
        "id": str(UUID(image["id"], version=4)),
        "name": "alpine-edge",
        "description": "a",
        "time_created": image["time_modified"],
        "time_modified": image["time_modified"],
        "project_id": str(world.proj),
        "os": "alpine",
        "version": "edge",
        "digest": None,
        "block_size": 512,
        "size": 1073741824,
    }
    # In the order of the real service.
    assert [(name, value) for name, value in image.items() if name in expected] == list(expected.items())
    assert call("GET", f"/v1/images/{image['id']}").json == image


def test_an_image_has_the_sizes_of_its_snapshot(simulator: Simulator, call: Caller, world: World) -> None:
    snapshot = simulator.create_snapshot("big", world.proj, size=2**63 - 1, block_size=4096)
    body = world.body(source={"type": "snapshot", "id": str(snapshot)}, size=1, block_size=2048)
    image = call("POST", "/v1/images?project=proj", body).json
    assert (image["size"], image["block_size"]) == (2**63 - 1, 4096)


def test_an_image_is_created_in_the_silo(call: Caller, world: World) -> None:
    reply = call("POST", "/v1/images", world.body())
    assert (reply.status, reply.json["project_id"]) == (201, None)
    assert call("GET", "/v1/images").names == ["new", "simg"]
    assert call("GET", "/v1/images?project=proj").names == ["pimg"]


def test_a_silo_image_may_come_from_a_snapshot_of_any_project(
    simulator: Simulator, call: Caller, world: World
) -> None:
    snapshot = simulator.create_snapshot("elsewhere", "other")
    body = world.body(source={"type": "snapshot", "id": str(snapshot)})
    assert call("POST", "/v1/images", body).status == 201


def test_images_in_different_scopes_may_share_a_name(
    call: Caller, simulator: Simulator, world: World
) -> None:
    elsewhere = simulator.create_snapshot("snap", "other")
    in_other = world.body(source={"type": "snapshot", "id": str(elsewhere)})
    assert call("POST", "/v1/images?project=proj", world.body()).status == 201
    assert call("POST", "/v1/images?project=other", in_other).status == 201
    assert call("POST", "/v1/images", world.body()).status == 201


@pytest.mark.parametrize("scope", ["", "?project=proj"])
def test_the_name_of_a_deleted_image_is_free(call: Caller, world: World, scope: str) -> None:
    first = call("POST", f"/v1/images{scope}", world.body()).json["id"]
    assert call("DELETE", f"/v1/images/new{scope}").status == 204
    again = call("POST", f"/v1/images{scope}", world.body())
    assert again.status == 201
    assert again.json["id"] != first


def test_unknown_fields_are_ignored(call: Caller, world: World) -> None:
    assert call("POST", "/v1/images?nonsense=1", world.body(nonsense={"a": [1]})).status == 201


@pytest.mark.parametrize(
    ("content_type", "message"),
    [
        ("text/plain", "unsupported content-type: text/plain"),
        ("Text/HTML; charset=utf-8", "unsupported content-type: text/html"),
        (
            "application/x-www-form-urlencoded",
            'expected content type "application/json", got "application/x-www-form-urlencoded"',
        ),
        (
            "application/octet-stream",
            'expected content type "application/json", got "application/octet-stream"',
        ),
        (
            "multipart/form-data; boundary=x",
            'expected content type "application/json", got "multipart/form-data"',
        ),
    ],
)
def test_other_content_types_are_refused(call: Caller, world: World, content_type: str, message: str) -> None:
    reply = call("POST", "/v1/images", world.body(), headers={"content-type": content_type})
    assert reply.error == (400, None, message)


@pytest.mark.parametrize(
    "content_type", [None, "application/json", "APPLICATION/JSON; charset=utf-8", "application/problem+json"]
)
def test_json_is_accepted_with_a_json_content_type_or_none(
    call: Caller, world: World, content_type: str | None
) -> None:
    headers = {} if content_type is None else {"content-type": content_type}
    assert call("POST", "/v1/images", world.body(), headers=headers).status == 201


def test_a_body_that_is_too_large_is_refused(call: Caller, world: World) -> None:
    body = json.dumps(world.body()).encode()
    most = body + b" " * (1_048_576 - len(body))
    message = "request body exceeded maximum size of 1048576 bytes"
    assert call("POST", "/v1/images", most + b" ").error == (400, None, message)
    assert call("POST", "/v1/images", most * 3, headers={"content-type": "text/plain"}).error[2] == message
    assert call("POST", "/v1/images", most).status == 201


@pytest.mark.parametrize(
    ("field", "most"),
    [("os", 64), ("version", 64), ("description", 512)],
    ids=["os", "version", "description"],
)
@pytest.mark.parametrize("letter", ["x", "ß", "𝔛", "\0"])
def test_a_text_longer_than_its_column_is_an_internal_error(
    call: Caller, world: World, field: str, most: int, letter: str
) -> None:
    internal = (500, "Internal", "Internal Server Error")
    assert call("POST", "/v1/images", world.body(**{field: letter * (most + 1)})).error == internal
    reply = call("POST", "/v1/images", world.body(**{field: letter * most}))
    assert (reply.status, reply.json[field]) == (201, letter * most)


def test_texts_may_be_empty(call: Caller, world: World) -> None:
    assert call("POST", "/v1/images", world.body(os="", version="", description="")).status == 201


@pytest.mark.parametrize("project", ["proj", "$proj"])
def test_an_image_is_viewed_by_id_and_by_name(call: Caller, world: World, project: str) -> None:
    by_id = call("GET", f"/v1/images/{world.pimg}")
    by_name = call("GET", f"/v1/images/pimg?project={Template(project).substitute(proj=world.proj)}")
    assert by_id.status == by_name.status == 200
    assert by_id.json == by_name.json
    assert call("GET", "/v1/images/simg").json["id"] == str(world.simg)


@pytest.mark.parametrize("form", ["{}", "%7B{}%7D", "urn:uuid:{}", "hex", "upper"])
def test_an_id_may_have_any_form(call: Caller, world: World, form: str) -> None:
    forms = {"hex": world.pimg.hex, "upper": str(world.pimg).upper()}
    spelled = forms.get(form) or form.format(world.pimg)
    assert call("GET", f"/v1/images/{spelled}").json["name"] == "pimg"


def test_a_name_of_hex_digits_and_hyphens_is_not_taken_for_an_id(simulator: Simulator, call: Caller) -> None:
    simulator.create_image("deadbeef-deadbeef-deadbeef-deadbeef")
    assert call("GET", "/v1/images/deadbeef-deadbeef-deadbeef-deadbeef").status == 200


@pytest.mark.parametrize("target", ["$pimg", "pimg?project=proj", "pimg?project=$proj", "$simg", "simg"])
def test_a_deleted_image_is_gone(call: Caller, world: World, target: str) -> None:
    target = f"/v1/images/{Template(target).substitute(asdict(world))}"
    image = call("GET", target).json["id"]
    reply = call("DELETE", target)
    assert (reply.status, reply.body) == (204, b"")
    assert "content-type" not in reply.headers
    assert call("GET", f"/v1/images/{image}").error[:2] == (404, "ObjectNotFound")
    assert image not in str(_everything(call))
    assert call("DELETE", target).error[:2] == (404, "ObjectNotFound")


@pytest.mark.parametrize(
    "target", ["$pimg/promote", "pimg/promote?project=proj", "pimg/promote?project=$proj"]
)
def test_a_promoted_image_is_in_the_silo(call: Caller, world: World, target: str) -> None:
    before = call("GET", f"/v1/images/{world.pimg}").json
    reply = call("POST", f"/v1/images/{Template(target).substitute(asdict(world))}")
    after = reply.json
    assert reply.status == 202
    assert after == before | {"project_id": None, "time_modified": after["time_modified"]}
    assert after["time_modified"] > before["time_modified"]
    assert call("GET", f"/v1/images/{world.pimg}").json == after
    assert call("GET", "/v1/images?project=proj").names == []
    assert call("GET", "/v1/images").names == ["pimg", "simg"]


def test_promoting_to_a_taken_name_is_refused(simulator: Simulator, call: Caller, world: World) -> None:
    simulator.create_image("pimg")
    before = _everything(call)
    error = (400, "ObjectAlreadyExists", 'already exists: silo-image "pimg"')
    assert call("POST", f"/v1/images/{world.pimg}/promote").error == error
    assert _everything(call) == before


@pytest.mark.parametrize("image", ["$simg", "simg"])
@pytest.mark.parametrize("project", ["proj", "other", "$other"])
def test_a_demoted_image_is_in_the_project(call: Caller, world: World, image: str, project: str) -> None:
    values = asdict(world)
    before = call("GET", "/v1/images/simg").json
    target = Template(f"/v1/images/{image}/demote?project={project}").substitute(values)
    reply = call("POST", target)
    assert reply.status == 202
    modified = reply.json["time_modified"]
    home = str(values[project.removeprefix("$")])
    assert reply.json == before | {"project_id": home, "time_modified": modified}
    assert modified > before["time_modified"]
    assert call("GET", f"/v1/images/{world.simg}").json == reply.json


def test_demoting_to_a_taken_name_is_refused(simulator: Simulator, call: Caller, world: World) -> None:
    simulator.create_image("simg", "other")
    before = _everything(call)
    error = (400, "ObjectAlreadyExists", 'already exists: project-image "simg"')
    assert call("POST", f"/v1/images/{world.simg}/demote?project=other").error == error
    assert _everything(call) == before


def test_a_creation_completes_if_its_client_disconnects(
    simulator: Simulator, call: Caller, world: World
) -> None:
    simulator.fail_next(Delay(0.2))
    body = json.dumps(world.body()).encode()
    with connected(simulator) as connection:
        connection.sendall(raw_request(simulator, "POST /v1/images HTTP/1.1", body))
    simulator.wait_for_requests(1)
    assert call("GET", "/v1/images").names == ["new", "simg"]
    assert call("POST", "/v1/images", world.body()).error[:2] == (400, "ObjectAlreadyExists")
