"""A TLS failure is not retried, and its error names the file or the name that did not fit."""

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

import oxide
from transport.calls import CALLS, CREATE, LIST, PROMOTE, VIEW, Call, image, outcomes, session
from transport.fault_server import (
    FaultServer,
    Peer,
    Script,
    chunked,
    close_notify,
    drip,
    gzipped,
    http_response,
    inner_handshake,
    part_of_request,
    request,
    reset,
    send,
    stall,
)

NOW = datetime.now(UTC)


def serving(certificate: trustme.LeafCert) -> ssl.SSLContext:
    """Return the TLS context of a server with that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def expect_one_failure(server: FaultServer, call: Call, **settings: Any) -> oxide.ApiConnectionError:
    """Return the error of a call that must end after one attempt, with nothing sent."""
    with session(server.url, **settings) as client:
        with pytest.raises(oxide.ApiConnectionError) as raised:
            call(client.api)
        assert client.sleeps == []
    assert server.connections == 1
    assert server.requests == []
    assert outcomes(raised.value) == ["not sent"]
    assert str(raised.value.reason).startswith("TLS: ")
    assert isinstance(raised.value.__cause__, (ssl.SSLError, ValueError))
    return raised.value


@pytest.mark.parametrize("call", CALLS, ids=repr)
def test_a_call_succeeds_with_the_right_certificate(
    call: Call, server_tls: ssl.SSLContext, ca_file: str
) -> None:
    script = [
        request,
        send(http_response(call.status, call.body)),
        request,
        send(http_response(call.status, call.body)),
        stall,
    ]
    with FaultServer(script, tls=server_tls) as server, session(server.url, ssl_ca_cert=ca_file) as client:
        call(client.api)
        call(client.api)
        assert server.connections == 1


def test_with_verify_ssl_false_the_client_warns_once_and_calls_do_not(server_tls: ssl.SSLContext) -> None:
    script = [
        request,
        send(http_response(200, LIST.body)),
        request,
        send(http_response(200, LIST.body)),
        stall,
    ]
    with FaultServer(script, tls=server_tls) as server:
        with pytest.warns(UserWarning, match="verify_ssl=False") as warned:
            client = oxide.ApiClient(oxide.Configuration(server.url, verify_ssl=False))
        assert len(warned) == 1
        with client:
            LIST(oxide.ImagesApi(client))
            LIST(oxide.ImagesApi(client))


@pytest.mark.parametrize("call", CALLS, ids=repr)
def test_the_error_for_an_unknown_authority_names_the_file_of_trusted_ones(
    call: Call, server_tls: ssl.SSLContext, tmp_path: Path
) -> None:
    file = tmp_path / "other-ca.pem"
    trustme.CA().cert_pem.write_to_path(str(file))
    with FaultServer([], tls=server_tls) as server:
        error = expect_one_failure(server, call, ssl_ca_cert=str(file))
    assert "certificate refused: unable to get local issuer certificate" in str(error)
    assert f"trusted CA certificates: those of ssl_ca_cert {str(file)!r}" in str(error)
    assert isinstance(error.__cause__, ssl.SSLCertVerificationError)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (lambda ca: {}, "the system's ("),
        (lambda ca: {"ca_cert_data": ca}, "those of ca_cert_data)"),
        (lambda ca: {"ssl_context": ssl.create_default_context(cadata=ca.decode())}, "those of ssl_context)"),
    ],
)
def test_the_error_for_an_unknown_authority_names_what_was_trusted(
    settings: Callable[[bytes], dict[str, Any]], named: str, server_tls: ssl.SSLContext
) -> None:
    other = trustme.CA().cert_pem.bytes()
    with FaultServer([], tls=server_tls) as server:
        error = expect_one_failure(server, LIST, **settings(other))
    assert f"(host '127.0.0.1'; trusted CA certificates: {named}" in str(error)


@pytest.mark.parametrize("call", [LIST, CREATE], ids=repr)
def test_a_certificate_for_another_name_is_refused_with_the_name(
    call: Call, ca: trustme.CA, ca_file: str
) -> None:
    tls = serving(ca.issue_cert("other.example"))
    with FaultServer([], tls=tls) as server:
        error = expect_one_failure(server, call, ssl_ca_cert=ca_file)
    assert "certificate is not valid for '127.0.0.1'" in str(error)
    with FaultServer([], tls=tls) as server:
        error = expect_one_failure(server, call, ssl_ca_cert=ca_file, tls_server_name="another.example")
    assert "certificate is not valid for 'another.example'" in str(error)
    with FaultServer([], tls=tls) as server:
        error = expect_one_failure(server, call, ssl_ca_cert=ca_file, assert_hostname="third.example")
    assert "'third.example'" in str(error)
    assert "other.example" in str(error)
    script = [request, send(http_response(call.status, call.body))]
    with (
        FaultServer(script, tls=tls) as server,
        session(server.url, ssl_ca_cert=ca_file, assert_hostname="other.example") as client,
    ):
        call(client.api)


@pytest.mark.parametrize(
    ("begin", "end", "said"),
    [
        (NOW - timedelta(9), NOW - timedelta(1), "certificate has expired"),
        (NOW + timedelta(1), NOW + timedelta(9), "certificate is not yet valid"),
    ],
)
def test_a_certificate_outside_its_validity_period_is_refused(
    begin: datetime, end: datetime, said: str, ca: trustme.CA, ca_file: str
) -> None:
    tls = serving(ca.issue_cert("127.0.0.1", not_before=begin, not_after=end))
    with FaultServer([], tls=tls) as server:
        error = expect_one_failure(server, LIST, ssl_ca_cert=ca_file)
    assert said in str(error)


FAILED_HANDSHAKES: dict[str, Script] = {
    "closed": [lambda peer: peer.receive()],
    "http": [lambda peer: peer.receive(), send(http_response(400, b"This is plain HTTP."))],
    "garbage": [lambda peer: peer.receive(), send(b"\0" * 500)],
    "alert": [lambda peer: peer.receive(), send(b"\x15\x03\x03\x00\x02\x02\x28")],
    "cut": [lambda peer: peer.receive(), send(b"\x16\x03\x03\x02\x00\x02\x00")],
}


@pytest.mark.parametrize("call", CALLS, ids=repr)
@pytest.mark.parametrize("what", FAILED_HANDSHAKES)
def test_a_failed_handshake_is_not_retried(call: Call, what: str, ca_file: str) -> None:
    with FaultServer(FAILED_HANDSHAKES[what]) as server:
        server.url = server.url.replace("http:", "https:")
        error = expect_one_failure(server, call, ssl_ca_cert=ca_file)
    assert ("http instead of https?" in str(error)) == (what in {"http", "garbage"})


@pytest.mark.parametrize("call", CALLS, ids=repr)
def test_a_connection_reset_during_a_handshake_is_a_connection_error(call: Call, ca_file: str) -> None:
    """The server or its load balancer is starting or stopping; nothing is wrong with TLS."""
    with (
        FaultServer(otherwise=[lambda peer: peer.receive(), reset]) as server,
        session(server.url.replace("http:", "https:"), ssl_ca_cert=ca_file) as client,
        pytest.raises(oxide.ApiConnectionError) as raised,
    ):
        call(client.api)
    assert outcomes(raised.value) == ["not sent"] * 3


@pytest.mark.parametrize("call", CALLS, ids=repr)
@pytest.mark.parametrize(
    "script", [[stall], [lambda peer: peer.receive(), stall], [send(b"\x16\x03"), stall]]
)
def test_a_handshake_that_stalls_fails_after_connect_timeout(
    call: Call, script: Script, ca_file: str
) -> None:
    with (
        FaultServer(otherwise=script) as server,
        session(server.url.replace("http:", "https:"), ssl_ca_cert=ca_file) as client,
        pytest.raises(oxide.ApiTimeoutError) as raised,
    ):
        call(client.api, _request_timeout=(0.05, 5))
    assert raised.value.reason == "no connection within 0.05 s (connect_timeout=0.05)"
    assert outcomes(raised.value) == ["not sent"] * 3


@pytest.mark.parametrize("limit", [0.2, (0.2, None)], ids=["whole", "connecting"])
def test_a_slow_handshake_does_not_exceed_its_time_limit(
    limit: Any, server_tls: ssl.SSLContext, ca_file: str
) -> None:
    with (
        FaultServer([inner_handshake(server_tls, slow_handshake=True)]) as server,
        session(server.url.replace("http:", "https:"), ssl_ca_cert=ca_file, max_retries=0) as client,
        pytest.raises(oxide.ApiTimeoutError) as raised,
    ):
        LIST(client.api, _request_timeout=limit)
    assert raised.value.outcome == "not sent"
    assert ("(timeout=" if limit == 0.2 else "connect_timeout") in str(raised.value.reason)


DRIPPED: dict[str, bytes] = {
    "head": http_response(200, b"", *["A: " + "b" * 50] * 40),
    "body": http_response(200, b" " * 4000),
    "chunks": chunked(b" " * 2000, size=2000),
}


@pytest.mark.parametrize("limit", [0.2, (None, 0.2)], ids=["whole", "silence"])
@pytest.mark.parametrize("what", DRIPPED)
def test_a_slow_record_does_not_exceed_its_time_limit(
    what: str, limit: Any, server_tls: ssl.SSLContext, ca_file: str
) -> None:
    """OpenSSL reads until it has a whole record, so the client cannot check the time in between."""
    script = [inner_handshake(server_tls, slow_records=True), request, send(DRIPPED[what])]
    with (
        FaultServer(script) as server,
        session(server.url.replace("http:", "https:"), ssl_ca_cert=ca_file) as client,
        pytest.raises(oxide.ApiTimeoutError) as raised,
    ):
        LIST(client.api, _request_timeout=limit)
    assert raised.value.outcome == "unknown"


@pytest.mark.parametrize("place", ["head", "body"])
def test_many_slow_records_do_not_exceed_the_time_limit_of_the_call(
    place: str, server_tls: ssl.SSLContext, ca_file: str
) -> None:
    data = http_response(200, b" " * 4000, "A: " + "b" * 400)
    head, tail = (b"", data) if place == "head" else (data[:-4000], data[-4000:])
    with (
        FaultServer([request, send(head), drip(tail)], tls=server_tls) as server,
        session(server.url, ssl_ca_cert=ca_file) as client,
        pytest.raises(oxide.ApiTimeoutError, match=r"within [0-9.]+ s \(timeout=") as raised,
    ):
        LIST(client.api, _request_timeout=1)
    assert raised.value.outcome == ("unknown" if place == "head" else "answered")


def send_raw(data: bytes) -> Callable[[Peer], None]:
    """Send bytes outside TLS."""

    def step(peer: Peer) -> None:
        inner: Any = peer.sock
        inner.carrier.sendall(data)

    return step


@pytest.mark.parametrize("call", [LIST, CREATE], ids=repr)
@pytest.mark.parametrize(
    "damage",
    [b"\x17\x03\x03\x00\x20" + b"?" * 32, b"HTTP/1.1 200 OK\r\n\r\n", b"\x15\x03\x03\x00\x02\x02\x28"],
    ids=["record", "plain", "alert"],
)
@pytest.mark.parametrize("before", [b"", http_response(200, b"1234")[:-2]], ids=["head", "body"])
def test_tls_that_breaks_after_the_request_was_sent_leaves_the_outcome_unknown(
    call: Call, damage: bytes, before: bytes, server_tls: ssl.SSLContext, ca_file: str
) -> None:
    steps = [send(before)] if before else []
    script = [inner_handshake(server_tls), request, *steps, send_raw(damage), stall]
    with FaultServer(script) as server:
        with (
            session(server.url.replace("http:", "https:"), ssl_ca_cert=ca_file) as client,
            pytest.raises(oxide.ApiConnectionError) as raised,
        ):
            call(client.api)
        assert server.connections == 1
    assert outcomes(raised.value) == ["answered" if before else "unknown"]
    assert str(raised.value.reason).startswith("TLS: ")


@pytest.mark.parametrize(
    "fault", [[], [send(http_response(200, b"1234")[:-2])], [reset]], ids=["close", "cut", "reset"]
)
def test_a_connection_lost_under_tls_is_treated_like_any_other(
    fault: Script, server_tls: ssl.SSLContext, ca_file: str
) -> None:
    good = [request, send(http_response(200, VIEW.body)), stall]
    with (
        FaultServer([request, *fault], good, tls=server_tls) as server,
        session(server.url, ssl_ca_cert=ca_file) as client,
    ):
        assert VIEW(client.api).name == "an-image"
        assert len(client.attempts) == 2
    with FaultServer([request, *fault], good, tls=server_tls) as server:
        with (
            session(server.url, ssl_ca_cert=ca_file) as client,
            pytest.raises(oxide.ApiConnectionError) as raised,
        ):
            CREATE(client.api)
        assert server.connections == 1
    assert outcomes(raised.value) in (["unknown"], ["answered"])


@pytest.mark.parametrize("call", [LIST, CREATE], ids=repr)
def test_a_connection_that_ends_while_a_request_is_sent_is_treated_like_any_other(
    call: Call, server_tls: ssl.SSLContext, ca_file: str
) -> None:
    """OpenSSL has an error of its own for this, unless the system's error comes first."""
    large = {"X": "x" * 2**20}
    with (
        FaultServer(
            [part_of_request], otherwise=[request, send(http_response(200, LIST.body))], tls=server_tls
        ) as server,
        session(server.url, ssl_ca_cert=ca_file) as client,
    ):
        if call is LIST:
            LIST(client.api, _headers=large)
        else:
            with pytest.raises(oxide.ApiConnectionError):
                call(client.api, _headers=large)
        first = client.attempts[0]
        assert server.connections == len(client.attempts) == (2 if call is LIST else 1)
    assert first.outcome == "unknown"
    # The outcome depends on whether the reset comes during a write or between two.
    assert first.error in {
        "ApiConnectionError: the server closed the connection without a response",
        "ApiConnectionError: Connection reset by peer",
    }


def test_the_error_says_that_a_client_certificate_is_required(
    ca: trustme.CA, ca_file: str, tmp_path: Path
) -> None:
    tls = serving(ca.issue_cert("127.0.0.1"))
    tls.verify_mode = ssl.CERT_REQUIRED
    ca.configure_trust(tls)
    with FaultServer([request], tls=tls) as server, session(server.url, ssl_ca_cert=ca_file) as client:
        with pytest.raises(oxide.ApiConnectionError) as raised:
            CREATE(client.api)
        assert server.requests == []
        assert server.connections == 1
    assert len(raised.value.attempts) == 1
    own = ca.issue_cert("client.example")
    own.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "client.pem"))
    script = [request, send(http_response(201, CREATE.body))]
    with (
        FaultServer(script, tls=tls) as server,
        session(server.url, ssl_ca_cert=ca_file, cert_file=tmp_path / "client.pem") as client,
    ):
        assert CREATE(client.api).name == "an-image"


def test_tls_versions_without_overlap_are_not_retried(ca: trustme.CA) -> None:
    tls = serving(ca.issue_cert("127.0.0.1"))
    tls.maximum_version = ssl.TLSVersion.TLSv1_2
    ours = ssl.create_default_context()
    ours.minimum_version = ssl.TLSVersion.TLSv1_3
    ca.configure_trust(ours)
    with FaultServer([], tls=tls) as server:
        error = expect_one_failure(server, LIST, ssl_context=ours)
    assert "PROTOCOL_VERSION" in str(error)


def test_plain_http_to_a_tls_port_raises_an_error_of_the_package(server_tls: ssl.SSLContext) -> None:
    with (
        FaultServer(tls=server_tls) as server,
        session(server.url.replace("https:", "http:"), max_retries=0) as client,
        pytest.raises(oxide.ApiException) as raised,
    ):
        LIST(client.api)
    assert raised.value.outcome == "unknown"
    assert isinstance(raised.value, (oxide.ApiConnectionError, oxide.ApiResponseError))


@pytest.mark.parametrize("tls_version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("form", ["length", "chunked", "gzip", "close"])
def test_responses_of_all_sizes_keep_their_connection(
    form: str, tls_version: ssl.TLSVersion, ca: trustme.CA, ca_file: str
) -> None:
    tls = serving(ca.issue_cert("127.0.0.1"))
    tls.minimum_version = tls.maximum_version = tls_version
    make: dict[str, Callable[[bytes], bytes]] = {
        "length": lambda body: http_response(200, body),
        "chunked": lambda body: chunked(body, size=5000),
        "gzip": gzipped,
        "close": lambda body: http_response(200, body, "Connection: close"),
    }
    sizes = [0, 1, 16_000, 16_384, 40_000, 200_000]
    bodies = [image("right") + b" " * size for size in sizes]
    steps = [step for body in bodies for step in (request, send(make[form](body)))]
    scripts = [steps] if form != "close" else [[request, send(make[form](body))] for body in bodies]
    with FaultServer(*scripts, tls=tls) as server, session(server.url, ssl_ca_cert=ca_file) as client:
        for body in bodies:
            assert client.api.image_view_with_http_info("right").raw_data == body
        assert server.connections == len(scripts)


WITHOUT_A_LENGTH = http_response(200, image("whole"), length=False)


def test_a_response_without_a_length_and_a_tls_closing_alert_counts_as_truncated(
    server_tls: ssl.SSLContext, ca_file: str
) -> None:
    """Somebody in between can close a connection, but cannot send the closing alert of TLS."""
    cut: Script = [request, send(WITHOUT_A_LENGTH)]
    whole: Script = [request, send(WITHOUT_A_LENGTH), close_notify, stall]
    with (
        FaultServer(cut, cut, whole, otherwise=cut, tls=server_tls) as server,
        session(server.url, ssl_ca_cert=ca_file) as client,
    ):
        assert VIEW(client.api).name == "whole"
        assert server.connections == 3
        with pytest.raises(oxide.ApiConnectionError) as raised:
            PROMOTE(client.api)
        assert server.connections == 4
        with (
            VIEW(client.api, "_without_preload_content") as response,
            pytest.raises(oxide.ApiConnectionError, match="cut short"),
        ):
            response.read()
    assert raised.value.reason == "the response was cut short"
    assert (raised.value.status, raised.value.outcome) == (200, "answered")
