"""HTTP itself: connections, paths, methods, headers, compression, TLS."""

import gzip
import http.client
import json
import re
import socket
import ssl
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from simulator_http import Caller, World, connected, raw_request, read_to_end

from oxide.testing import Simulator


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/images/$pimg", ["DELETE", "GET"]),
        ("POST", "/v1/images/$pimg", ["DELETE", "GET"]),
        ("PATCH", "/v1/images", ["GET", "POST"]),
        ("DELETE", "/v1/images", ["GET", "POST"]),
        ("HEAD", "/v1/images", ["GET", "POST"]),
        ("OPTIONS", "/v1/images", ["GET", "POST"]),
        ("TRACE", "/v1/images/x/promote", ["POST"]),
        ("GET", "/v1/images/BAD/demote", ["POST"]),
        ("POST", "/openapi.json", ["GET"]),
    ],
)
def test_an_unsupported_method_gets_405(
    call: Caller, world: World, method: str, path: str, allowed: list[str]
) -> None:
    reply = call(method, path.replace("$pimg", str(world.pimg)), token=None)
    assert reply.status == 405
    assert reply.headers.get_all("allow") == allowed
    if method == "HEAD":
        assert reply.body == b""
    else:
        assert reply.error == (405, None, "Method Not Allowed")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/instances",
        "/v1/images/pimg/nope",
        "/v1/images/pimg/promote/more",
        "/V1/images",
        "/v1/Images",
    ],
)
def test_an_unknown_path_gets_404(call: Caller, path: str) -> None:
    for method in ("GET", "PUT"):
        assert call(method, path, token=None).error == (404, None, "Not Found")


@pytest.mark.parametrize("path", ["/v1/images/", "//v1//images", "/v1/images//?limit=5", "/%76%31/%69mages"])
def test_empty_segments_are_ignored_and_encoded_ones_decoded(call: Caller, world: World, path: str) -> None:
    assert call("GET", path).names == ["simg"]


@pytest.mark.parametrize(
    "path", ["/v1/./images", "/v1/../v1/images", "/v1/images/..", "/v1/images/%ff", "/v1/%C3/images"]
)
def test_a_bad_path_is_refused(call: Caller, path: str) -> None:
    assert call("GET", path).error == (400, None, "invalid path encoding")


def test_a_target_for_the_whole_server_gets_404(call: Caller) -> None:
    assert call("OPTIONS", "*").error == (404, None, "Not Found")
    assert call("GET", "/nope/%2e%2e").error == (404, None, "Not Found")


@pytest.mark.parametrize(
    "segment", ["a%2Fb", "%2F", "simg%252D", "simg%00", "%F0%9F%98%80", "simg%20", "%2e", "%2e%2E"]
)
def test_path_segments_are_decoded_only_once(call: Caller, world: World, segment: str) -> None:
    problem = "bad parameter in URL path: data did not match any variant of untagged enum NameOrId"
    assert call("GET", f"/v1/images/{segment}").error == (400, None, problem)


@pytest.mark.parametrize("authority", ["http://elsewhere", "HTTPS://[::1]:80"])
def test_an_absolute_target_is_accepted(call: Caller, world: World, authority: str) -> None:
    assert call("GET", f"{authority}/v1/images?limit=1").names == ["simg"]
    assert call("GET", authority).status == 404


def test_every_response_has_its_own_request_id(call: Caller, world: World) -> None:
    seen = set()
    for method, target, headers in [
        ("GET", "/v1/images", {}),
        ("GET", "/v1/images", {"x-request-id": "mine"}),
        ("GET", "/v1/images?limit=x", {"x-request-id": "mine"}),
        ("GET", "/nope", {}),
        ("PUT", "/v1/images", {}),
        ("GET", "/v1/images", {"api-version": "x"}),
        ("GET", "/v1/images/nobody", {}),
        ("GET", "/openapi.json", {}),
        ("DELETE", "/v1/images/simg", {}),
    ]:
        reply = call(method, target, headers=headers)
        request_id = reply.headers["x-request-id"]
        assert str(UUID(request_id, version=4)) == request_id
        if reply.status >= 400:
            assert reply.json["request_id"] == request_id
        seen.add(request_id)
    assert len(seen) == 9


def test_error_bodies_have_the_form_of_the_service(call: Caller) -> None:
    reply = call("GET", "/v1/images?project=nope")
    assert reply.body.decode() == (
        "{\n"
        f'  "request_id": "{reply.headers["x-request-id"]}",\n'
        '  "error_code": "ObjectNotFound",\n'
        '  "message": "not found: project with name \\"nope\\""\n'
        "}"
    )
    assert list(call("GET", "/nope").json) == ["request_id", "message"]
    assert reply.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("moment", "written"),
    [
        (datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC), "2023-11-14T22:13:20Z"),
        (datetime(2023, 11, 14, 22, 13, 20, 123000, tzinfo=UTC), "2023-11-14T22:13:20.123Z"),
        (datetime(2023, 11, 14, 22, 13, 20, 123456, tzinfo=UTC), "2023-11-14T22:13:20.123456Z"),
        (datetime(2023, 11, 14, 22, 13, 20, 100, tzinfo=UTC), "2023-11-14T22:13:20.000100Z"),
        (datetime(2023, 11, 14, 22, 13, 20, 1000, tzinfo=UTC), "2023-11-14T22:13:20.001Z"),
        (datetime(2023, 11, 15, 0, 13, 20, tzinfo=timezone(timedelta(hours=2))), "2023-11-14T22:13:20Z"),
    ],
)
def test_times_are_utc_with_microseconds(
    simulator: Simulator, call: Caller, world: World, moment: datetime, written: str
) -> None:
    simulator.clock = lambda: moment
    created = call("POST", "/v1/images", world.body()).json
    assert (created["time_created"], created["time_modified"]) == (written, written)
    assert call("POST", f"/v1/images/{world.pimg}/promote").json["time_modified"] == written


def test_a_connection_is_kept_after_successes_and_errors(simulator: Simulator, world: World) -> None:
    url = urlsplit(simulator.url)
    connection = http.client.HTTPConnection(url.hostname or "", url.port)
    connection.connect()
    port = connection.sock.getsockname()
    for method, path, body in [
        ("GET", "/v1/images", None),
        ("POST", "/v1/images", b"{"),
        ("HEAD", "/v1/images", None),
        ("POST", "/v1/images/simg/promote", b"a body that is not read"),
        ("POST", "/v1/images", b"x" * 3_000_000),
        ("PUT", "/v1/images", b"x" * 10_000),
        ("DELETE", f"/v1/images/{world.simg}", None),
        ("GET", "/nope", None),
    ]:
        connection.request(method, path, body, {"authorization": f"Bearer {simulator.token}"})
        connection.getresponse().read()
        assert connection.sock.getsockname() == port
    connection.close()


def test_pipelined_requests_get_responses_in_order(simulator: Simulator, world: World) -> None:
    with connected(simulator) as connection:
        connection.sendall(
            raw_request(simulator, "GET /v1/images/simg HTTP/1.1")
            + raw_request(simulator, "GET /nope HTTP/1.1")
            + raw_request(simulator, "GET /v1/images HTTP/1.1\r\nconnection: close")
        )
        responses = read_to_end(connection)
    assert re.findall(rb"HTTP/1.1 (\d+)", responses) == [b"200", b"404", b"200"]


def test_a_response_to_http_1_0_ends_the_connection(simulator: Simulator, world: World) -> None:
    with connected(simulator) as connection:
        connection.sendall(raw_request(simulator, "GET /v1/images HTTP/1.0\r\naccept-encoding: gzip"))
        assert read_to_end(connection).startswith(b"HTTP/1.1 200 ")


def test_expect_100_continue_gets_an_interim_response(simulator: Simulator, world: World) -> None:
    body = json.dumps(world.body()).encode()
    request = raw_request(
        simulator, "POST /v1/images HTTP/1.1\r\nexpect: 100-continue\r\nconnection: close", body
    )
    head, _, _ = request.partition(b"\r\n\r\n")
    with connected(simulator) as connection:
        connection.sendall(head + b"\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        assert read_to_end(connection).startswith(b"HTTP/1.1 201 ")


def test_a_chunked_request_is_accepted(simulator: Simulator, call: Caller, world: World) -> None:
    body = json.dumps(world.body()).encode()
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    head = raw_request(
        simulator, "POST /v1/images HTTP/1.1\r\ntransfer-encoding: chunked\r\nconnection: close"
    )
    with connected(simulator) as connection:
        connection.sendall(head + chunks)
        assert read_to_end(connection).startswith(b"HTTP/1.1 201 ")


@pytest.mark.parametrize(
    ("garbage", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET /v1/images HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /v1/ima\xffges HTTP/1.1\r\nhost: x\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nhost: x\r\nno colon\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: x\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nhost: x\r\na: " + b"b" * 500_000, b"431"),
    ],
)
def test_a_request_that_is_not_http_gets_a_response_and_ends_the_connection(
    simulator: Simulator, garbage: bytes, status: bytes
) -> None:
    with connected(simulator) as connection:
        connection.sendall(garbage)
        response = connection.recv(65536)
    assert response.split()[1] == status
    assert b"connection: close" in response.lower()
    assert simulator.requests == []


def test_a_request_that_is_cut_short_is_not_recorded(simulator: Simulator, call: Caller) -> None:
    with connected(simulator) as connection:
        connection.sendall(b"POST /v1/images HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\nhalf")
    assert call("GET", "/v1/images").status == 200
    assert [request.method for request in simulator.requests] == ["GET"]


@pytest.mark.parametrize("accepted", ["gzip", "deflate, GZIP", "br;q=1, gzip;q=0.5", "*"])
def test_a_response_is_compressed_if_the_client_accepts_it(
    simulator: Simulator, call: Caller, accepted: str
) -> None:
    simulator.create_images(["a", "b"], description="x" * 200)
    plain = call("GET", "/v1/images")
    coded = call("GET", "/v1/images", headers={"accept-encoding": accepted})
    assert coded.headers["content-encoding"] == "gzip"
    assert coded.headers["transfer-encoding"] == "chunked"
    assert coded.headers["content-length"] is None
    assert gzip.decompress(coded.body) == plain.body
    assert coded.headers["vary"] == plain.headers["vary"] == "accept-encoding"
    assert int(plain.headers["content-length"]) == len(plain.body)


@pytest.mark.parametrize(
    "accepted",
    [None, "identity", "gzip;q=0", "gzip; q=0.000", "*;q=0", "br, deflate", "gzip;q=0, *", "*, gzip;q=0"],
)
def test_a_response_is_not_compressed_unless_the_client_accepts_it(
    simulator: Simulator, call: Caller, accepted: str | None
) -> None:
    simulator.create_images(["a", "b"], description="x" * 200)
    reply = call("GET", "/v1/images", headers={"accept-encoding": accepted} if accepted else {})
    assert reply.headers["content-encoding"] is None


def test_only_successes_of_at_least_512_bytes_are_compressed(simulator: Simulator, call: Caller) -> None:
    simulator.clock = lambda: datetime(2026, 1, 1, tzinfo=UTC)
    headers = {"accept-encoding": "gzip"}
    bare = call("GET", f"/v1/images/{simulator.create_image('a')}")
    filler = "x" * (512 - len(bare.body))
    enough = call("GET", f"/v1/images/{simulator.create_image('b', description=filler)}", headers=headers)
    assert len(gzip.decompress(enough.body)) == 512
    less = call("GET", f"/v1/images/{simulator.create_image('c', description=filler[1:])}", headers=headers)
    assert (len(less.body), less.headers["content-encoding"]) == (511, None)
    error = call("GET", "/v1/images", headers=headers | {"api-version": "9" * 600})
    assert len(error.body) > 512
    assert error.headers["content-encoding"] is error.headers["vary"] is None
    assert error.json


def test_a_204_has_no_headers_of_a_body(call: Caller, world: World) -> None:
    headers = call("DELETE", "/v1/images/simg", headers={"accept-encoding": "gzip"}).headers
    assert {name.lower() for name in headers} == {"x-request-id", "date"}


def test_the_generated_certificate_can_be_verified() -> None:
    with Simulator(tls=True) as simulator:
        assert simulator.url.startswith("https://127.0.0.1:")
        trusting = ssl.create_default_context(cadata=simulator.ca_certificate)
        trusting.set_alpn_protocols(["h2", "http/1.1"])
        url = urlsplit(simulator.url)
        for host in ("127.0.0.1", "localhost"):
            connection = http.client.HTTPSConnection(host, url.port, context=trusting)
            connection.request("GET", "/v1/images", headers={"authorization": f"Bearer {simulator.token}"})
            assert connection.getresponse().read() == b'{"next_page":null,"items":[]}'
            assert connection.sock.selected_alpn_protocol() == "http/1.1"
            connection.close()
        with (
            socket.create_connection((url.hostname, url.port)) as bare,
            pytest.raises(ssl.SSLCertVerificationError),
        ):
            ssl.create_default_context().wrap_socket(bare, server_hostname="127.0.0.1")


def test_a_given_tls_context_is_used() -> None:
    with Simulator(tls=True) as maker:
        context = maker._tls_context()
        authority = maker.ca_certificate
    with Simulator(tls=context) as simulator:
        assert simulator.ca_certificate is None
        url = urlsplit(simulator.url)
        trusting = ssl.create_default_context(cadata=authority)
        connection = http.client.HTTPSConnection("127.0.0.1", url.port, context=trusting)
        connection.request("GET", "/nope")
        assert connection.getresponse().status == 404
        connection.close()


def test_a_tls_connection_ends_with_a_closing_alert() -> None:
    with Simulator(tls=True) as simulator:
        trusting = ssl.create_default_context(cadata=simulator.ca_certificate)
        with (
            connected(simulator) as bare,
            trusting.wrap_socket(bare, server_hostname="127.0.0.1", suppress_ragged_eofs=False) as secure,
        ):
            secure.sendall(raw_request(simulator, "GET /v1/images HTTP/1.1\r\nconnection: close"))
            assert read_to_end(secure).endswith(b'{"next_page":null,"items":[]}')


def test_a_request_that_is_not_http_is_logged(simulator: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="oxide.testing"), connected(simulator) as connection:
        connection.sendall(b"garbage\r\n\r\n")
        assert read_to_end(connection).startswith(b"HTTP/1.1 400 ")
    (record,) = caplog.records
    assert record.getMessage().startswith("a client sent something other than HTTP: ")
