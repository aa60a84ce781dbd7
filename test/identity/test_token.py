"""The token: in which form it is sent, when it is read, and where it is never sent."""

import itertools
import threading
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import oxide
from identity.ask import ask
from identity.servers import Recorder, proxy, recorder
from oxide.testing import Answer, Simulator


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Run a simulator."""
    with Simulator() as simulator:
        yield simulator


def test_without_a_token_no_header_is_sent(server: Recorder) -> None:
    """A client without a token makes anonymous calls."""
    ask(oxide.Configuration(server.url))
    assert "authorization" not in server.last.headers


@pytest.mark.parametrize("text", ["token-1", "  token-1", "token-1\n", "\ttoken-1 \r\n"])
def test_white_space_around_a_token_is_removed(text: str, server: Recorder) -> None:
    """Tokens often come from files. This applies to a text, to a callable, and to the token of one call."""
    ask(oxide.Configuration(server.url, access_token=text))
    ask(oxide.Configuration(server.url, access_token=lambda: text))
    ask(oxide.Configuration(server.url), _request_auth=text)
    ask(oxide.Configuration(server.url), _request_auth=lambda: text)
    assert [request.header("authorization") for request in server.received] == ["Bearer token-1"] * 4


class Kept(str, Enum):  # noqa: UP042 - one whose text is not what it is
    """Tokens whose text, to `str`, is their name."""

    PRODUCTION = "token-1"


class Covered(str):
    """Another library's way to hide a token."""

    __slots__ = ()

    def __str__(self) -> str:
        return "***"


@pytest.mark.parametrize("token", [Kept.PRODUCTION, Covered("token-1")], ids=["enum", "covered"])
def test_the_characters_of_a_token_are_sent_even_if_str_shows_others(token: str, server: Recorder) -> None:
    ask(oxide.Configuration(server.url, access_token=token))
    ask(oxide.Configuration(server.url, access_token=lambda: token))
    ask(oxide.Configuration(server.url), _request_auth=token)
    ask(oxide.Configuration(server.url), _headers={"Authorization": "Bearer " + token, "X-Job": token})
    assert [request.header("authorization") for request in server.received] == ["Bearer token-1"] * 4
    assert server.last.header("x-job") == "token-1"
    with oxide.ApiClient(oxide.Configuration(server.url)) as client:
        client.default_headers["X-Job"] = client.user_agent = token
        oxide.ImagesApi(client).image_list()
    assert (server.last.header("x-job"), server.last.header("user-agent")) == ("token-1", "token-1")


BAD_TOKENS = {
    "": "is empty",
    "<hidden>": "contains '<hidden>', which is shown in place of a secret",
    "'hunter2'": "is in quotes, which are taken as part of it",
    "https://hunter2.test": "is a URL (not shown): were host and token given in the wrong order?",
    " \n": "is empty",
    "hunter2 hunter2": "contains white space, a control character or a character outside ASCII",
    "hunter2\nX-Evil: 1": "contains white space",
    "hunter2\r\n\r\nGET /": "contains white space",
    "hunter2\0": "contains white space, a control character",
    "hunter2\x7f": "a control character",
    "hunter2\u00e9": "outside ASCII",
    "hunter2\ud800": "outside ASCII",
    "Bearer hunter2": "must be the token alone, without 'Bearer'",
    "bearer  hunter2": "must be the token alone, without 'Bearer'",
}


@pytest.mark.parametrize(("token", "told"), BAD_TOKENS.items(), ids=map(ascii, BAD_TOKENS))
def test_a_token_that_cannot_be_a_header_is_refused_without_showing_it(
    token: str, told: str, server: Recorder
) -> None:
    """This holds for a token from any source, and nothing is sent."""
    configuration = oxide.Configuration(server.url, access_token="good")

    def assign() -> None:
        configuration.access_token = token

    calls: dict[str, Callable[[], object]] = {
        "access_token": lambda: oxide.Configuration(access_token=token),
        "access_token ": assign,
        "token": lambda: oxide.Configuration.from_environment("my.rack", token),
        "_request_auth": lambda: ask(configuration, _request_auth=token),
        "what the callable for the token returned": lambda: ask(configuration, _request_auth=lambda: token),
        "what the callable for the token returned ": lambda: ask(
            oxide.Configuration(server.url, access_token=lambda: token)
        ),
    }
    for name, call in calls.items():
        with pytest.raises(oxide.ConfigurationError) as caught:
            call()
        assert str(caught.value).startswith(f"{name.strip()} ")
        assert told in str(caught.value)
        assert "hunter2" not in str(caught.value)
    assert configuration.access_token == "good"
    assert server.received == []


@pytest.mark.parametrize("value", [b"hunter2", 5, {"type": "bearer"}, ["hunter2"], True], ids=repr)
def test_a_token_of_another_type_is_refused_without_showing_it(value: Any, server: Recorder) -> None:
    """Neither bytes nor the dicts of generated clients."""
    with pytest.raises(oxide.ConfigurationError, match="access_token must be a str, or a callable") as caught:
        oxide.Configuration(access_token=value)
    assert "hunter2" not in str(caught.value)
    with pytest.raises(
        oxide.ConfigurationError, match="what the callable for the token returned must be a str"
    ):
        ask(oxide.Configuration(server.url, access_token=lambda: value))
    with pytest.raises(oxide.ConfigurationError, match="token must be a str"):
        oxide.Configuration.from_environment("my.rack", value)
    with pytest.raises(oxide.ApiTypeError, match="_request_auth must be a token or a callable"):
        ask(oxide.Configuration(server.url), _request_auth=value)
    assert server.received == []


@given(st.text() | st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7F)))
def test_any_text_is_accepted_as_a_token_or_refused(text: str) -> None:
    """Only `ConfigurationError` is raised; an accepted token is the text without the white space around it."""
    try:
        configuration = oxide.Configuration(access_token=text)
    except oxide.ConfigurationError:
        return
    assert configuration.access_token == text.strip()


def test_a_new_token_is_used_from_the_next_call_on(simulator: Simulator) -> None:
    """`access_token` may be replaced or removed while a client is in use."""
    configuration = simulator.configuration(access_token=simulator.create_user("one", "viewer"))
    with oxide.ApiClient(configuration) as client:
        images = oxide.ImagesApi(client)
        images.image_list()
        configuration.access_token = simulator.create_user("two", "viewer")
        images.image_list()
        configuration.access_token = lambda: simulator.token
        images.image_list()
        configuration.access_token = None
        with pytest.raises(oxide.UnauthorizedException):
            images.image_list()
    assert [request.user for request in simulator.requests] == ["one", "two", "admin", None]


def test_a_token_callable_is_called_for_every_attempt(simulator: Simulator) -> None:
    """So a token that expires in the middle of a call is not sent again."""
    users = iter(["one", "two", "three"])
    tokens = {name: simulator.create_user(name, "viewer") for name in ("one", "two", "three")}
    simulator.fail_next(Answer(503), times=2)
    configuration = simulator.configuration(access_token=lambda: tokens[next(users)])
    with oxide.ApiClient(configuration, sleep=lambda _: None) as client:
        oxide.ImagesApi(client).image_list()
    assert [(request.user, request.status) for request in simulator.requests] == [
        ("one", 503),
        ("two", 503),
        ("three", 200),
    ]


def test_a_token_callable_is_called_for_every_page_and_in_every_thread(server: Recorder) -> None:
    """Each call asks once."""
    numbers = itertools.count()
    with oxide.ApiClient(
        oxide.Configuration(server.url, access_token=lambda: f"token-{next(numbers)}")
    ) as client:
        images = oxide.ImagesApi(client)
        threads = [threading.Thread(target=images.image_list) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert list(images.image_list_iter()) == []
    sent = {request.header("authorization") for request in server.received}
    assert sent == {f"Bearer token-{number}" for number in range(9)}


def test_an_exception_of_the_token_callable_passes_unchanged(server: Recorder) -> None:
    """It is the program's own error, and nothing was sent."""
    problem = PermissionError("the vault is locked")

    def locked() -> str:
        raise problem

    both: list[dict[str, Any]] = [{}, {"_request_auth": locked}]
    for options in both:
        with pytest.raises(PermissionError) as caught:
            ask(oxide.Configuration(server.url, access_token=locked), **options)
        assert caught.value is problem
    assert server.received == []


def test_request_auth_replaces_the_token_for_one_call(simulator: Simulator) -> None:
    """It may be a text or a callable; None means that it is not given."""
    carol = simulator.create_user("carol", "viewer")
    with oxide.ApiClient(simulator.configuration()) as client:
        images = oxide.ImagesApi(client)
        images.image_list(_request_auth=carol)
        images.image_list(_request_auth=lambda: carol)
        images.image_list(_request_auth=None)
        assert list(images.image_list_iter(_request_auth=carol)) == []
        images.image_list()
    assert [request.user for request in simulator.requests] == ["carol", "carol", "admin", "carol", "admin"]


# The sources of `Authorization`, each with its own spelling; the last one is sent.
GIVERS = ("default", "token", "per-request")


@pytest.mark.parametrize(
    "givers",
    [set(c) for n in range(4) for c in itertools.combinations(GIVERS, n)],
    ids=lambda s: "+".join(sorted(s)),
)
@pytest.mark.parametrize("one_call", [False, True])
def test_the_token_of_a_call_takes_precedence_over_other_authorization(
    givers: set[str], one_call: bool, server: Recorder
) -> None:
    """Client default < credentials < per-request header; only one is sent, for any spelling of the name."""
    token = "token" if "token" in givers else None
    ask(
        oxide.Configuration(server.url, access_token=None if one_call else token),
        default_headers={"AUTHORIZATION": "Bearer default"} if "default" in givers else {},
        _request_auth=token if one_call else None,
        _headers={"authorization": "Bearer per-request"} if "per-request" in givers else {},
    )
    last = max(givers, key=GIVERS.index, default=None)
    assert server.last.header("authorization") == (None if last is None else f"Bearer {last}")


def test_the_headers_of_a_call_take_precedence_over_defaults(server: Recorder) -> None:
    """Library < client default < per-request, names compared without case."""
    default = {"ACCEPT": "text/default", "User-agent": "default/1", "X-Job": "default", "x-default": "1"}
    with oxide.ApiClient(oxide.Configuration(server.url), "X-Cluster", "north", cookie="a=b") as client:
        for name, value in default.items():
            client.default_headers[name] = value
        oxide.ImagesApi(client).image_list(
            _headers={"x-JOB": "one", "user-AGENT": "one/1", "api-version": "1.0.0"}
        )
        oxide.ImagesApi(client).image_list()
        del client.default_headers["x-cluster"]
        assert sorted(client.default_headers) == ["ACCEPT", "Cookie", "User-agent", "X-Job", "x-default"]
        assert len(client.default_headers) == 5
        oxide.ImagesApi(client).image_list()
    assert "x-cluster" not in server.received.pop().headers
    first, second = server.received
    for request in server.received:
        assert request.header("accept") == "text/default"
        assert request.header("x-default") == "1"
        assert request.header("x-cluster") == "north"
        assert request.header("cookie") == "a=b"
    assert (first.header("x-job"), first.header("user-agent"), first.header("api-version")) == (
        "one",
        "one/1",
        "1.0.0",
    )
    assert (second.header("x-job"), second.header("user-agent")) == ("default", "default/1")
    assert second.header("api-version") == "2025112000.0.0"


BAD_HEADERS: dict[str, tuple[dict[Any, Any], str]] = {
    "name is no token": ({"X Job": "hunter2"}, "is not the name of a header"),
    "name is empty": ({"": "hunter2"}, "is not the name of a header"),
    "name ends a line": ({"X-Job\r\nX-Evil": "hunter2"}, "is not the name of a header"),
    "name is no text": ({5: "hunter2"}, "name and value must be str"),
    "value ends a line": ({"X-Job": "hunter2\r\nX-Evil: 1"}, "contains a control character"),
    "value is outside Latin-1": ({"X-Job": "hunter2\u20ac"}, "one outside Latin-1"),
    "value is bytes": ({"X-Job": b"hunter2"}, "name and value must be str"),
    "value is a number": ({"X-Job": 5}, "name and value must be str"),
    "value is None": ({"X-Job": None}, "name and value must be str"),
    "length": ({"content-LENGTH": "0"}, "only the transport may set it"),
    "coding": ({"Transfer-Encoding": "chunked"}, "only the transport may set it"),
    "connection": ({"Connection": "close"}, "only the transport may set it"),
}


@pytest.mark.parametrize(("headers", "told"), BAD_HEADERS.values(), ids=BAD_HEADERS)
def test_a_header_that_cannot_be_sent_is_refused(
    headers: dict[Any, Any], told: str, server: Recorder
) -> None:
    """A header that cannot be sent is refused where it is given, and its value is not shown."""
    configuration = oxide.Configuration(server.url)
    ((name, value),) = headers.items()
    calls: list[Callable[[], object]] = [
        lambda: ask(configuration, _headers=headers),
        lambda: ask(configuration, default_headers=headers),
        lambda: oxide.ApiClient(configuration, name, value),
        lambda: oxide.Configuration(proxy_headers=headers),
    ]
    for call in calls:
        with pytest.raises((oxide.ApiValueError, oxide.ApiTypeError), match=told) as caught:
            call()
        assert "hunter2" not in str(caught.value)
    assert server.received == []


@pytest.mark.parametrize("value", ["X-Job: 1", [("X-Job", "1")], 5], ids=repr)
def test_headers_must_be_a_mapping(value: Any, server: Recorder) -> None:
    """Anything else is refused before it is sent."""
    with pytest.raises(oxide.ApiTypeError, match="image_list: _headers must map header names to values"):
        ask(oxide.Configuration(server.url), _headers=value)
    with pytest.raises(oxide.ConfigurationError, match="proxy_headers must map header names to values"):
        oxide.Configuration(proxy_headers=value)


# Sources of credentials: settings, default headers, options of the call.
CARRIERS: dict[str, tuple[dict[str, Any], dict[str, str], dict[str, Any]]] = {
    "access_token": ({"access_token": "hunter2"}, {}, {}),
    "callable": ({"access_token": lambda: "hunter2"}, {}, {}),
    "_request_auth": ({}, {}, {"_request_auth": "hunter2"}),
    "callable _request_auth": ({}, {}, {"_request_auth": lambda: "hunter2"}),
    "default header": ({}, {"authorization": "Bearer hunter2"}, {}),
    "per-request header": ({}, {}, {"_headers": {"AUTHORIZATION": "Bearer hunter2"}}),
    "default cookie": ({}, {"Cookie": "session=hunter2"}, {}),
    "per-request cookie": ({}, {}, {"_headers": {"cookie": "session=hunter2"}}),
}
# Ways to reach a host that is not loopback by plain http: settings, the proxy of the environment.
ROUTES: dict[str, tuple[dict[str, Any], bool]] = {
    "directly": ({}, False),
    "resolved to another machine": (
        {"host": "http://localhost", "resolve": {"localhost": "192.0.2.7"}},
        False,
    ),
    "by a proxy on loopback": ({"proxy": "PROXY"}, False),
    "by a proxy of the environment": ({}, True),
    "by a proxy by https": ({"proxy": "https://proxy.test"}, False),
    "to loopback by a proxy elsewhere": ({"host": "http://localhost", "proxy": "http://proxy.test"}, False),
    "to loopback by a proxy resolved elsewhere": (
        {"host": "http://127.0.0.1", "proxy": "http://localhost", "resolve": {"localhost": "192.0.2.7"}},
        False,
    ),
}


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("route", ROUTES)
def test_credentials_are_not_sent_over_plain_http(
    carrier: str, route: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This holds for credentials from any source; nothing is sent, not even to the proxy."""
    settings, default_headers, options = CARRIERS[carrier]
    way, by_environment = ROUTES[route]
    with proxy({"my.rack": "127.0.0.1"}) as carrying:
        way = {name: carrying.url if value == "PROXY" else value for name, value in way.items()}
        if by_environment:
            monkeypatch.setenv("http_proxy", carrying.url)
        configuration = oxide.Configuration(**{"host": "http://my.rack", **way, **settings})
        with pytest.raises(oxide.ApiValueError, match=r"sent over plain http to .*: use https://") as caught:
            ask(configuration, default_headers, **options)
        assert carrying.received == []
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize(
    "route", ["resolved to loopback", "by a proxy, allowed", "to loopback by a proxy there"]
)
def test_credentials_may_go_over_plain_http_to_loopback_or_if_allowed(carrier: str, route: str) -> None:
    """The real first hop decides what is loopback; `allow_http_token` switches the rule off."""
    settings, default_headers, options = CARRIERS[carrier]
    with recorder() as server, proxy({"my.rack": "127.0.0.1", "localhost": "127.0.0.1"}) as carrying:
        ways: dict[str, dict[str, Any]] = {
            "resolved to loopback": {"host": f"http://my.rack:{server.port}", "resolve": {"my.rack": "127.0.0.1"}},
            "by a proxy, allowed": {
                "host": f"http://my.rack:{server.port}", "proxy": carrying.url, "allow_http_token": True,
            },
            "to loopback by a proxy there": {"host": f"http://localhost:{server.port}", "proxy": carrying.url},
        }  # fmt: skip
        way = ways[route]
        ask(oxide.Configuration(**way, **settings), default_headers, **options)
        assert len(carrying.received) == ("proxy" in way)
        (request,) = server.received
        assert "hunter2" in f"{request.header('authorization')} {request.header('cookie')}"


def test_calls_without_credentials_may_use_plain_http() -> None:
    """The rule applies only to credentials."""
    with recorder() as server, proxy({"my.rack": "127.0.0.1"}) as carrying:
        ask(oxide.Configuration(f"http://my.rack:{server.port}", proxy=carrying.url), {"X-Job": "nightly"})
        assert server.last.header("x-job") == "nightly"


def test_a_call_refused_over_plain_http_can_be_made_without_the_token() -> None:
    """Each call is checked by the headers that it would send."""
    configuration = oxide.Configuration("http://rack.invalid", access_token="hunter2", max_retries=0)
    with oxide.ApiClient(configuration) as client:
        images = oxide.ImagesApi(client)
        with pytest.raises(oxide.ApiValueError, match="plain http"):
            images.image_list()
        configuration.access_token = None
        with pytest.raises(oxide.ApiConnectionError, match=r"rack\.invalid"):
            images.image_list()


def test_a_token_callable_can_read_a_file_that_changes(simulator: Simulator, tmp_path: Path) -> None:
    """The usual rotation: another program replaces the file."""
    file = tmp_path / "token"
    file.write_text(simulator.create_user("one", "viewer") + "\n")
    with oxide.ApiClient(simulator.configuration(access_token=file.read_text)) as client:
        images = oxide.ImagesApi(client)
        images.image_list()
        file.write_text(simulator.create_user("two", "viewer") + "\n")
        images.image_list()
    assert [request.user for request in simulator.requests] == ["one", "two"]
