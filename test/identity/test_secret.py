"""A secret is an object that nothing takes for text, and headers that may be credentials read as a mask."""

import copy
import http.client
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import oxide
from identity.servers import Recorder
from oxide._identity.secrets import MASK, Headers, Secret

TOKEN = "oxide-token-hunter2"


def test_a_secret_is_not_text() -> None:
    secret: Any = Secret(TOKEN)
    assert not isinstance(secret, str)
    uses: list[Callable[[], object]] = [
        lambda: json.dumps({"token": secret}),
        lambda: "".join(iter([secret])),
        lambda: secret + "x",
        lambda: "x" + secret,
        lambda: len(secret),
        lambda: secret[0],
    ]
    for use in uses:
        with pytest.raises(TypeError):
            use()
    assert list(secret) == [MASK]
    for shown in (repr(secret), str(secret), f"{secret}", f"{secret!r:>20}", f"{secret:>20}", "%s" % secret):  # noqa: UP031 - it is shown so too
        assert shown.strip() == MASK


@given(st.text(), st.text())
def test_secrets_compare_and_hash_by_their_text(one: str, other: str) -> None:
    assert (Secret(one) == Secret(other)) == (one == other)
    assert Secret(one) == Secret(one)
    assert hash(Secret(one)) == hash(Secret(one))
    assert Secret(one) != one
    assert bool(Secret(one)) == bool(one)
    assert Secret(one).reveal() == one


def test_a_secret_copies_as_itself_and_does_not_pickle() -> None:
    secret = Secret(TOKEN)
    assert Secret(secret) is copy.copy(secret) is copy.deepcopy(secret) is secret
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(oxide.ApiTypeError, match="a secret cannot be pickled"):
            pickle.dumps(secret, protocol)


def test_http_client_can_send_a_secret() -> None:
    """It needs only `encode`."""
    connection = http.client.HTTPConnection("127.0.0.1")
    connection.putrequest("GET", "/")
    value: Any = Secret(f"Bearer {TOKEN}")
    connection.putheader("Authorization", value)
    buffer: Any = vars(connection)["_buffer"]
    assert buffer[-1] == f"Authorization: Bearer {TOKEN}".encode()


def test_a_token_can_be_formatted_as_with_generated_clients(server: Recorder) -> None:
    """The token reads as the text that was set."""
    configuration = oxide.Configuration(server.url, access_token=TOKEN)
    assert configuration.access_token == TOKEN
    assert type(configuration.access_token) is str
    with oxide.ApiClient(configuration) as client:
        client.set_default_header("Authorization", f"Bearer {configuration.access_token}")
        configuration.access_token = None
        oxide.ImagesApi(client).image_list()
    assert server.last.header("authorization") == f"Bearer {TOKEN}"


def test_a_secret_setting_reads_as_the_value_that_was_set() -> None:
    def read() -> str:
        return TOKEN

    configuration = oxide.Configuration(
        access_token=read,
        cert_file=None,
        proxy="http://user:hunter2@proxy.test",
        proxy_headers={"X-Key": "hunter2"},
    )
    assert configuration.access_token is read
    assert configuration.proxy == "http://user:hunter2@proxy.test"
    assert configuration.proxy_headers == {"X-Key": "hunter2"}


def test_credentials_in_default_headers_read_as_a_mask(server: Recorder) -> None:
    """They can be logged therefore; the real values are sent."""
    with oxide.ApiClient(oxide.Configuration(server.url), "X-Key", "hunter2") as client:
        headers = client.default_headers
        headers["Authorization"] = f"Bearer {TOKEN}"
        assert headers.setdefault("X-New", "hunter2") == headers["x-new"] == headers.get("X-NEW") == MASK
        assert headers.setdefault("X-KEY", "other") == MASK
        assert "hunter2" not in json.dumps([dict(headers), list(headers.values())])
        assert headers["User-Agent"] == client.user_agent != MASK
        oxide.ImagesApi(client).image_list()
    assert [server.last.header(name) for name in ("x-key", "x-new")] == ["hunter2", "hunter2"]
    assert server.last.header("authorization") == f"Bearer {TOKEN}"


def test_headers_are_copied_from_client_to_client_with_their_values(server: Recorder) -> None:
    """By `update`; a plain dict has lost them, and is refused rather than sent."""
    one = oxide.ApiClient(oxide.Configuration(server.url), "X-Key", "hunter2")
    with one, oxide.ApiClient(oxide.Configuration(server.url)) as other:
        other.default_headers.update(one.default_headers)
        oxide.ImagesApi(other).image_list()
        assert server.last.header("x-key") == "hunter2"
        with pytest.raises(oxide.ApiValueError, match="shown in place of a secret"):
            other.default_headers.update(dict(one.default_headers))


@pytest.mark.parametrize(
    "other",
    [
        {"X-One": "1", "X-Two": "2"},
        [("X-One", "1"), ("X-Two", "2")],
        iter([["X-One", "1"], ["X-Two", "2"]]),
        Headers({"x-one": "1", "x-two": "2"}),
    ],
    ids=["mapping", "pairs", "iterator", "headers"],
)
def test_default_headers_update_like_any_mapping(other: Any) -> None:
    headers = Headers({"x-one": "0"})
    headers.update(other, three="3")
    assert headers.by_lower_name() == {"x-one": Secret("1"), "x-two": Secret("2"), "three": Secret("3")}


@pytest.mark.parametrize("wrong", [5, "X-One: 1", [5], [("X-One",)], [("a", "b", "c")]], ids=repr)
def test_default_headers_refuse_an_update_that_is_not_a_mapping_of_headers(wrong: Any) -> None:
    with pytest.raises(oxide.ApiTypeError, match="name and value must be str"):
        Headers().update(wrong)


def test_setdefault_refuses_a_bad_header_name_without_showing_the_value() -> None:
    headers: Any = Headers()
    with pytest.raises(oxide.ApiValueError, match=r"the name \(not shown\) is not the name of a header"):
        headers.setdefault(f"Authorization: {TOKEN}", "x")
    with pytest.raises(oxide.ApiTypeError, match="name and value must be str"):
        headers.setdefault(5, "x")


@pytest.mark.parametrize(
    "name", ["Host", "User-Agent", "Accept", "Authorization", "Accept-Encoding", "X-Job"]
)
def test_the_value_by_which_urllib3_omits_a_header_is_refused(name: str, server: Recorder) -> None:
    """`Host` would be missing from the request."""
    value = "@@@SKIP_HEADER@@@"
    client = oxide.ApiClient(oxide.Configuration(server.url))
    with client, pytest.raises(oxide.ApiValueError, match="this value would leave the header out"):
        oxide.ImagesApi(client).image_list(_headers={name: value})
    with pytest.raises(oxide.ApiValueError, match="this value would leave the header out"):
        client.default_headers[name] = value
    with pytest.raises(oxide.ConfigurationError, match="this value would leave the header out"):
        oxide.Configuration(proxy_headers={name: value})
    assert server.received == []


@pytest.mark.parametrize(
    "name", ["Authorization: Bearer hunter2", "hunter2\n", "", f"oxide-token-{'0' * 40}"], ids=ascii
)
def test_an_impossible_header_name_is_refused_and_not_shown(name: str, server: Recorder) -> None:
    """Name and value may have been confused."""
    client = oxide.ApiClient(oxide.Configuration(server.url))
    with client, pytest.raises(oxide.ApiValueError, match="is not the name of a header") as caught:
        oxide.ImagesApi(client).image_list(_headers={name: "x"})
    assert name == "" or name not in str(caught.value)
    assert "hunter2" not in str(caught.value)
