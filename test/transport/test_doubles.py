"""Replacements of the network in tests of programs work: recorders, fake sockets, caching resolvers."""

import os
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpretty  # type: ignore[import-untyped]  # has no types
import pytest
import vcr  # type: ignore[import-untyped]  # has no types
from mocket import Mocketizer  # type: ignore[import-untyped]  # has no types
from mocket.mocks.mockhttp import Entry  # type: ignore[import-untyped]  # has no types

import oxide
from transport.calls import DELETE, PROMOTE, TOKEN, VIEW, image, image_by_name, session
from transport.fault_server import FaultServer, always, gzipped, http_response, request, reset, respond, send

# A fresh interpreter runs each program with the URL of a server and the path of a cassette.
ORDERS = {
    "recorder-first": "import vcr, oxide; oxide.ApiClient().close()",
    "client-first": "import oxide; oxide.ApiClient().close(); import vcr",
    "client-within-a-cassette": "import vcr",
}
PROGRAM = """
import sys
with vcr.use_cassette(sys.argv[2]) as cassette:
    import oxide
    with oxide.ImagesApi.from_environment(host=sys.argv[1], token="oxide-token-of-the-tests") as api:
        print(api.image_view("a").name, api.image_view("b").name, cassette.play_count)
with oxide.ImagesApi.from_environment(host=sys.argv[1], token="oxide-token-of-the-tests") as api:
    print(api.image_view("c").name)
"""


@pytest.mark.parametrize("order", ORDERS)
def test_vcrpy_records_and_replays_in_any_order_of_imports(order: str, tmp_path: Path) -> None:
    cassette = tmp_path / "cassette.yaml"
    with FaultServer(otherwise=[respond(image_by_name)]) as server:
        for played, sent in ((0, 3), (2, 4)):
            program = subprocess.run(
                [sys.executable, "-c", ORDERS[order] + PROGRAM, server.url, str(cassette)],
                check=False,
                env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
                capture_output=True,
                text=True,
                timeout=60,
            )
            assert program.returncode == 0, program.stderr
            assert program.stdout == f"a b {played}\nc\n"
            assert len(server.requests) == sent
    assert TOKEN not in cassette.read_text()


@pytest.mark.parametrize("serializer", ["yaml", "json"])
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_a_cassette_holds_no_token_and_replays_the_recording(
    secure: bool, serializer: Any, server_tls: ssl.SSLContext, ca_file: str, tmp_path: Path
) -> None:
    cassette = tmp_path / "cassette"
    refusal = http_response(404, b'{"message": "no such image", "request_id": "r"}')
    script = [
        request,
        send(gzipped(image("one"))),
        request,
        send(refusal),
        request,
        send(http_response(204, length=False)),
    ]
    settings: dict[str, Any] = {"ssl_ca_cert": ca_file} if secure else {}
    url = ""
    for recording in (True, False):
        # The replay has no server that could respond.
        scripts = [script] if recording else []
        with FaultServer(*scripts, tls=server_tls if secure else None) as server:
            url = server.url if recording else url
            with (
                vcr.use_cassette(
                    str(cassette), serializer=serializer, decode_compressed_response=serializer == "json"
                ),
                session(url, **settings) as client,
            ):
                response = client.api.image_view_with_http_info("one")
                assert (response.data.name, response.raw_data) == ("one", image("one"))
                with pytest.raises(oxide.NotFoundException, match="no such image"):
                    client.api.image_view("two")
                DELETE(client.api)
            assert server.connections == recording
    text = cassette.read_text()
    assert TOKEN not in text
    assert "<hidden>" in text


def test_a_call_missing_from_a_cassette_raises_the_error_of_vcrpy(tmp_path: Path) -> None:
    cassette = str(tmp_path / "cassette.yaml")
    with FaultServer(otherwise=[respond(image_by_name)]) as server, session(server.url) as client:
        with vcr.use_cassette(cassette):
            client.api.image_view("a")
        with (
            vcr.use_cassette(cassette, record_mode="none"),
            pytest.raises(vcr.errors.CannotOverwriteExistingCassetteException),
        ):
            client.api.image_view("b")
        assert len(server.requests) == 1


def test_a_call_that_fails_during_recording_raises_its_usual_error(tmp_path: Path) -> None:
    with FaultServer(otherwise=[request, reset]) as server, session(server.url) as client:
        with (
            vcr.use_cassette(str(tmp_path / "cassette.yaml")),
            pytest.raises(oxide.ApiConnectionError) as raised,
        ):
            PROMOTE(client.api)
        assert len(server.requests) == 1
    assert raised.value.outcome == "unknown"


FAKED = "rack.example"


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning:httpretty")  # of a module that is gone in Python 3.12
@pytest.mark.filterwarnings("ignore:functools.partial:FutureWarning")  # how it replaces a function of urllib3
def test_httpretty_can_replace_the_socket(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Without this, it does not work with urllib3 since 2.3.
    monkeypatch.setattr(httpretty.core.fakesock.socket, "shutdown", lambda *_: None, raising=False)
    url = f"{scheme}://{FAKED}"
    with httpretty.enabled(allow_net_connect=False), session(url, allow_http_token=True) as client:
        httpretty.register_uri(httpretty.GET, f"{url}/v1/images/a", body=image("a"))
        httpretty.register_uri(httpretty.GET, f"{url}/v1/images/b", body='{"message": "no b"}', status=404)
        assert client.api.image_view("a").name == "a"
        with pytest.raises(oxide.NotFoundException, match="no b"):
            client.api.image_view("b")
        assert httpretty.last_request().headers["authorization"] == f"Bearer {TOKEN}"


def test_mocket_can_replace_the_socket() -> None:
    url = f"http://{FAKED}"
    with Mocketizer(strict_mode=True), session(url, allow_http_token=True) as client:
        Entry.single_register(Entry.GET, f"{url}/v1/images/a", body=image("a").decode())
        Entry.single_register(Entry.GET, f"{url}/v1/images/b", body='{"message": "no b"}', status=404)
        assert client.api.image_view("a").name == "a"
        with pytest.raises(oxide.NotFoundException, match="no b"):
            client.api.image_view("b")


def test_a_caching_resolver_may_have_any_parameter_names(monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = socket.getaddrinfo
    cache: dict[tuple[Any, ...], Any] = {}

    def cached(node: str, service: int, a_family: int = 0, a_kind: int = 0, a_protocol: int = 0, /) -> Any:
        asked = (node, service, a_family, a_kind, a_protocol)
        if asked not in cache:
            cache[asked] = genuine(*asked)
        return cache[asked]

    with (
        FaultServer(otherwise=[always(request, send(http_response(200, VIEW.body)))]) as server,
        session(server.url) as client,
    ):
        monkeypatch.setattr(socket, "getaddrinfo", cached)
        assert VIEW(client.api).name == "an-image"
    assert list(cache) == [("127.0.0.1", server.port, 0, socket.SOCK_STREAM, 0)]
