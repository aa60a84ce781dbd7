"""Every operation, in every form, with every parameter: what arrives at the server, and what the call returns."""

import copy
import enum
import json
import pickle
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import chain, combinations
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest
from core_support import BY_NAME, CONTRACTS, FORMS, IMAGE, NEW_IMAGE, PAGE, Contract, Scene, open_scene
from hypothesis import given
from hypothesis import strategies as st

import oxide
from oxide.testing import Answer, Delay

WITH_IMAGE = ["image_delete", "image_demote", "image_promote", "image_view"]
ID = UUID("a1b2c3d4-e5f6-4789-8abc-def012345678")


def respond_as_documented(scene: Scene, contract: Contract, times: int = 1) -> None:
    scene.respond_with(contract.status, b"" if contract.response is None else contract.response, times)


def choices_of_parameters(contract: Contract) -> Iterator[dict[str, Any]]:
    """Yield the arguments of a contract with each combination of the optional ones."""
    optional = [name for name in contract.arguments if name not in contract.required]
    for chosen in chain.from_iterable(combinations(optional, n) for n in range(len(optional) + 1)):
        yield {
            name: value for name, value in contract.arguments.items() if name in {*contract.required, *chosen}
        }


def without_page_token(contract: Contract) -> dict[str, Any]:
    """Return the arguments of a contract without the page token, which the simulator would refuse."""
    return {name: value for name, value in contract.arguments.items() if name != "page_token"}


BAD_OPTIONS: list[dict[str, Any]] = [
    {"_request_timeout": 0},
    {"_request_timeout": -1},
    {"_request_timeout": float("nan")},
    {"_request_timeout": float("inf")},
    {"_request_timeout": "5"},
    {"_request_timeout": True},
    {"_request_timeout": (5,)},
    {"_request_timeout": (5, 5, 5)},
    {"_request_timeout": (5, 0)},
    {"_request_timeout": [5, 5]},
    {"_request_auth": ""},
    {"_request_auth": "two words"},
    {"_request_auth": b"bytes"},
    {"_request_auth": {"type": "bearer"}},
    {"_request_auth": lambda: ""},
    {"_request_auth": lambda: None},
    {"_headers": "X-Job: nightly"},
    {"_headers": {"X-Job": 5}},
    {"_headers": {"X-Job": "two\nlines"}},
    {"_headers": {"X Job": "nightly"}},
    {"_headers": {"Content-Length": "5"}},
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
class TestEveryForm:
    def test_every_combination_of_parameters_arrives_and_nothing_else(
        self, scene: Scene, contract: Contract, form: str
    ) -> None:
        for arguments in choices_of_parameters(contract):
            respond_as_documented(scene, contract)
            scene.call(contract.name, form, **arguments)
            assert scene.last.operation == contract.name
            assert (scene.last.method, scene.last.path) == (contract.method, contract.path)
            assert scene.last.query == {
                name: value for name, value in contract.query.items() if name in arguments
            }
            assert (json.loads(scene.last.body) if scene.last.body else None) == contract.body

    def test_parameters_have_the_same_order_as_in_generated_clients(
        self, scene: Scene, contract: Contract, form: str
    ) -> None:
        respond_as_documented(scene, contract)
        scene.call(contract.name, form, *contract.arguments.values())
        assert (scene.last.method, scene.last.path) == (contract.method, contract.path)
        assert scene.last.query == contract.query

    def test_an_optional_parameter_that_is_none_is_not_sent(
        self, scene: Scene, contract: Contract, form: str
    ) -> None:
        arguments = {
            name: value if name in contract.required else None for name, value in contract.arguments.items()
        }
        respond_as_documented(scene, contract)
        scene.call(contract.name, form, **arguments)
        assert set(scene.last.query) <= contract.required

    def test_a_required_parameter_cannot_be_left_out_or_none(
        self, scene: Scene, contract: Contract, form: str
    ) -> None:
        for missing in contract.required:
            given = dict(contract.arguments)
            del given[missing]
            with pytest.raises(TypeError, match=missing):
                scene.call(contract.name, form, **given)
            with pytest.raises(oxide.ApiTypeError, match=f"{missing}: expected .*NoneType"):
                scene.call(contract.name, form, **given, **{missing: None})
        assert scene.requests == []

    def test_requests_have_the_headers_of_the_contract(
        self, scene: Scene, contract: Contract, form: str
    ) -> None:
        respond_as_documented(scene, contract)
        scene.call(contract.name, form, **contract.arguments)
        headers = dict(scene.last.headers)
        assert headers.pop("user-agent").startswith(f"oxide-python/{oxide.__version__} python/3.")
        assert headers.pop("host") == scene.simulator.url.removeprefix("http://")
        if contract.method == "POST":
            assert headers.pop("content-length") == str(len(scene.last.body))
        expected = {
            "accept": "application/json",
            "accept-encoding": "gzip",
            "api-version": "2025112000.0.0",
            "authorization": "Bearer ***",
        }
        if contract.body is not None:
            expected["content-type"] = "application/json"
        assert headers == expected

    def test_headers_of_one_call_apply_only_to_that_call_and_take_precedence(
        self, scene: Scene, contract: Contract, form: str
    ) -> None:
        scene.images.api_client.set_default_header("X-Job", "nightly")
        scene.images.api_client.set_default_header("X-Team", "storage")
        for headers in ({"x-job": "now", "ACCEPT": "text/plain"}, {}, None):
            respond_as_documented(scene, contract)
            scene.call(contract.name, form, **contract.arguments, _headers=headers)
        arrived = [
            [request.headers[name] for name in ("x-job", "x-team", "accept")] for request in scene.requests
        ]
        usual = ["nightly", "storage", "application/json"]
        assert arrived == [["now", "storage", "text/plain"], usual, usual]

    def test_the_token_of_one_call_applies_only_to_that_call(
        self, scene: Scene, contract: Contract, form: str
    ) -> None:
        ann = scene.simulator.create_user("ann")
        for auth in (ann, lambda: ann, None):
            # The service has seen the token, whether it refused it or not.
            with suppress(oxide.ForbiddenException, oxide.NotFoundException):
                scene.call(contract.name, form, **without_page_token(contract), _request_auth=auth)
        assert [request.user for request in scene.requests] == ["ann", "ann", "admin"]

    def test_the_time_limit_of_one_call_ends_that_call(
        self, scene: Scene, contract: Contract, form: str
    ) -> None:
        scene.simulator.fail_next(Delay(float("inf")))
        with pytest.raises(oxide.ApiTimeoutError) as caught:
            scene.call(contract.name, form, **contract.arguments, _request_timeout=0.02)
        assert caught.value.operation == contract.name

    def test_the_time_limit_of_one_call_may_be_given_in_every_form(
        self, scene: Scene, contract: Contract, form: str
    ) -> None:
        for limit in (5, 5.0, (5, 5), (None, 5.0), None):
            respond_as_documented(scene, contract)
            scene.call(contract.name, form, **contract.arguments, _request_timeout=limit)

    @pytest.mark.parametrize(
        ("option", "told"),
        [
            ("_request_timout", "; did you mean '_request_timeout'?"),
            ("request_timeout", "; did you mean '_request_timeout'?"),
            ("timeout", "; did you mean '_request_timeout'?"),
            ("_header", "; did you mean '_headers'?"),
            ("projet", "; did you mean 'project'?"),
            ("per_page", ""),
            ("_content_type", ", which generated clients have: see docs/migrating.md"),
            ("_host_index", ", which generated clients have: see docs/migrating.md"),
        ],
    )
    def test_an_option_that_does_not_exist_is_a_type_error(
        self, scene: Scene, contract: Contract, form: str, option: str, told: str
    ) -> None:
        with pytest.raises(oxide.ApiTypeError) as caught:
            scene.call(contract.name, form, **contract.arguments, **{option: 5})
        expected = f"{contract.name}() got an unexpected keyword argument {option!r}{told}"
        assert str(caught.value) == expected
        assert scene.requests == []

    def test_an_option_with_a_wrong_value_is_refused(
        self, scene: Scene, contract: Contract, form: str
    ) -> None:
        for options in BAD_OPTIONS:
            with pytest.raises((oxide.ApiTypeError, oxide.ApiValueError)):
                scene.call(contract.name, form, **contract.arguments, **options)
        assert scene.requests == []

    def test_a_404_is_raised_except_without_preload_content(
        self, scene: Scene, contract: Contract, form: str
    ) -> None:
        arguments = {**without_page_token(contract), "project": "nowhere"}
        if form != "_without_preload_content":
            with pytest.raises(oxide.NotFoundException, match=r'not found: .* with name "'):
                scene.call(contract.name, form, **arguments)
            return
        with scene.call(contract.name, form, **arguments) as response:
            assert (response.status, response.json()["error_code"]) == (404, "ObjectNotFound")


def test_the_time_limit_of_one_call_can_be_switched_off() -> None:
    with open_scene(timeout=0.02, read_timeout=0.02) as scene:
        scene.simulator.fail_next(Delay(0.1), times=2)
        assert scene.images.image_list(_request_timeout=None).items == []
        with pytest.raises(oxide.ApiTimeoutError):
            scene.images.image_list()


class TestResults:
    @pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
    def test_the_plain_form_returns_the_result(self, scene: Scene, contract: Contract) -> None:
        respond_as_documented(scene, contract)
        self.check_result(contract, scene.call(contract.name, **contract.arguments))

    @pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
    def test_with_http_info_returns_the_response_as_well(self, scene: Scene, contract: Contract) -> None:
        respond_as_documented(scene, contract)
        response = scene.call(contract.name, "_with_http_info", **contract.arguments)
        assert type(response) is oxide.ApiResponse
        assert response.status_code == contract.status
        assert response.raw_data == scene.last.answer
        assert response.headers["Content-LENGTH" if contract.response else "Date"]
        self.check_result(contract, response.data)

    @pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
    def test_without_preload_content_returns_the_response_unread(
        self, scene: Scene, contract: Contract
    ) -> None:
        respond_as_documented(scene, contract)
        with scene.call(contract.name, "_without_preload_content", **contract.arguments) as response:
            assert type(response) is oxide.RESTResponse
            assert response.status == contract.status
            assert response.read(3) == scene.last.answer[:3]
            assert response.read() == scene.last.answer[3:]

    def test_a_response_pickles_copies_and_is_immutable(self, scene: Scene) -> None:
        response = scene.images.image_list_with_http_info()
        for twin in (pickle.loads(pickle.dumps(response)), copy.copy(response), copy.deepcopy(response)):
            assert twin == response
            assert twin.headers["X-Request-ID"] == response.headers["x-request-id"]
        field = "status_code"
        with pytest.raises(AttributeError):
            setattr(response, field, 404)

    @staticmethod
    def check_result(contract: Contract, result: Any) -> None:
        match contract.response:
            case None:
                assert result is None
            case response if response is PAGE:
                assert type(result) is oxide.ImageResultsPage
                assert result.next_page == PAGE["next_page"]
                assert result.items == [oxide.Image.from_dict(IMAGE)]
            case response if response is IMAGE:
                assert type(result) is oxide.Image
                assert result.name == IMAGE["name"]
                assert result.id == UUID(IMAGE["id"])
                assert result.project_id == UUID(IMAGE["project_id"])
                assert (result.description, result.os, result.version) == ("golden", "debian", "13")
                assert result.digest is None
                assert result.block_size is oxide.BlockSize.NUMBER_4096
                assert result.size == 2**31
                assert result.time_created == datetime(2026, 11, 1, 12, 0, 0, 123, UTC)
                assert result.time_modified == datetime(2026, 11, 1, 12, 0, 1, tzinfo=UTC)
            case response:
                assert json.loads(result.to_json()) == response

    @pytest.mark.parametrize("form", ["", "_with_http_info"])
    def test_an_image_is_created_viewed_listed_promoted_demoted_and_deleted(
        self, scene: Scene, form: str
    ) -> None:
        """The simulator responds: the image is created, viewed, listed, promoted, demoted and deleted."""

        def run(name: str, **arguments: Any) -> Any:
            result = scene.call(name, form, **arguments)
            return result.data if form else result

        image = run("image_create", image_create=scene.new_image(name="life"), project="my-project")
        assert (image.project_id, image.size, image.block_size) == (scene.project, 2**30, 512)
        assert run("image_view", image=image) == image
        assert run("image_view", image="life", project=scene.project) == image
        assert run("image_list", project="my-project").items == [image]
        assert run("image_list").items == []
        promoted = run("image_promote", image=image)
        assert (promoted.id, promoted.project_id) == (image.id, None)
        assert run("image_list", project="my-project").items == []
        assert run("image_demote", image="life", project="my-project").project_id == scene.project
        assert run("image_delete", image=image) is None
        with pytest.raises(oxide.NotFoundException):
            run("image_view", image=image)

    @pytest.mark.parametrize("status", [200, 201, 202, 203, 206, 226, 299])
    @pytest.mark.parametrize("name", ["image_create", "image_list", "image_promote", "image_view"])
    def test_any_2xx_with_a_body_is_decoded(self, scene: Scene, name: str, status: int) -> None:
        contract = BY_NAME[name]
        scene.respond_with(status, contract.response)
        self.check_result(contract, scene.call(name, **contract.arguments))

    @pytest.mark.parametrize(("status", "body"), [(200, b""), (202, b"{}"), (204, b""), (299, b'"done"')])
    def test_delete_returns_none_on_any_2xx(self, scene: Scene, status: int, body: bytes) -> None:
        scene.respond_with(status, body)
        response = scene.images.image_delete_with_http_info("my-image")
        assert (response.data, response.status_code, response.raw_data) == (None, status, body)

    @pytest.mark.parametrize(
        "kind", ["text/html", "Text/HTML; charset=utf-8", "text/plain", "no content type"]
    )
    def test_a_web_page_in_response_to_a_deletion_is_an_error(self, scene: Scene, kind: str) -> None:
        """A captive portal has not deleted anything."""
        headers = {} if kind == "no content type" else {"Content-Type": kind}
        scene.simulator.fail_next(Answer(200, "<html>log in", headers))
        with pytest.raises(oxide.ApiResponseError) as caught:
            scene.images.image_delete("my-image")
        assert f"the body is not empty ({kind}): '<html>log in' (DELETE /v1/images/" in str(caught.value)
        assert (caught.value.status, caught.value.body) == (200, "<html>log in")


class _Mixed(str, enum.Enum):  # noqa: UP042 - str() of such a member is its name, which must not be sent
    PLACE = "my-place"
    BY_ID = "id_ascending"


class _OddId(UUID):
    def __str__(self) -> str:
        return "x/promote"


class _Order(enum.StrEnum):
    BY_ID = "id_ascending"


class _Few(int, enum.Enum):
    THREE = 3


class _HostileText(str):
    """Text whose methods return something other than its characters."""

    __slots__ = ()

    def _other(self, *_: object, **__: object) -> Any:
        return "x/../promote?project=other&"

    __str__ = __repr__ = __format__ = lower = upper = strip = casefold = __getitem__ = replace = _other

    def encode(self, *_: object, **__: object) -> bytes:
        return b"a&project=other"


class _HostileNumber(int):
    """A number that prints as another one and compares at will."""

    def __str__(self) -> str:
        return "5&project=other"

    __repr__ = __str__
    __int__ = __index__ = lambda self: 7
    __le__ = __lt__ = __ge__ = __gt__ = lambda self, other: True


class _Index:
    """A number of another library, such as `numpy.int64`."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __index__(self) -> int:
        return self._number


_TEXTS_OF_ID = [
    write(text)
    for text in (str(ID), ID.hex, f"{{{ID}}}", ID.urn)
    for write in (str.lower, str.upper, str.title)
]
IDENTIFIERS: list[tuple[Any, str]] = [
    ("my-place", "my-place"),
    ("a" * 63, "a" * 63),
    ("deadbeef-deadbeef-deadbeef-deadbeef", "deadbeef-deadbeef-deadbeef-deadbeef"),
    (_Mixed.PLACE, "my-place"),
    (oxide.NameOrId("my-place"), "my-place"),
    (oxide.NameOrId(_Mixed.PLACE), "my-place"),
    (ID, str(ID)),
    (_OddId(str(ID)), str(ID)),
    (oxide.NameOrId(_OddId(str(ID))), str(ID)),
    (oxide.NameOrId(ID), str(ID)),
    *((text, str(ID)) for text in _TEXTS_OF_ID),
    *((oxide.NameOrId(text), str(ID)) for text in _TEXTS_OF_ID),
]
BAD_IDENTIFIERS: list[tuple[Any, type[Exception]]] = [
    ("", oxide.ApiValueError),
    ("My-place", oxide.ApiValueError),
    ("my_place", oxide.ApiValueError),
    ("my-place-", oxide.ApiValueError),
    ("my-place/promote", oxide.ApiValueError),
    ("..", oxide.ApiValueError),
    ("a?project=b", oxide.ApiValueError),
    ("a" * 64, oxide.ApiValueError),
    ("A" * 10_000, oxide.ApiValueError),
    ("ä", oxide.ApiValueError),
    ("\ud800", oxide.ApiValueError),
    (f"{ID}\n", oxide.ApiValueError),
    (5, oxide.ApiTypeError),
    (b"my-place", oxide.ApiTypeError),
    (True, oxide.ApiTypeError),
    (["my-place"], oxide.ApiTypeError),
    ({"name": "my-place"}, oxide.ApiTypeError),
    (oxide.ImageSource(id=ID), oxide.ApiTypeError),
    (oxide.NameOrId.model_construct(actual_instance="../other"), oxide.ApiValueError),
    (oxide.NameOrId.model_construct(actual_instance=5), oxide.ApiTypeError),
    (oxide.NameOrId.model_construct(), oxide.ApiTypeError),
]


def given_image(contract: Contract, image: object, *, by_id: bool) -> dict[str, Any]:
    """Return the arguments for an image; an ID takes no project, except as the target of a demotion."""
    project = None if by_id and contract.name != "image_demote" else "my-project"
    return {"image": image, "project": project}


class TestIdentifiers:
    @pytest.mark.parametrize("name", WITH_IMAGE)
    def test_an_image_can_be_given_in_every_form(self, module_scene: Scene, name: str) -> None:
        contract = BY_NAME[name]
        for image, arrives in IDENTIFIERS:
            respond_as_documented(module_scene, contract)
            module_scene.call(name, **given_image(contract, image, by_id=arrives == str(ID)))
            assert module_scene.last.path == contract.path.replace("my-image", arrives)

    @pytest.mark.parametrize("name", BY_NAME)
    def test_a_project_can_be_given_in_every_form(self, module_scene: Scene, name: str) -> None:
        contract = BY_NAME[name]
        for project, arrives in IDENTIFIERS:
            respond_as_documented(module_scene, contract)
            module_scene.call(name, **{**contract.arguments, "project": project})
            assert module_scene.last.query == {**contract.query, "project": arrives}

    @pytest.mark.parametrize("name", WITH_IMAGE)
    def test_an_image_object_stands_for_its_id(self, module_scene: Scene, name: str) -> None:
        contract = BY_NAME[name]
        respond_as_documented(module_scene, contract)
        module_scene.call(name, **given_image(contract, oxide.Image.from_dict(IMAGE), by_id=True))
        assert module_scene.last.path == contract.path.replace("my-image", IMAGE["id"])

    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize("name", [name for name in WITH_IMAGE if name != "image_demote"])
    @pytest.mark.parametrize(
        "image",
        [
            oxide.Image.from_dict(IMAGE),
            UUID(IMAGE["id"]),
            oxide.NameOrId(UUID(IMAGE["id"])),
            oxide.NameOrId(IMAGE["id"]),
            IMAGE["id"],
            IMAGE["id"].replace("-", "").upper(),
        ],
        ids=["Image", "UUID", "NameOrId", "NameOrId of str", "str", "digits"],
    )
    def test_an_id_with_a_project_is_refused_before_it_is_sent(
        self, module_scene: Scene, name: str, image: Any, form: str
    ) -> None:
        before = len(module_scene.requests)
        with pytest.raises(
            oxide.ApiValueError, match=r"^project: leave it out, since image is given by its ID "
        ):
            module_scene.call(name, form, image=image, project="my-project")
        assert len(module_scene.requests) == before

    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize(
        ("name", "parameter"),
        [(name, "image") for name in WITH_IMAGE] + [(name, "project") for name in BY_NAME],
    )
    def test_anything_else_is_not_an_identifier_and_is_refused_before_it_is_sent(
        self, module_scene: Scene, name: str, parameter: str, form: str
    ) -> None:
        before = len(module_scene.requests)
        bad: list[tuple[Any, type[Exception]]] = [
            *BAD_IDENTIFIERS,
            (oxide.Image.model_construct(), oxide.ApiTypeError),
        ]
        if parameter == "project":
            # An image is not a project, and does not stand for its `project_id`.
            bad.append((oxide.Image.from_dict(IMAGE), oxide.ApiTypeError))
        for value, error in bad:
            with pytest.raises(error, match=f"^{parameter}: ") as caught:
                module_scene.call(name, form, **{**BY_NAME[name].arguments, parameter: value})
            assert len(str(caught.value)) < 300
            assert caught.value.__cause__ is None
            assert caught.value.__context__ is None
        assert len(module_scene.requests) == before

    @given(text=st.text(max_size=80) | st.from_regex(r"[a-z0-9{}:-]{0,70}", fullmatch=True))
    def test_any_text_arrives_as_one_path_segment_or_is_refused(self, module_scene: Scene, text: str) -> None:
        module_scene.respond_with(200, IMAGE)
        before = len(module_scene.requests)
        try:
            module_scene.images.image_view(text)
        except oxide.ApiValueError:
            module_scene.simulator.clear_faults()
            assert len(module_scene.requests) == before
        else:
            prefix, _, segment = module_scene.last.target.rpartition("/")
            assert prefix == "/v1/images"
            assert oxide.NameOrId(segment) == oxide.NameOrId(text)


class TestListParameters:
    @pytest.mark.parametrize("limit", [1, 10_001, 2**32 - 1, _Few.THREE])
    def test_limit_may_be_as_large_as_a_u32(self, scene: Scene, limit: int) -> None:
        scene.images.image_list(limit)
        assert scene.last.query == {"limit": str(int(limit))}

    @pytest.mark.parametrize(
        ("sort_by", "arrives"),
        [
            *((mode, mode.value) for mode in oxide.NameOrIdSortMode),
            *((mode.value, mode.value) for mode in oxide.NameOrIdSortMode),
            (_Order.BY_ID, "id_ascending"),
            (_Mixed.BY_ID, "id_ascending"),
        ],
        ids=repr,
    )
    def test_sort_by_may_be_the_enum_or_its_text(self, scene: Scene, sort_by: str, arrives: str) -> None:
        scene.images.image_list(sort_by=sort_by)
        assert scene.last.query == {"sort_by": arrives}

    def test_limit_may_be_an_integer_of_another_library(self, scene: Scene) -> None:
        limit: Any = _Index(3)
        scene.images.image_list(limit)
        assert scene.last.query == {"limit": "3"}
        too_large: Any = _Index(2**32)
        with pytest.raises(oxide.ApiValueError, match="limit: must be 1 to 4294967295, not 4294967296"):
            scene.images.image_list(too_large)

    @pytest.mark.parametrize(
        ("parameter", "value", "shown"),
        [
            ("limit", 0, "must be 1 to 4294967295, not 0"),
            ("limit", 2.5, "expected int, got float 2.5"),
            ("limit", "ten", "expected int, got str 'ten'"),
            ("sort_by", "name", "not 'name'"),
            ("page_token", "", "not ''"),
            ("page_token", 5, "got int 5"),
            ("project", "No Name", "'No Name' is neither a name nor an ID"),
            ("project", 5, "got int 5"),
        ],
    )
    def test_a_message_shows_the_refused_value(
        self, scene: Scene, parameter: str, value: Any, shown: str
    ) -> None:
        arguments: dict[str, Any] = {parameter: value}
        with pytest.raises(oxide.OpenApiException) as caught:
            scene.images.image_list(**arguments)
        assert str(caught.value).startswith(f"{parameter}: ")
        assert shown in str(caught.value)

    @pytest.mark.parametrize("parameter", ["limit", "sort_by", "project"])
    def test_a_token_passed_in_the_wrong_place_is_not_shown(self, scene: Scene, parameter: str) -> None:
        arguments: dict[str, Any] = {parameter: "OXIDE-token-0123456789abcdef0123456789abcdef"}
        with pytest.raises(oxide.OpenApiException) as caught:
            scene.images.image_list(**arguments)
        assert "0123456789abcdef" not in str(caught.value)

    @pytest.mark.parametrize(
        ("parameter", "value", "arrives"),
        [
            ("limit", _HostileNumber(5), "5"),
            ("page_token", _HostileText("token"), "token"),
            ("project", _HostileText("my-project"), "my-project"),
            ("project", _HostileText("My-Project"), None),
            ("project", _HostileText(str(ID).upper()), str(ID)),
            ("project", oxide.NameOrId(_HostileText("my-project")), "my-project"),
            ("sort_by", _HostileText("id_ascending"), "id_ascending"),
        ],
        ids=str,
    )
    def test_methods_that_a_str_subclass_overrides_do_not_change_what_is_sent(
        self, module_scene: Scene, parameter: str, value: Any, arrives: str | None
    ) -> None:
        module_scene.respond_with(200, PAGE)
        try:
            module_scene.images.image_list(**{parameter: value})
        except oxide.ApiValueError:
            module_scene.simulator.clear_faults()
            assert arrives is None
        else:
            assert module_scene.last.query == {parameter: arrives}

    def test_a_body_made_of_str_subclasses_has_their_characters(self, module_scene: Scene) -> None:
        module_scene.respond_with(201, IMAGE)
        source = {"id": _HostileText(str(ID).upper())}
        new: dict[str, Any] = {**NEW_IMAGE, "name": _HostileText("debian-13"), "source": source}
        module_scene.images.image_create(new)
        sent = json.loads(module_scene.last.body)
        assert (sent["name"], sent["source"]["id"]) == ("debian-13", str(ID))
        bad: dict[str, Any] = {**new, "name": _HostileText("Debian 13")}
        with pytest.raises(oxide.ApiValueError, match="name: "):
            module_scene.images.image_create(bad)

    @given(token=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
    def test_any_page_token_arrives_unchanged(self, module_scene: Scene, token: str) -> None:
        module_scene.respond_with(200, PAGE)
        module_scene.images.image_list(page_token=token)
        assert module_scene.last.query == {"page_token": token}

    @pytest.mark.parametrize(
        ("parameter", "value", "error"),
        [
            ("limit", 0, oxide.ApiValueError),
            ("limit", -1, oxide.ApiValueError),
            ("limit", 2**32, oxide.ApiValueError),
            pytest.param("limit", 10**5000, oxide.ApiValueError, id="huge"),
            ("limit", "10", oxide.ApiTypeError),
            ("limit", 10.0, oxide.ApiTypeError),
            ("limit", True, oxide.ApiTypeError),
            ("page_token", "", oxide.ApiValueError),
            ("page_token", "\ud800", oxide.ApiValueError),
            pytest.param("page_token", "t" * 8193, oxide.ApiValueError, id="long token"),
            ("page_token", b"abc", oxide.ApiTypeError),
            ("page_token", 5, oxide.ApiTypeError),
            ("sort_by", "name", oxide.ApiValueError),
            ("sort_by", "", oxide.ApiValueError),
            ("sort_by", "NAME_ASCENDING", oxide.ApiValueError),
            ("sort_by", oxide.BlockSize.NUMBER_512, oxide.ApiTypeError),
            ("sort_by", 0, oxide.ApiTypeError),
        ],
    )
    @pytest.mark.parametrize("form", FORMS)
    def test_any_other_list_parameter_is_refused_before_it_is_sent(
        self, scene: Scene, form: str, parameter: str, value: object, error: type[Exception]
    ) -> None:
        with pytest.raises(error, match=f"^{parameter}: "):
            scene.call("image_list", form, **{parameter: value})
        assert scene.requests == []


class TestBodies:
    @pytest.mark.parametrize("form", FORMS)
    def test_a_model_and_an_equal_dict_send_the_same_body(self, scene: Scene, form: str) -> None:
        model = oxide.ImageCreate.from_dict(NEW_IMAGE)
        source = NEW_IMAGE["source"]
        bodies = [
            NEW_IMAGE,
            MappingProxyType(NEW_IMAGE),
            {**NEW_IMAGE, "source": oxide.ImageSource.from_dict(source)},
            {**NEW_IMAGE, "source": {"id": UUID(source["id"])}},
            {**NEW_IMAGE, "source": {**source, "id": f"{{{source['id'].upper()}}}"}},
            model,
            model.to_dict(),
            oxide.ImageCreate.from_json(json.dumps(NEW_IMAGE)),
            oxide.ImageCreate.model_construct(**NEW_IMAGE),
            model.model_copy(update={"source": {"id": source["id"]}}),
        ]
        for body in bodies:
            scene.respond_with(201, IMAGE)
            scene.call("image_create", form, body)
            assert json.loads(scene.last.body) == NEW_IMAGE

    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"name": "Bad"}, "name: name must begin with"),
            ({"name": str(ID)}, "name: name cannot be a UUID"),
            ({"name": 5}, "name: "),
            ({"name": None}, "name: "),
            ({"description": "x" * 513}, "description: "),
            ({"description": b"golden"}, "description: "),
            ({"description": "\ud800"}, "description: "),
            ({"os": "x" * 65}, "os: "),
            ({"version": "x" * 65}, "version: "),
            ({"version": 13}, "version: "),
            ({"source": None}, "source: "),
            ({"source": "my-snapshot"}, "source: "),
            ({"source": {"type": "snapshot"}}, "source.id: "),
            ({"source": {"type": "snapshot", "id": "my-snapshot"}}, "source.id: "),
            ({"source": {"type": "snapshot", "id": b"sixteen bytes ..."[:16]}}, "source.id: "),
            ({"source": {"type": "snapshot", "id": 5}}, "source.id: "),
            ({"source": {"type": "url", "id": str(ID)}}, "source.type: "),
            ({"source": {"type": "snapshot", "id": str(ID), "url": ""}}, "source.url: "),
        ],
        ids=repr,
    )
    def test_every_validation_error_names_its_field(
        self, module_scene: Scene, form: str, changes: dict[str, Any], field: str
    ) -> None:
        before = len(module_scene.requests)
        body = {**NEW_IMAGE, **changes}
        source = body["source"]
        built = {
            **body,
            "source": oxide.ImageSource.model_construct(**source) if isinstance(source, dict) else source,
        }
        bodies: list[Any] = [body, MappingProxyType(body), oxide.ImageCreate.model_construct(**body)]
        if field != "source.url: ":
            # `model_construct` drops what a model has no field for.
            bodies += [built, oxide.ImageCreate.model_construct(**built)]
        for wrong in bodies:
            with pytest.raises(oxide.ApiValueError, match=f"^image_create: {field}") as caught:
                module_scene.call("image_create", form, wrong)
            assert len(str(caught.value).splitlines()) == 1
            assert caught.value.__context__ is None
        assert len(module_scene.requests) == before

    def test_a_misspelled_field_of_a_copy_is_refused(self, scene: Scene) -> None:
        copied = oxide.ImageCreate.from_dict(NEW_IMAGE).model_copy(update={"nmae": "other"})
        with pytest.raises(oxide.ApiValueError, match=r"^image_create: nmae: "):
            scene.images.image_create(copied)
        assert scene.requests == []

    def test_all_invalid_fields_are_named_at_once(self, scene: Scene) -> None:
        with pytest.raises(oxide.ApiValueError) as caught:
            scene.images.image_create({"name": "Bad", "size": 5, "source": {}})
        named = {
            part.partition(":")[0] for part in str(caught.value).removeprefix("image_create: ").split("; ")
        }
        assert named == {"name", "size", "source.id", "description", "os", "version"}

    @pytest.mark.parametrize("body", [None, "debian-13", b"{}", 5, [NEW_IMAGE], oxide.Image.from_dict(IMAGE)])
    @pytest.mark.parametrize("form", FORMS)
    def test_a_body_of_another_type_is_refused(self, scene: Scene, form: str, body: object) -> None:
        with pytest.raises(oxide.ApiTypeError, match="image_create: expected ImageCreate or a dict"):
            scene.call("image_create", form, body)
        assert scene.requests == []

    def test_text_in_any_script_arrives_unchanged(self, scene: Scene) -> None:
        texts = {"description": "ünï¢ødé 😀 \0\n\"'", "os": "Ж" * 64, "version": "漢" * 64}
        scene.respond_with(201, IMAGE)
        scene.images.image_create(scene.new_image(**texts))
        assert {name: json.loads(scene.last.body)[name] for name in texts} == texts
