"""Tests of each fault: what it does, how often, and for which operation."""

import http.client
import math
import re
import time
from typing import Any

import pytest
from simulator_http import Caller, World, connected, raw_request, read_to_end

from oxide.testing import Answer, Delay, Drip, Drop, Fault, Interim, Simulator, Truncate


def exchange(simulator: Simulator, head: str = "GET /v1/images HTTP/1.1", body: bytes = b"") -> bytes:
    """Send one request and return everything that comes back until the connection ends."""
    with connected(simulator) as connection:
        connection.sendall(raw_request(simulator, f"{head}\r\nconnection: close", body))
        return read_to_end(connection)


def test_answer_replaces_the_response_and_the_service_does_not_act(
    simulator: Simulator, call: Caller, world: World
) -> None:
    simulator.fail_next(Answer(503, '{"mässage": 1}', {"Retry-After": "2", "Content-Type": "x/y"}))
    simulator.fail_next(Answer(502, b"<html>\xff</html>"))
    simulator.fail_next(Answer(204, "nothing of this"))
    simulator.fail_next(Answer(599))
    first = call("DELETE", "/v1/images/simg")
    assert (first.status, first.body.decode()) == (503, '{"mässage": 1}')
    assert (first.headers["retry-after"], first.headers["content-type"]) == ("2", "x/y")
    assert first.headers["x-request-id"] is None
    second = call("DELETE", "/v1/images/simg")
    assert (second.status, second.body) == (502, b"<html>\xff</html>")
    assert call("DELETE", "/v1/images/simg").status == 204
    assert call("DELETE", "/v1/images/simg").status == 599
    assert call("GET", "/v1/images/simg").status == 200


def test_answer_after_acting_replaces_the_response_of_a_service_that_acted(
    simulator: Simulator, call: Caller, world: World
) -> None:
    simulator.fail_next(Answer(504, after_acting=True))
    assert call("DELETE", "/v1/images/simg").status == 504
    assert call("GET", "/v1/images/simg").status == 404


def test_a_fault_applies_the_given_number_of_times(simulator: Simulator, call: Caller) -> None:
    simulator.fail_next(Answer(429), times=3)
    simulator.fail_next(Answer(500))
    assert [call("GET", "/v1/images").status for _ in range(5)] == [429, 429, 429, 500, 200]


def test_a_fault_can_be_limited_to_one_operation(simulator: Simulator, call: Caller, world: World) -> None:
    simulator.fail_next(Answer(500), operation="image_view")
    simulator.fail_next(Answer(501), times=2, operation="image_delete")
    simulator.fail_next(Answer(502))
    requests = ["GET /v1/images", "DELETE /v1/images/x", "GET /v1/images", "GET //v1/images/simg/"]
    requests += ["DELETE /v1/images/x", "GET /v1/images/simg"]
    assert [call(*request.split()).status for request in requests] == [502, 501, 200, 500, 501, 200]


def test_a_fault_also_applies_to_a_request_without_an_operation(simulator: Simulator, call: Caller) -> None:
    simulator.fail_next(Answer(500), operation="image_list")
    assert call("PUT", "/v1/images").status == 405
    simulator.fail_next(Answer(502))
    assert call("GET", "/nope").status == 502
    assert call("GET", "/v1/images").status == 500


def test_clear_faults_removes_pending_faults(simulator: Simulator, call: Caller) -> None:
    simulator.fail_next(Answer(500), times=5)
    assert call("GET", "/v1/images").status == 500
    simulator.clear_faults()
    assert call("GET", "/v1/images").status == 200


def test_delay_responds_as_usual_but_later(simulator: Simulator, call: Caller, world: World) -> None:
    started = time.monotonic()
    simulator.fail_next(Delay(0.1))
    assert call("GET", "/v1/images").names == ["simg"]
    assert time.monotonic() - started >= 0.1


@pytest.mark.parametrize(("after_acting", "left"), [(False, ["simg"]), (True, [])])
def test_delay_waits_before_or_after_the_service_acts(
    simulator: Simulator, call: Caller, world: World, after_acting: bool, left: list[str]
) -> None:
    simulator.fail_next(Delay(math.inf, after_acting=after_acting))
    with connected(simulator) as connection:
        connection.sendall(raw_request(simulator, "DELETE /v1/images/simg HTTP/1.1"))
        simulator.wait_for_requests(1, answered=False)
        looks = 0
        while (names := call("GET", "/v1/images").names) != left and looks < 1000:
            looks += 1
        assert names == left
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        assert call("GET", "/v1/images").names == left


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize(("after_acting", "left"), [(False, ["simg"]), (True, [])])
def test_drop_closes_the_connection_without_a_response(
    simulator: Simulator, call: Caller, world: World, reset: bool, after_acting: bool, left: list[str]
) -> None:
    simulator.fail_next(Drop(after_acting=after_acting, reset=reset))
    if reset:
        with pytest.raises(ConnectionResetError):
            exchange(simulator, "DELETE /v1/images/simg HTTP/1.1")
    else:
        assert exchange(simulator, "DELETE /v1/images/simg HTTP/1.1") == b""
    assert call("GET", "/v1/images").names == left
    assert [request.status for request in simulator.requests] == [None, 200]


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_truncate_sends_only_the_beginning_of_the_body(
    simulator: Simulator, call: Caller, encoding: str
) -> None:
    simulator.create_images(["a", "b", "c"])
    simulator.fail_next(Truncate(20))
    head, _, body = exchange(simulator, f"GET /v1/images HTTP/1.1\r\naccept-encoding: {encoding}").partition(
        b"\r\n\r\n"
    )
    assert head.startswith(b"HTTP/1.1 200 ")
    # A chunk is cut within its content; its size is not part of the body.
    assert (
        len(body) == 20 if encoding == "identity" else re.fullmatch(rb"[0-9a-f]+\r\n.{20}", body, re.DOTALL)
    )
    if encoding == "identity":
        assert b"content-length: %d\r\n" % len(call("GET", "/v1/images").body) in head + b"\r\n"
    simulator.fail_next(Truncate())
    assert exchange(simulator).endswith(b"\r\n\r\n")


def test_truncate_lets_the_service_act(simulator: Simulator, call: Caller, world: World) -> None:
    simulator.fail_next(Truncate())
    with pytest.raises(http.client.IncompleteRead):
        call("POST", f"/v1/images/{world.pimg}/promote")
    call.close()
    assert call("GET", f"/v1/images/{world.pimg}").json["project_id"] is None


@pytest.mark.parametrize("body_only", [False, True])
def test_drip_sends_the_whole_response(simulator: Simulator, world: World, body_only: bool) -> None:
    simulator.fail_next(Drip(0.001, size=50, body_only=body_only))
    dripped = exchange(simulator, "GET /v1/images/simg HTTP/1.1").splitlines()
    plain = exchange(simulator, "GET /v1/images/simg HTTP/1.1").splitlines()
    assert (dripped[0], dripped[-1]) == (plain[0], plain[-1])


@pytest.mark.parametrize("body_only", [False, True])
def test_drip_waits_before_every_piece(simulator: Simulator, world: World, body_only: bool) -> None:
    simulator.fail_next(Drip(math.inf, body_only=body_only))
    with connected(simulator) as connection:
        connection.sendall(raw_request(simulator, "GET /v1/images/simg HTTP/1.1"))
        if body_only:
            assert connection.recv(65536).endswith(b"\r\n\r\n")
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(1)


def test_drip_sends_pieces_of_its_size(simulator: Simulator, world: World) -> None:
    simulator.fail_next(Drip(0.2, size=60))
    with connected(simulator) as connection:
        connection.sendall(raw_request(simulator, "GET /v1/images/simg HTTP/1.1"))
        assert len(connection.recv(65536)) % 60 == 0


def test_interim_sends_interim_responses_before_the_real_one(simulator: Simulator, world: World) -> None:
    simulator.fail_next(Interim(count=2, headers={"link": "</x>"}))
    simulator.fail_next(Interim(status=102))
    responses = exchange(simulator)
    assert re.findall(rb"HTTP/1.1 (\d+)", responses) == [b"103", b"103", b"200"]
    assert responses.count(b"link: </x>\r\n") == 2
    assert re.findall(rb"HTTP/1.1 (\d+)", exchange(simulator)) == [b"102", b"200"]


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (Answer, {"status": 199}),
        (Answer, {"status": 600}),
        (Answer, {"status": 200, "headers": {"Content-Length": "5"}}),
        (Answer, {"status": 200, "headers": {"transfer-encoding": "chunked"}}),
        (Answer, {"status": 200, "headers": {"a b": "c"}}),
        (Answer, {"status": 200, "headers": {"a": "c\r\nd: e"}}),
        (Delay, {"seconds": -1}),
        (Delay, {"seconds": math.nan}),
        (Drip, {"interval": -1}),
        (Drip, {"interval": 1, "size": 0}),
        (Truncate, {"size": -1}),
        (Interim, {"status": 101}),
        (Interim, {"status": 200}),
        (Interim, {"count": 0}),
        (Interim, {"headers": {"a": "\u20ac"}}),
    ],
)
def test_faults_with_impossible_values_are_refused(kind: type[Fault], arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"between|frame the body|not headers"):
        kind(**arguments)


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (Answer, {"status": 200.5}),
        (Answer, {"status": 200, "body": None}),
        (Answer, {"status": 200, "body": {}}),
        (Delay, {"seconds": "1"}),
        (Drip, {"interval": 1, "size": 1.5}),
        (Truncate, {"size": 1.5}),
        (Interim, {"count": 1.5}),
    ],
)
def test_faults_with_values_of_a_wrong_type_are_refused(kind: type[Fault], arguments: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=r"number|body"):
        kind(**arguments)


def test_a_date_header_of_a_fault_replaces_the_date_of_the_server(simulator: Simulator) -> None:
    simulator.fail_next(Answer(502, headers={"Date": "Thu, 01 Jan 1970 00:00:00 GMT"}))
    assert re.findall(rb"(?i)date: ([^\r]*)", exchange(simulator)) == [b"Thu, 01 Jan 1970 00:00:00 GMT"]


def test_fail_next_refuses_impossible_arguments(simulator: Simulator) -> None:
    with pytest.raises(ValueError, match="times"):
        simulator.fail_next(Drop(), times=0)
    with pytest.raises(ValueError, match="times"):
        simulator.fail_next(Drop(), times=1.5)  # type: ignore[arg-type]  # the error under test
    for fault in (Drop, None, 500):
        with pytest.raises(TypeError, match=r"such as Drop\(\)"):
            simulator.fail_next(fault)  # type: ignore[arg-type]  # the error under test
    with pytest.raises(
        ValueError,
        match=r"operation must be one of disk_bulk_write_import, .*image_create, .* not 'image_update'",
    ):
        simulator.fail_next(Drop(), operation="image_update")  # type: ignore[arg-type]  # the error under test
    with pytest.raises(RuntimeError, match="not running"):
        Simulator().fail_next(Drop())


@pytest.mark.parametrize(
    "fault",
    [
        Delay(math.inf),
        Delay(1e10, after_acting=True),
        Drip(3600),
        Drip(math.inf, body_only=True),
    ],
)
def test_stop_interrupts_a_fault_that_is_under_way(fault: Fault) -> None:
    with Simulator() as simulator:
        simulator.fail_next(fault)
        with connected(simulator) as connection:
            connection.sendall(raw_request(simulator, "GET /v1/images HTTP/1.1"))
            simulator.wait_for_requests(1, answered=False)
            simulator.stop()
            read_to_end(connection)
