"""The content of a file: it is decoded and split into chunks, and anything but a raw disk is refused."""

import gzip
import hashlib
import io
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

import oxide
from oxide._upload.content import Content, Piece
from oxide._upload.source import Source
from oxide._upload.stop import Stop
from upload.disks import CHUNK, COMPRESS, FORMATS, GIB, Pipe, disk, noise, packed, sparse


def content_of(data: bytes, **options: Any) -> Content:
    return Content(Source(io.BytesIO(data)), **options)


def joined(pieces: Iterator[Piece], block_size: int = 512) -> bytes:
    """Join pieces as a disk does, and check that they are in order and valid for the server."""
    result = bytearray()
    for piece in pieces:
        assert (piece.offset, piece.offset % CHUNK) == (len(result), 0)
        if piece.data is not None:
            assert len(piece.data) <= CHUNK
            assert (len(piece.data) % block_size, any(piece.data)) == (0, True)
            assert not any(piece.data[piece.length :])
        result += (piece.data or bytes(piece.length))[: piece.length]
    return bytes(result)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("size", [1, 511, 512, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 77])
def test_the_pieces_add_up_to_the_content_in_any_format_and_length(form: str, size: int) -> None:
    data = disk(size)
    for block_size in (512, 2048, 4096):
        content = content_of(packed(data, form), block_size=block_size)
        assert (content.format, content.size, content.block_size) == (form, size, block_size)
        assert joined(content.pieces(), block_size) == data
    # Resuming after an interruption reads it again.
    assert joined(content.pieces(), block_size) == data


@pytest.mark.parametrize("form", FORMATS)
def test_a_stream_that_can_be_read_once_gives_the_same_pieces(form: str) -> None:
    data = disk()
    content = Content(Source(Pipe(packed(data, form))), size=len(data))
    assert (content.format, content.size) == (form, len(data))
    assert joined(content.pieces()) == data


def test_zeros_are_not_sent_as_data() -> None:
    pieces = list(content_of(disk(3 * CHUNK)).pieces())
    assert [piece.data is None for piece in pieces] == [False, True, False]


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 5)), max_size=4), st.integers(1, 40 * CHUNK // 8)
)
def test_holes_and_zeros_are_distinguished_from_data(
    tmp_path_factory: pytest.TempPathFactory, places: list[tuple[int, int]], size: int
) -> None:
    pieces = {min(at * CHUNK // 8, size): noise(length * 1000, at)[:size] for at, length in places}
    path = sparse(tmp_path_factory.mktemp("disks") / "disk", size, pieces)
    expected = path.read_bytes()
    for sha256 in (None, hashlib.sha256(expected).hexdigest()):
        with Source(path) as source:
            content = Content(source, sha256=sha256)
            assert joined(content.pieces()) == expected
            assert content.digest == sha256


def test_holes_of_any_size_are_not_read(tmp_path: Path) -> None:
    path = sparse(tmp_path / "disk", 1023 * GIB, {0: disk(CHUNK), 500 * GIB: b"x"})
    with Source(path) as source:
        pieces = list(Content(source).pieces())
    assert [(piece.offset, piece.length, piece.data is None) for piece in pieces] == [
        (0, CHUNK, False),
        (CHUNK, 500 * GIB - CHUNK, True),
        (500 * GIB, CHUNK, False),
        (500 * GIB + CHUNK, 523 * GIB - CHUNK, True),
    ]


@pytest.mark.parametrize("form", [*COMPRESS])
def test_consecutive_compressed_members_are_concatenated(form: str) -> None:
    first, second = disk(CHUNK + 5), noise(100_000)
    for padding in (b"", bytes(4), bytes(100_000)):
        data = packed(first, form) + padding + packed(second, form) + padding
        assert joined(content_of(data).pieces()) == first + second


def test_a_zstd_file_may_begin_with_a_skippable_frame() -> None:
    frame = bytes.fromhex("5d2a4d18") + (4).to_bytes(4, "little") + b"skip"
    assert joined(content_of(frame + zstd.compress(disk())).pieces()) == disk()


@pytest.mark.parametrize("form", [*COMPRESS])
def test_damaged_compressed_data_is_found_before_anything_is_sent(form: str) -> None:
    whole = packed(disk(), form)
    middle = len(whole) // 2
    damaged = whole[:middle] + bytes(b ^ 0xFF for b in whole[middle : middle + 300]) + whole[middle + 300 :]
    for data, message in (
        (damaged, "is damaged: near byte"),
        (whole[:-1], "cut short"),
        (whole[:middle], "cut short"),
        (whole + b"garbage at the end", "is damaged"),
    ):
        with pytest.raises(Stop, match=message) as caught:
            content_of(data)
        assert caught.value.hopeless


@pytest.mark.parametrize("form", [*COMPRESS])
def test_a_damaged_stream_ends_the_upload_when_the_damage_is_reached(form: str) -> None:
    content = Content(Source(Pipe(packed(disk(), form)[:-20])), size=len(disk()))
    with pytest.raises(Stop, match=r"cut short|damaged"):
        list(content.pieces())


def foreign(name: str) -> bytes:
    head, tail = {
        "qcow2": (b"QFI\xfb\0\0\0\3", b""),
        "VMDK": (b"KDMV", b""),
        "VHDX": (b"vhdxfile", b""),
        "VHD": (b"conectix", b""),
        "VHD of fixed size": (b"\0", b"conectix" + bytes(504)),
        "VDI": (bytes(64) + b"\x7f\x10\xda\xbe", b""),
        "zip": (b"PK\3\4", b""),
        "7z": (b"7z\xbc\xaf\x27\x1c", b""),
        "tar": (bytes(257) + b"ustar", b""),
    }[name]
    return head + bytes(70_000) + tail


COMMANDS = {
    "qcow2": "qemu-img convert -O raw 'my disk' 'my disk.raw'",
    "VMDK": "qemu-img convert -O raw 'my disk' 'my disk.raw'",
    "VHDX": "qemu-img convert -O raw 'my disk' 'my disk.raw'",
    "VHD": "qemu-img convert -O raw -f vpc 'my disk' 'my disk.raw'",
    "VHD of fixed size": "qemu-img convert -O raw -f vpc 'my disk' 'my disk.raw'",
    "VDI": "qemu-img convert -O raw 'my disk' 'my disk.raw'",
    "zip": "unzip 'my disk'",
    "7z": "7z x 'my disk'",
    "tar": "tar --extract --file 'my disk'",
}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("form", FORMATS)
def test_a_foreign_format_is_refused_with_the_command_that_converts_it(
    form: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my disk").write_bytes(packed(foreign(name), form))
    with Source("my disk") as source, pytest.raises(oxide.ApiValueError) as caught:
        Content(source)
    assert f"my disk is {name.split()[0]}" in str(caught.value)
    assert COMMANDS[name] in str(caught.value)
    assert (f"inside {form}" in str(caught.value)) == (form != "raw")


def test_the_commands_use_the_name_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("fedora.qcow2.xz").write_bytes(packed(foreign("qcow2"), "xz"))
    with Source("fedora.qcow2.xz") as source, pytest.raises(oxide.ApiValueError) as caught:
        Content(source)
    commands = "xz --decompress --keep fedora.qcow2.xz && qemu-img convert -O raw fedora.qcow2 fedora.raw"
    assert str(caught.value).endswith(commands)


@pytest.mark.parametrize("form", FORMATS)
def test_a_foreign_format_in_a_stream_is_refused_before_anything_is_sent(form: str) -> None:
    data = packed(foreign("qcow2"), form)
    with pytest.raises(oxide.ApiValueError, match="is qcow2"):
        Content(Source(Pipe(data)), size=len(data))


def test_a_stream_whose_end_shows_a_foreign_format_does_not_become_an_image() -> None:
    data = foreign("VHD of fixed size")
    with pytest.raises(Stop, match="is VHD"):
        list(Content(Source(Pipe(data)), size=len(data)).pieces())


@pytest.mark.parametrize("form", [*COMPRESS])
def test_a_file_that_was_compressed_twice_is_refused(form: str) -> None:
    with pytest.raises(oxide.ApiValueError, match=f"is gzip inside {form}"):
        content_of(packed(gzip.compress(disk()), form))


@pytest.mark.parametrize("form", FORMATS)
def test_an_empty_file_is_refused(form: str) -> None:
    with pytest.raises(oxide.ApiValueError, match="is empty"):
        content_of(packed(b"", form))
    with pytest.raises(oxide.ApiValueError, match="is empty"):
        Content(Source(Pipe(packed(b"", form))), size=5)


def test_a_file_larger_than_any_disk_is_refused(tmp_path: Path) -> None:
    path = sparse(tmp_path / "disk", 1023 * GIB + 1, {})
    with Source(path) as source, pytest.raises(oxide.ApiValueError, match="more than the 1023 GiB"):
        Content(source)
    with pytest.raises(oxide.ApiValueError, match="more than the 1023 GiB"):
        Content(Source(Pipe(b"data")), size=1023 * GIB + 1)


@pytest.mark.parametrize("form", [*COMPRESS])
def test_a_decompression_bomb_is_refused_as_soon_as_it_exceeds_the_limit(form: str) -> None:
    seen: list[int] = []
    with pytest.raises(oxide.ApiValueError, match="more than the"):
        content_of(packed(bytes(64 * CHUNK), form), limit=2 * CHUNK, tick=seen.append)
    assert seen == [CHUNK, 2 * CHUNK]


def test_xz_that_needs_more_memory_than_its_strongest_preset_is_refused() -> None:
    import lzma

    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 2**29}]
    with pytest.raises(Stop, match=r"[Mm]emory"):
        content_of(lzma.compress(b"data", filters=filters))
    assert content_of(lzma.compress(b"data", preset=9)).size == 4


def test_zstd_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "backports.zstd", None)
    monkeypatch.setitem(sys.modules, "compression.zstd", None)
    with pytest.raises(oxide.ApiValueError, match=r"pip install backports\.zstd"):
        content_of(zstd.compress(disk()))


@pytest.mark.parametrize("form", FORMATS)
def test_the_digest_is_that_of_the_file_before_decoding(form: str) -> None:
    data = packed(disk(), form)
    digest = hashlib.sha256(data).hexdigest()
    content = content_of(data, sha256=digest)
    joined(content.pieces())
    assert content.digest == digest
    assert content_of(data).compute_digest() == digest


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("once", [True, False])
def test_a_wrong_digest_ends_the_upload(form: str, once: bool) -> None:
    data = packed(disk(), form)
    source = Source(Pipe(data) if once else io.BytesIO(data))
    with pytest.raises(Stop, match="not 00000 as expected"):
        list(Content(source, sha256="00000", size=len(disk())).pieces())


def test_a_wrong_digest_of_a_compressed_file_is_found_before_anything_is_sent() -> None:
    with pytest.raises(Stop, match="not 00000 as expected"):
        content_of(gzip.compress(disk()), sha256="00000")


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("size", [1, len(disk()) - 1, len(disk()) + 1])
def test_a_source_that_is_not_as_long_as_expected_ends_the_upload(form: str, size: int) -> None:
    data = packed(disk(), form)
    with pytest.raises(Stop, match=r"expected"):
        content_of(data, size=size)
    with pytest.raises(Stop, match=r"expected"):
        list(Content(Source(Pipe(data)), size=size).pieces())


@pytest.mark.parametrize("form", FORMATS)
def test_a_source_that_can_be_read_only_once_needs_a_size(form: str) -> None:
    with pytest.raises(oxide.ApiValueError, match="give size"):
        Content(Source(Pipe(packed(disk(), form))))


def test_an_http_response_gives_its_own_size() -> None:
    content = Content(Source(Pipe(disk(), length=len(disk()))))
    assert joined(content.pieces()) == disk()
    with pytest.raises(Stop, match="expected"):
        list(Content(Source(Pipe(disk()[:-1], length=len(disk())))).pieces())


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_that_changes_between_two_pieces_ends_the_upload(form: str, tmp_path: Path) -> None:
    path = tmp_path / "disk"
    path.write_bytes(packed(disk(), form))
    with Source(path) as source:
        pieces = Content(source).pieces()
        next(pieces)
        path.write_bytes(packed(disk(seed=1), form))
        os.utime(path, (1, 1))
        with pytest.raises(Stop, match="changed while it was read"):
            list(pieces)


@pytest.mark.parametrize("form", [*COMPRESS])
def test_an_object_whose_bytes_change_between_the_passes_is_noticed(form: str) -> None:
    file = io.BytesIO(packed(disk(), form))
    content = Content(Source(file))
    file.seek(0)
    file.write(packed(disk(seed=1), form))
    file.truncate(content._source.length)
    with pytest.raises(Stop, match=r"changed|damaged|cut short"):
        list(content.pieces())


def test_an_object_that_shrinks_is_noticed() -> None:
    file = io.BytesIO(disk())
    content = Content(Source(file))
    file.truncate(CHUNK + 1)
    with pytest.raises(Stop, match="changed while it was read"):
        list(content.pieces())


def test_an_object_that_grows_is_noticed() -> None:
    file = io.BytesIO(disk())
    content = Content(Source(file))
    file.seek(0, 2)
    file.write(b"more")
    with pytest.raises(Stop, match="changed while it was read"):
        list(content.pieces())


def iso(gpt: int | None = None) -> bytes:
    data = bytearray(disk(2**17, gpt=gpt))
    data[0x8001:0x8006] = b"CD001"
    return bytes(data)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    ("data", "block_size"),
    [
        (disk(gpt=512), 512),
        (disk(gpt=2048), 2048),
        (disk(gpt=4096), 4096),
        (iso(), 2048),
        (iso(gpt=512), 512),
        (iso(gpt=4096), 4096),
        (bytes(510) + b"\x55\xaa" + noise(70_000), 512),
    ],
)
def test_the_block_size_is_that_of_the_partition_table(data: bytes, block_size: int, form: str) -> None:
    content = content_of(packed(data, form))
    assert (content.block_size, content.warning) == (block_size, None)


def test_a_disk_without_a_partition_table_causes_a_warning() -> None:
    content = content_of(disk(gpt=None))
    assert content.block_size == 512
    assert content.warning is not None
    assert "may not boot" in content.warning


@pytest.mark.parametrize(
    ("data", "wanted", "warned"),
    [
        (disk(gpt=512), 512, False),
        (disk(gpt=512), 4096, True),
        (disk(gpt=4096), 512, True),
        (iso(), 512, True),
        (iso(gpt=512), 512, False),
        (bytes(510) + b"\x55\xaa" + noise(70_000), 4096, False),
    ],
)
def test_a_block_size_that_contradicts_the_partition_table_is_used_with_a_warning(
    data: bytes, wanted: int, warned: bool
) -> None:
    content = content_of(data, block_size=wanted)
    assert content.block_size == wanted
    assert (content.warning is not None) == warned


@given(st.integers(0, 2**32), st.sampled_from(FORMATS))
def test_a_file_may_begin_with_any_bytes(seed: int, form: str) -> None:
    rng = random.Random(seed)
    data = packed(noise(rng.randrange(1, 2000), seed), form)
    cut = data[: rng.randrange(1, len(data) + 1)]
    try:
        content = content_of(cut)
    except (Stop, oxide.ApiValueError):
        return
    assert content.size > 0
