"""The errors that calls raise: their class, their attributes, and their text on one line."""

import builtins
import copy
import json
import pickle
import re
from typing import Any

import pytest
from core_support import BY_NAME, CONTRACTS, FORMS, IMAGE, PAGE, Scene, open_scene
from hypothesis import example, given
from hypothesis import strategies as st

import oxide
from oxide import exceptions
from oxide.testing import Truncate

BODY = {
    "request_id": "8d3a7c5e-0d0a-4e5f-9a43-0a8f5f1b7f11",
    "error_code": "SomeCode",
    "message": "what is wrong",
}
CLASSES: dict[int, type[oxide.ApiException]] = {
    300: oxide.RedirectException,
    301: oxide.RedirectException,
    302: oxide.RedirectException,
    304: oxide.RedirectException,
    308: oxide.RedirectException,
    399: oxide.RedirectException,
    400: oxide.BadRequestException,
    401: oxide.UnauthorizedException,
    402: oxide.ApiException,
    403: oxide.ForbiddenException,
    404: oxide.NotFoundException,
    405: oxide.ApiException,
    409: oxide.ConflictException,
    410: oxide.ApiException,
    413: oxide.ApiException,
    418: oxide.ApiException,
    422: oxide.UnprocessableEntityException,
    429: oxide.TooManyRequestsException,
    499: oxide.ApiException,
    500: oxide.ServiceException,
    501: oxide.ServiceException,
    502: oxide.ServiceException,
    503: oxide.ServiceException,
    504: oxide.ServiceException,
    507: oxide.ServiceException,
    599: oxide.ServiceException,
}
MOST_BYTES = 1200
"""What `str()` of an error may take: about 1 KB, and a fixed hint."""


def raised(scene: Scene, name: str = "image_view", form: str = "", **changes: Any) -> Any:
    """Return the error of a call, after the checks that apply to every error with a response."""
    with pytest.raises(oxide.ApiException) as caught:
        scene.call(name, form, **{**BY_NAME[name].arguments, **changes})
    error = caught.value
    assert error.operation == name
    assert error.method == scene.last.method == BY_NAME[name].method
    assert error.url == scene.simulator.url + scene.last.target
    assert error.outcome == "answered"
    assert [(attempt.number, attempt.status) for attempt in error.attempts] == [(1, error.status)]
    assert error.__cause__ is None
    assert error.__context__ is None
    assert_one_line(error)
    return error


def assert_class(error: object, cls: type) -> None:
    assert type(error) is cls


def as_bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def assert_one_line(error: oxide.ApiException) -> None:
    for text in (str(error), repr(error)):
        assert text.isprintable()
        assert len(text.encode()) < MOST_BYTES
    assert str(error) in repr(error)


class TestServiceErrors:
    """Errors of the simulator itself, with the bodies of the real service."""

    @pytest.mark.parametrize("form", ["", "_with_http_info"])
    @pytest.mark.parametrize(
        ("name", "changes", "cls", "code", "message"),
        [
            (
                "image_promote",
                {"image": "there", "project": None},
                oxide.BadRequestException,
                "InvalidRequest",
                "Cannot promote a silo image",
            ),
            ("image_list", {}, oxide.BadRequestException, None, "unable to parse query string"),
            (
                "image_create",
                {"image_create": "there"},
                oxide.ObjectAlreadyExists,
                "ObjectAlreadyExists",
                'image "there"',
            ),
            (
                "image_demote",
                {"image": "there"},
                oxide.ObjectAlreadyExists,
                "ObjectAlreadyExists",
                'image "there"',
            ),
            (
                "image_promote",
                {"image": "there"},
                oxide.ObjectAlreadyExists,
                "ObjectAlreadyExists",
                'image "there"',
            ),
            (
                "image_view",
                {},
                oxide.NotFoundException,
                "ObjectNotFound",
                "not found: project-image with name",
            ),
            (
                "image_delete",
                {"project": None},
                oxide.NotFoundException,
                "ObjectNotFound",
                "silo-image with name",
            ),
            (
                "image_promote",
                {"project": "no"},
                oxide.NotFoundException,
                "ObjectNotFound",
                'project with name "no"',
            ),
            ("image_create", {"_request_auth": "viewer"}, oxide.ForbiddenException, "Forbidden", "Forbidden"),
            (
                "image_view",
                {"_request_auth": "oxide-token-00"},
                oxide.UnauthorizedException,
                "Unauthorized",
                "invalid",
            ),
            (
                "image_demote",
                {"_request_auth": "other"},
                oxide.UnauthorizedException,
                "Unauthorized",
                "missing or",
            ),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_each_kind_of_error_has_its_class_code_and_message(
        self,
        scene: Scene,
        form: str,
        name: str,
        changes: dict[str, Any],
        cls: type[oxide.ApiException],
        code: str | None,
        message: str,
    ) -> None:
        scene.simulator.create_image("there", project="my-project")
        scene.simulator.create_image("there")
        if changes.get("_request_auth") == "viewer":
            changes = {
                "_request_auth": scene.simulator.create_user("v", project_roles={"my-project": "viewer"})
            }
        if name == "image_create":
            changes = {**changes, "image_create": scene.new_image(name=changes.get("image_create", "new"))}
        error = raised(scene, name, form, **changes)
        assert_class(error, cls)
        assert (error.error_code, message in error.message) == (code, True)
        assert isinstance(error.data, oxide.Error)
        document = json.loads(scene.last.answer)
        assert error.data.to_dict() == document
        assert error.body == scene.last.answer.decode()
        assert error.message == document["message"]
        assert error.request_id == document["request_id"] == error.headers["X-Request-ID"]
        assert error.status == scene.last.status
        shown = str(error)
        assert shown.startswith(
            f"{error.status} {code or error.reason}: {error.message} ({error.method} {scene.last.target}, "
        )
        assert f"request id {error.request_id}" in shown


class TestStatus:
    @pytest.mark.parametrize(("status", "cls"), CLASSES.items())
    def test_the_status_decides_the_class_of_the_error(
        self, module_scene: Scene, status: int, cls: type[oxide.ApiException]
    ) -> None:
        for contract in CONTRACTS:
            for form in ("", "_with_http_info"):
                for body in (BODY, b"", "<html>\n<body>nope</body></html>", b"\xff\xfe", "null", "[]", '"x"'):
                    module_scene.respond_with(status, body)
                    error = raised(module_scene, contract.name, form)
                    assert_class(error, cls)
                    assert error.status == status
                    # In HTTP, a 304 has no body, whatever the fault has.
                    assert (error.error_code == "SomeCode") is (body is BODY and status != 304)

    @pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
    def test_no_status_is_raised_without_preload_content(self, module_scene: Scene, contract: Any) -> None:
        for status in CLASSES:
            module_scene.respond_with(status, BODY, x_request_id="r-1")
            with module_scene.call(contract.name, FORMS[2], **contract.arguments) as response:
                assert response.status == status
                assert response.headers["x-request-id"] == "r-1"
                assert status == 304 or response.json() == BODY

    def test_the_error_code_object_already_exists_selects_its_class(self, module_scene: Scene) -> None:
        taken = {**BODY, "error_code": "ObjectAlreadyExists"}
        module_scene.respond_with(400, taken)
        error = raised(module_scene)
        assert_class(error, oxide.ObjectAlreadyExists)
        assert isinstance(error, oxide.BadRequestException)
        for status in (404, 409, 500):
            module_scene.respond_with(status, taken)
            assert type(raised(module_scene)) is CLASSES[status]
        for code in ("objectalreadyexists", "ObjectAlreadyExists2", "", None, 5, ["ObjectAlreadyExists"]):
            module_scene.respond_with(400, {**BODY, "error_code": code})
            assert type(raised(module_scene)) is oxide.BadRequestException

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    @pytest.mark.parametrize("name", ["image_delete", "image_list"])
    def test_a_redirect_is_not_followed_and_names_its_target(
        self, scene: Scene, name: str, status: int
    ) -> None:
        scene.respond_with(status, b"", location="https://elsewhere.example/v1/images")
        error = raised(scene, name)
        assert_class(error, oxide.RedirectException)
        assert error.location == "https://elsewhere.example/v1/images"
        assert "redirect to https://elsewhere.example/v1/images" in str(error)
        assert "make it the host" in str(error)
        assert len(scene.requests) == 1

    def test_a_redirect_without_a_target_has_no_location(self, scene: Scene) -> None:
        scene.respond_with(302)
        error = raised(scene)
        assert error.location is None
        assert "redirect without a target" in str(error)
        assert oxide.RedirectException(302).location is None

    def test_the_error_of_a_rack_that_is_too_old_says_what_to_set(self, scene: Scene) -> None:
        message = "server does not support this API version: 2025112000.0.0"
        scene.respond_with(400, {"request_id": "r-1", "message": message})
        assert str(raised(scene)).endswith("set an older one, or None")

    @pytest.mark.parametrize(("status", "shown"), [(429, "7"), (503, "7"), (404, "7")])
    def test_retry_after_is_read_and_shown(self, scene: Scene, status: int, shown: str) -> None:
        scene.respond_with(status, BODY, retry_after="7")
        error = raised(scene)
        assert error.retry_after == 7.0
        assert "retry after 7 s" in str(error)
        for garbage in ("soon", "-1", ".5", "7 s", ""):
            scene.respond_with(status, BODY, retry_after=garbage)
            assert raised(scene).retry_after is None


class TestBodies:
    def test_code_message_and_request_id_come_from_the_body(self, scene: Scene) -> None:
        text = json.dumps(BODY, indent=2)
        scene.respond_with(404, text, x_request_id="of-the-header", x_other="5")
        error = raised(scene)
        assert (error.error_code, error.message) == ("SomeCode", "what is wrong")
        assert error.request_id == BODY["request_id"]
        assert error.body == text
        assert error.data == oxide.Error.from_dict(BODY)
        assert error.headers["X-OTHER"] == "5"
        assert error.reason == "Not Found"
        assert str(error) == (
            f"404 SomeCode: what is wrong (GET {scene.last.target}, request id {BODY['request_id']})"
        )

    def test_unknown_fields_of_an_error_are_in_its_data(self, scene: Scene) -> None:
        scene.respond_with(500, {**BODY, "details": {"retry": False}})
        assert raised(scene).data.details == {"retry": False}

    @pytest.mark.parametrize(
        "text", [json.dumps(BODY), json.dumps(BODY, indent=2)], ids=["compact", "pretty"]
    )
    def test_a_truncated_body_yields_its_complete_values_and_the_beginning_of_the_message(
        self, module_scene: Scene, text: str
    ) -> None:
        for cut in range(len(text)):
            module_scene.respond_with(400, text[:cut], x_request_id="of-the-header")
            error = raised(module_scene)
            assert_class(error, oxide.BadRequestException)
            assert error.body == text[:cut]
            assert error.error_code == ("SomeCode" if '"SomeCode"' in text[:cut] else None)
            whole_id = f'"{BODY["request_id"]}"' in text[:cut]
            assert error.request_id == (BODY["request_id"] if whole_id else "of-the-header")
            _, key, message = text[:cut].partition('"message": "')
            assert error.message == (message.partition('"')[0] if key else None)
            assert (error.data is not None) is (f'"{BODY["message"]}"' in text[:cut])

    def test_a_connection_lost_within_an_error_body_still_raises_that_error(self, scene: Scene) -> None:
        scene.simulator.fail_next(Truncate(80))
        error = raised(scene)
        assert_class(error, oxide.NotFoundException)
        assert len(error.body) == 80
        assert error.request_id == error.headers["x-request-id"]

    @pytest.mark.parametrize(
        ("body", "message", "request_id"),
        [
            ({"message": "only this"}, "only this", "of-the-header"),
            ({"request_id": "r-2"}, None, "r-2"),
            ({"message": 5, "request_id": None, "error_code": {}}, None, "of-the-header"),
            ({"error": {"message": "foreign"}}, None, "of-the-header"),
            ({"message": "", "request_id": ""}, "", "of-the-header"),
            ([BODY], None, "of-the-header"),
            ("<html><title>502 Bad Gateway</title>", None, "of-the-header"),
            ("[" * 100_000, None, "of-the-header"),
            (b"", None, "of-the-header"),
        ],
        ids=lambda body: str(body)[:30] if body else "",
    )
    def test_an_error_body_from_elsewhere_is_kept_as_far_as_it_can_be_read(
        self, scene: Scene, body: object, message: str | None, request_id: str
    ) -> None:
        scene.respond_with(502, body, x_request_id="of-the-header")
        error = raised(scene)
        assert_class(error, oxide.ServiceException)
        assert (error.message, error.request_id, error.error_code) == (message, request_id, None)
        assert error.reason == "Bad Gateway"
        assert str(error).startswith(
            f"502 Bad Gateway{f': {message}' if message else ''} (GET {scene.last.target}, "
        )

    def test_a_body_that_is_not_text_is_kept_as_bytes(self, scene: Scene) -> None:
        scene.respond_with(500, b'{"message": "\xff"}')
        assert raised(scene).body == b'{"message": "\xff"}'

    @pytest.mark.parametrize("character", ["x", "漢"])
    def test_the_first_mebibyte_of_a_huge_error_body_is_kept(self, scene: Scene, character: str) -> None:
        text = character * 3_000_000
        scene.respond_with(500, text)
        error = raised(scene)
        assert text.startswith(error.body)
        assert 2**20 - 4 < len(error.body.encode()) <= 2**20

    def test_an_error_body_is_kept_up_to_max_response_bytes(self) -> None:
        with open_scene(max_response_bytes=1000) as scene:
            scene.respond_with(500, "x" * 5000)
            assert raised(scene).body == "x" * 1000

    @given(status=st.integers(300, 599), body=st.binary(max_size=60) | st.text(max_size=60).map(json.dumps))
    @example(status=400, body=b'{"error_code": "ObjectAlreadyExists", "message": "\xff')
    @example(status=500, body="cut within the last character: 漢".encode()[:-1])
    def test_any_refusal_raises_the_error_of_its_status(
        self, module_scene: Scene, status: int, body: str | bytes
    ) -> None:
        module_scene.respond_with(status, body)
        error = raised(module_scene)
        assert error.status == status
        assert issubclass(type(error), CLASSES.get(status, CLASSES[status // 100 * 100 + 99]))
        if status != 304:
            # The last bytes may be a part of a character, as in a truncated response.
            kept = as_bytes(error.body)
            assert as_bytes(body).startswith(kept)
            assert len(as_bytes(body)) - len(kept) < 4
        twin = pickle.loads(pickle.dumps(error))
        assert (type(twin), str(twin), twin.body) == (type(error), str(error), error.body)


def without(field: str, document: Any = IMAGE) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != field}


def page(*items: Any) -> dict[str, Any]:
    return {"items": [IMAGE, *items], "next_page": None}


class TestUndecodableResponses:
    """A 2xx response whose body is not the expected result."""

    @pytest.mark.parametrize(
        ("name", "body", "problem"),
        [
            ("image_view", without("version"), "unreadable Image: version: missing"),
            ("image_create", without("id"), "unreadable Image: id: missing"),
            ("image_demote", without("size"), "unreadable Image: size: missing"),
            ("image_promote", without("name"), "unreadable Image: name: missing"),
            ("image_view", {**IMAGE, "name": None}, "Image: name: Input should be a valid string"),
            ("image_view", {**IMAGE, "digest": {"type": 5}}, "Image: digest.type: Input should be"),
            (
                "image_view",
                {**IMAGE, "time_created": "2026-01-01T00:00:00"},
                "time_created: Input should have timezone",
            ),
            ("image_view", [IMAGE], "unreadable Image: Input should be an object"),
            ("image_view", "null", "unreadable Image: Input should be an object"),
            ("image_view", "{}", "unreadable Image: block_size: missing"),
            (
                "image_list",
                page(IMAGE, IMAGE, without("version")),
                "ImageResultsPage: items[3].version: missing",
            ),
            ("image_list", page({**IMAGE, "digest": {}}), "ImageResultsPage: items[1].digest.type: missing"),
            ("image_list", page(5), "ImageResultsPage: items[1]: Input should be an object"),
            ("image_list", {"next_page": None}, "unreadable ImageResultsPage: items: missing"),
            (
                "image_list",
                {**PAGE, "next_page": 5},
                "ImageResultsPage: next_page: Input should be a valid string",
            ),
            ("image_view", b"", "unreadable Image: the body is empty"),
            ("image_list", b"", "unreadable ImageResultsPage: the body is empty"),
            (
                "image_view",
                "<html>\n<b>log in</b>",
                "the body is not JSON (text/x-odd): '<html>\\n<b>log in</b>'",
            ),
            ("image_view", json.dumps(IMAGE)[:-5], "unreadable Image: the body is not JSON (text/x-odd): "),
            ("image_view", "[" * 100_000, "unreadable Image: the body is not JSON (text/x-odd): '[[["),
            ("image_view", b"\xff\xfe", "the body is not JSON (text/x-odd): b'\\xff\\xfe'"),
            ("image_view", json.dumps(IMAGE).encode("utf-16"), "unreadable Image: the body is not JSON ("),
        ],
        ids=lambda value: value[:40] if isinstance(value, str) else "",
    )
    @pytest.mark.parametrize("form", ["", "_with_http_info"])
    def test_the_error_names_the_field_and_keeps_the_response(
        self, scene: Scene, form: str, name: str, body: Any, problem: str
    ) -> None:
        scene.respond_with(203, body, x_request_id="r-1", content_type="text/x-odd")
        error = raised(scene, name, form)
        assert_class(error, oxide.ApiResponseError)
        assert issubclass(oxide.ApiResponseError, ValueError)
        assert problem in str(error)
        assert problem in error.message
        assert len(error.message) < 600
        assert (error.status, error.reason, error.request_id) == (
            203,
            "Non-Authoritative Information",
            "r-1",
        )
        assert error.headers["content-type"] == "text/x-odd"
        assert error.data is None
        assert as_bytes(error.body) == as_bytes(body if isinstance(body, str | bytes) else json.dumps(body))

    def test_the_error_says_that_a_response_has_no_content_type(self, scene: Scene) -> None:
        scene.respond_with(200, "plain")
        assert "not JSON (no content type): 'plain'" in str(raised(scene))

    @pytest.mark.parametrize("status", [200, 201, 202, 204, 205, 299])
    @pytest.mark.parametrize(
        "name", ["image_create", "image_demote", "image_list", "image_promote", "image_view"]
    )
    def test_a_typed_call_never_returns_none(self, scene: Scene, name: str, status: int) -> None:
        scene.respond_with(status, b"")
        error = raised(scene, name)
        assert_class(error, oxide.ApiResponseError)
        assert (error.status, error.body) == (status, "")

    @given(body=st.binary(max_size=40) | st.recursive(st.none() | st.integers(), st.lists).map(json.dumps))
    def test_any_body_that_is_not_an_image_raises_this_error(
        self, module_scene: Scene, body: str | bytes
    ) -> None:
        module_scene.respond_with(200, body)
        assert type(raised(module_scene)) is oxide.ApiResponseError


def every_class() -> list[type[Exception]]:
    return [
        value
        for value in vars(exceptions).values()
        if isinstance(value, type) and issubclass(value, oxide.OpenApiException)
    ]


ANSWERED = [cls for cls in every_class() if issubclass(cls, oxide.ApiException)]
texts = st.none() | st.text(st.characters(), max_size=30) | st.text(min_size=1).map(lambda text: text * 2000)


class TestText:
    @given(
        cls=st.sampled_from(ANSWERED),
        status=st.none() | st.integers(100, 599),
        reason=texts,
        code=texts,
        message=texts,
        request_id=texts,
        operation=st.none() | st.sampled_from([contract.name for contract in CONTRACTS]),
        outcome=st.sampled_from(["not sent", "unknown", "answered"]),
        retry_after=st.none() | st.floats(0, 1e9),
    )
    def test_str_of_any_error_is_one_short_line(
        self,
        cls: type[oxide.ApiException],
        status: int | None,
        reason: str | None,
        code: str | None,
        message: str | None,
        request_id: str | None,
        operation: str | None,
        outcome: Any,
        retry_after: float | None,
    ) -> None:
        error = cls(
            status,
            reason,
            error_code=code,
            message=message,
            request_id=request_id,
            operation=operation,
            outcome=outcome,
            retry_after=retry_after,
            headers={"set-cookie": "not-to-be-shown"},
            body="nor this",
        )
        assert_one_line(error)
        assert str(status or "") in str(error)
        assert (operation or "") in str(error)
        assert "not-to-be-shown" not in str(error)
        assert "nor this" not in str(error)
        if request_id and request_id.isascii() and request_id.isalnum() and len(request_id) < 50:
            assert f"request id {request_id}" in str(error)
        if outcome == "unknown":
            assert "the server may have acted" in str(error)

    def test_the_parts_of_the_line_have_a_fixed_order(self) -> None:
        attempt = oxide.Attempt("image_view", "GET", "/", 1, "answered", 503, None, None, 0.1, None)
        error = oxide.ServiceException(
            503,
            "Service Unavailable",
            error_code="ServiceNotAvailable",
            message="later",
            operation="image_view",
            request_id="r-1",
            attempts=(attempt, attempt),
            retry_after=1.5,
        )
        assert str(error) == (
            "503 ServiceNotAvailable: later (image_view, request id r-1, the server may have acted, 2 attempts, retry after 1.5 s)"
        )
        assert repr(error) == f"<ServiceException: {error}>"

    def test_str_of_an_error_without_details_is_its_class_or_status(self) -> None:
        assert str(oxide.ApiException()) == "ApiException"
        assert str(oxide.ApiException(404)) == "404"
        assert str(oxide.ApiConnectionError(None, "refused")) == "refused"


class TestClassTree:
    def test_the_class_tree_matches_the_docstring(self) -> None:
        above: list[type] = []
        drawn = []
        for line in (exceptions.__doc__ or "").splitlines():
            found = re.match(r" {4}([ │]*(?:[├└]── )?)(\w+)(?: \((\w+)\))?( {2,}|$)", line)
            if found is None:
                continue
            cls = getattr(exceptions, found[2])
            depth = len(found[1]) // 4
            parent = above[depth - 1] if depth else Exception
            bases = (parent, getattr(builtins, found[3])) if found[3] else (parent,)
            assert cls.__bases__ == bases
            above[depth:] = [cls]
            drawn.append(cls)
        assert sorted(map(repr, drawn)) == sorted(map(repr, every_class()))
        assert len(drawn) == 21

    def test_the_docstring_of_each_exception_says_what_to_do(self) -> None:
        for cls in every_class():
            assert (cls.__doc__ or "").strip().endswith("."), cls

    @pytest.mark.parametrize("cls", every_class(), ids=lambda cls: cls.__name__)
    @pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))])
    def test_each_exception_pickles_and_copies(self, cls: Any, duplicate: Any) -> None:
        if cls not in ANSWERED:
            of_upload = {"step": "write", "journal": "/journal"} if cls is oxide.UploadError else {}
            error = cls("what is wrong", **of_upload)
            twin = duplicate(error)
            assert (type(twin), twin.args, str(twin)) == (cls, error.args, str(error))
            return
        error = cls(
            404,
            "Not Found",
            body="{}",
            data=oxide.Error.from_dict(BODY),
            headers={"x-request-id": "r-1"},
            error_code="SomeCode",
            message="what is wrong",
            request_id="r-1",
            operation="image_view",
            method="GET",
            url="http://localhost/v1/images/a",
            outcome="unknown",
            attempts=(oxide.Attempt("image_view", "GET", "/", 1, "unknown", None, None, "x", 0.1, None),),
            retry_after=5.0,
            hint="do this",
        )
        twin = duplicate(error)
        assert type(twin) is cls
        assert twin.args == error.args == ("Not Found",)
        assert vars(twin) == vars(error)
        assert str(twin) == str(error)

    def test_the_error_of_a_call_pickles_with_all_its_attributes(self, scene: Scene) -> None:
        for name, body in (("image_view", b""), ("image_list", BODY)):
            scene.respond_with(200 if name == "image_view" else 404, body, x_one="1")
            error = raised(scene, name)
            twin = pickle.loads(pickle.dumps(error))
            assert type(twin) is type(error)
            assert twin.headers["X-One"] == "1"
            assert {**vars(twin), "headers": 0} == {**vars(error), "headers": 0}

    def test_a_program_can_raise_exceptions_as_with_a_generated_client(self) -> None:
        error = oxide.ApiException(status=418, reason="I'm a teapot", body="short", data={"stout": True})
        assert (error.status, error.reason, error.body, error.data) == (
            418,
            "I'm a teapot",
            "short",
            {"stout": True},
        )
        assert error.headers is None
        assert oxide.ApiException(0, "why").args == ("why",)
