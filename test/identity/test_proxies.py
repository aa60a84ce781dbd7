"""Proxies on loopback: tunnels and forwarding, with and without credentials; and `resolve`."""

import socket
import urllib.request
from base64 import b64encode
from collections.abc import Iterator

import pytest
from authority import Authority

import oxide
from identity.ask import ask
from identity.servers import Recorder, proxy, recorder

NAME = "silo.test"
HERE = {NAME: "127.0.0.1"}
USER_INFO = "us%40er:pa%3Ass%2Fword"
BASIC = "Basic " + b64encode(b"us@er:pa:ss/word").decode()


@pytest.fixture
def tls_server(authority: Authority) -> Iterator[Recorder]:
    """Run a server over TLS, whose name only the proxy knows."""
    with recorder(authority.server_context(NAME), host=NAME) as record:
        yield record


def with_user(url: str, user_info: str = USER_INFO) -> str:
    """Return the URL with user name and password in it."""
    return url.replace("://", f"://{user_info}@")


@pytest.mark.parametrize("proxy_scheme", ["http", "https"])
@pytest.mark.parametrize("given_by", ["argument", "environment"])
def test_a_tunnel_to_an_https_host_authenticates_at_the_proxy(
    proxy_scheme: str,
    given_by: str,
    authority: Authority,
    tls_server: Recorder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An https host is reached through CONNECT; the proxy gets only its own credentials."""
    tls = authority.server_context("127.0.0.1") if proxy_scheme == "https" else None
    with proxy(HERE, tls, authorization=BASIC) as carrying:
        if given_by == "environment":
            monkeypatch.setenv("https_proxy", with_user(carrying.url))
        argument = with_user(carrying.url) if given_by == "argument" else None
        configuration = oxide.Configuration(
            tls_server.url,
            access_token="token-1",
            ca_cert_data=authority.pem,
            proxy=argument,
            proxy_headers={"X-Proxy": "1"},
        )
        with oxide.ApiClient(configuration, "X-Job", "nightly") as client:
            oxide.ImagesApi(client).image_list()
            oxide.ImagesApi(client).image_delete("a")
        (connect,) = carrying.received
        assert (connect.method, connect.target) == ("CONNECT", f"{NAME}:{tls_server.port}")
        assert connect.header("proxy-authorization") == BASIC
        assert connect.header("x-proxy") == "1"
        assert connect.headers.keys() <= {"host", "proxy-authorization", "x-proxy"}
    assert [request.target for request in tls_server.received] == ["/v1/images", "/v1/images/a"]
    for request in tls_server.received:
        assert request.header("authorization") == "Bearer token-1"
        assert request.header("host") == f"{NAME}:{tls_server.port}"
        assert request.header("x-job") == "nightly"
        assert not {"proxy-authorization", "x-proxy"} & request.headers.keys()


@pytest.mark.parametrize("given_by", ["argument", "environment"])
@pytest.mark.parametrize("proxy_scheme", ["http", "https"])
def test_plain_http_is_forwarded_with_credentials_for_the_proxy(
    proxy_scheme: str, given_by: str, authority: Authority, server: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request for an http host has its whole URL as target."""
    tls = authority.server_context("127.0.0.1") if proxy_scheme == "https" else None
    with proxy(HERE, tls, authorization=BASIC) as carrying:
        if given_by == "environment":
            monkeypatch.setenv("http_proxy", with_user(carrying.url))
        argument = with_user(carrying.url) if given_by == "argument" else None
        ask(
            oxide.Configuration(
                f"http://{NAME}:{server.port}/base",
                access_token="token-1",
                allow_http_token=True,
                ca_cert_data=authority.pem,
                proxy=argument,
                proxy_headers={"X-Proxy": "1"},
            ),
            limit=3,
        )
        (request,) = carrying.received
        assert (request.method, request.target) == (
            "GET",
            f"http://{NAME}:{server.port}/base/v1/images?limit=3",
        )
        assert request.header("proxy-authorization") == BASIC
        assert request.header("x-proxy") == "1"
        assert request.header("authorization") == "Bearer token-1"
    assert server.last.target == "/base/v1/images?limit=3"
    assert server.last.header("authorization") == "Bearer token-1"


def test_explicit_proxy_headers_win_over_the_url(authority: Authority, tls_server: Recorder) -> None:
    """As for the host, the more explicit of two settings counts."""
    with proxy(HERE, authorization="Custom 1") as carrying:
        ask(
            oxide.Configuration(
                tls_server.url,
                ca_cert_data=authority.pem,
                proxy=with_user(carrying.url),
                proxy_headers={"PROXY-authorization": "Custom 1"},
            )
        )


@pytest.mark.parametrize("user_info", ["", "user:hunter2@"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_refuses_the_credentials_is_an_error(
    scheme: str, user_info: str, authority: Authority
) -> None:
    """The error for 407 names the proxy and does not show the password."""
    with proxy(HERE, authorization=BASIC) as carrying:
        configuration = oxide.Configuration(
            f"{scheme}://{NAME}", proxy=carrying.url.replace("://", f"://{user_info}"), max_retries=2
        )
        with pytest.raises(oxide.ApiException, match="407") as caught:
            ask(configuration)
        assert len(carrying.received) == 1
        if scheme == "https":
            assert isinstance(caught.value, oxide.ApiConnectionError)
            assert f"proxy {carrying.url}" in str(caught.value)
            assert caught.value.outcome == "not sent"
    assert "hunter2" not in str(caught.value)


def test_a_proxy_password_need_not_be_utf8(
    authority: Authority, tls_server: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment consists of bytes; a text that cannot come from it is refused and not shown."""
    header = "Basic " + b64encode(b"us@er:hunter2\xe9").decode()
    with proxy(HERE, authorization=header) as carrying:
        monkeypatch.setenv("https_proxy", with_user(carrying.url, "us%40er:hunter2\udce9"))
        ask(oxide.Configuration(tls_server.url, ca_cert_data=authority.pem))
        assert carrying.received[0].header("proxy-authorization") == header
    with pytest.raises(oxide.ConfigurationError, match="must be of the form") as caught:
        oxide.Configuration(tls_server.url, proxy="http://user:hunter2\ud800@proxy.test")
    assert "hunter2" not in str(caught.value)


def test_a_proxy_that_does_not_exist_is_a_connection_error() -> None:
    """The error names the proxy, not only the address."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    with pytest.raises(oxide.ApiConnectionError, match=f"proxy {url}: .*Connection refused") as caught:
        ask(oxide.Configuration(f"https://{NAME}", proxy=with_user(url), max_retries=0))
    assert caught.value.outcome == "not sent"


def test_loopback_hosts_bypass_a_proxy_of_the_environment(
    server: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token for this machine never leaves it; a proxy given as a setting is used nevertheless."""
    with proxy({"127.0.0.1": "127.0.0.1"}) as carrying:
        monkeypatch.setenv("http_proxy", carrying.url)
        monkeypatch.setenv("all_proxy", carrying.url)
        ask(oxide.Configuration(server.url, access_token="t"))
        assert (len(carrying.received), len(server.received)) == (0, 1)
        ask(oxide.Configuration(server.url, access_token="t", proxy=carrying.url))
        assert (len(carrying.received), len(server.received)) == (1, 2)
        ask(oxide.Configuration(server.url, access_token="t", proxy=""))
        assert (len(carrying.received), len(server.received)) == (1, 3)


def test_no_proxy_bypasses_the_proxy_on_the_wire(server: Recorder) -> None:
    """Hosts named by `no_proxy` are reached directly."""
    with proxy({"127.0.0.1": "127.0.0.1"}) as carrying:
        ask(oxide.Configuration(server.url, proxy=carrying.url, no_proxy="127.0.0.0/8"))
        assert (len(carrying.received), len(server.received)) == (0, 1)
        ask(oxide.Configuration(server.url, proxy=carrying.url, no_proxy="10.0.0.0/8"))
        assert (len(carrying.received), len(server.received)) == (1, 2)


def test_the_proxy_is_chosen_when_the_client_is_made(
    server: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later change of the environment has no effect on a client."""
    with proxy({NAME: "127.0.0.1"}) as carrying:
        configuration = oxide.Configuration(f"http://{NAME}:{server.port}", max_retries=0)
        monkeypatch.setenv("http_proxy", carrying.url)
        with oxide.ApiClient(configuration) as client:
            monkeypatch.delenv("http_proxy")
            oxide.ImagesApi(client).image_list()
        assert len(carrying.received) == 1


def test_resolve_connects_to_the_given_address(authority: Authority, tls_server: Recorder) -> None:
    """This is like `--resolve` of the official CLI: only the address changes, not the certificate or `Host`."""
    ask(
        oxide.Configuration(
            tls_server.url.replace(NAME, NAME.upper()),
            resolve={"Silo.Test": "127.0.0.1"},
            ca_cert_data=authority.pem,
        )
    )
    assert tls_server.last.header("host") == f"{NAME}:{tls_server.port}"
    assert tls_server.server_names == [NAME]


@pytest.mark.parametrize("address", ["::1", "[::1]"])
def test_resolve_connects_to_an_ipv6_address(address: str) -> None:
    """With or without brackets."""
    with recorder(family=socket.AF_INET6) as server:
        ask(oxide.Configuration(f"http://{NAME}:{server.port}", resolve={NAME: address}, access_token="t"))
        assert server.last.header("host") == f"{NAME}:{server.port}"


def test_a_host_may_be_an_ipv6_address(authority: Authority) -> None:
    """In brackets in the URL and in `Host`, and found in the certificate."""
    with recorder(authority.server_context("::1"), host="[::1]", family=socket.AF_INET6) as server:
        ask(oxide.Configuration(server.url, ca_cert_data=authority.pem, access_token="t"))
        assert server.last.header("host") == f"[::1]:{server.port}"
        with proxy({"::1": "::1"}) as carrying:
            ask(
                oxide.Configuration(
                    server.url, ca_cert_data=authority.pem, access_token="t", proxy=carrying.url
                )
            )
            assert carrying.last.target == f"[::1]:{server.port}"
    assert len(server.received) == 2


def test_resolve_does_not_change_other_names(server: Recorder) -> None:
    """One dict may serve several racks."""
    ask(oxide.Configuration(server.url.replace("127.0.0.1", "localhost"), resolve={NAME: "192.0.2.7"}))
    assert server.last.header("host") == f"localhost:{server.port}"


def test_resolve_with_a_proxy_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy resolves names itself, so the setting would have no effect."""
    told = r"resolve has no effect on https://silo\.test behind a proxy \({}\).*: leave it out, or set proxy=\"\""
    with pytest.raises(oxide.ConfigurationError, match=told.format("proxy")):
        oxide.Configuration(f"https://{NAME}", resolve=HERE, proxy="http://proxy.test")
    monkeypatch.setenv("https_proxy", "http://proxy.test")
    with pytest.raises(oxide.ConfigurationError, match=told.format("HTTPS_PROXY in the environment")):
        oxide.Configuration(f"https://{NAME}", resolve=HERE)
    oxide.Configuration(f"https://{NAME}", resolve=HERE, proxy="")
    oxide.Configuration(f"https://{NAME}", resolve={"other.test": "192.0.2.7"})


def test_conflicting_settings_can_be_corrected_one_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Settings are checked together in the constructor and when a client is made, not in between."""
    configuration = oxide.Configuration(f"https://{NAME}", resolve=HERE)
    configuration.proxy = "http://proxy.test"
    with pytest.raises(oxide.ConfigurationError, match="resolve has no effect"):
        oxide.ApiClient(configuration)
    configuration.resolve = {}
    oxide.ApiClient(configuration).close()


def test_resolve_applies_to_the_name_of_a_proxy(server: Recorder) -> None:
    """The client looks up the name of the proxy, so `resolve` applies to it."""
    with proxy({NAME: "127.0.0.1"}) as carrying:
        ask(
            oxide.Configuration(
                f"http://{NAME}:{server.port}",
                proxy=f"http://proxy.test:{carrying.port}",
                resolve={"proxy.test": "127.0.0.1"},
            )
        )
        assert len(carrying.received) == 1


def test_proxies_in_the_system_settings_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows and macOS have settings of their own, with exclusions of their own: the environment alone counts."""

    def of_the_system() -> dict[str, str]:
        return {"http": "http://system.test:3128", "https": "http://system.test:3128"}

    for name in ("getproxies", "getproxies_registry", "getproxies_macosx_sysconf"):
        monkeypatch.setattr(urllib.request, name, of_the_system, raising=False)
    configuration = oxide.Configuration("https://my.rack")
    assert "proxy in use: none\n" in configuration.to_debug_report()
    monkeypatch.setenv("https_proxy", "http://variable.test:3128")
    assert "proxy in use: http://variable.test:3128" in configuration.to_debug_report()
