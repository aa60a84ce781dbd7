"""Tests of settings: their values, when they may change, what copies and pickles keep, and the report."""

import copy
import functools
import inspect
import logging
import multiprocessing
import pickle
import platform
import pydoc
import re
import socket
import ssl
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any, Unpack, get_type_hints

import numpy
import pytest
import urllib3
from hypothesis import given
from hypothesis import strategies as st

import oxide
from identity.ask import ask
from identity.servers import Recorder
from oxide._identity.keywords import Settings
from oxide.testing import Simulator

SETTINGS = tuple(oxide.Configuration._settings)
SECRETS = {name for name, one in oxide.Configuration._settings.items() if one.secret}
ACCESS_TOKEN = "token-4f1d"
RETRY = urllib3.Retry(2)


@pytest.fixture
def oxide_level() -> Iterator[logging.Logger]:
    """Return the logger `oxide`, and restore its level afterwards."""
    logger = logging.getLogger("oxide")
    level = logger.level
    yield logger
    logger.setLevel(level)


def test_help_shows_every_setting_with_its_type_its_default_and_its_text() -> None:
    """All of it comes from the one table, in its order."""
    signature = inspect.signature(oxide.Configuration)
    assert list(signature.parameters) == list(SETTINGS)
    positional = [name for name, one in signature.parameters.items() if one.kind is one.POSITIONAL_OR_KEYWORD]
    assert positional == ["host"]
    defaults = oxide.Configuration()
    told = re.sub(".\b", "", pydoc.render_doc(oxide.Configuration))  # without the marks of bold text
    for name, parameter in signature.parameters.items():
        assert getattr(defaults, name) == parameter.default
        assert name in dir(defaults)
        (text,) = re.findall(rf"^ \|  {name}\n \|      (.+)$", told, re.MULTILINE)
        assert len(text) > 10


def test_from_environment_takes_the_settings_of_the_table_with_their_types() -> None:
    """Type checkers know its keyword arguments by `Settings`."""
    table = {
        name: parameter.annotation
        for name, parameter in inspect.signature(oxide.Configuration).parameters.items()
        if name not in {"host", "access_token"}
    }
    assert get_type_hints(Settings) == table
    for entrance in (oxide.Configuration.from_environment, oxide.ImagesApi.from_environment):
        assert get_type_hints(entrance)["settings"] == Unpack[Settings]


# A value that is not the default, and the value that is kept.
GOOD: dict[str, list[tuple[Any, Any]]] = {
    "host": [("my.rack", "https://my.rack"), (None, "http://localhost")],
    "access_token": [("t", "t"), (None, None)],
    "ssl_ca_cert": [(None, None)],
    "ca_cert_data": [(None, None)],
    "cert_file": [(None, None)],
    "key_file": [(None, None)],
    "key_password": [(None, None)],
    "verify_ssl": [(False, False), (True, True)],
    "assert_hostname": [("my.rack", "my.rack"), (False, False), (True, None), (None, None)],
    "tls_server_name": [("My.Rack", "My.Rack"), ("192.0.2.7", "192.0.2.7"), ("fd00::7", "fd00::7"), (None, None)],
    "ssl_context": [(None, None)],
    "allow_http_token": [(True, True)],
    "resolve": [
        ({"My.Rack.": "192.0.2.7"}, {"my.rack": "192.0.2.7"}),
        ({"a.test": "[fd00:0::7]", "b.test": "::1"}, {"a.test": "fd00::7", "b.test": "::1"}),
        ({}, {}),
        (None, {}),
    ],
    "proxy": [("http://proxy.test", "http://proxy.test"), ("", ""), (None, None)],
    "no_proxy": [("a.test", "a.test"), ("", ""), (None, None)],
    "proxy_headers": [({"X-Job": "1"}, {"X-Job": "1"}), ({}, {}), (None, None)],
    "proxy_ssl_context": [(None, None)],
    "timeout": [(7, 7.0), (0.5, 0.5), (2147483, 2147483.0), (None, None)],
    "connect_timeout": [(7, 7.0), (None, None)],
    "read_timeout": [(7, 7.0), (None, None)],
    "max_retries": [(0, 0), (9, 9), (None, 2)],
    "retries": [(0, 0), (3, 3), (False, False), (RETRY, RETRY), (None, None)],
    "max_response_bytes": [(1, 1)],
    "connection_pool_maxsize": [(1, 1), (2**31, 2**31), (None, 100)],
    "socket_options": [([(1, 2, 3)], ((1, 2, 3),)), ([[1, 2, b"x"]], ((1, 2, b"x"),)), ([(1, 2, None, 4)], ((1, 2, None, 4),)),
                       ([], ()), (None, ())],
    "api_version": [("2026081901.0.0", "2026081901.0.0"), ("1.2.3-rc.1+b", "1.2.3-rc.1+b"), (None, None)],
    "application": [(("job", "1.0"), ("job", "1.0")), (["job", "1"], ("job", "1")), (None, None)],
    "on_attempt": [(print, print), (None, None)],
    "debug": [(None, None)],
}  # fmt: skip
BAD: dict[str, list[Any]] = {
    "host": ["", "ftp://x", 5],
    "access_token": ["", "two words", b"x", 5],
    "ssl_ca_cert": ["", b"", 5, "nul\0", "\ud800"],
    "ca_cert_data": ["", b"", 5, ["x"]],
    "cert_file": ["", 5, "nul\0"],
    "key_file": ["", 5, "nul\0"],
    "key_password": ["", b"x", 5],
    "verify_ssl": [None, 0, "no", "False"],
    "assert_hostname": ["", 5, b"x", "a\0b", "/etc"],
    "tls_server_name": ["", ".rack", "my rack", "my.rack:443", "[::1]", 5, False],
    "ssl_context": ["x", ssl.SSLContext, True, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)],
    "allow_http_token": [None, 1, "yes"],
    "resolve": ["my.rack:443:192.0.2.7", {"my.rack:443": "192.0.2.7"}, {"my.rack": "other.rack"}, {"my.rack": None},
                {5: "192.0.2.7"}, {"": "192.0.2.7"}, {"my.rack": "192.0.2.7:443"}, [("my.rack", "192.0.2.7")], 5, 0, ""],
    "proxy": ["ftp://x", b"http://x", 5, {"https": "http://x"}],
    "no_proxy": [["a.test"], 5],
    "proxy_headers": ["X: y", {"X Y": "z"}, {"X": 5}, {"Content-Length": "1"}],
    "proxy_ssl_context": ["x", True],
    "timeout": [0, -1, True, "7", float("nan"), float("inf"), 2147484, (1, 2)],
    "connect_timeout": [0, -1, True, "7", float("inf"), 1e300],
    "read_timeout": [0, -1, True, "7", float("inf"), 10**400],
    "max_retries": [-1, True, 1.5, "2"],
    "retries": [-1, True, 1.5, "2", urllib3.Retry],
    "max_response_bytes": [0, -1, None, True, 1.5, 10**5000],
    "connection_pool_maxsize": [0, -1, True, 1.5],
    "socket_options": [5, 0, [5], [(1, 2)], [(1, 2, 3, 4, 5)], [(1, 2, 3, 4)], [(1, 2, None)], [(1, 2, 2**40)],
                       [(10**30, 2, 3)], [(1, 2, None, -1)], [("1", 2, 3)]],
    "api_version": ["", "1", "1.2", "v1.2.3", "2026-08-19", "1.2.3\n", 5, "1.2.3-\u00e9", "1.2.\u0663", "1.2.3 4"],
    "application": ["job", ("job",), ("job", "1", "2"), ("my job", "1"), ("job", ""), ("job", 1), ("job", "1\r\n"), 5],
    "on_attempt": [5, "print"],
    "debug": [0, "yes"],
}  # fmt: skip


@pytest.mark.parametrize("name", SETTINGS)
def test_a_valid_value_is_kept(name: str) -> None:
    """This is the same in the constructor and when assigned."""
    for value, kept in GOOD[name]:
        given_to_constructor = oxide.Configuration(**{name: value})
        assigned = oxide.Configuration()
        setattr(assigned, name, value)
        for configuration in (given_to_constructor, assigned):
            assert getattr(configuration, name) == kept
            assert type(getattr(configuration, name)) is type(kept) or name in {*SECRETS, "resolve"}


@pytest.mark.parametrize("name", SETTINGS)
def test_an_invalid_value_is_refused_by_name_and_the_old_one_stays(name: str) -> None:
    """Refused in the constructor and when assigned, by name, and the old value stays."""
    for value in BAD[name]:
        with pytest.raises(oxide.ConfigurationError, match=f"^{name}"):
            oxide.Configuration(**{name: value})
        configuration = oxide.Configuration()
        before = getattr(configuration, name)
        with pytest.raises(oxide.ConfigurationError, match=f"^{name}"):
            setattr(configuration, name, value)
        assert getattr(configuration, name) == before


class LyingText(str):
    """Text whose methods pretend to be another, harmless text."""

    __slots__ = ()

    def harmless(self, *_: object, **__: object) -> Any:
        return "harmless"

    __str__ = __format__ = lower = casefold = strip = rstrip = replace = removesuffix = harmless

    def __contains__(self, part: object) -> bool:
        return False

    def __iter__(self) -> Iterator[str]:
        return iter("harmless")

    def __len__(self) -> int:
        return 8

    def encode(self, *_: object, **__: object) -> bytes:
        return b"harmless"

    def partition(self, separator: str) -> tuple[str, str, str]:
        return "harmless", "", ""

    def split(self, *_: object, **__: object) -> Any:
        return ["harmless"]

    def startswith(self, *_: object) -> bool:
        return False


class LyingBytes(bytes):
    """Bytes that decode to another text."""

    __slots__ = ()

    def decode(self, *_: object, **__: object) -> str:
        return "harmless"


class LyingInt(int):
    """A number that says it is 1."""

    def one(self, *_: object) -> Any:
        return 1

    __int__ = __index__ = __float__ = __trunc__ = one

    def true(self, *_: object) -> bool:
        return True

    __lt__ = __le__ = __gt__ = __ge__ = true


class LyingFloat(float):
    """Seconds that say they are 1."""

    __slots__ = ()

    def one(self, *_: object) -> Any:
        return 1.0

    __float__ = __pos__ = one

    def true(self, *_: object) -> bool:
        return True

    __lt__ = __le__ = __gt__ = __ge__ = true


LYING: dict[type, type] = {str: LyingText, bytes: LyingBytes, int: LyingInt, float: LyingFloat}


def lying(value: Any) -> Any:
    """Return an equal value whose methods, and those of its parts, pretend to be another one."""
    if type(value) in LYING:
        return LYING[type(value)](value)
    if isinstance(value, (list, tuple)):
        return type(value)(map(lying, value))
    if isinstance(value, dict):
        return {lying(name): lying(item) for name, item in value.items()}
    return value


def is_plain(value: Any) -> bool:
    """Return whether neither a value nor a part of it can lie."""
    if isinstance(value, Mapping):
        return all(map(is_plain, [*value.keys(), *value.values()]))
    return all(map(is_plain, value)) if isinstance(value, tuple) else type(value) not in LYING.values()


@pytest.mark.parametrize("name", SETTINGS)
def test_overridden_methods_of_a_value_are_not_trusted(name: str) -> None:
    """A value of a subclass of `str`, `int` and so on is kept as the plain value, or refused."""
    for value, kept in GOOD[name]:
        configuration = oxide.Configuration(**{name: lying(value)})
        found = getattr(configuration, name)
        assert is_plain(found)
        assert found == kept
    for value in BAD[name]:
        with pytest.raises(oxide.ConfigurationError, match=f"^{name}"):
            oxide.Configuration(**{name: lying(value)})


NUMBERS: list[tuple[str, Any, Any]] = [
    *((name, timedelta(minutes=2), 120.0) for name in ("timeout", "connect_timeout", "read_timeout")),
    ("timeout", timedelta(milliseconds=5), 0.005),
    ("timeout", numpy.int64(7), 7.0),
    ("timeout", numpy.float64(0.5), 0.5),
    ("max_retries", numpy.int64(7), 7),
    ("retries", numpy.uint8(7), 7),
    ("max_response_bytes", numpy.int32(7), 7),
    ("connection_pool_maxsize", numpy.int64(7), 7),
    ("socket_options", [(numpy.int64(1), numpy.int64(2), numpy.int64(3))], ((1, 2, 3),)),
]


@pytest.mark.parametrize(("name", "value", "kept"), NUMBERS, ids=[f"{n} {v!r}" for n, v, _ in NUMBERS])
def test_numbers_may_be_of_any_numeric_type(name: str, value: Any, kept: Any) -> None:
    """They may come from arrays and data frames, and times may be `timedelta`; they are kept as Python's types."""
    found = getattr(oxide.Configuration(**{name: value}), name)
    assert (type(found), found) == (type(kept), kept)
    assert name != "socket_options" or {type(part) for part in found[0]} == {int}


@pytest.mark.parametrize(
    "value",
    [
        timedelta(0),
        timedelta(days=-1),
        timedelta(days=30),
        numpy.int64(0),
        numpy.float64("nan"),
        numpy.bool_(True),
    ],
    ids=repr,
)
def test_a_number_that_cannot_be_a_time_limit_is_refused(value: Any) -> None:
    with pytest.raises(oxide.ConfigurationError, match=r"^timeout must be a positive number of seconds"):
        oxide.Configuration(timeout=value)


def test_the_time_limit_of_one_call_may_be_a_timedelta(server: Recorder) -> None:
    configuration = oxide.Configuration(server.url, max_retries=0)
    for limit in (timedelta(minutes=1), (timedelta(seconds=9), None), numpy.int64(60)):
        ask(configuration, _request_timeout=limit)
    with pytest.raises(oxide.ApiTimeoutError):
        ask(configuration, _request_timeout=timedelta(microseconds=1))
    for nonsense in (timedelta(0), (1, timedelta(-1))):
        with pytest.raises(
            oxide.ApiValueError, match=r"_request_timeout.* must be a positive number of seconds"
        ):
            ask(configuration, _request_timeout=nonsense)
    assert len(server.received) == 3


MESSAGES: dict[str, tuple[Any, str]] = {
    "timeout": (-1, "timeout must be a positive number of seconds up to 2147483, a timedelta, or None for no limit, not -1"),
    "max_retries": ("2", "max_retries must be a whole number from 0 to 9223372036854775807, not '2'"),
    "verify_ssl": ("no", "verify_ssl must be True or False, not 'no'"),
    "verify_ssl ": (None, "verify_ssl must be True or False, not None"),
    "api_version": ("1.2", "api_version must be a version, as in '2025112000.0.0', or None, not '1.2'"),
    "application": (("a b", "1"), "application must be a name and a version without spaces, as in ('my-job', '1.0'), not tuple"),
    "max_response_bytes": (10**5000, "max_response_bytes must be a whole number from 1 to 9223372036854775807, not int"),
    "tls_server_name": ("x" * 999, f"tls_server_name must be a host name or an IP address, without a port, or None, not '{'x' * 79}"),
    "key_file": ("-----BEGIN PRIVATE KEY-----\nhunter2", "key_file must be the path of a file, not what is in it"),
    "ca_cert_data": ("-----BEGIN PRIVATE KEY-----\nhunter2", "ca_cert_data must be certificates alone, without a private key"),
    "access_token": (5, "access_token must be a str, or a callable without arguments that returns one"),
    "access_token ": ("'hunter2'", "access_token is in quotes, which are taken as part of it: leave them out"),
    "proxy": ('"http://user:hunter2@proxy.test"', "proxy is in quotes, which are taken as part of it: leave them out (the value is not shown)"),
    "host": ('"https://my.rack"', 'host "https://my.rack": is in quotes, which are taken as part of it: leave them out'),
}  # fmt: skip


@pytest.mark.parametrize("name", MESSAGES)
def test_messages_show_the_value_unless_it_may_be_secret(name: str) -> None:
    value, told = MESSAGES[name]
    with pytest.raises(oxide.ConfigurationError) as caught:
        oxide.Configuration(**{name.strip(): value})
    assert str(caught.value) == told


@given(st.sampled_from(SETTINGS), st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.lists(st.text()) | st.dictionaries(st.text(), st.text()))  # fmt: skip
def test_any_value_is_accepted_or_refused(name: str, value: Any) -> None:
    """Only `ConfigurationError` is raised; an accepted value is accepted again."""
    if name == "debug":
        return
    configuration = oxide.Configuration()
    try:
        setattr(configuration, name, value)
    except oxide.ConfigurationError:
        return
    kept = getattr(configuration, name)
    setattr(configuration, name, kept)
    assert getattr(configuration, name) == kept


@pytest.mark.parametrize(
    ("misspelled", "told"),
    [
        ("acces_token", "there is no setting 'acces_token'; did you mean 'access_token'?"),
        ("verify_tls", "there is no setting 'verify_tls'; did you mean 'verify_ssl'?"),
        ("xyzzy", "there is no setting 'xyzzy'"),
        (
            "api_key",
            "api_key is a setting of generated clients that this one does not have: see docs/migrating.md",
        ),
        ("logger_file", "logger_file is a setting of generated clients that this one does not have"),
    ],
)
def test_a_setting_that_does_not_exist_is_an_error(misspelled: str, told: str) -> None:
    """In the constructor, by `from_environment` and as an attribute."""
    calls: list[Callable[..., object]] = [
        oxide.Configuration,
        functools.partial(oxide.Configuration.from_environment, "my.rack", "t"),
    ]
    for call in calls:
        with pytest.raises(oxide.ApiTypeError) as caught:
            call(**{misspelled: "x"})
        # `from_environment` takes the token under another name.
        by_environment = told.replace("'access_token'", "'token'")
        assert str(caught.value).startswith(told if call is oxide.Configuration else by_environment)
    configuration = oxide.Configuration()
    with pytest.raises(oxide.ApiAttributeError) as missed:
        setattr(configuration, misspelled, "x")
    assert str(missed.value).startswith(told)
    with pytest.raises(AttributeError):
        getattr(configuration, misspelled)
    with pytest.raises(oxide.ApiAttributeError, match="timeout: a setting cannot be deleted"):
        del configuration.timeout


@pytest.mark.parametrize(
    ("misspelled", "meant"), [("tokn", "token"), ("profil", "profile"), ("cofig_dir", "config_dir")]
)
def test_a_misspelled_argument_of_from_environment_is_an_error(misspelled: str, meant: str) -> None:
    given: dict[str, Any] = {misspelled: "x"}
    with pytest.raises(oxide.ApiTypeError, match=rf"did you mean '{meant}'\?"):
        oxide.Configuration.from_environment(**given)


def test_the_constructor_takes_the_token_as_access_token() -> None:
    given: dict[str, Any] = {"token": "x"}
    with pytest.raises(
        oxide.ApiTypeError, match=r"^there is no setting 'token'; did you mean 'access_token'\?$"
    ):
        oxide.Configuration(**given)


def test_only_the_host_may_be_passed_by_position() -> None:
    """The second one would be the token, which is masked even then."""
    configuration: Any = oxide.Configuration
    with pytest.raises(oxide.ApiTypeError, match="Configuration takes only host by position") as caught:
        configuration("https://my.rack", "hunter2")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(oxide.ApiTypeError, match="Configuration: host is given twice"):
        configuration("https://my.rack", host="https://my.rack")


def test_reading_a_setting_too_early_is_not_reported_as_a_misspelled_one() -> None:
    """A debugger may do this while the constructor is running."""
    unfinished = object.__new__(oxide.Configuration)
    for name in ("timeout", "access_token"):
        with pytest.raises(AttributeError, match=f"{name} is not set yet"):
            getattr(unfinished, name)
    assert repr(unfinished) == "Configuration()"


def test_help_works_without_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """This is the case in a program that is frozen into one file."""
    names: dict[str, Any] = {}
    exec(
        "from oxide._identity.settings import HasSettings\n"
        "from oxide._identity.attribute import setting\n"
        "class Own(HasSettings):\n"
        "    size: int = setting(lambda name, value: value, default=1)\n"
        "    'How large it is.'\n",
        names,
    )
    own = names["Own"]
    assert own.size.__doc__ is None
    assert repr(own.size) == "<setting size, default 1>"
    assert own(size=2).size == 2
    pydoc.render_doc(own)


def test_max_retries_and_retries_are_the_same_setting() -> None:
    """So giving one of them is enough."""
    with pytest.raises(oxide.ConfigurationError, match="max_retries and retries set the same thing"):
        oxide.Configuration(max_retries=1, retries=2)
    configuration = oxide.Configuration(retries=0)
    configuration.max_retries = 5
    with pytest.raises(oxide.ConfigurationError, match="max_retries and retries set the same thing"):
        oxide.ApiClient(configuration)


def test_the_size_of_the_pool_has_no_upper_limit(server: Recorder) -> None:
    ask(oxide.Configuration(server.url, connection_pool_maxsize=2**62))


def test_a_given_setting_counts_as_given_even_if_it_is_the_default() -> None:
    configuration = oxide.Configuration("http://localhost", max_retries=2)
    assert "host: 'http://localhost' (argument)" in configuration.to_debug_report()
    assert "max_retries: 2 (argument)" in configuration.to_debug_report()
    assert "host: 'http://localhost' (default)" in oxide.Configuration().to_debug_report()
    none = oxide.Configuration(max_retries=None, timeout=None).to_debug_report()
    assert "max_retries: 2 (default)" in none
    assert "timeout: None (argument)" in none  # no limit


def test_the_report_of_a_client_shows_the_proxy_that_it_uses(
    server: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Later changes of the environment do not matter."""
    configuration = oxide.Configuration("https://my.rack")
    with oxide.ApiClient(configuration):
        monkeypatch.setenv("https_proxy", "http://proxy.test:3128")
        assert "proxy in use: none\n" in configuration.to_debug_report()
    assert "proxy in use: http://proxy.test:3128" in oxide.Configuration("https://my.rack").to_debug_report()


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_are_fixed_once_a_client_is_made(name: str, server: Recorder) -> None:
    """Only the token can still change, and the error says what to do."""
    configuration = oxide.Configuration(server.url)
    configuration.timeout = 17
    value, _ = GOOD[name][0]
    with oxide.ApiClient(configuration) as client:
        if name == "access_token":
            configuration.access_token = ACCESS_TOKEN
            oxide.ImagesApi(client).image_list()
            assert server.last.header("authorization") == f"Bearer {ACCESS_TOKEN}"
            return
        before = getattr(configuration, name)
        with pytest.raises(oxide.ConfigurationError) as caught:
            setattr(configuration, name, value)
        assert str(caught.value) == (
            f"{name} cannot change once a client is made: change a copy, and make a new client from it"
        )
        assert getattr(configuration, name) == before
    with pytest.raises(oxide.ConfigurationError, match="cannot change"):
        setattr(configuration, name, value)
    changed = copy.copy(configuration)
    setattr(changed, name, value)


@pytest.mark.parametrize("name", ["resolve", "proxy_headers"])
def test_mappings_are_copied_and_read_only(name: str) -> None:
    """So the settings of a client cannot change behind its back."""
    given_value = {"my.rack": "192.0.2.7"} if name == "resolve" else {"X-Job": "1"}
    settings: dict[str, Any] = {name: given_value}
    configuration = oxide.Configuration(**settings)
    given_value["other"] = "192.0.2.8"
    kept: Any = getattr(configuration, name)
    assert "other" not in kept
    with pytest.raises(TypeError):
        kept["third"] = "192.0.2.9"


def test_settings_are_not_fixed_if_the_client_cannot_be_made(tmp_path: Path) -> None:
    """The settings can be corrected, and then the client can be made."""
    configuration = oxide.Configuration()
    configuration.ssl_ca_cert = str(tmp_path / "missing.pem")
    with pytest.raises(oxide.ConfigurationError, match=r"missing\.pem"):
        oxide.ApiClient(configuration)
    configuration.ssl_ca_cert = None
    oxide.ApiClient(configuration).close()


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy])
def test_a_copy_keeps_every_setting_and_may_be_changed(
    make: Any, server: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This includes copies of a fixed configuration; the original does not change."""
    monkeypatch.setenv("OXIDE_HOST", server.url)
    monkeypatch.setenv("OXIDE_TOKEN", ACCESS_TOKEN)
    original = oxide.Configuration.from_environment(
        proxy_headers={"X-Job": "1"}, resolve={"a.test": "192.0.2.7"}
    )
    oxide.ApiClient(original).close()
    twin = make(original)
    assert values(twin) == values(original)
    assert twin.to_debug_report() == original.to_debug_report()
    twin.timeout = 7
    twin.access_token = "another"
    assert (original.timeout, original.access_token) == (300, ACCESS_TOKEN)
    assert "timeout: 300.0 (default)" in original.to_debug_report()
    assert "timeout: 7.0 (argument)" in twin.to_debug_report()
    assert "access_token: <hidden> (OXIDE_HOST and OXIDE_TOKEN)" in original.to_debug_report()
    assert "access_token: <hidden> (argument)" in twin.to_debug_report()
    ask(twin)
    assert server.last.header("authorization") == "Bearer another"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_configuration_without_secrets_pickles(protocol: int) -> None:
    """It may be changed after unpickling."""
    original = oxide.Configuration("my.rack", resolve={"my.rack": "192.0.2.7"}, timeout=7, no_proxy="*")
    oxide.ApiClient(original).close()
    twin = pickle.loads(pickle.dumps(original, protocol))
    assert values(twin) == values(original)
    assert repr(twin) == repr(original)
    twin.timeout = 8


def values(configuration: oxide.Configuration) -> dict[str, Any]:
    """Return every setting."""
    return {name: getattr(configuration, name) for name in SETTINGS}


def test_an_empty_secret_setting_does_not_prevent_pickling(server: Recorder) -> None:
    """It pickles."""
    original = oxide.Configuration(server.url, proxy="", proxy_headers={})
    twin = pickle.loads(pickle.dumps(original))
    assert twin.proxy == ""
    ask(twin)


SECRET_SETTINGS: dict[str, Any] = {
    "access_token": "hunter2",
    "callable": functools.partial(str, "hunter2"),
    "proxy": "http://user:hunter2@proxy.test",
    "proxy_headers": {"X-Key": "hunter2"},
}


@pytest.mark.parametrize("name", SECRET_SETTINGS)
def test_a_configuration_with_a_secret_does_not_pickle(name: str) -> None:
    """Nor does a client, or an object that holds one."""
    setting = "access_token" if name == "callable" else name
    configuration = oxide.Configuration(**{setting: SECRET_SETTINGS[name]})
    with pytest.raises(oxide.ApiTypeError, match="holds a secret cannot be pickled: build it in the worker"):
        pickle.dumps(configuration)
    for held in vars(configuration).values():
        try:
            pickled = pickle.dumps(held)
        except TypeError:
            continue
        assert b"hunter2" not in pickled


def test_a_client_does_not_pickle() -> None:
    """It holds connections; so do the API objects that use it."""
    with oxide.ApiClient(oxide.Configuration()) as client:
        for thing in (client, oxide.ImagesApi(client)):
            with pytest.raises(oxide.ApiTypeError, match="cannot be pickled: build it in the worker"):
                pickle.dumps(thing)


def test_a_worker_process_makes_its_own_client(server: Recorder) -> None:
    """The error recommends this; it works in a process that inherits nothing."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        pool.apply(_in_a_worker, (server.url,))
    assert server.last.header("authorization") == f"Bearer {ACCESS_TOKEN}"


def _in_a_worker(url: str) -> None:
    ask(oxide.Configuration(url, access_token=ACCESS_TOKEN))


def test_the_default_configuration_can_be_replaced(server: Recorder) -> None:
    """`get_default` is one object until another is set; clients made without a configuration use it."""
    first = oxide.Configuration.get_default()
    assert first is oxide.Configuration.get_default()
    assert first.host == "http://localhost"
    given_value = oxide.Configuration(server.url, access_token=ACCESS_TOKEN)
    oxide.Configuration.set_default(given_value)
    assert oxide.Configuration.get_default() is given_value
    twin = oxide.Configuration.get_default_copy()
    twin.timeout = 7
    assert (given_value.timeout, twin.host) == (300, server.url)
    with oxide.ApiClient() as client:
        assert client.configuration is given_value
        oxide.ImagesApi(client).image_list()
    assert server.last.header("authorization") == f"Bearer {ACCESS_TOKEN}"
    with pytest.raises(oxide.ConfigurationError, match="cannot change"):
        oxide.Configuration.get_default().timeout = 7
    oxide.Configuration.get_default_copy().timeout = 7
    oxide.Configuration.set_default(None)
    assert oxide.Configuration.get_default() is not given_value


def test_an_api_without_a_client_uses_the_default_client(server: Recorder) -> None:
    """`ImagesApi()` uses one client until another is set, and does not close it."""
    oxide.Configuration.set_default(oxide.Configuration(server.url))
    with oxide.ImagesApi() as images:
        images.image_list()
    assert oxide.ImagesApi().api_client is images.api_client is oxide.ApiClient.get_default()
    oxide.ImagesApi().image_list()
    images.api_client.close()
    with oxide.ApiClient(oxide.Configuration(server.url, access_token=ACCESS_TOKEN)) as client:
        oxide.ApiClient.set_default(client)
        oxide.ImagesApi().image_list()
    assert [request.header("authorization") for request in server.received] == [
        None,
        None,
        f"Bearer {ACCESS_TOKEN}",
    ]


def test_configuration_and_default_headers_of_a_client_cannot_be_assigned() -> None:
    """An assignment that would have no effect is an error."""
    with oxide.ApiClient(oxide.Configuration()) as client:
        for name in ("configuration", "default_headers"):
            with pytest.raises(AttributeError, match=name):
                setattr(client, name, {})


def test_api_version_is_sent_as_it_is_set(server: Recorder) -> None:
    """Pinned by default; settable, removable, and replaceable for one call."""
    ask(oxide.Configuration(server.url))
    ask(oxide.Configuration(server.url, api_version="2026081901.0.0"))
    ask(oxide.Configuration(server.url, api_version=None))
    ask(oxide.Configuration(server.url), _headers={"API-Version": "2026060800.0.0"})
    versions = [request.header("api-version") for request in server.received]
    assert versions == ["2025112000.0.0", "2026081901.0.0", None, "2026060800.0.0"]


def test_an_api_version_that_is_too_new_is_an_error() -> None:
    """The message says so in the server's words, and what to do."""
    with Simulator(max_api_version="2026060800.0.0") as simulator:
        ask(simulator.configuration())
        ask(simulator.configuration(api_version=None))
        with pytest.raises(oxide.BadRequestException) as caught:
            ask(simulator.configuration(api_version="2026081901.0.0"))
    assert str(caught.value) == (
        "400 Bad Request: server does not support this API version: 2026081901.0.0 "
        f"(GET /v1/images, request id {caught.value.request_id}); "
        "the rack is older than the api_version of the Configuration: set an older one, or None"
    )


def test_the_user_agent_names_program_client_python_and_urllib3(server: Recorder) -> None:
    """The product of the application comes first, then those of this package, Python and urllib3."""
    own = f"oxide-python/{oxide.__version__} python/{platform.python_version().rstrip('+')} urllib3/{version('urllib3')}"
    ask(oxide.Configuration(server.url))
    ask(oxide.Configuration(server.url, application=("image-builder", "1.2")))
    with oxide.ApiClient(oxide.Configuration(server.url)) as client:
        assert client.user_agent == own
        client.user_agent = "mine/1"
        oxide.ImagesApi(client).image_list()
        assert client.default_headers["user-agent"] == "mine/1"
    agents = [request.header("user-agent") for request in server.received]
    assert agents == [own, f"image-builder/1.2 {own}", "mine/1"]


def test_socket_options_are_set_on_the_connection(server: Recorder) -> None:
    """They are set, in addition to those of this package."""
    options = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)]
    ask(oxide.Configuration(server.url, socket_options=options))
    with pytest.raises(oxide.ApiConnectionError):
        ask(oxide.Configuration(server.url, socket_options=[(socket.SOL_SOCKET, 9999, 1)], max_retries=0))


def test_debug_sets_only_the_level_of_one_logger(oxide_level: logging.Logger, server: Recorder) -> None:
    """It changes no handler, no other logger and nothing of http.client."""
    import http.client

    def others() -> Mapping[str, Any]:
        loggers = {
            name: (logger.level, logger.handlers, logger.propagate, logger.disabled)
            for name, logger in logging.root.manager.loggerDict.items()
            if isinstance(logger, logging.Logger) and name != "oxide"
        }
        root = logging.root.level, list(logging.root.handlers), logging.lastResort, logging.raiseExceptions
        return {"": root, **loggers}

    ask(oxide.Configuration(server.url))
    before, handlers = others(), list(oxide_level.handlers)
    for debug, level in ((True, logging.DEBUG), (False, logging.WARNING)):
        configuration = oxide.Configuration(server.url, debug=debug)
        assert oxide_level.level == level
        ask(configuration)
    oxide_level.setLevel(logging.ERROR)
    oxide.Configuration(server.url, debug=None)
    assert oxide_level.level == logging.ERROR
    oxide.Configuration(server.url).debug = True
    assert oxide_level.level == logging.DEBUG
    assert others() == before
    assert (oxide_level.handlers, oxide_level.propagate) == (handlers, True)
    assert http.client.HTTPConnection.debuglevel == 0


def test_the_repr_shows_the_given_settings_without_secrets() -> None:
    """The host and what was set, and no secret."""
    assert repr(oxide.Configuration()) == "Configuration(host='http://localhost')"
    configuration = oxide.Configuration("my.rack", access_token="hunter2", timeout=7, max_retries=2)
    expected = "Configuration(host='https://my.rack', access_token=<hidden>, timeout=7.0, max_retries=2)"
    assert repr(configuration) == str(configuration) == expected


def test_the_report_shows_versions_settings_and_sources_without_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every setting with its source, the proxy, the CAs, the versions; nothing secret."""
    monkeypatch.setenv("https_proxy", "http://user:hunter2@proxy.test:3128")
    monkeypatch.setenv("OXIDE_HOST", "My.Rack/")
    monkeypatch.setenv("OXIDE_TOKEN", "hunter2")
    configuration = oxide.Configuration.from_environment(
        timeout=20,
        read_timeout=None,
        proxy_headers={"X-Key": "hunter2"},
        on_attempt=functools.partial(print, "hunter2"),
    )
    lines = configuration.to_debug_report().splitlines()
    assert lines[0] == f"oxide {oxide.__version__}, Python {platform.python_version()}, {platform.platform()}"
    names = ("pydantic", "python-dateutil", "typing-extensions", "urllib3")
    assert lines[1] == ", ".join([*(f"{name} {version(name)}" for name in names), ssl.OPENSSL_VERSION])
    assert lines[2] == "proxy in use: http://proxy.test:3128 (HTTPS_PROXY in the environment)"
    assert lines[3].startswith("trusted CA certificates: the system's (")
    settings = dict(line.split(": ", 1) for line in lines[4:])
    assert list(settings) == list(SETTINGS)
    expected = {
        "host": "'https://my.rack' (OXIDE_HOST and OXIDE_TOKEN)",
        "access_token": "<hidden> (OXIDE_HOST and OXIDE_TOKEN)",
        "timeout": "20.0 (argument)",
        "connect_timeout": "5.0 (default)",
        "read_timeout": "None (argument)",
        "proxy": "None (default)",
        "proxy_headers": "<hidden> (argument)",
        "on_attempt": "<partial> (argument)",
        "resolve": "{} (default)",
    }
    assert {name: settings[name] for name in expected} == expected
    assert "hunter2" not in "".join(lines)


def test_the_report_names_settings_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report is needed most in that case."""
    monkeypatch.setenv("https_proxy", "socks5://user:hunter2@proxy.test")
    configuration = oxide.Configuration()
    configuration.host = "my.rack"
    (line,) = (
        line for line in configuration.to_debug_report().splitlines() if line.startswith("proxy in use: ")
    )
    assert line.startswith(
        "proxy in use: none that can be used: HTTPS_PROXY in the environment is a SOCKS proxy"
    )
    assert "hunter2" not in line


def test_the_report_of_a_client_describes_its_current_token(server: Recorder) -> None:
    """A token that is assigned later counts as given by the program."""
    configuration = oxide.Configuration(server.url)
    ask(configuration)
    assert "access_token: None (default)" in configuration.to_debug_report()
    configuration.access_token = ACCESS_TOKEN
    assert "access_token: <hidden> (argument)" in configuration.to_debug_report()


def test_the_report_works_without_package_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that is frozen into one file has no metadata; the report says so and is otherwise complete."""
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "meta_path", [])
    assert "urllib3 of unknown version" in oxide.Configuration().to_debug_report()
