"""The simulator's Python interface: seeding, users, recorded requests, the clock, the pytest fixture."""

import subprocess
import sys
import tomllib
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from simulator_http import Caller, World

import oxide
import oxide.testing
from oxide.testing import Drop, ReceivedRequest, Simulator
from oxide.testing._http_messages import Request, Response
from oxide.testing._journal import KEPT_BODY_BYTES, KEPT_REQUESTS, KEPT_RESPONSE_BYTES

pytest_plugins = ["pytester"]


def test_a_seeded_image_has_the_given_values(simulator: Simulator, call: Caller) -> None:
    simulator.clock = lambda: datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    project = simulator.create_project("proj")
    image = simulator.create_image(
        "a", project, description="d", os="o", version="v", size=5, block_size=2048, digest="00ff"
    )
    (item,) = call("GET", "/v1/images?project=proj").json["items"]
    expected = {
        "id": str(image),
        "name": "a",
        "description": "d",
        "time_created": "2026-01-02T03:04:05Z",
        "time_modified": "2026-01-02T03:04:05Z",
        "project_id": str(project),
        "os": "o",
        "version": "v",
        "digest": {"type": "sha256", "value": "00ff"},
        "block_size": 2048,
        "size": 5,
    }
    assert {name: item[name] for name in expected} == expected


def test_create_images_creates_all_or_none(simulator: Simulator, call: Caller) -> None:
    ids = simulator.create_images(["a", "b"])
    assert [item["id"] for item in call("GET", "/v1/images").json["items"]] == [str(image) for image in ids]
    with pytest.raises(ValueError, match="already exists there: c, a"):
        simulator.create_images(["c", "a"])
    assert call("GET", "/v1/images").names == ["a", "b"]


def test_seeding_refuses_values_that_the_service_would_refuse(simulator: Simulator) -> None:
    simulator.create_project("proj")
    simulator.create_snapshot("snap", "proj")
    simulator.create_user("u")
    with pytest.raises(ValueError, match="ASCII lowercase"):
        simulator.create_project("Proj")
    with pytest.raises(ValueError, match="a project of that name already exists"):
        simulator.create_project("proj")
    with pytest.raises(ValueError, match="no project 'nope'"):
        simulator.create_snapshot("s", "nope")
    with pytest.raises(ValueError, match="no project"):
        simulator.create_image("a", uuid4())
    with pytest.raises(ValueError, match="a snapshot of that name already exists"):
        simulator.create_snapshot("snap", "proj")
    with pytest.raises(ValueError, match="invalid character"):
        simulator.create_snapshot("a_b", "proj")
    with pytest.raises(ValueError, match="block_size"):
        simulator.create_snapshot("t", "proj", block_size=1024)
    with pytest.raises(ValueError, match="too large"):
        simulator.create_snapshot("t", "proj", size=2**63)
    for size in ("abc", 1.5):
        with pytest.raises(ValueError, match="size must be a whole number of bytes"):
            simulator.create_snapshot("t", "proj", size=size)  # type: ignore[arg-type]  # the error under test
        with pytest.raises(ValueError, match="size must be a whole number of bytes"):
            simulator.create_image("a", size=size)  # type: ignore[arg-type]  # as above
    with pytest.raises(TypeError, match="a list of names, not the str 'abc'"):
        simulator.create_images("abc")
    for digest in ("", "xyz"):
        with pytest.raises(ValueError, match="digest"):
            simulator.create_image("a", digest=digest)
    with pytest.raises(TypeError, match="an image has no OS, sizes: it has description, os"):
        simulator.create_image("a", sizes=5, OS="debian")  # type: ignore[call-arg]  # as above
    with pytest.raises(ValueError, match="os"):
        simulator.create_image("a", os="x" * 65)
    with pytest.raises(ValueError, match="a user of that name already exists"):
        simulator.create_user("u")
    with pytest.raises(ValueError, match=r"a role must be one of viewer, .*, not 'owner'"):
        simulator.create_user("v", "owner")  # type: ignore[arg-type]  # the error under test
    with pytest.raises(ValueError, match=r"a role must be one of viewer, .*, not 'owner'"):
        simulator.create_user("v", project_roles={"proj": "owner"})  # type: ignore[dict-item]  # as above
    # None of the failures left anything behind.
    assert simulator.create_user("v").startswith("oxide-token-")


def test_methods_that_create_resources_return_uuids(simulator: Simulator) -> None:
    project = simulator.create_project("proj")
    assert isinstance(project, UUID)
    assert isinstance(simulator.create_snapshot("snap", project), UUID)
    assert isinstance(simulator.create_image("a", str(project)), UUID)


def test_tokens_are_unique_and_look_like_those_of_the_service(simulator: Simulator) -> None:
    tokens = {simulator.token, simulator.create_user("a"), simulator.create_user("b")}
    assert len(tokens) == 3
    assert all(len(token) == 52 and token.startswith("oxide-token-") for token in tokens)
    with Simulator(token="oxide-token-mine") as other:
        assert other.token == "oxide-token-mine"
    with pytest.raises(ValueError, match="oxide-token-"):
        Simulator(token="mine")
    assert simulator.token not in repr(simulator)


def test_a_recorded_request_has_all_its_parts(simulator: Simulator, call: Caller, world: World) -> None:
    reply = call(
        "POST",
        "//v1/images/?project=%70roj&more=1&more=2",
        b'{"name": 5}',
        headers={"X-Test": "a", "Cookie": "session=secret", "Proxy-Authorization": "Basic c2VjcmV0"},
    )
    (request,) = simulator.requests
    assert request == ReceivedRequest(
        method="POST",
        target="//v1/images/?project=%70roj&more=1&more=2",
        path="//v1/images/",
        query={"project": "proj", "more": "2"},
        headers=request.headers,
        body=b'{"name": 5}',
        operation="image_create",
        user="admin",
        status=400,
        answer=reply.body,
    )
    assert request.headers["x-test"] == "a"
    assert request.headers["authorization"] == "Bearer ***"
    assert request.headers["proxy-authorization"] == "Basic ***"
    assert request.headers["cookie"] == "***"
    assert "secret" not in repr(request)
    assert simulator.token not in repr(request)


def test_a_recorded_request_has_user_and_status(simulator: Simulator, call: Caller, world: World) -> None:
    token = simulator.create_user("carol")
    call("GET", "/v1/images/simg")
    call("GET", "/v1/images/simg", token=token)
    call("GET", "/v1/images/simg", token=None)
    call("PATCH", "/v1/images")
    simulator.fail_next(Drop())
    with pytest.raises(ConnectionError):
        call("GET", "/v1/images")
    assert [(request.operation, request.user, request.status) for request in simulator.requests] == [
        ("image_view", "admin", 200),
        ("image_view", "carol", 404),
        ("image_view", None, 401),
        (None, "admin", 405),
        ("image_list", "admin", None),
    ]


@pytest.mark.parametrize(
    "value",
    ["oxide-token-secret x", "oxide-token-secret", "Digest oxide-token-secret", "bearer\toxide-token-secret"],
)
def test_credentials_in_any_form_are_masked_in_the_record(
    simulator: Simulator, call: Caller, value: str
) -> None:
    call("GET", "/v1/images", token=None, headers={"Authorization": value})
    assert simulator.requests[0].headers["authorization"] == "***"


def test_a_recorded_request_has_the_response_before_compression(simulator: Simulator, call: Caller) -> None:
    simulator.create_images([f"image-{number}" for number in range(20)])
    plain = call("GET", "/v1/images").body
    assert (
        call("GET", "/v1/images", headers={"Accept-Encoding": "gzip"}).headers["content-encoding"] == "gzip"
    )
    assert [request.answer for request in simulator.requests] == [plain[:KEPT_RESPONSE_BYTES]] * 2


@pytest.mark.parametrize("target", ["/v1/images?", "http://elsewhere/v1/images?limit=5", "/%2F?%20=+"])
def test_a_recorded_request_has_the_target_as_sent(simulator: Simulator, call: Caller, target: str) -> None:
    call("GET", target)
    assert simulator.requests[0].target == target


def test_the_body_of_a_recorded_request_is_truncated(simulator: Simulator, call: Caller) -> None:
    call("POST", "/v1/images", b"x" * 2_000_000)
    assert simulator.requests[0].body == b"x" * KEPT_BODY_BYTES


def test_repeated_headers_are_joined(simulator: Simulator) -> None:
    call = Caller(simulator)
    call._connection.putrequest("GET", "/v1/images")
    call._connection.putheader("x-twice", "1")
    call._connection.putheader("X-Twice", "2")
    call._connection.endheaders()
    call._connection.getresponse().read()
    call.close()
    assert simulator.requests[0].headers["x-twice"] == "1, 2"


def test_the_record_of_requests_is_bounded(simulator: Simulator, call: Caller) -> None:
    simulator.create_images((f"i{number:03}" for number in range(300)), description="x" * 300)
    big = call("GET", "/v1/images?limit=300")
    assert simulator.requests[0].answer == big.body[:KEPT_RESPONSE_BYTES] != big.body
    for _ in range(KEPT_REQUESTS + 5 - 1):
        simulator._journal.arrived(Request("GET", "/x", (), b""), None, None)
    assert len(simulator.requests) == KEPT_REQUESTS
    simulator._journal.responded(1, Response(200))
    assert simulator.requests[0].status is None


def test_wait_for_requests_times_out(simulator: Simulator) -> None:
    with pytest.raises(TimeoutError, match="fewer than 1"):
        simulator.wait_for_requests(1, timeout=0.01)
    simulator.wait_for_requests(0)


def test_the_clock_must_return_a_time_with_a_zone(
    simulator: Simulator, call: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    simulator.clock = lambda: datetime(2026, 1, 1)
    with pytest.raises(ValueError, match="zone"):
        simulator.create_image("a")
    assert call("GET", "/v1/images").error == (500, "Internal", "Internal Server Error")
    assert "must return times with a time zone" in caplog.text


def test_configuration_connects_a_client_to_the_simulator(simulator: Simulator) -> None:
    simulator.create_image("a")
    configuration = simulator.configuration(timeout=5)
    assert (configuration.host, configuration.timeout) == (simulator.url, 5)
    with oxide.ApiClient(configuration) as client:
        assert [image.name for image in oxide.ImagesApi(client).image_list().items] == ["a"]
    carol = simulator.create_user("carol")
    with (
        oxide.ApiClient(simulator.configuration(access_token=carol)) as client,
        pytest.raises(oxide.ForbiddenException),
    ):
        oxide.ImagesApi(client).image_list()


def test_configuration_trusts_the_generated_certificate() -> None:
    with Simulator(tls=True) as simulator, oxide.ApiClient(simulator.configuration()) as client:
        assert oxide.ImagesApi(client).image_list().items == []


def test_every_public_name_can_be_loaded() -> None:
    assert dir(oxide.testing) == sorted(oxide.testing.__all__)
    assert all(getattr(oxide.testing, name).__name__ for name in oxide.testing.__all__ if name != "Fault")
    with pytest.raises(AttributeError, match="Simulation"):
        getattr(oxide.testing, "Simulation")  # noqa: B009 - type checkers know that there is no such name


def _fresh_interpreter(code: str) -> str:
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_the_pytest_plugin_imports_nothing_but_pytest() -> None:
    code = (
        "import sys, pytest\n"
        "before = set(sys.modules)\n"
        "import oxide.testing.pytest_plugin\n"
        "print(sorted(set(sys.modules) - before))"
    )
    assert (
        _fresh_interpreter(code).strip()
        == "['oxide', 'oxide._lazy', 'oxide._version', 'oxide.testing', 'oxide.testing.pytest_plugin']"
    )


def test_every_test_gets_a_fresh_simulator(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(oxide.__file__).parents[1]))
    pytester.makepyfile(
        """
        def test_one(oxide_simulator):
            oxide_simulator.create_project("proj")
            assert oxide_simulator.url.startswith("http://127.0.0.1:")

        def test_two(oxide_simulator):
            oxide_simulator.create_project("proj")
            assert oxide_simulator.requests == []
        """
    )
    # By its module's name, whether the package is installed or not.
    plugin = ("-p", "no:oxide_simulator", "-p", "oxide.testing.pytest_plugin")
    result = pytester.runpytest_subprocess(*plugin, "-W", "error")
    result.assert_outcomes(passed=2)


def test_pytest_runs_in_a_program_that_has_imported_the_package(tmp_path: Path) -> None:
    """This works with warnings as errors, too."""
    (tmp_path / "test_it.py").write_text("def test_it(oxide_simulator): assert oxide_simulator.url\n")
    program = "import oxide, pytest; raise SystemExit(pytest.main(['-W', 'error', '-p', 'no:cacheprovider']))"
    result = subprocess.run(
        [sys.executable, "-c", program], check=False, cwd=tmp_path, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "1 passed" in result.stdout


def test_the_pytest_plugin_is_declared() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    ((name, module),) = project["project"]["entry-points"]["pytest11"].items()
    assert (name, module) == ("oxide_simulator", "oxide.testing.pytest_plugin")


def test_disks_and_snapshots_of_a_project_are_listed(
    simulator: Simulator, call: Caller, world: World
) -> None:
    assert simulator.disks("proj") == simulator.disks(world.proj) == []
    (found,) = simulator.snapshots("proj")
    assert (found.name, found.id, found.state, found.size) == ("snap", world.snap, "ready", 2**30)
    with pytest.raises(FrozenInstanceError):
        found.name = "other"  # type: ignore[misc]  # the error under test
    assert simulator.snapshots(str(world.other)) == []
    for look in (simulator.disks, simulator.snapshots):
        with pytest.raises(ValueError, match="there is no project 'nope'"):
            look("nope")


def test_a_seeded_snapshot_works_in_the_api(simulator: Simulator, call: Caller, world: World) -> None:
    assert call("GET", f"/v1/snapshots/{world.snap}").json["state"] == "ready"
    created = call("POST", "/v1/images?project=proj", world.body())
    assert simulator.image_content(created.json["id"], 2**30 - 1) == b"\0"
    assert call("DELETE", f"/v1/snapshots/{world.snap}").status == 204
    assert simulator.snapshots("proj") == []


def test_the_content_of_a_seeded_image_is_zeros(simulator: Simulator) -> None:
    image = simulator.create_image("a", size=1000)
    assert simulator.image_content(image) == simulator.image_content(str(image)) == bytes(1000)
    assert simulator.image_content(image, 990) == bytes(10)
    assert simulator.image_content(image, 0, 5) == bytes(5)
    assert simulator.image_content(image, 1000) == simulator.image_content(image, 1000, 0) == b""


def test_content_beyond_the_end_of_an_image_is_refused(simulator: Simulator, call: Caller) -> None:
    image = simulator.create_image("a", size=1000)
    for offset, size in ((0, 1001), (999, 2), (1001, None), (1001, 0)):
        with pytest.raises(ValueError, match="the image ends at byte 1000, before"):
            simulator.image_content(image, offset, size)
    wrong: list[Any] = [(-1, 5), (0, -1), (0.5, 1)]
    for offset, size in wrong:
        with pytest.raises(ValueError, match="must be a whole number of bytes"):
            simulator.image_content(image, offset, size)
    for unknown in (uuid4(), "a", str(uuid4())):
        with pytest.raises(ValueError, match=f"there is no image with the ID '{unknown}'"):
            simulator.image_content(unknown)
    assert call("DELETE", "/v1/images/a").status == 204
    with pytest.raises(ValueError, match="there is no image"):
        simulator.image_content(image)


@pytest.mark.parametrize("limit", ["quota", "space"])
def test_quota_and_space_are_bytes_or_none(simulator: Simulator, limit: str) -> None:
    assert getattr(simulator, limit) is None
    setattr(simulator, limit, 0)
    assert getattr(simulator, limit) == 0
    for value in (-1, 1.5, "1 GiB", 2**63):
        with pytest.raises(ValueError, match=f"{limit} must be a whole number of bytes|refuses it"):
            setattr(simulator, limit, value)
    setattr(simulator, limit, None)
    assert getattr(simulator, limit) is None


def test_the_repr_shows_url_state_and_counts(call: Caller, simulator: Simulator) -> None:
    call("GET", "/v1/images")
    assert repr(simulator) == f"<Simulator at {simulator.url}: running, 1 requests, 1 connections>"
    simulator.stop()
    assert repr(simulator) == "<Simulator on 127.0.0.1: stopped, 1 requests>"
    assert repr(Simulator("::1")) == "<Simulator on ::1: stopped, 0 requests>"
