"""Bulk writes: which are accepted, which are refused, and where their bytes arrive."""

import base64
import os
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from importing import (
    CHUNK,
    GIB,
    IMPORTING,
    create_disk,
    create_image,
    finalize,
    import_image,
    snapshot,
    start,
    state,
    stop,
    stored_extents,
    write,
)
from simulator_http import Caller, World

from oxide.testing import Answer, LosePantry, Refuse, Simulator
from oxide.testing._bodies import BULK_WRITE, parse_bulk_write


def bulk_write_error(call: Caller, disk: str, body: object, **options: Any) -> tuple[int, str | None, str]:
    """Return the error that a body is refused with."""
    return call("POST", f"/v1/disks/{disk}/bulk-write", body, **options).error


def encoded(data: bytes) -> str:
    """Return base64."""
    return base64.b64encode(data).decode()


@pytest.fixture
def disk(call: Caller, world: World) -> str:
    """Return the ID of a disk that takes bulk writes."""
    disk = create_disk(call)
    start(call, disk)
    return disk


@pytest.mark.parametrize("data", [encoded(b"x" * 512), "this is not base64!"])
def test_a_disk_that_is_not_importing_refuses_a_write(call: Caller, world: World, data: str) -> None:
    disk = create_disk(call)
    error = bulk_write_error(call, disk, {"offset": 0, "base64_encoded_data": data})
    message = "cannot import blocks with a bulk write for disk in state ImportReady"
    assert error == (400, "InvalidRequest", message)


def test_a_chunk_may_be_repeated(call: Caller, disk: str) -> None:
    for _ in range(2):
        reply = write(call, disk, 0, b"x" * CHUNK)
        assert (reply.status, reply.body) == (204, b"")
        assert state(call, disk) == "importing_from_bulk_writes"


@pytest.mark.parametrize(
    ("offset", "size", "message"),
    [
        (0, CHUNK + 512, "Invalid number of blocks: data len 524800 over max chunk size 524288!"),
        (0, 2 * CHUNK, "request body exceeded maximum size of 1049600 bytes"),
        (1000, 512, "Offset not block aligned"),
        (512, 1000, "Data length not block size multiple"),
        (1000, 1000, "Offset not block aligned"),
        (GIB, 5120, "Offset past end of extent"),
        (GIB - 512, 1024, "Offset past end of extent"),
        (2**63, 512, "Offset past end of extent"),
        (100, 0, "Offset not block aligned"),
    ],
)
def test_the_pantry_refuses_bad_chunks_with_its_own_messages(
    simulator: Simulator, call: Caller, disk: str, offset: int, size: int, message: str
) -> None:
    assert write(call, disk, offset, b"x" * size).error == (400, "InvalidRequest", message)
    assert stored_extents(simulator) == []


def content(simulator: Simulator, call: Caller, disk: str, offset: int, size: int) -> bytes:
    """Finalize a disk and return some bytes of an image of it."""
    stop(call, disk)
    assert finalize(call, disk, "content").status == 204
    image = create_image(call, snapshot(call, "content")["id"], "content").json["id"]
    return simulator.image_content(image, offset, size)


def test_a_body_of_more_than_8_mib_is_refused(call: Caller, disk: str) -> None:
    message = "request body exceeded maximum size of 8388608 bytes"
    assert bulk_write_error(call, disk, b" " * 8_388_609) == (400, None, message)
    assert bulk_write_error(call, disk, b" " * 8_388_608)[2].startswith("unable to parse JSON body: EOF")
    # Only chunks may be this long.
    reply = call("POST", f"/v1/disks/{disk}/finalize", b" " * 1_048_577)
    assert reply.error[2] == "request body exceeded maximum size of 1048576 bytes"


def test_the_length_of_the_forwarded_body_is_limited(call: Caller, disk: str) -> None:
    """The length of the JSON counts, including the offset, not the length of the data."""
    longest = (1_049_600 - len('{"offset":0,"base64_encoded_data":""}')) // 4 * 3
    assert "over max chunk size" in write(call, disk, 0, b"x" * longest).error[2]
    assert "exceeded maximum size" in write(call, disk, 0, b"x" * (longest + 1)).error[2]


def test_an_empty_chunk_may_be_written_at_any_offset(simulator: Simulator, call: Caller, disk: str) -> None:
    assert write(call, disk, 0, b"").status == 204
    assert write(call, disk, 2 * GIB, b"").status == 204
    assert stored_extents(simulator) == []


@pytest.mark.parametrize(
    "data",
    [
        "this is not base64!",
        encoded(b"x" * 512).rstrip("="),
        encoded(b"\xff" * 512).replace("/", "_"),
        encoded(b"x" * 512)[:40] + "\n" + encoded(b"x" * 512)[40:],
        "eHh=",
        "eA==eA==",
        "====",
        "äöü",
        "a\u0000",
    ],
)
def test_data_that_is_not_base64_is_refused(call: Caller, disk: str, data: str) -> None:
    status, code, message = bulk_write_error(call, disk, {"offset": 0, "base64_encoded_data": data})
    assert (status, code) == (400, "InvalidRequest")
    assert message.startswith("error base64 decoding data: ")


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"offset": 0}, "missing field `base64_encoded_data`"),
        ({"base64_encoded_data": ""}, "missing field `offset`"),
        ({"offset": -512, "base64_encoded_data": ""}, "offset: invalid value: integer `-512`, expected u64"),
        ({"offset": 2**64, "base64_encoded_data": ""}, "offset: invalid value: integer `"),
        ({"offset": "0", "base64_encoded_data": ""}, "offset: invalid type, expected u64"),
        ({"offset": 0.5, "base64_encoded_data": ""}, "offset: invalid type, expected u64"),
        ({"offset": 0, "base64_encoded_data": None}, "base64_encoded_data: invalid type"),
        (b'{"offset":0,"offset":0,"base64_encoded_data":""}', "duplicate field `offset`"),
        (b'{"offset":00,"base64_encoded_data":""}', "invalid number"),
        (b'{"offset":0,"base64_encoded_data":"', "EOF while parsing a string"),
        ([], "invalid type, expected struct ImportBlocksBulkWrite"),
        (b"", "EOF while parsing a value at line 1 column 0"),
    ],
)
@pytest.mark.parametrize("credentials", ["", None])
def test_a_body_that_cannot_be_parsed_is_refused(
    call: Caller, world: World, body: object, problem: str, credentials: str | None
) -> None:
    disk = create_disk(call)
    status, code, message = bulk_write_error(call, disk, body, token=credentials)
    assert (status, code) == (400, None)
    assert message.startswith(f"unable to parse JSON body: {problem}")


@pytest.mark.parametrize(
    "body",
    [
        b'{"offset":512,"base64_encoded_data":"%s"}',
        b' {\n"offset" : 512 ,\t"base64_encoded_data" :\r\n "%s" } \n',
        b'{"base64_encoded_data":"%s","offset":512}',
        b'{"more":{"offset":5},"offset":512,"base64_encoded_data":"%s","less":[]}',
        b'{"offset":512,"base64_encoded_data":"%s"} and more',
        b'{"o\\u0066fset":512,"base64_encoded_data":"%s"}',
    ],
)
def test_any_form_of_a_valid_body_is_accepted(
    simulator: Simulator, call: Caller, disk: str, body: bytes
) -> None:
    data = os.urandom(512)
    reply = call("POST", f"/v1/disks/{disk}/bulk-write", body % encoded(data).encode())
    assert reply.status == 204
    assert content(simulator, call, disk, 0, 1536) == bytes(512) + data + bytes(512)


@given(offset=st.integers(0, 2**64 - 1), data=st.binary(max_size=40), text=st.text("+/=Aa1", max_size=12))
def test_the_fast_path_reads_a_chunk_exactly_like_the_parser(offset: int, data: bytes, text: str) -> None:
    """A chunk in the usual form takes a fast path, whose result must be the same."""
    for value in (encoded(data), text):
        usual = f'{{"offset":{offset},"base64_encoded_data":"{value}"}}'.encode()
        unusual = f'{{"more":1,"offset":{offset},"base64_encoded_data":"{value}"}}'.encode()
        assert parse_bulk_write(usual) == parse_bulk_write(unusual)
        assert BULK_WRITE.match(usual) is not None or offset >= 10**18


@given(data=st.binary(max_size=40) | st.text("+/=Aa1", max_size=12).map(str.encode))
def test_only_canonical_base64_is_accepted(data: bytes) -> None:
    body = b'{"offset":0,"base64_encoded_data":"%s"}'
    assert parse_bulk_write(body % base64.b64encode(data)).data == data
    if data.isascii() and not {*data} & {*b'"\\'} and min(data, default=32) >= 32:
        decoded = parse_bulk_write(body % data).data
        assert decoded is None or base64.b64encode(decoded) == data


def test_a_lost_pantry_stays_lost(simulator: Simulator, call: Caller, disk: str) -> None:
    other = create_disk(call, "other")
    start(call, other)
    assert write(call, disk, 0, b"x" * 512).status == 204
    simulator.fail_next(LosePantry())
    # Other requests do not suffer it.
    assert call("GET", f"/v1/disks/{disk}").status == 200
    for offset in (0, 1000, 512):
        assert write(call, disk, offset, b"x" * 512).error == (400, "InvalidRequest", "Not Found")
    assert write(call, disk, 0, b"").error == (400, "InvalidRequest", "Not Found")
    assert write(call, other, 0, b"x" * 512).status == 204
    # Starting again does not help.
    stop(call, disk)
    start(call, disk)
    assert write(call, disk, 0, b"x" * 512).error == (400, "InvalidRequest", "Not Found")


def test_a_pantry_can_be_lost_for_a_disk_given_by_name(simulator: Simulator, call: Caller, disk: str) -> None:
    simulator.fail_next(LosePantry(), times=2)
    body = {"offset": 0, "base64_encoded_data": ""}
    assert call("POST", "/v1/disks/nope/bulk-write?project=proj", body).status == 404
    assert bulk_write_error(call, "disk", body) == (
        400,
        "InvalidRequest",
        "disk should either be UUID or project should be specified",
    )
    assert write(call, disk, 0, b"").status == 204
    simulator.fail_next(LosePantry())
    assert call("POST", "/v1/disks/disk/bulk-write?project=proj", body).error[2] == "Not Found"


def test_a_chunk_may_be_repeated_after_a_slow_pantry_fails(
    simulator: Simulator, call: Caller, disk: str
) -> None:
    internal = (500, "Internal", "Internal Server Error")
    simulator.fail_next(Refuse(500, "Internal Server Error", "Internal"), operation="disk_bulk_write_import")
    assert write(call, disk, 0, b"x" * 512).error == internal
    assert write(call, disk, 0, b"x" * 512).status == 204


def test_a_chunk_may_be_stored_although_its_response_is_lost(
    simulator: Simulator, call: Caller, disk: str
) -> None:
    simulator.fail_next(Answer(502, after_acting=True), operation="disk_bulk_write_import")
    assert write(call, disk, 0, b"x" * 512).status == 502
    simulator.fail_next(Answer(502), operation="disk_bulk_write_import")
    assert write(call, disk, 512, b"x" * 512).status == 502
    assert content(simulator, call, disk, 0, 1024) == b"x" * 512 + bytes(512)


BLOCKS = 4096


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(
    writes=st.lists(
        st.tuples(st.integers(0, BLOCKS - 1), st.integers(1, 1024), st.sampled_from(b"\0\1\2")), max_size=8
    )
)
def test_the_last_write_wins_at_any_offset_and_length(
    simulator: Simulator, call: Caller, world: World, writes: list[tuple[int, int, int]]
) -> None:
    """Writes of any number of blocks may overlap, cross the borders of extents, and contain zeros."""
    expected = bytearray(BLOCKS * 512)
    chunks: list[tuple[int, bytes]] = []
    for first, count, value in writes:
        data = bytes([value]) * (min(count, BLOCKS - first) * 512)
        expected[first * 512 : first * 512 + len(data)] = data
        chunks.append((first * 512, data))
    call_again = [*chunks, *chunks[-1:]]
    disk = create_disk(call, "disk")
    start(call, disk)
    for offset, data in call_again:
        assert write(call, disk, offset, data).status == 204
    stop(call, disk)
    assert finalize(call, disk, "s").status == 204
    image = create_image(call, snapshot(call, "s")["id"]).json["id"]
    assert simulator.image_content(image, 0, len(expected)) == expected
    cut = len(expected) // 3 + 1
    assert simulator.image_content(image, cut, cut) == expected[cut : 2 * cut]
    for target in (f"images/{image}", f"disks/{disk}", f"snapshots/{snapshot(call, 's')['id']}"):
        assert call("DELETE", f"/v1/{target}").status == 204


@pytest.mark.parametrize("block_size", [512, 2048, 4096])
def test_chunks_are_aligned_to_the_block_size_of_the_disk(
    simulator: Simulator, call: Caller, world: World, block_size: int
) -> None:
    source = {**IMPORTING, "block_size": block_size}
    disk = create_disk(call, disk_backend={"type": "distributed", "disk_source": source})
    start(call, disk)
    assert write(call, disk, block_size, b"x" * block_size).status == 204
    assert write(call, disk, block_size // 2, b"x" * block_size).status == 400
    assert write(call, disk, block_size, b"x" * (block_size // 2)).status == 400


def test_zeros_take_no_space_in_the_database(tmp_path: Path) -> None:
    database = tmp_path / "state.db"
    with Simulator(database=database) as simulator, closing(Caller(simulator)) as call:
        simulator.create_project("proj")
        disk = create_disk(call, size=100 * GIB)
        start(call, disk)
        assert write(call, disk, 0, bytes(CHUNK)).status == 204
        assert write(call, disk, 50 * GIB, b"x" + bytes(CHUNK - 1)).status == 204
        assert write(call, disk, 99 * GIB, b"x" * CHUNK).status == 204
        assert write(call, disk, 99 * GIB, bytes(CHUNK)).status == 204
        assert write(call, disk, 0, bytes(CHUNK)).status == 204
        stop(call, disk)
        assert finalize(call, disk, "s").status == 204
        image = create_image(call, snapshot(call, "s")["id"]).json["id"]
        assert simulator.image_content(image, 50 * GIB - 1, 3) == b"\0x\0"
        assert simulator.image_content(image, 99 * GIB, CHUNK) == bytes(CHUNK)
        assert stored_extents(simulator) == [1]


def test_written_bytes_survive_a_restart(tmp_path: Path) -> None:
    database = tmp_path / "state.db"
    data = os.urandom(CHUNK)
    with Simulator(database=database) as simulator, closing(Caller(simulator)) as call:
        simulator.create_project("proj")
        simulator.quota = 10 * GIB
        image = import_image(call, {CHUNK: data})
        disk = create_disk(call, "half")
        start(call, disk)
        assert write(call, disk, 0, data).status == 204
    with Simulator(database=database) as simulator, closing(Caller(simulator)) as call:
        assert simulator.quota == 10 * GIB
        assert simulator.image_content(image, CHUNK, CHUNK) == data
        assert state(call, disk) == "importing_from_bulk_writes"
        assert write(call, disk, CHUNK, data[::-1]).status == 204
        assert content(simulator, call, disk, 0, 3 * CHUNK) == data + data[::-1] + bytes(CHUNK)


def test_the_record_keeps_only_the_beginning_of_a_chunk(
    simulator: Simulator, call: Caller, disk: str
) -> None:
    assert write(call, disk, 512, b"x" * CHUNK).status == 204
    kept = simulator.requests[-1].body
    assert (kept[:14], len(kept)) == (b'{"offset": 512', 256)
