"""Starting, stopping and restarting a simulator, and many requests at once."""

import contextlib
import gc
import socket
import sqlite3
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from simulator_http import Caller, World, connected, raw_request, read_to_end

from oxide.testing import Simulator
from oxide.testing._server import Server


def open_files() -> set[str]:
    """Return what this process's file descriptors are open on."""
    targets = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            targets.add(f"{descriptor.name} {descriptor.readlink()}")
    return targets


@pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="only Linux lists a process's open files there"
)
def test_a_hundred_simulators_leave_no_thread_and_no_open_file(tmp_path: Path) -> None:
    gc.collect()
    threads, files = set(threading.enumerate()), open_files()
    for number in range(100):
        with Simulator(database=tmp_path / "state" if number % 10 == 0 else None) as simulator:
            callers = [Caller(simulator) for _ in range(3)]
            assert all(caller("GET", "/v1/images").status == 200 for caller in callers)
            callers[0].close()
        # The other two connections were open, and idle, when it stopped.
        assert set(threading.enumerate()) == threads
        for caller in callers:
            caller.close()
    assert open_files() == files
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_stop_ends_connections_with_half_a_request_or_an_unread_response() -> None:
    with Simulator() as simulator:
        simulator.create_images(f"i{number:04}" for number in range(9999))
        with connected(simulator) as half, connected(simulator) as unread, connected(simulator) as silent:
            half.sendall(b"POST /v1/images HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n")
            unread.sendall(raw_request(simulator, "GET /v1/images?limit=10000 HTTP/1.1") * 5)
            simulator.wait_for_requests(1, answered=False)
            simulator.stop()
            for ended in (half, silent):
                # Unread or unaccepted data turns the end of the connection into a reset.
                with contextlib.suppress(ConnectionResetError):
                    assert read_to_end(ended) == b""
    assert [thread.name for thread in threading.enumerate() if "oxide" in thread.name] == []


def test_stop_ends_open_tls_connections() -> None:
    with Simulator(tls=True) as simulator, connected(simulator):
        simulator.stop()


def test_a_restarted_simulator_is_empty() -> None:
    simulator = Simulator()
    simulator.stop()
    for _ in range(2):
        simulator.start()
        simulator.create_image("a")
        call = Caller(simulator)
        assert call("GET", "/v1/images").names == ["a"]
        assert len(simulator.requests) == 1
        with pytest.raises(RuntimeError, match="already running"):
            simulator.start()
        simulator.stop()
        simulator.stop()
        call.close()
        assert len(simulator.requests) == 1
        for use in (lambda: simulator.url, lambda: simulator.token, lambda: simulator.create_image("b")):
            with pytest.raises(RuntimeError, match="not running"):
                use()


def test_a_port_can_be_chosen_and_is_free_after_stop(tmp_path: Path) -> None:
    with Simulator() as simulator:
        port = urlsplit(simulator.url).port or 0
        with pytest.raises(OSError, match="in use"):
            Simulator(port=port, database=tmp_path / "state").start()
        assert list(tmp_path.iterdir()) == []
        call = Caller(simulator)
        assert call("GET", "/v1/images").status == 200
        call.close()
    with Simulator(port=port) as simulator:
        assert simulator.url == f"http://127.0.0.1:{port}"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_it_survives_running_out_of_file_descriptors() -> None:
    """A connection that cannot be accepted waits until it can."""
    import resource

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with Simulator() as simulator, socket.socket() as connection:
        url = urlsplit(simulator.url)
        head = raw_request(simulator, "GET /v1/images HTTP/1.1\r\nconnection: close")
        resource.setrlimit(resource.RLIMIT_NOFILE, (connection.fileno() + 1, limits[1]))
        try:
            connection.connect((url.hostname, url.port))
            connection.sendall(head)
            connection.settimeout(0.1)
            with pytest.raises(TimeoutError):
                connection.recv(1)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        connection.settimeout(30)
        assert read_to_end(connection).startswith(b"HTTP/1.1 200 ")


def test_a_connection_that_cannot_be_used_is_closed() -> None:
    server = Server("127.0.0.1", 0, None)
    # This is not TCP, so its options cannot be set.
    ours, theirs = socket.socketpair()
    with pytest.raises(OSError, match="support"):
        server._start(theirs)
    assert (theirs.fileno(), ours.recv(1)) == (-1, b"")
    ours.close()
    server.stop()


def test_a_failed_start_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("this is no database, and long enough to tell" * 30)
    files = open_files() if Path("/proc/self/fd").exists() else set()
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        Simulator(database=tmp_path / "state").start()
    (tmp_path / "state").unlink()
    with pytest.raises(OSError):  # noqa: PT011 - its text is the system's
        Simulator("192.0.2.1", database=tmp_path / "state").start()
    if files:
        assert open_files() == files


def test_a_database_of_another_version_is_refused(tmp_path: Path) -> None:
    """The file is left unchanged."""
    database = tmp_path / "state.db"
    for version, statement in ((0, "CREATE TABLE image (id)"), (999, "CREATE TABLE other (id)")):
        with contextlib.closing(sqlite3.connect(database)) as connection:
            connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {version}")
        before = database.read_bytes()
        with pytest.raises(ValueError, match=rf"{database} was not made by this version of the simulator"):
            Simulator(database=database).start()
        assert database.read_bytes()[100:] == before[100:]
        database.unlink()


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_does_not_exist_is_refused(port: int) -> None:
    with pytest.raises(ValueError, match=f"port must be from 0 to 65535, not {port}"):
        Simulator(port=port)


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_the_simulator_listens_on_ipv6() -> None:
    try:
        simulator = Simulator("::1")
        simulator.start()
    except OSError as error:
        pytest.skip(f"no IPv6 loopback here: {error}")
    with contextlib.closing(Caller(simulator)) as call:
        assert simulator.url.startswith("http://[::1]:")
        assert call("GET", "/v1/images").status == 200
    simulator.stop()


def test_a_database_file_keeps_everything_across_a_restart(tmp_path: Path) -> None:
    database = tmp_path / "state.db"
    with Simulator(database=database) as simulator:
        simulator.create_project("proj")
        simulator.create_snapshot("snap", "proj")
        token = simulator.create_user("u", project_roles={"proj": "viewer"})
        simulator.create_images(["kept", "deleted"])
        call = Caller(simulator)
        assert call("DELETE", "/v1/images/deleted").status == 204
        kept = call("GET", "/v1/images/kept").json
        next_page = call("GET", "/v1/images?limit=1").json["next_page"]
        call.close()
        admin = simulator.token
    with Simulator(database=str(database)) as simulator:
        assert simulator.token == admin
        call = Caller(simulator)
        assert call("GET", "/v1/images").json["items"] == [kept]
        assert call("GET", f"/v1/images?page_token={next_page}").names == []
        assert call("GET", "/v1/images?project=proj", token=token).status == 200
        call.close()
        with pytest.raises(ValueError, match="a project of that name already exists"):
            simulator.create_project("proj")
    with Simulator(database=database, token="oxide-token-other") as simulator:
        call = Caller(simulator)
        assert call("GET", "/v1/images").names == ["kept"]
        assert call("GET", "/v1/images", token=admin).status == 401
        call.close()


def test_closed_connections_are_forgotten(simulator: Simulator) -> None:
    assert simulator._server
    for _ in range(20):
        with contextlib.closing(Caller(simulator)) as call:
            assert call("GET", "/v1/images").status == 200
            peers = list(simulator._server._connections.values())
            prompt = []
            for peer in peers:
                # Those of earlier callers may be closed at any moment.
                with contextlib.suppress(OSError):
                    prompt.append(peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            assert prompt
            assert all(prompt)
    assert len(peers) < 20


def test_exactly_one_of_sixteen_simultaneous_creations_succeeds(simulator: Simulator, world: World) -> None:
    callers = [Caller(simulator) for _ in range(16)]
    _exactly_one_creates(callers, world.body(name="contended"))


def test_two_simulators_may_share_a_database(tmp_path: Path) -> None:
    database = tmp_path / "state"
    with Simulator(database=database) as one, Simulator(database=database) as two:
        assert one.token == two.token
        one.create_project("proj")
        snapshot = two.create_snapshot("snap", "proj")
        body = {"name": "contended", "description": "", "os": "", "version": ""}
        source = {"type": "snapshot", "id": str(snapshot)}
        _exactly_one_creates(
            [Caller(one if number % 2 else two) for number in range(16)], body | {"source": source}
        )


def _exactly_one_creates(callers: list[Caller], body: dict[str, object]) -> None:
    together = threading.Barrier(16)

    def create(caller: Caller) -> tuple[int, str]:
        together.wait()
        reply = caller("POST", "/v1/images?project=proj", body)
        return reply.status, reply.json.get("error_code") or reply.json["id"]

    with ThreadPoolExecutor(16) as pool:
        outcomes = sorted(pool.map(create, callers), key=lambda outcome: outcome[0] == 400)
    status, winner = outcomes[0]
    assert status == 201
    assert outcomes[1:] == [(400, "ObjectAlreadyExists")] * 15
    listed = callers[0]("GET", "/v1/images?project=proj").json["items"]
    assert [item["id"] for item in listed if item["name"] == "contended"] == [winner]
    for caller in callers:
        caller.close()


@pytest.mark.parametrize("database", [None, "state"])
def test_no_request_is_lost_among_many_simultaneous_ones(tmp_path: Path, database: str | None) -> None:
    with Simulator(database=database and tmp_path / database) as simulator:
        simulator.create_project("proj")
        snapshot = simulator.create_snapshot("snap", "proj")

        def work(worker: int) -> list[int]:
            call = Caller(simulator)
            statuses = []
            for number in range(10):
                name = f"w{worker}-{number}"
                source = {"type": "snapshot", "id": str(snapshot)}
                body = {"name": name, "description": "", "os": "", "version": "", "source": source}
                statuses.append(call("POST", "/v1/images?project=proj", body).status)
                statuses.append(call("POST", f"/v1/images/{name}/promote?project=proj").status)
                if number % 2:
                    statuses.append(call("DELETE", f"/v1/images/{name}").status)
            call.close()
            return statuses

        with ThreadPoolExecutor(16) as pool:
            assert list(pool.map(work, range(16))) == [[201, 202, 201, 202, 204] * 5] * 16
        call = Caller(simulator)
        assert call("GET", "/v1/images").names == sorted(
            f"w{worker}-{number}" for worker in range(16) for number in range(0, 10, 2)
        )
        call.close()
        assert len(simulator.requests) == 16 * 25 + 1


def test_exactly_one_of_several_simultaneous_deletions_succeeds(simulator: Simulator, world: World) -> None:
    callers = [Caller(simulator) for _ in range(8)]
    together = threading.Barrier(8)

    def delete(caller: Caller) -> int:
        together.wait()
        return caller("DELETE", f"/v1/images/{world.pimg}").status

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(delete, callers)) == [204] + [404] * 7
    for caller in callers:
        caller.close()
