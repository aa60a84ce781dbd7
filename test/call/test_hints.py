"""Typical first mistakes end in a message that says what to do."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import oxide
from oxide.testing import Answer, Simulator, Truncate


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as running:
        running.create_project("my-project")
        running.create_image("alpine", "my-project")
        yield running


def images(configuration: oxide.Configuration) -> oxide.ImagesApi:
    return oxide.ImagesApi(oxide.ApiClient(configuration))


def test_a_client_without_a_token_says_so(simulator: Simulator) -> None:
    with pytest.raises(oxide.UnauthorizedException, match="no token was sent: set access_token") as caught:
        images(oxide.Configuration(simulator.url)).image_list()
    assert caught.value.hint is not None
    with pytest.raises(oxide.UnauthorizedException) as refused:
        images(oxide.Configuration(simulator.url, access_token="oxide-token-0")).image_list()
    assert (
        refused.value.hint
        == "the token is unknown or expired; it came from access_token of the Configuration"
    )


def test_a_client_without_a_host_says_so() -> None:
    configuration = oxide.Configuration(resolve={"localhost": "127.0.0.9"}, max_retries=0)
    with pytest.raises(oxide.ApiConnectionError, match="; host is not set: "):
        images(configuration).image_list()


def test_a_wrong_base_path_gets_a_hint(simulator: Simulator) -> None:
    configuration = oxide.Configuration(f"{simulator.url}/v1", access_token=simulator.token)
    with pytest.raises(oxide.NotFoundException, match="no such path: check the path in host"):
        images(configuration).image_list()


def test_a_name_without_a_project_gets_a_hint_that_says_where_it_was_looked_up(simulator: Simulator) -> None:
    for call in ("image_view", "image_delete"):
        with pytest.raises(
            oxide.NotFoundException, match="a name without a project is looked up in the silo only"
        ):
            getattr(images(simulator.configuration()), call)("alpine")


def test_an_error_about_a_missing_package_names_the_extra(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['h11'] = None; import oxide.testing.pytest_plugin; oxide.testing.Simulator"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, cwd=tmp_path
    )
    assert run.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: oxide.testing needs h11, which the extra `testing` of this package installs"
    )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([5, 5], r"a tuple \(seconds to connect, seconds of silence\) or None, not \[5, 5\]"),
        ((5,), r"a tuple .* not \(5,\)"),
        ((0, 1), r"_request_timeout\[0\] must be a positive number"),
        ((1, "x"), r"_request_timeout\[1\] must be a positive number"),
        (f"oxide-token-{'0123456789abcdef' * 2}01234567", "a tuple .* not <hidden>"),
    ],
)
def test_a_time_limit_in_a_wrong_form_is_refused_with_the_right_form(given: Any, told: str) -> None:
    with pytest.raises(oxide.ApiValueError, match=told):
        oxide.ImagesApi(oxide.ApiClient()).image_list(_request_timeout=given)


def test_promoting_a_name_without_its_project_gets_a_hint(simulator: Simulator) -> None:
    with pytest.raises(oxide.BadRequestException, match="given by name without its project"):
        images(simulator.configuration()).image_promote("alpine")


def test_other_responses_have_no_hint(simulator: Simulator) -> None:
    simulator.fail_next(Answer(500))
    with pytest.raises(oxide.ServiceException) as caught:
        images(simulator.configuration()).image_list()
    assert caught.value.hint is None


USES_OF_THE_MASK: list[Callable[[oxide.ImagesApi, str], object]] = [
    lambda api, mask: api.image_list(_headers={"Authorization": f"Bearer {mask}"}),
    lambda api, mask: api.image_list(_headers={"X-Token": mask}),
    lambda api, mask: api.image_list(_request_auth=mask),
    lambda api, mask: api.image_list(_request_auth=lambda: mask),
    lambda api, mask: api.api_client.set_default_header("Authorization", f"Bearer {mask}"),
    lambda api, mask: oxide.Configuration(access_token=mask),
]


@pytest.mark.parametrize("use", USES_OF_THE_MASK, ids=range(len(USES_OF_THE_MASK)))
def test_the_mask_of_a_secret_is_refused_as_a_token(
    simulator: Simulator, use: Callable[[oxide.ImagesApi, str], object]
) -> None:
    api = images(simulator.configuration())
    api.api_client.set_default_header("X-Secret", "secret")
    with pytest.raises(oxide.ApiValueError, match="contains '<hidden>', which is shown in place of a secret"):
        use(api, api.api_client.default_headers["X-Secret"])
    assert simulator.requests == []


@pytest.mark.parametrize("name", ["api_key", "username"])
def test_credential_settings_of_generated_clients_raise_an_error_that_names_access_token(name: str) -> None:
    with pytest.raises(oxide.ApiAttributeError, match="use access_token"):
        getattr(oxide.Configuration(), name)


@pytest.mark.parametrize("name", ["cookie", "rest_client", "call_api", "sanitize_for_serialization"])
def test_attributes_of_generated_clients_raise_an_error_that_names_the_migration_guide(name: str) -> None:
    client = oxide.ApiClient()
    with pytest.raises(oxide.ApiAttributeError, match=rf"{name}.*docs/migrating\.md"):
        getattr(client, name)
    with pytest.raises(AttributeError, match=name):
        setattr(client, name, "x")


def refusal(
    simulator: Simulator, fault: Answer, call: str = "image_view", **arguments: Any
) -> oxide.ApiException:
    simulator.fail_next(fault)
    with pytest.raises(oxide.ApiException) as caught:
        getattr(images(simulator.configuration(max_retries=0)), call)(**arguments)
    return caught.value


FORBIDDEN = Answer(403, '{"message": "Forbidden", "error_code": "Forbidden", "request_id": "r"}')
NEW: dict[str, Any] = {
    "name": "new",
    "description": "",
    "os": "debian",
    "version": "13",
    "source": {"id": "3c4d5e6f-0718-4293-a4b5-c6d7e8f90a1b"},
}


@pytest.mark.parametrize(
    ("call", "arguments", "role"),
    [
        ("image_list", {"project": "web"}, "the viewer role on project web"),
        ("image_list", {}, "the viewer role on the silo"),
        ("image_view", {"image": "a", "project": oxide.NameOrId("web")}, "the viewer role on project web"),
        ("image_create", {"image_create": NEW}, "the limited-collaborator role on the silo"),
        (
            "image_create",
            {"image_create": NEW, "project": "web"},
            "the limited-collaborator role on project web",
        ),
        ("image_delete", {"image": "a", "project": "web"}, "the limited-collaborator role on project web"),
        ("image_promote", {"image": "a", "project": "web"}, "the limited-collaborator role on the silo"),
        ("image_demote", {"image": "a", "project": "web"}, "the limited-collaborator role on the silo"),
    ],
)
def test_a_403_names_the_role_that_is_needed(
    simulator: Simulator, call: str, arguments: dict[str, Any], role: str
) -> None:
    assert refusal(simulator, FORBIDDEN, call, **arguments).hint == f"this needs {role}"


def test_a_401_says_where_the_token_came_from(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def hint(api: oxide.ImagesApi, **options: Any) -> str:
        with api.api_client, pytest.raises(oxide.UnauthorizedException) as caught:
            api.image_list(**options)
        assert "oxide-token-0" not in str(caught.value)
        return (caught.value.hint or "").removeprefix("the token is unknown or expired; it came from ")

    own = oxide.Configuration(simulator.url, access_token=simulator.token)
    assert hint(images(own), _request_auth="oxide-token-0") == "_request_auth of the call"
    authorization = {"Authorization": "Bearer oxide-token-0"}
    assert hint(images(own), _headers=authorization) == "_headers of the call"
    plain = oxide.ApiClient(oxide.Configuration(simulator.url), "Authorization", "Bearer oxide-token-0")
    assert hint(oxide.ImagesApi(plain)) == "a default header of the ApiClient"
    monkeypatch.setenv("OXIDE_HOST", simulator.url)
    monkeypatch.setenv("OXIDE_TOKEN", "oxide-token-0")
    assert hint(oxide.ImagesApi.from_environment()) == "OXIDE_HOST and OXIDE_TOKEN"
    monkeypatch.delenv("OXIDE_HOST")
    monkeypatch.delenv("OXIDE_TOKEN")
    profile = tmp_path / "credentials.toml"
    profile.write_text(f'[profile.mine]\nhost = "{simulator.url}"\ntoken = "oxide-token-0"\n')
    profile.chmod(0o600)
    with oxide.ImagesApi.from_environment(profile="mine", config_dir=tmp_path) as api:
        assert hint(api) == f"profile 'mine' of {profile}"


def test_a_401_says_that_the_token_was_dropped(simulator: Simulator) -> None:
    configuration = oxide.Configuration("https://my.rack", access_token="oxide-token-0")
    configuration.host = simulator.url
    client = oxide.ApiClient(configuration)
    with client, pytest.raises(oxide.UnauthorizedException) as caught:
        oxide.ImagesApi(client).image_list()
    assert caught.value.hint == (
        "no token was sent: it was dropped, since host was changed after it was set; set access_token after host"
    )
    client = oxide.ApiClient(configuration, "Authorization", "Bearer oxide-token-0")
    with client, pytest.raises(oxide.UnauthorizedException, match="it came from a default header"):
        oxide.ImagesApi(client).image_list()


def test_a_404_for_an_id_says_that_a_project_role_is_not_enough(simulator: Simulator) -> None:
    with pytest.raises(oxide.NotFoundException) as caught:
        images(simulator.configuration()).image_view("0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0")
    assert caught.value.hint == (
        "a user with a role on a project alone sees no image by its ID: give its name and project"
    )


def test_a_304_gets_a_hint(simulator: Simulator) -> None:
    error = refusal(simulator, Answer(304), image="a")
    assert isinstance(error, oxide.RedirectException)
    assert (error.hint or "").startswith("304 is the response to a conditional request: ")


@pytest.mark.parametrize("status", [400, 403, 404, 405, 500, 502])
@pytest.mark.parametrize(
    "body", ["<html>not here</html>", "[1]", '{"error": "foreign"}', '"text"', "{", b"\xff"], ids=range(6)
)
def test_an_error_body_that_is_not_from_the_api_gets_a_hint(
    simulator: Simulator, status: int, body: str | bytes
) -> None:
    error = refusal(simulator, Answer(status, body, {"content-type": "text/x-foreign"}), image="a")
    assert error.data is None
    assert (error.hint or "").startswith("this is no response of the Oxide API (text/x-foreign): ")


def test_an_error_body_that_was_cut_gets_a_hint(simulator: Simulator) -> None:
    simulator.fail_next(Truncate(1))
    with pytest.raises(oxide.NotFoundException) as caught:
        images(simulator.configuration()).image_view("a", project="no-such-project")
    assert caught.value.hint == "the body could not be read: the response was cut short"


@pytest.mark.parametrize(
    ("body", "request_id"),
    [
        ({"message": "no"}, "of-the-header"),
        ({"message": "no", "request_id": "r-1"}, "r-1"),
        ({"message": "no", "request_id": 5, "error_code": []}, "of-the-header"),
        ({"message": "no", "error_code": "Known", "new": 1}, "of-the-header"),
    ],
)
def test_the_data_is_an_error_model_if_there_is_a_message(
    simulator: Simulator, body: dict[str, Any], request_id: str
) -> None:
    fault = Answer(500, json.dumps(body), {"x-request-id": "of-the-header"})
    error = refusal(simulator, fault, image="a")
    assert isinstance(error.data, oxide.Error)
    assert (error.data.message, error.data.request_id) == ("no", request_id)
    assert error.data.error_code == (body.get("error_code") or None)
    assert error.hint is None


def test_a_hint_is_short_and_on_one_line(simulator: Simulator) -> None:
    error = refusal(simulator, Answer(500, "x", {"content-type": "t" * 5000}), image="a")
    assert len(error.hint or "") < 310
    assert (error.hint or "").isprintable()
