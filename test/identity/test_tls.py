"""TLS against real servers: which certificates are trusted, which are sent, and which names are checked."""

import os
import re
import select
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from authority import KEY_PASSWORD, Authority, make_authority, without_authority_key_identifier
from transport.fault_server import FaultServer, http_response, part_of_request, send

import oxide
from identity.ask import ask
from identity.servers import Recorder, proxy, recorder
from oxide.testing import Simulator

NAME = "silo.test"
HERE = {NAME: "127.0.0.1"}


@pytest.fixture
def tls_server(authority: Authority) -> Iterator[Recorder]:
    """Run a server whose certificate is for `silo.test`, a name that only `resolve` knows."""
    with recorder(authority.server_context(NAME), host=NAME) as record:
        yield record


def trusting(authority: Authority, server: Recorder, **settings: Any) -> oxide.Configuration:
    """Return a configuration that trusts the authority and reaches the server."""
    return oxide.Configuration(
        **{"host": server.url, "resolve": HERE, "ca_cert_data": authority.pem, "max_retries": 0, **settings}
    )


def run(code: str, directory: Path | None = None, **variables: str) -> str:
    """Run a program in a process without a terminal, and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={"PATH": "", **variables},
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        start_new_session=True,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "form",
    [
        "ssl_ca_cert PEM",
        "ssl_ca_cert DER",
        "ssl_ca_cert Path",
        "PEM as str",
        "PEM as bytes",
        "DER as bytes",
        "both",
    ],
)
def test_ca_certificates_may_be_given_in_every_form(
    form: str, authority: Authority, tls_server: Recorder
) -> None:
    """It may be a file or data, PEM or DER."""
    forms: dict[str, dict[str, Any]] = {
        "ssl_ca_cert PEM": {"ssl_ca_cert": authority.path("ca.pem")},
        "ssl_ca_cert DER": {"ssl_ca_cert": authority.path("ca.der")},
        "ssl_ca_cert Path": {"ssl_ca_cert": Path(authority.path("ca.pem"))},
        "PEM as str": {"ca_cert_data": authority.pem},
        "PEM as bytes": {"ca_cert_data": authority.pem.encode()},
        "DER as bytes": {"ca_cert_data": authority.der},
        "both": {"ssl_ca_cert": _another_ca(authority), "ca_cert_data": authority.pem},
    }
    configuration = oxide.Configuration(tls_server.url, resolve=HERE, access_token="t", **forms[form])
    ask(configuration)
    assert tls_server.last.header("authorization") == "Bearer t"
    assert tls_server.server_names == [NAME]


def _another_ca(authority: Authority) -> str:
    directory = authority.directory / "another"
    directory.mkdir(exist_ok=True)
    return make_authority(directory).path("ca.pem")


@pytest.mark.parametrize("kind", [str, bytes])
def test_a_bundle_may_have_comments_in_any_language(
    kind: type, authority: Authority, tls_server: Recorder
) -> None:
    """Bundles of distributions have comments; the certificates between them count."""
    text = f"# Autorit\u00e9 Racine \u2603\n{authority.pem}\n# \u00e9nd\n"
    ask(trusting(authority, tls_server, ca_cert_data=text if kind is str else text.encode()))
    assert len(tls_server.received) == 1


def test_a_certificate_of_an_unknown_authority_is_refused(authority: Authority, tls_server: Recorder) -> None:
    """The error names the host and the trusted authorities; nothing was sent, and the call is not retried."""
    other = _another_ca(authority)
    for settings, trusted in (
        ({"ca_cert_data": None}, "the system's ("),
        ({"ca_cert_data": Path(other).read_text()}, "those of ca_cert_data"),
        ({"ca_cert_data": None, "ssl_ca_cert": other}, f"those of ssl_ca_cert {other!r}"),
        (
            {"ca_cert_data": Path(other).read_text(), "ssl_ca_cert": other},
            f"those of ssl_ca_cert {other!r} and those of ca_cert_data",
        ),
        ({"ca_cert_data": None, "ssl_context": ssl.create_default_context()}, "those of ssl_context"),
    ):
        with pytest.raises(oxide.ApiConnectionError) as caught:
            ask(trusting(authority, tls_server, max_retries=2, **settings))
        assert "certificate refused" in str(caught.value)
        assert f"(host {NAME!r}; trusted CA certificates: {trusted}" in str(caught.value)
        assert (caught.value.outcome, len(caught.value.attempts)) == ("not sent", 1)
    assert tls_server.received == []


def test_the_authorities_of_the_system_are_trusted_by_default(authority: Authority) -> None:
    """They are trusted by default; `SSL_CERT_FILE` is where OpenSSL looks for them."""
    with recorder(authority.server_context("localhost"), host="localhost") as server:
        code = f"""
import oxide
configuration = oxide.Configuration({server.url!r}, max_retries=0)
print(configuration.to_debug_report().splitlines()[3])
try:
    print(oxide.ImagesApi(oxide.ApiClient(configuration)).image_list().items)
except oxide.ApiException as error:
    print(error)
"""
        file = authority.path("ca.pem")
        report, images = run(code, SSL_CERT_FILE=file, SSL_CERT_DIR="/nowhere").splitlines()
        assert images == "[]"
        missing = "SSL_CERT_DIR names '/nowhere', which does not exist"
        assert report == f"trusted CA certificates: the system's ({file}; {missing})"
        _, error = run(code, SSL_CERT_FILE="/nowhere", SSL_CERT_DIR="/nowhere").splitlines()
        assert "certificate refused" in error
        missing = "SSL_CERT_FILE names '/nowhere', which does not exist"
        assert f"trusted CA certificates: the system's (none found; {missing}; SSL_CERT_DIR" in error


def test_other_authorities_replace_those_of_the_system(
    authority: Authority, tls_server: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The authorities of the system are then not trusted."""
    monkeypatch.setenv("SSL_CERT_FILE", authority.path("ca.pem"))
    ask(trusting(authority, tls_server, ca_cert_data=None))
    other = _another_ca(authority)
    both: list[dict[str, Any]] = [
        {"ca_cert_data": Path(other).read_text()},
        {"ca_cert_data": None, "ssl_ca_cert": other},
    ]
    for settings in both:
        with pytest.raises(oxide.ApiConnectionError, match="certificate refused"):
            ask(trusting(authority, tls_server, **settings))
    assert len(tls_server.received) == 1


def test_an_intermediate_authority_is_trusted_without_its_root(
    tls_server: Recorder, authority: Authority
) -> None:
    """Trusting an intermediate CA is enough, on every version of Python."""
    intermediate = authority.ca.create_child_ca()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    intermediate.issue_cert(NAME).configure_cert(context)
    with recorder(context, host=NAME) as server:
        ask(trusting(authority, server, ca_cert_data=intermediate.cert_pem.bytes()))
        assert len(server.received) == 1


def test_certificates_need_no_authority_key_identifier(tmp_path: Path, authority: Authority) -> None:
    """Python 3.13 began to refuse them by default; private CAs make them."""
    ca, context = without_authority_key_identifier(NAME, tmp_path)
    with recorder(context, host=NAME) as server:
        ask(trusting(authority, server, ca_cert_data=ca))
        assert len(server.received) == 1


def test_old_versions_of_tls_are_refused(authority: Authority) -> None:
    """TLS 1.2 is the oldest, whatever the system allows."""
    context = authority.server_context(NAME)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with recorder(context, host=NAME) as server:
        with pytest.raises(oxide.ApiConnectionError, match="TLS: "):
            ask(trusting(authority, server))
        assert server.received == []


def test_the_common_name_is_ignored(authority: Authority) -> None:
    """A certificate for other names, with the right one in its subject, is refused."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.ca.issue_cert("other@mail.test", common_name=NAME).configure_cert(context)
    with (
        recorder(context, host=NAME) as server,
        pytest.raises(oxide.ApiConnectionError, match="certificate refused"),
    ):
        ask(trusting(authority, server))


BAD_AUTHORITIES: dict[str, tuple[Any, str]] = {
    "text": ("hello", "ca_cert_data holds no usable CA certificate, PEM or DER"),
    "bytes": (b"hello", "ca_cert_data holds no usable CA certificate"),
    "cut PEM": ("-----BEGIN CERTIFICATE-----\nMIIB", "ca_cert_data holds no usable CA certificate"),
    "PEM of garbage": (
        "-----BEGIN CERTIFICATE-----\nhello\n-----END CERTIFICATE-----\n",
        "ca_cert_data holds no usable CA certificate",
    ),
    "other text": ("h\u00e9llo \ud800", "ca_cert_data holds no usable CA certificate"),
}


@pytest.mark.parametrize(("data", "told"), BAD_AUTHORITIES.values(), ids=BAD_AUTHORITIES)
def test_garbage_instead_of_authorities_is_refused(data: Any, told: str, tmp_path: Path) -> None:
    """The constructor names the setting, for data and for a file."""
    with pytest.raises(oxide.ConfigurationError, match=told):
        oxide.Configuration(ca_cert_data=data)
    file = tmp_path / "ca.pem"
    file.write_bytes(data if isinstance(data, bytes) else data.encode(errors="replace"))
    with pytest.raises(
        oxide.ConfigurationError, match=re.escape(f"ssl_ca_cert {str(file)!r} holds no usable CA")
    ):
        oxide.Configuration(ssl_ca_cert=file)


def test_a_bundle_with_a_broken_certificate_is_refused(authority: Authority) -> None:
    """Skipping a bad certificate would leave a missing CA that is hard to find."""
    with pytest.raises(oxide.ConfigurationError, match="ca_cert_data holds no usable CA certificate"):
        oxide.Configuration(ca_cert_data=authority.pem + BAD_AUTHORITIES["PEM of garbage"][0])


@pytest.mark.parametrize("setting", ["ssl_ca_cert", "cert_file", "key_file"])
@pytest.mark.parametrize(("name", "told"), [("missing.pem", "No such file"), ("", "Is a directory")])
def test_an_error_names_an_unreadable_file_and_its_setting(
    setting: str, name: str, told: str, tmp_path: Path, authority: Authority
) -> None:
    """The constructor raises the error."""
    path = str(tmp_path / name)
    settings: dict[str, Any] = {"cert_file": authority.path("client.pem"), setting: path}
    with pytest.raises(
        oxide.ConfigurationError, match=re.escape(f"{setting} {path!r} cannot be read: {told}")
    ):
        oxide.Configuration(**settings)


CLIENTS: dict[str, dict[str, str]] = {
    "two files": {"cert_file": "client.pem", "key_file": "client.key"},
    "one file": {"cert_file": "both.pem"},
    "encrypted": {
        "cert_file": "client.pem",
        "key_file": "client-encrypted.key",
        "key_password": KEY_PASSWORD,
    },
    "needless password": {"cert_file": "client.pem", "key_file": "client.key", "key_password": "x"},
}


@pytest.mark.parametrize("form", CLIENTS)
def test_client_certificates_are_sent(form: str, authority: Authority) -> None:
    """They are sent to a server that requests them."""
    settings: dict[str, Any] = {
        name: value if name == "key_password" else authority.path(value)
        for name, value in CLIENTS[form].items()
    }
    with recorder(authority.server_context(NAME, client_certificate=ssl.CERT_REQUIRED), host=NAME) as server:
        ask(trusting(authority, server, **settings))
        subject = dict(part[0] for part in (server.last.certificate or {})["subject"])
        assert subject["commonName"] == "automation"
        with pytest.raises(oxide.ApiConnectionError):
            ask(trusting(authority, server))
        assert len(server.received) == 1


BAD_CLIENTS: dict[str, tuple[dict[str, str], str]] = {
    "no password": (
        {"cert_file": "client.pem", "key_file": "client-encrypted.key"},
        r"key_file '.*client-encrypted.key' holds an encrypted key: set key_password",
    ),
    "wrong password": (
        {"cert_file": "client.pem", "key_file": "client-encrypted.key", "key_password": "hunter2"},
        r"key_file '.*client-encrypted.key': key_password does not open the key",
    ),
    "endless password": (
        {"cert_file": "client.pem", "key_file": "client-encrypted.key", "key_password": "hunter2" * 1000},
        r"key_file '.*client-encrypted.key': key_password does not open the key",
    ),
    "no key": ({"cert_file": "client.pem"}, r"cert_file '.*client.pem' and its key cannot be used"),
    "no certificate": (
        {"cert_file": "client.key", "key_file": "client.key"},
        r"cert_file '.*client.key' and its key cannot be used",
    ),
    "another's key": (
        {"cert_file": "ca.pem", "key_file": "client.key"},
        r"cert_file '.*ca.pem' and its key cannot be used .*KEY_VALUES_MISMATCH",
    ),
    "key alone": ({"key_file": "client.key"}, "key_file needs cert_file"),
    "password alone": ({"key_password": "hunter2"}, "key_password needs cert_file"),
}


@pytest.mark.parametrize(("settings", "told"), BAD_CLIENTS.values(), ids=BAD_CLIENTS)
def test_unusable_client_certificates_are_refused(
    settings: dict[str, str], told: str, authority: Authority
) -> None:
    """The constructor names the reason and does not show the password."""
    given: dict[str, Any] = {
        name: value if name == "key_password" else authority.path(value) for name, value in settings.items()
    }
    with pytest.raises(oxide.ConfigurationError, match=told) as caught:
        oxide.Configuration(**given)
    assert "hunter2" not in str(caught.value)


def test_an_encrypted_key_never_asks_at_the_terminal(authority: Authority) -> None:
    """A job without a terminal gets an error at once that says what to set, and nothing else is printed."""
    code = f"""
import oxide
try:
    oxide.Configuration(
        cert_file={authority.path("client.pem")!r}, key_file={authority.path("client-encrypted.key")!r}
    )
except oxide.ConfigurationError as error:
    print(error)
"""
    printed = run(code)
    assert (
        printed
        == f"key_file {authority.path('client-encrypted.key')!r} holds an encrypted key: set key_password\n"
    )


def test_the_name_in_the_certificate_is_checked(authority: Authority) -> None:
    """A certificate of a trusted authority for another name is refused."""
    with recorder(authority.server_context("other.test"), host=NAME) as server:
        with pytest.raises(oxide.ApiConnectionError, match=r"certificate refused: .*silo\.test") as caught:
            ask(trusting(authority, server, access_token="t"))
        assert caught.value.outcome == "not sent"
        assert server.received == []


# settings; whether a certificate for `other.test` is accepted for the host `silo.test`; the name sent in TLS
NAMES: dict[str, tuple[dict[str, Any], bool, str]] = {
    "assert_hostname": ({"assert_hostname": "other.test"}, True, NAME),
    "another assert_hostname": ({"assert_hostname": "third.test"}, False, NAME),
    "no assert_hostname": ({"assert_hostname": False}, True, NAME),
    "assert_hostname as in generated clients": ({"assert_hostname": True}, False, NAME),
    "tls_server_name": ({"tls_server_name": "other.test"}, True, "other.test"),
    "another tls_server_name": ({"tls_server_name": "third.test"}, False, "third.test"),
    "tls_server_name and assert_hostname": (
        {"tls_server_name": "third.test", "assert_hostname": "other.test"}, True, "third.test",
    ),
    "tls_server_name and another assert_hostname": (
        {"tls_server_name": "other.test", "assert_hostname": "third.test"}, False, "other.test",
    ),
    "verify_ssl": ({"verify_ssl": False}, True, NAME),
}  # fmt: skip


@pytest.mark.parametrize(("settings", "taken", "asked_for"), NAMES.values(), ids=NAMES)
@pytest.mark.filterwarnings("ignore:verify_ssl=False")
def test_tls_server_name_is_sent_and_checked(
    settings: dict[str, Any], taken: bool, asked_for: str, authority: Authority
) -> None:
    """It is sent (SNI) and must be in the certificate; the header `Host` is not changed."""
    with recorder(authority.server_context("other.test"), host=NAME) as server:
        configuration = trusting(authority, server, access_token="t", **settings)
        if taken:
            ask(configuration)
            assert server.last.header("host") == f"{NAME}:{server.port}"
        else:
            with pytest.raises(oxide.ApiConnectionError, match="certificate refused"):
                ask(configuration)
            assert server.received == []
        assert server.server_names == [asked_for]


def test_without_a_check_of_the_name_the_authority_is_still_checked(authority: Authority) -> None:
    """`assert_hostname=False` is not `verify_ssl=False`."""
    with recorder(authority.server_context("other.test"), host=NAME) as server:
        with pytest.raises(oxide.ApiConnectionError, match="certificate refused"):
            ask(trusting(authority, server, ca_cert_data=None, assert_hostname=False))
        assert server.received == []


def test_verify_ssl_false_warns_once_and_accepts_any_certificate(authority: Authority) -> None:
    """The warning is at the line that makes the client, and calls give none."""
    with recorder(authority.server_context("other.test"), host=NAME) as server:
        configuration = trusting(authority, server, ca_cert_data=None, verify_ssl=False)
        assert "any certificate is accepted (verify_ssl=False)" in configuration.to_debug_report()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with oxide.ApiClient(configuration) as client:
                for _ in range(3):
                    oxide.ImagesApi(client).image_list()
            oxide.ImagesApi.from_environment(server.url, "t", verify_ssl=False).api_client.close()
        told = "verify_ssl=False: anyone between here and the host can read the token and change what is sent"
        assert [str(warning.message) for warning in caught] == [told, told]
        assert {warning.filename for warning in caught} == {__file__}
        assert len(server.received) == 3


def test_an_ssl_context_of_the_program_is_used(authority: Authority, tls_server: Recorder) -> None:
    """It decides everything, and is used unchanged."""
    context = ssl.create_default_context(cadata=authority.pem)
    ask(trusting(authority, tls_server, ca_cert_data=None, ssl_context=context))
    assert context.check_hostname
    with recorder(authority.server_context("other.test"), host=NAME) as other:
        with pytest.raises(oxide.ApiConnectionError, match="certificate refused"):
            ask(trusting(authority, other, ca_cert_data=None, ssl_context=context))
        context.check_hostname = False
        ask(trusting(authority, other, ca_cert_data=None, ssl_context=context))
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        configuration = trusting(authority, other, ca_cert_data=None, ssl_context=context)
        ask(configuration)
        assert len(other.received) == 2
    assert "those of ssl_context, which accepts any certificate" in configuration.to_debug_report()


@pytest.mark.parametrize(
    "setting", ["ssl_ca_cert", "ca_cert_data", "cert_file", "key_password", "assert_hostname", "verify_ssl"]
)
def test_an_ssl_context_excludes_other_tls_settings(setting: str, authority: Authority) -> None:
    """Both together are an error, since one of them would have no effect."""
    values: dict[str, Any] = {
        "ssl_ca_cert": authority.path("ca.pem"),
        "ca_cert_data": authority.pem,
        "cert_file": authority.path("both.pem"),
        "key_password": KEY_PASSWORD,
        "assert_hostname": "other.test",
        "verify_ssl": False,
    }
    with pytest.raises(
        oxide.ConfigurationError, match=rf"ssl_context takes the place of {setting}.*: give one or"
    ):
        oxide.Configuration(**{setting: values[setting], "ssl_context": ssl.create_default_context()})


def test_files_are_read_when_the_client_is_made(
    authority: Authority, tls_server: Recorder, tmp_path: Path
) -> None:
    """An error is raised then; later changes of the files affect only the next client."""
    file = tmp_path / "ca.pem"
    file.write_text(authority.pem)
    configuration = trusting(authority, tls_server, ca_cert_data=None, ssl_ca_cert=file)
    with oxide.ApiClient(configuration) as client:
        file.unlink()
        oxide.ImagesApi(client).image_list()
    with pytest.raises(oxide.ConfigurationError, match=re.escape(str(file))):
        oxide.ApiClient(configuration)


def test_confusing_http_and_https_is_an_error_that_says_so() -> None:
    """In both directions, the message says what the other side may be."""
    with (
        FaultServer([part_of_request, send(http_response(400))]) as server,
        pytest.raises(
            oxide.ApiConnectionError, match="the other side does not speak TLS: http instead of https"
        ),
    ):
        ask(oxide.Configuration(server.url.replace("http://", "https://"), max_retries=0))


def test_a_certificate_may_be_for_an_address(authority: Authority) -> None:
    """A host that is an address is checked against the addresses in the certificate."""
    with recorder(authority.server_context("127.0.0.1"), host="127.0.0.1") as server:
        ask(oxide.Configuration(server.url, ca_cert_data=authority.pem))
        assert server.server_names == [None]
    with (
        recorder(authority.server_context("127.0.0.2"), host="127.0.0.1") as server,
        pytest.raises(oxide.ApiConnectionError, match="certificate refused"),
    ):
        ask(oxide.Configuration(server.url, ca_cert_data=authority.pem, max_retries=0))


def test_a_host_may_end_with_a_dot(authority: Authority, tls_server: Recorder) -> None:
    """The absolute form of a DNS name is the same host; certificates are without the dot."""
    url = tls_server.url.replace(NAME, f"{NAME}.")
    ask(trusting(authority, tls_server, host=url, resolve={f"{NAME}.": "127.0.0.1"}))
    assert tls_server.server_names == [NAME]


def test_a_call_to_the_simulator_works_over_tls() -> None:
    """Its `configuration()` has the CA certificate as data."""
    with Simulator(tls=True) as simulator:
        ask(simulator.configuration())
        assert simulator.requests[-1].user == "admin"


@pytest.mark.parametrize("given_as", ["the CAs of the host", "proxy_ssl_context"])
def test_the_connection_to_a_proxy_may_use_tls(
    given_as: str, authority: Authority, tls_server: Recorder, tmp_path: Path
) -> None:
    """An https proxy is verified by the host's CAs or by a context of its own; it gets no client certificate."""
    other = make_authority(tmp_path)
    of_proxy = authority if given_as == "the CAs of the host" else other
    settings: dict[str, Any] = {}
    if given_as == "proxy_ssl_context":
        settings["proxy_ssl_context"] = ssl.create_default_context(cadata=other.pem)
    with proxy(HERE, of_proxy.server_context("127.0.0.1", client_certificate=ssl.CERT_OPTIONAL)) as carrying:
        ask(
            trusting(
                authority, tls_server, resolve={}, proxy=carrying.url, access_token="t",
                cert_file=authority.path("both.pem"), **settings,
            )
        )  # fmt: skip
        assert not carrying.last.certificate
        assert (carrying.last.method, carrying.last.target) == ("CONNECT", f"{NAME}:{tls_server.port}")
        assert "authorization" not in carrying.last.headers
    assert tls_server.last.header("authorization") == "Bearer t"


def test_a_proxy_with_an_untrusted_certificate_is_refused(
    authority: Authority, tls_server: Recorder, tmp_path: Path
) -> None:
    """The error names the proxy; nothing was sent to it."""
    with proxy(HERE, make_authority(tmp_path).server_context("127.0.0.1")) as carrying:
        with pytest.raises(
            oxide.ApiConnectionError, match=rf"proxy {carrying.url}: TLS: certificate refused"
        ):
            ask(trusting(authority, tls_server, resolve={}, proxy=carrying.url))
        assert carrying.received == []


def test_the_error_says_whose_certificate_is_refused(
    authority: Authority, tls_server: Recorder, server: Recorder, tmp_path: Path
) -> None:
    """It says whether it is the proxy's or the host's, and which CAs apply."""
    other = make_authority(tmp_path)
    of_other: dict[str, Any] = {
        "proxy_ssl_context": ssl.create_default_context(cadata=other.pem),
        "max_retries": 0,
    }
    settings: dict[str, Any] = {"ssl_ca_cert": authority.path("ca.pem"), **of_other}
    with proxy(HERE, authority.server_context("127.0.0.1")) as carrying:
        told = r"\(proxy '127\.0\.0\.1'; trusted CA certificates: those of proxy_ssl_context\)"
        for url in (tls_server.url, server.url):
            with pytest.raises(oxide.ApiConnectionError, match=told):
                ask(oxide.Configuration(url, proxy=carrying.url, **settings))
        told = r"\(proxy '127\.0\.0\.1'; trusted CA certificates: the system's"
        with pytest.raises(oxide.ApiConnectionError, match=told):
            ask(oxide.Configuration(tls_server.url, proxy=carrying.url, max_retries=0))
    with proxy(HERE, other.server_context("127.0.0.1")) as carrying:
        told = rf"\(host '{NAME}'; trusted CA certificates: those of ca_cert_data\)"
        with pytest.raises(oxide.ApiConnectionError, match=told):
            ask(oxide.Configuration(tls_server.url, proxy=carrying.url, ca_cert_data=other.pem, **of_other))


def test_the_certificate_of_a_proxy_is_checked_even_if_that_of_the_host_is_not(
    authority: Authority, tls_server: Recorder, tmp_path: Path
) -> None:
    """Before 2.8, urllib3 let the settings for the host count for the proxy as well."""
    lenient = ssl.create_default_context()
    lenient.check_hostname = False
    lenient.verify_mode = ssl.CERT_NONE
    strict = ssl.create_default_context(cadata=authority.pem)
    settings: dict[str, Any] = {"ssl_context": lenient, "proxy_ssl_context": strict, "max_retries": 0}
    with (
        proxy(HERE, make_authority(tmp_path).server_context("127.0.0.1")) as carrying,
        pytest.raises(oxide.ApiConnectionError, match=rf"proxy {carrying.url}: TLS: certificate refused"),
    ):
        ask(oxide.Configuration(tls_server.url, proxy=carrying.url, **settings))
    with proxy(HERE, authority.server_context("127.0.0.1")) as carrying:
        ask(oxide.Configuration(tls_server.url, proxy=carrying.url, **settings))
    assert (strict.verify_mode, strict.check_hostname) == (ssl.CERT_REQUIRED, True)


IN_A_CHILD = """
import os, oxide
configuration = oxide.Configuration({url!r}, resolve={here!r}, max_retries=0, **{settings!r})
images = oxide.ImagesApi(oxide.ApiClient(configuration))
print(images.image_list().items, flush=True)
for name in os.listdir("."):
    os.remove(name)
os.chdir("/")
os.environ.update(SSL_CERT_FILE="/nowhere", SSL_CERT_DIR="/nowhere")
if os.fork() == 0:
    print(images.image_list().items, flush=True)
    os._exit(0)
assert os.wait()[1] == 0
"""
OF_THE_CLIENT = {"cert_file": "client.pem", "key_file": "client-encrypted.key", "key_password": KEY_PASSWORD}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.parametrize(
    "settings",
    [
        {"ssl_ca_cert": "ca.pem", **OF_THE_CLIENT},
        {"ssl_ca_cert": "ca.der", "cert_file": "both.pem"},
        {"cert_file": "client.pem", "key_file": "client.key"},
    ],
    ids=["PEM and an encrypted key", "DER and one file", "the system's"],
)
def test_a_forked_child_does_not_read_the_files_again(
    settings: dict[str, str], authority: Authority, tmp_path: Path
) -> None:
    """By then the files are removed and the environment has changed."""
    directory = shutil.copytree(
        authority.directory, tmp_path / "files", ignore=shutil.ignore_patterns("another")
    )
    context = authority.server_context(NAME, client_certificate=ssl.CERT_REQUIRED)
    with recorder(context, host=NAME) as server:
        code = IN_A_CHILD.format(url=server.url, here=HERE, settings=settings)
        assert run(code, directory, SSL_CERT_FILE="ca.pem", SSLKEYLOGFILE="keys.log") == "[]\n[]\n"
        assert len(server.received) == 2
    # The child logs its keys to the same place.
    assert "CLIENT_TRAFFIC_SECRET_0 " in (directory / "keys.log").read_text()


def test_the_directory_of_system_certificates_is_found_from_any_working_directory(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenSSL looks into it when it verifies a certificate."""
    monkeypatch.chdir(authority.directory.parent)
    monkeypatch.setenv("SSL_CERT_DIR", authority.directory.name)
    tls = oxide.Configuration("https://my.rack")._tls()
    assert tls.system_directory == str(authority.directory)


def test_a_context_can_be_made_without_memory_files(
    authority: Authority, tls_server: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some systems have none, and OpenSSL reads keys only from files."""
    monkeypatch.delattr(os, "memfd_create", raising=False)
    settings = {name: authority.path(value) for name, value in OF_THE_CLIENT.items() if "file" in name}
    ask(trusting(authority, tls_server, key_password=KEY_PASSWORD, **settings))
    assert len(tls_server.received) == 1


def test_a_certificate_that_is_asked_for_after_the_handshake_is_shown(authority: Authority) -> None:
    """Some TLS 1.3 servers request one only for some paths."""
    context = authority.server_context(NAME, client_certificate=ssl.CERT_REQUIRED)
    context.post_handshake_auth = True
    shown: list[Any] = []

    def serve(listener: socket.socket) -> None:
        accepted, _ = listener.accept()
        with accepted, context.wrap_socket(accepted, server_side=True) as secured:
            received = b""
            while b"\r\n\r\n" not in received:
                received += secured.recv(65536)
            secured.verify_client_post_handshake()
            secured.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"items":[]}')
            secured.setblocking(False)
            while not shown:
                select.select([secured], [], [], 30)
                # The client's certificate is not data of the connection, but reading receives it.
                with suppress(ssl.SSLWantReadError):
                    secured.recv(1)
                with suppress(ValueError):  # not all of it is here
                    shown.append(secured.getpeercert())

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        configuration = oxide.Configuration(
            f"https://{NAME}:{listener.getsockname()[1]}",
            resolve=HERE,
            ca_cert_data=authority.pem,
            cert_file=authority.path("both.pem"),
            max_retries=0,
        )
        with oxide.ApiClient(configuration) as client:
            assert oxide.ImagesApi(client).image_list().items == []
            thread.join()
    assert (("commonName", "automation"),) in shown[0]["subject"]


def test_tls_keys_are_logged_to_the_file_in_the_environment(authority: Authority, tmp_path: Path) -> None:
    """Python's own contexts do this too, for Wireshark."""
    log = tmp_path / "keys.log"
    with recorder(authority.server_context("localhost"), host="localhost") as server:
        code = f"import oxide\noxide.ImagesApi(oxide.ApiClient(oxide.Configuration({server.url!r}))).image_list()"
        run(code, SSL_CERT_FILE=authority.path("ca.pem"), SSLKEYLOGFILE=str(log))
    assert "CLIENT_TRAFFIC_SECRET_0 " in log.read_text()


def test_an_error_names_a_key_log_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", "/nowhere/keys")
    with pytest.raises(oxide.ConfigurationError, match="SSLKEYLOGFILE '/nowhere/keys' cannot be written"):
        oxide.ApiClient(oxide.Configuration("https://my.rack"))


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"]
)
def test_with_a_broken_system_bundle_nothing_is_trusted(
    content: bytes,
    authority: Authority,
    tls_server: Recorder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """OpenSSL behaves like this; the error of the call then says what was trusted."""
    file = tmp_path / "broken.pem"
    file.write_bytes(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    with pytest.raises(oxide.ApiConnectionError, match=r"certificate refused.*broken\.pem"):
        ask(trusting(authority, tls_server, ca_cert_data=None))


def test_an_error_names_a_certificate_variable_that_points_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The report names it as well, before a certificate is refused because of it."""
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    monkeypatch.setenv("SSL_CERT_DIR", "/nowhere")
    configuration = oxide.Configuration("https://my.rack")
    assert (
        "trusted CA certificates: the system's (none found; SSL_CERT_FILE names '/nowhere/ca.pem', which does not "
        "exist; SSL_CERT_DIR names '/nowhere', which does not exist)"
    ) in configuration.to_debug_report()
    context = configuration._tls().host_context()
    assert context.cert_store_stats() == {"x509": 0, "crl": 0, "x509_ca": 0}


def test_on_windows_certificates_come_from_the_system_stores(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only `load_default_certs` reads these stores."""
    monkeypatch.setattr(ssl, "enum_certificates", None, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", authority.path("ca.pem"))
    tls = oxide.Configuration("https://my.rack")._tls()
    assert tls.host_context().cert_store_stats()["x509_ca"] == 1
