"""Parsing of hosts, proxies and `no_proxy`: what is accepted and what is refused."""

import ipaddress
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import oxide
from oxide._identity.hosts import Host, is_loopback, parse_host
from oxide._identity.proxies import Proxy, bypasses_proxy, choose_proxy, parse_proxy

HOSTS = {
    "my.rack": "https://my.rack",
    "https://my.rack": "https://my.rack",
    "HTTPS://My.Rack": "https://my.rack",
    "https://my.rack/": "https://my.rack",
    "https://my.rack///": "https://my.rack",
    " https://my.rack\n": "https://my.rack",
    "my.rack:8443": "https://my.rack:8443",
    "localhost:8080": "https://localhost:8080",
    "https://my.rack:443": "https://my.rack",
    "http://my.rack:80": "http://my.rack",
    "http://my.rack:443": "http://my.rack:443",
    "https://my.rack:65535": "https://my.rack:65535",
    "https://my.rack:0443": "https://my.rack",
    "https://my.rack.": "https://my.rack",
    "https://_rack-1.x": "https://_rack-1.x",
    "https://xn--bcher-kva.example": "https://xn--bcher-kva.example",
    "http://192.0.2.7": "http://192.0.2.7",
    "http://192.0.2.7:12220": "http://192.0.2.7:12220",
    "http://[::1]": "http://[::1]",
    "[FD00:0:0::7]:443": "https://[fd00::7]",
    "http://[fd00::7]:8080/": "http://[fd00::7]:8080",
    "http://[::ffff:192.0.2.7]": f"http://[{ipaddress.ip_address('::ffff:192.0.2.7')}]",
    "https://gateway.test/oxide": "https://gateway.test/oxide",
    "https://gateway.test/oxide/": "https://gateway.test/oxide",
    "https://gateway.test/a/B%20c/~d;e=1,(f):g": "https://gateway.test/a/B%20c/~d;e=1,(f):g",
}


@pytest.mark.parametrize(("text", "url"), HOSTS.items())
def test_a_host_is_normalized(text: str, url: str) -> None:
    """Every spelling gives the same host, and parsing it again changes nothing."""
    assert oxide.Configuration(text).host == url
    assert parse_host(text) == parse_host(url)


REFUSED_HOSTS = {
    "": "is empty",
    "  ": "is empty",
    "user@my.rack": "must not contain a user name or password",
    "https://user:password@my.rack": "must not contain a user name or password",
    "https://my.rack/@": "must not contain a user name or password",
    "https://my.rack?x=1": "query or a fragment",
    "https://my.rack/#top": "query or a fragment",
    "https://my rack": "white space",
    "https://my.rack/a b": "white space",
    "https://my\track": "white space",
    "https://my.rack\r\nX: y": "white space",
    "https://my.rack\\x": "a backslash",
    "https://my.rack\x7f": "a control character",
    "https://my.rack\u202e": "a control character",
    "ftp://my.rack": "scheme must be http or https",
    "socks5://my.rack": "scheme must be http or https",
    "://my.rack": "scheme must be http or https",
    "https:/my.rack": "'https:' must be a host name",
    "https://": "must be a host name",
    "https:///x": "must be a host name",
    "//my.rack": "must be a host name",
    "https://:443": "must be a host name",
    "https://my.rack:": "a port from 1 to 65535",
    "https://my.rack:0": "a port from 1 to 65535",
    "https://my.rack:65536": "a port from 1 to 65535",
    "https://my.rack:-1": "a port from 1 to 65535",
    "https://my.rack:http": "a port from 1 to 65535",
    "https://my.rack:\u0664\u0664\u0663": "a port from 1 to 65535",
    "https://my..rack": "must be a host name",
    "https://.my.rack": "must be a host name",
    "https://.": "must be a host name",
    "https://my.rack..": "must be a host name",
    "https://my,rack": "must be a host name",
    "https://b\u00fccher.example": "must be a host name in ASCII",
    f"https://{'a' * 64}.rack": "must be a host name",
    f"https://{'a.' * 127}a": "must be a host name",
    "http://127.1": "must be a host name",
    "http://10.0.0": "must be a host name",
    "http://256.0.0.1": "must be a host name",
    "http://127.0.0.01": "must be a host name",
    "http://2130706433": "must be a host name",
    "http://0x7f000001": "must be a host name",
    "http://0x7f.1": "must be a host name",
    "http://::1": "IPv6 in brackets",
    "http://[::1": "must be a host name",
    "http://[my.rack]": "must be a host name",
    "http://[127.0.0.1]": "must be a host name",
    "http://[v1.x]": "must be a host name",
    "http://[::g]": "must be a host name",
    "http://[fe80::1%25eth0]": "without a zone",
    "https://my.rack/a/../b": "plain segments",
    "https://my.rack/.": "plain segments",
    "https://my.rack//a": "plain segments",
    "https://my.rack/%zz": "plain segments",
    "https://my.rack/caf\u00e9": "plain segments",
}


@pytest.mark.parametrize(("text", "told"), REFUSED_HOSTS.items(), ids=map(ascii, REFUSED_HOSTS))
def test_a_bad_host_is_refused_with_the_reason(text: str, told: str) -> None:
    """It is refused in the constructor and when assigned, and the message says what is wrong."""
    with pytest.raises(oxide.ConfigurationError) as caught:
        oxide.Configuration(text)
    assert str(caught.value).startswith("host")
    assert told in str(caught.value)
    assert "password" not in str(caught.value).replace("user name or password", "")
    configuration = oxide.Configuration()
    with pytest.raises(oxide.ConfigurationError):
        configuration.host = text
    assert configuration.host == "http://localhost"


@pytest.mark.parametrize("value", [5, b"https://my.rack", ["https://my.rack"]])
def test_a_host_that_is_not_text_is_refused(value: object) -> None:
    """Anything else is refused."""
    with pytest.raises(oxide.ConfigurationError, match="host must be a str"):
        oxide.Configuration(value)  # type: ignore[arg-type]  # what is tested


LOOPBACK = {
    "localhost": True, "127.0.0.1": True, "127.255.255.254": True, "::1": True,
    "localhost.test": False, "my.localhost": False, "127.0.0.1.test": False, "128.0.0.1": False, "0.0.0.0": False,
    "::": False, "::2": False, "::ffff:127.0.0.1": False, "10.0.0.1": False, "": False,
}  # fmt: skip


@pytest.mark.parametrize(("name", "expected"), LOOPBACK.items())
def test_loopback_hosts_are_recognized(name: str, expected: bool) -> None:
    """Loopback is recognized by its form alone, on every Python; a name is not looked up."""
    assert is_loopback(name) is expected


labels = st.text(string.ascii_lowercase + string.digits + "-_", min_size=1, max_size=63)
names = st.lists(labels, min_size=1, max_size=4).map(".".join) | st.ip_addresses().map(str)
segments = st.text(string.ascii_letters + string.digits + "-._~!$&'()*+,;=:", min_size=1).filter(
    lambda segment: segment not in {".", ".."}
)


@st.composite
def hosts(draw: st.DrawFn) -> Host:
    """Draw a host that is legal."""
    name = draw(names)
    if ":" not in name and name.rpartition(".")[2].isdigit():
        name = str(draw(st.ip_addresses(v=4)))
    elif name.rpartition(".")[2].startswith("0x"):
        name += ".test"
    path = draw(st.lists(segments, max_size=3))
    return Host(
        draw(st.sampled_from(["http", "https"])),
        name,
        draw(st.integers(1, 65535)),
        "".join(f"/{segment}" for segment in path),
    )


@given(hosts())
def test_a_normalized_host_stays_unchanged(host: Host) -> None:
    """A host written as a URL is read as the same host, in the constructor too."""
    assert parse_host(host.url) == host
    assert parse_host(host.url.upper().replace(host.base_path.upper(), host.base_path)) == host
    assert oxide.Configuration(host.url).host == host.url


@given(st.text() | st.text("https:/@[]?#%.-1aZ \\\n", max_size=40))
@example("https://[")
@example("//[::1]:1:1")
def test_any_text_is_accepted_as_a_host_or_refused(text: str) -> None:
    """Only `ConfigurationError` is raised, and an accepted host parses to itself."""
    try:
        url = oxide.Configuration(text).host
    except oxide.ConfigurationError:
        return
    assert parse_host(url).url == url
    assert url.isascii()
    assert url.startswith(("http://", "https://"))


PROXIES = {
    # the text; its scheme, name, port and credentials
    "http://proxy.test:3128": ("http", "proxy.test", 3128, None),
    "https://proxy.test:3129": ("https", "proxy.test", 3129, None),
    "proxy.test:3128": ("http", "proxy.test", 3128, None),
    " HTTP://Proxy.Test:3128/ ": ("http", "proxy.test", 3128, None),
    "http://proxy.test": ("http", "proxy.test", 80, None),
    "https://proxy.test": ("https", "proxy.test", 443, None),
    "http://[::1]:3128": ("http", "::1", 3128, None),
    "http://127.0.0.1:3128": ("http", "127.0.0.1", 3128, None),
    "http://user:password@proxy.test:3128": ("http", "proxy.test", 3128, "dXNlcjpwYXNzd29yZA=="),
    "user:password@proxy.test:3128": ("http", "proxy.test", 3128, "dXNlcjpwYXNzd29yZA=="),
    "http://user@proxy.test": ("http", "proxy.test", 80, "dXNlcjo="),
    "http://:password@proxy.test": ("http", "proxy.test", 80, "OnBhc3N3b3Jk"),
    "http://us%40er:p%3Aa%2Fs@proxy.test": ("http", "proxy.test", 80, "dXNAZXI6cDphL3M="),
    "http://user:p@ss/w:rd@proxy.test": ("http", "proxy.test", 80, "dXNlcjpwQHNzL3c6cmQ="),
    "http://user:p\u00e4ss@proxy.test": ("http", "proxy.test", 80, "dXNlcjpww6Rzcw=="),
    "http://@proxy.test": ("http", "proxy.test", 80, None),
}


@pytest.mark.parametrize(("text", "expected"), PROXIES.items(), ids=map(ascii, PROXIES))
def test_a_proxy_url_is_parsed(text: str, expected: tuple[str, str, int, str | None]) -> None:
    """It has scheme, name, port and credentials; the URL shown to people has no credentials."""
    proxy = parse_proxy(text, "proxy")
    authorization = None if proxy.authorization is None else proxy.authorization.reveal()
    assert (proxy.scheme, proxy.name, proxy.port) == expected[:3]
    assert authorization == (None if expected[3] is None else f"Basic {expected[3]}")
    assert parse_proxy(proxy.url, "proxy") == Proxy(*expected[:3], None, "proxy")
    oxide.Configuration("https://my.rack", proxy=text)


REFUSED_PROXIES = {
    "socks5://user:hunter2@proxy.test:1080": "proxy is a SOCKS proxy, which this client does not support",
    "SOCKS5H://hunter2@proxy.test:1080": "proxy is a SOCKS proxy",
    "socks4://hunter2": "proxy is a SOCKS proxy",
    "ftp://hunter2": "must have the scheme http or https",
    "://hunter2": "must have the scheme http or https",
    "user:hun://ter2@proxy.test": "must have the scheme http or https",
    "http://user:hunter2@": "of the form http://name:port",
    "http://user:hunter2": "of the form http://name:port",
    "http://": "of the form http://name:port",
    "http://proxy.test:0": "of the form http://name:port",
    "http://proxy.test:hunter2": "of the form http://name:port",
    "http://proxy.test/hunter2": "of the form http://name:port",
    "http://proxy.test?hunter2": "of the form http://name:port",
    "http://proxy.test#hunter2": "of the form http://name:port",
    "http://user:hunter2@proxy test": "of the form http://name:port",
    "http://user:hunter2@pro\nxy": "of the form http://name:port",
}


@pytest.mark.parametrize(("text", "told"), REFUSED_PROXIES.items(), ids=map(ascii, REFUSED_PROXIES))
def test_a_bad_proxy_url_is_refused_with_the_reason(
    text: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused in the constructor, whether given or found, and none of its text is shown."""
    with pytest.raises(oxide.ConfigurationError) as caught:
        oxide.Configuration(proxy=text)
    assert told in str(caught.value)
    assert "hunter2" not in str(caught.value)
    monkeypatch.setenv("https_proxy", text)
    with pytest.raises(oxide.ConfigurationError, match=r"^HTTPS_PROXY in the environment") as caught:
        oxide.Configuration("https://my.rack")
    assert "hunter2" not in str(caught.value)


@given(st.text() | st.text("https:/@[]?#%.-1aZ \\\n", max_size=40))
def test_any_text_is_accepted_as_a_proxy_or_refused(text: str) -> None:
    """Only `ConfigurationError` is raised."""
    try:
        proxy = parse_proxy(text, "proxy")
    except oxide.ConfigurationError:
        return
    assert parse_proxy(proxy.url, "proxy").url == proxy.url


@given(st.text(min_size=1).filter(lambda text: ":" not in text), st.text(min_size=1))
def test_credentials_in_a_proxy_url_are_decoded(user: str, password: str) -> None:
    """They may be any text if they are percent-encoded."""
    from base64 import b64decode
    from urllib.parse import quote

    proxy = parse_proxy(f"http://{quote(user, safe='')}:{quote(password, safe='')}@proxy.test", "proxy")
    assert proxy.authorization is not None
    assert b64decode(proxy.authorization.reveal().removeprefix("Basic ")).decode() == f"{user}:{password}"


NO_PROXY = {
    # no_proxy; hosts that bypass the proxy; hosts that do not
    "*": (["https://my.rack", "http://192.0.2.7"], []),
    "": ([], ["https://my.rack"]),
    " , ,": ([], ["https://my.rack"]),
    "my.rack": (
        ["my.rack", "MY.RACK", "a.my.rack", "my.rack:8443", "my.rack."],
        ["notmy.rack", "my.rack.test", "rack"],
    ),
    "My.Rack": (["my.rack"], []),
    ".my.rack": (["my.rack", "a.b.my.rack"], ["notmy.rack"]),
    "*.my.rack": (["my.rack", "a.my.rack"], ["notmy.rack"]),
    "my.rack.": (["my.rack"], []),
    "other.test,my.rack": (["my.rack", "other.test"], ["third.test"]),
    "other.test my.rack": (["my.rack"], []),
    "other.test,\n my.rack ,": (["my.rack"], []),
    "my.rack:8443": (["my.rack:8443"], ["my.rack", "my.rack:84"]),
    "my.rack:443": (["my.rack", "my.rack:443"], ["http://my.rack", "my.rack:8443"]),
    ".my.rack:443": (["a.my.rack"], ["a.my.rack:1"]),
    "192.0.2.7": (["192.0.2.7", "192.0.2.7:8443"], ["192.0.2.70", "my.rack"]),
    "192.0.2.7:443": (["192.0.2.7"], ["192.0.2.7:8443"]),
    "192.0.2.0/24": (["192.0.2.1", "192.0.2.255:12220"], ["192.0.3.1", "[fd00::1]", "my.rack"]),
    "192.0.2.77/24": (["192.0.2.1"], ["192.0.3.1"]),
    "192.0.2.0/24:443": (["192.0.2.1"], ["192.0.2.1:8443"]),
    "0.0.0.0/0": (["192.0.2.1"], ["[fd00::1]", "my.rack"]),
    "fd00::/8": (["[fd00::1]", "[fdff::1]:8443"], ["[fe80::1]", "192.0.2.1"]),
    "fd00::1": (["[fd00::1]", "[fd00:0::1]:8443"], ["[fd00::2]"]),
    "[fd00::1]": (["[fd00::1]", "[fd00::1]:8443"], ["[fd00::2]"]),
    "[fd00::1]:443": (["[fd00::1]"], ["[fd00::1]:8443"]),
    "192.0.2.0/33": ([], ["192.0.2.1"]),
    "192.0.2": ([], ["192.0.2.1"]),
    ".2.1": ([], ["192.0.2.1"]),
    "[": ([], ["my.rack"]),
    ":443": ([], ["my.rack"]),
    "http://my.rack": ([], ["my.rack"]),
}


@pytest.mark.parametrize(("no_proxy", "expected"), NO_PROXY.items(), ids=map(ascii, NO_PROXY))
@pytest.mark.parametrize("given_by", ["argument", "NO_PROXY", "no_proxy"])
def test_no_proxy_decides_which_hosts_are_reached_directly(
    no_proxy: str, expected: tuple[list[str], list[str]], given_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All usual forms are accepted, as an argument and from the environment."""
    if given_by != "argument":
        monkeypatch.setenv(given_by, no_proxy)
    argument = no_proxy if given_by == "argument" else None
    for past, texts in zip((True, False), expected, strict=True):
        for text in texts:
            found = choose_proxy(parse_host(text), "http://proxy.test:3128", argument)
            assert (found is None) is past, text
            report = oxide.Configuration(
                text, proxy="http://proxy.test:3128", no_proxy=argument
            ).to_debug_report()
            told = "none" if past else "http://proxy.test:3128 (proxy)"
            assert f"proxy in use: {told}" in report.splitlines()


@given(hosts(), st.text() | st.text("*.,:/[] 0123456789abcdef", max_size=40))
def test_any_text_is_accepted_as_no_proxy(host: Host, no_proxy: str) -> None:
    """There are many dialects of this list; an entry that cannot be read has no effect."""
    assert bypasses_proxy(host, f"{no_proxy},{host.url.partition('//')[2].partition('/')[0]}")


CHOICES = {
    # the host; the environment; the argument; the proxy in use and where it was found
    "none": ("my.rack", {}, None, None),
    "for the scheme": ("my.rack", {"https_proxy": "p.test:1"}, None, ("p.test", "HTTPS_PROXY in the environment")),
    "in capitals": ("my.rack", {"HTTPS_PROXY": "p.test:1"}, None, ("p.test", "HTTPS_PROXY in the environment")),
    "for http": ("http://my.rack", {"http_proxy": "p.test:1"}, None, ("p.test", "HTTP_PROXY in the environment")),
    "for the other scheme": ("my.rack", {"http_proxy": "p.test:1"}, None, None),
    "for all schemes": ("my.rack", {"all_proxy": "p.test:1"}, None, ("p.test", "ALL_PROXY in the environment")),
    "for the scheme before all": (
        "my.rack", {"all_proxy": "a.test:1", "https_proxy": "p.test:1"}, None,
        ("p.test", "HTTPS_PROXY in the environment"),
    ),
    "empty": ("my.rack", {"https_proxy": ""}, None, None),
    "argument": ("my.rack", {}, "p.test:1", ("p.test", "proxy")),
    "argument before environment": ("my.rack", {"https_proxy": "e.test:1"}, "p.test:1", ("p.test", "proxy")),
    "argument for none": ("my.rack", {"https_proxy": "e.test:1"}, "", None),
    "NO_PROXY for the environment": ("my.rack", {"https_proxy": "e.test:1", "no_proxy": "my.rack"}, None, None),
    "NO_PROXY for the argument": ("my.rack", {"no_proxy": "my.rack"}, "p.test:1", None),
    "loopback past the environment": ("http://127.0.0.1:80", {"http_proxy": "e.test:1"}, None, None),
    "loopback by name past the environment": ("localhost:8443", {"https_proxy": "e.test:1"}, None, None),
    "IPv6 loopback past the environment": ("[::1]", {"all_proxy": "e.test:1"}, None, None),
    "loopback past a bad proxy of the environment": ("localhost", {"all_proxy": "socks5://e.test"}, None, None),
    "loopback not past the argument": ("localhost", {}, "p.test:1", ("p.test", "proxy")),
    "the web server's client": ("http://my.rack", {"REQUEST_METHOD": "GET", "HTTP_PROXY": "evil.test"}, None, None),
}  # fmt: skip


@pytest.mark.parametrize(("host", "environment", "argument", "expected"), CHOICES.values(), ids=CHOICES)
def test_the_proxy_comes_from_the_argument_or_the_environment(
    host: str,
    environment: dict[str, str],
    argument: str | None,
    expected: tuple[str, str] | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The argument takes precedence over the environment; loopback and `no_proxy` bypass the proxy."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = choose_proxy(parse_host(host), argument, None)
    assert (None if found is None else (found.name, found.source)) == expected
    oxide.Configuration(host, proxy=argument)


def test_an_explicit_empty_no_proxy_overrides_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """None means the value of the environment; a text, even an empty one, does not."""
    monkeypatch.setenv("no_proxy", "*")
    assert choose_proxy(parse_host("my.rack"), "p.test:1", None) is None
    assert choose_proxy(parse_host("my.rack"), "p.test:1", "") is not None
