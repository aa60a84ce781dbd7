"""Tests of the two derived forms of a method: they are as good as if they were written by hand."""

import copyreg
import inspect
import pickle
import traceback
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, get_type_hints

import pytest
from core_support import BY_NAME, FORMS, Scene, api_with, method_of, open_scene

import oxide
from oxide._operations import OPERATIONS
from oxide.testing import Simulator

DERIVED = FORMS[1:]
METHODS = [(operation.id, form) for operation in OPERATIONS for form in DERIVED]
EACH = pytest.mark.parametrize(("name", "form"), METHODS)


@pytest.fixture
def scene() -> Iterator[Scene]:
    with open_scene() as scene:
        yield scene


@EACH
class TestSignature:
    def test_a_derived_form_has_its_own_name_and_module(self, name: str, form: str) -> None:
        method = getattr(api_with(name), name + form)
        assert (method.__name__, method.__qualname__) == (
            name + form,
            f"{api_with(name).__name__}.{name}{form}",
        )
        assert method.__module__ == api_with(name).__module__

    def test_a_derived_form_has_the_plain_signature_with_another_result(self, name: str, form: str) -> None:
        plain, derived = getattr(api_with(name), name), getattr(api_with(name), name + form)
        hints = get_type_hints(derived)
        of_plain = get_type_hints(plain)
        of_response: Any = oxide.ApiResponse
        result = of_plain.pop("return")
        result = oxide.RESTResponse if form == "_without_preload_content" else of_response[result]
        assert inspect.signature(derived).return_annotation == hints.pop("return")
        assert hints == of_plain
        expected = inspect.signature(plain).replace(
            return_annotation=inspect.signature(derived).return_annotation
        )
        assert inspect.signature(derived) == expected
        assert get_type_hints(derived)["return"] in {result, of_response[None]}

    def test_the_docstring_of_a_derived_form_names_the_plain_form(self, name: str, form: str) -> None:
        doc = getattr(api_with(name), name + form).__doc__
        assert doc.startswith(f"Do as `{name}`, and return ")
        assert "\n" not in doc

    def test_a_derived_form_pickles_bound_and_unbound(
        self, name: str, form: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A bound method pickles if the program defines how to make its API again, since a client does not pickle."""
        api = api_with(name)
        unbound = getattr(api, name + form)
        assert pickle.loads(pickle.dumps(unbound)) is unbound
        monkeypatch.setitem(copyreg.dispatch_table, api, lambda _: (api, ()))
        again = pickle.loads(pickle.dumps(method_of(oxide.ApiClient(), name, form)))
        assert again.__func__ is unbound
        assert type(again.__self__) is api

    def test_wrong_arguments_raise_a_type_error_that_names_the_plain_form(self, name: str, form: str) -> None:
        method = method_of(oxide.ApiClient(), name, form)
        with pytest.raises(TypeError, match=rf"^\w+Api\.{name}\(\) (missing|takes) "):
            method(*(["x"] * 9))


@EACH
@pytest.mark.parametrize("by_name", [True, False])
def test_a_derived_form_sends_the_same_request_as_the_plain_form(
    scene: Scene, name: str, form: str, by_name: bool
) -> None:
    arguments = BY_NAME[name].arguments
    for each in ("", form):
        scene.respond_with(200, b"{}")
        with suppress(oxide.ApiResponseError):
            if by_name:
                scene.call(name, each, **arguments, _headers={"x-job": "nightly"})
            else:
                scene.call(name, each, *arguments.values(), _headers={"x-job": "nightly"})
    plain, derived = scene.requests
    assert (derived.method, derived.target, derived.body) == (plain.method, plain.target, plain.body)
    assert derived.headers == plain.headers
    assert derived.headers["x-job"] == "nightly"


@pytest.mark.parametrize("form", DERIVED)
class TestBehaviour:
    def test_the_traceback_of_a_failed_call_shows_only_the_public_method(
        self, scene: Scene, form: str
    ) -> None:
        with pytest.raises(oxide.ApiValueError) as caught:
            scene.call("image_view", form, "Not a name")
        shown = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
        assert shown[-1] == "image_view" + form
        assert shown[-2] == "call"

    @pytest.mark.parametrize(
        "options",
        [
            {"_request_auth": "s3cret of mine"},
            {"options": "s3cret"},
            {"token": "s3cret"},
            {"_headers": {"Authorization": "s3cret\n"}},
        ],
    )
    def test_no_frame_holds_a_secret_in_plain_text(
        self, scene: Scene, form: str, options: dict[str, Any]
    ) -> None:
        method = getattr(scene.images, "image_view" + form)
        with pytest.raises(oxide.OpenApiException) as caught:
            method("x", **options)
        entry = caught.value.__traceback__
        while entry is not None:
            if "oxide" in str(entry.tb_frame.f_globals.get("__package__")):
                assert "s3cret" not in repr(entry.tb_frame.f_locals)
            entry = entry.tb_next

    def test_overriding_the_plain_form_does_not_change_a_derived_form(self, scene: Scene, form: str) -> None:
        class Mine(oxide.ImagesApi):
            def image_view(self, *args: Any, **kwargs: Any) -> Any:
                raise AssertionError

        scene.simulator.create_image("there")
        method = getattr(Mine(scene.images.api_client), "image_view" + form)
        response = method("there")
        assert (response.status if form == "_without_preload_content" else response.status_code) == 200
        if form == "_without_preload_content":
            response.close()


def test_a_call_inside_a_token_callable_of_another_form_shows_both_methods() -> None:
    with Simulator() as simulator:
        inner = oxide.ImagesApi(oxide.ApiClient(simulator.configuration()))

        def token() -> str:
            return inner.image_view_with_http_info("no-such-image").data.name

        outer = oxide.ImagesApi(oxide.ApiClient(simulator.configuration(access_token=token)))
        for call in (outer.image_list_with_http_info, lambda: next(outer.image_list_iter())):
            with pytest.raises(oxide.NotFoundException) as caught:
                call()
            shown = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
            assert shown[-2:] == ["token", "image_view_with_http_info"]
            assert shown[-3] in {"image_list_with_http_info", "__next__"}


class Wrapped(oxide.ImagesApi):
    """An extension of an API, as in a wrapper SDK."""

    def image_view_with_http_info(self, *args: Any, **kwargs: Any) -> Any:
        """Count, then do as the client does."""
        self.count = getattr(self, "count", 0) + 1
        return super().image_view_with_http_info(*args, **kwargs)


def test_a_derived_form_can_be_extended_by_a_subclass(scene: Scene) -> None:
    scene.simulator.create_image("there")
    wrapped = Wrapped(scene.images.api_client)
    assert wrapped.image_view_with_http_info("there").data.name == "there"
    assert wrapped.count == 1
