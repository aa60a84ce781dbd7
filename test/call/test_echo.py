"""A token that was sent is masked wherever the server sends it back."""

import base64
import html
import json
import logging
import pickle
import re
import traceback
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transport.fault_server import FaultServer, request, send

import oxide
from oxide._call.echo import Echo
from oxide._identity.secrets import MASK, Secret
from oxide._traceback import ends_here
from oxide.testing import Answer, Simulator

PLAIN = "oxide-token-0123456789abcdef"
ODD = """oxide-token-"quoted"&<b>\\'%41/"""
GIVEN: dict[str, Callable[[str], dict[str, Any]]] = {
    "setting": lambda token: {"settings": {"access_token": token}},
    "callable": lambda token: {"settings": {"access_token": lambda: token}},
    "option": lambda token: {"options": {"_request_auth": token}},
    "header of a call": lambda token: {"options": {"_headers": {"Authorization": f"Bearer {token}"}}},
    "default header": lambda token: {"header": f"Bearer {token}"},
    "other header": lambda token: {"options": {"_headers": {"X-Auth": token}}},
}
ESCAPES: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": lambda token: json.dumps({"message": f"bad token {token}"}),
    "JSON of a request": lambda token: json.dumps({"message": json.dumps({"authorization": token})}),
    "HTML": lambda token: f"<html>{html.escape(token)}",
    "URL": lambda token: f"https://login.example/?token={quote(token, safe='')}",
    "repr": repr,
    "after much else": lambda token: "x" * 2000 + token,
    "at the cut": lambda token: "x" * (2**20 - 8) + token,
}


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


def error_of(
    simulator: Simulator,
    fault: Answer,
    settings: dict[str, Any] | None = None,
    options: dict[str, Any] | None = None,
    header: str | None = None,
) -> oxide.ApiException:
    configuration = oxide.Configuration(simulator.url, max_retries=0, **(settings or {}))
    simulator.fail_next(fault, times=2)
    name = None if header is None else "Authorization"
    client = oxide.ApiClient(configuration, name, header)
    with client, pytest.raises(oxide.ApiException) as caught:
        oxide.ImagesApi(client).image_list(**(options or {}))
    simulator.clear_faults()
    return caught.value


def everything(error: BaseException) -> str:
    """Return everything that a program, a log or a worker can see of an exception."""
    assert isinstance(error, oxide.ApiException)
    data = error.data.to_json() if isinstance(error.data, oxide.Error) else ""
    parts = [
        vars(error),
        error.args,
        dict(error.headers or {}),
        data,
        pickle.loads(pickle.dumps(vars(error))),
    ]
    return "".join([*map(repr, parts), str(error), *traceback.format_exception(error)])


def forms(token: str) -> set[str]:
    """Return the forms that a token may have when the server sends it back."""
    quoted = json.dumps(token)[1:-1]
    return {
        token,
        quoted,
        json.dumps(quoted)[1:-1],
        json.dumps(html.escape(token))[1:-1],
        html.escape(token),
        html.escape(html.escape(token)),
        quote(token, safe=""),
        quote(quote(token, safe=""), safe=""),
        repr(token)[1:-1],
        re.sub("[^A-Za-z0-9_.~-]", lambda found: f"\\u{ord(found[0]):04X}", token),
        re.sub("[^A-Za-z0-9_.~-]", lambda found: f"&#{ord(found[0])};", token),
    }


@pytest.mark.parametrize("token", [PLAIN, ODD], ids=["plain", "odd"])
@pytest.mark.parametrize("way", GIVEN)
@pytest.mark.parametrize("escape", ESCAPES)
@pytest.mark.parametrize("status", [200, 302, 401, 500])
def test_an_echo_is_masked_in_body_and_headers(
    simulator: Simulator,
    caplog: pytest.LogCaptureFixture,
    status: int,
    escape: str,
    way: str,
    token: str,
) -> None:
    caplog.set_level(logging.DEBUG, "oxide")
    text = ESCAPES[escape](token)
    headers = {"x-request-id": token, "x-seen": f"Bearer {token}", "location": f"/?token={quote(token)}"}
    error = error_of(simulator, Answer(status, text, headers), **GIVEN[way](token))
    seen = everything(error) + "".join(repr(vars(record)) for record in caplog.records)
    for form in forms(token):
        assert form not in seen
    assert PLAIN[:14] not in seen
    if escape != "URL":
        assert MASK in str(error.body)
    assert error.request_id == MASK


def test_the_reason_of_a_status_line_is_masked() -> None:
    with FaultServer(
        [request, send(f"HTTP/1.1 403 no {PLAIN}\r\ncontent-length: 0\r\n\r\n".encode())]
    ) as server:
        client = oxide.ApiClient(oxide.Configuration(server.url, access_token=PLAIN))
        with client, pytest.raises(oxide.ForbiddenException) as caught:
            oxide.ImagesApi(client).image_list()
    assert PLAIN not in everything(caught.value)
    assert caught.value.reason == f"no {MASK}"


def test_a_response_that_is_not_http_is_masked() -> None:
    with FaultServer([request, send(f"{PLAIN} {PLAIN}\r\n\r\n".encode())]) as server:
        client = oxide.ApiClient(oxide.Configuration(server.url, access_token=PLAIN))
        with client, pytest.raises(oxide.ApiException) as caught:
            oxide.ImagesApi(client).image_list()
    assert PLAIN not in everything(caught.value)
    assert PLAIN not in repr((caught.value.__cause__, vars(caught.value.__cause__ or caught.value)))


def test_an_error_while_a_response_is_read_is_masked(simulator: Simulator) -> None:
    simulator.fail_next(Answer(200, "no JSON", {"x-request-id": PLAIN}))
    client = oxide.ApiClient(oxide.Configuration(simulator.url, access_token=PLAIN))
    response = oxide.ImagesApi(client).image_list_without_preload_content()
    with client, pytest.raises(oxide.ApiResponseError) as caught:
        response.json()
    assert PLAIN not in everything(caught.value)
    assert caught.value.request_id == MASK


def test_text_that_is_not_an_echo_stays_unchanged(simulator: Simulator) -> None:
    body = json.dumps({"message": "the token is unknown", "error_code": "Unauthorized"})
    error = error_of(simulator, Answer(401, body), settings={"access_token": "token"})
    assert error.body == body
    assert error.message == "the token is unknown"


@given(
    token=st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=6, max_size=40),
    before=st.text(max_size=20),
    after=st.text(max_size=20),
)
def test_no_encoding_of_any_token_remains(token: str, before: str, after: str) -> None:
    echo = Echo({"authorization": Secret(f"Bearer {token}"), "accept": "application/json"})
    for form in forms(token):
        shown = echo.masked(before + form + after)
        assert form not in shown.replace(MASK, "\0") or form in (before + after)
        assert form.encode() not in echo.masked((before + form + after).encode()).replace(
            MASK.encode(), b"\0"
        ) or (form in before + after)


def test_an_encoded_credential_is_masked_as_it_was_sent(simulator: Simulator) -> None:
    basic = base64.b64encode(b"user:password").decode()
    error = error_of(simulator, Answer(401, f"Basic {basic}"), header=f"Basic {basic}")
    assert basic not in everything(error)


def test_an_error_during_the_search_for_secrets_shows_none(simulator: Simulator) -> None:
    """An example is a lack of memory, whose traceback is shown with the locals of each frame."""

    class Hostile(str):
        __slots__ = ()

        def replace(self, *_: object) -> str:
            raise MemoryError

    echo = Echo({"authorization": Secret(f"Bearer {PLAIN}")})
    with pytest.raises(MemoryError) as caught, ends_here:
        echo.masked(Hostile("text"))
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    assert [frame.f_code.co_name for frame in frames][-1] == "replace"
    assert not any(frame.f_globals["__name__"] == "oxide._call.echo" for frame in frames)
