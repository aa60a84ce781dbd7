"""Reading a file: from its position to its end, without its holes, and with an error if it changes."""

import hashlib
import io
import os
import signal
import tempfile
from pathlib import Path

import pytest
from transport.test_signals import alarm

import oxide
from oxide._upload.source import Source
from oxide._upload.stop import Stop
from upload.disks import CHUNK, Pipe, noise, sparse

DATA = noise(200_000)


def everything(source: Source, piece: int = 30_011) -> bytes:
    return b"".join(iter(lambda: source.read(piece), b""))


def test_a_path_is_read_from_its_beginning(tmp_path: Path) -> None:
    (tmp_path / "disk.raw").write_bytes(DATA)
    for path in (tmp_path / "disk.raw", str(tmp_path / "disk.raw")):
        with Source(path) as source:
            assert (source.length, source.rereadable) == (len(DATA), True)
            assert everything(source) == DATA
            source.rewind()
            assert everything(source) == DATA


def test_a_file_object_is_read_from_its_position_and_stays_open(tmp_path: Path) -> None:
    (tmp_path / "disk.raw").write_bytes(b"header" + DATA)
    with (tmp_path / "disk.raw").open("rb") as file:
        file.seek(6)
        with Source(file) as source:
            assert source.length == len(DATA)
            assert source.peek(10) == DATA[:10]
            assert everything(source) == DATA
            source.rewind()
            assert everything(source) == DATA
        assert not file.closed


@pytest.mark.parametrize("kind", ["BytesIO", "temporary file", "file to read and write"])
def test_any_seekable_object_can_be_read_twice(kind: str, tmp_path: Path) -> None:
    with tempfile.NamedTemporaryFile() as temporary, (tmp_path / "disk").open("w+b") as both:
        file = {"BytesIO": io.BytesIO(), "temporary file": temporary, "file to read and write": both}[kind]
        file.write(DATA)
        file.seek(0)
        source = Source(file)
        assert (everything(source), source.rereadable) == (DATA, True)
        source.rewind()
        assert everything(source) == DATA


def test_a_pipe_is_read_once_in_pieces_of_full_size() -> None:
    source = Source(Pipe(DATA))
    assert (source.length, source.rereadable) == (None, False)
    assert source.peek(100_000) == DATA[:100_000]
    assert source.read(150_000) == DATA[:150_000]
    assert everything(source) == DATA[150_000:]


def test_an_http_response_gives_its_own_length() -> None:
    assert Source(Pipe(DATA, length=len(DATA))).length == len(DATA)


def test_a_hasher_gets_every_byte_in_order(tmp_path: Path) -> None:
    path = sparse(tmp_path / "disk", 4 * 2**20, {2**20: DATA})
    with Source(path) as source:
        source.hasher = hashlib.sha256()
        source.skip(source.hole())
        assert source.position == 2**20
        everything(source)
        assert source.hasher.hexdigest() == hashlib.sha256(path.read_bytes()).hexdigest()


def test_holes_are_found_wherever_they_are(tmp_path: Path) -> None:
    path = sparse(tmp_path / "disk", 2**40, {2**30: DATA, 2**39: DATA})
    with Source(path) as source:
        holes = []
        while source.position < 2**40:
            holes.append((source.position, source.hole()))
            source.skip(holes[-1][1])
            if source.position < 2**40:
                source.read(CHUNK)
    assert holes == [
        (0, 2**30),
        (2**30 + CHUNK, 2**39 - 2**30 - CHUNK),
        (2**39 + CHUNK, 2**39 - CHUNK),
    ]


def test_looking_for_holes_does_not_change_the_position_of_the_file_object(tmp_path: Path) -> None:
    path = sparse(tmp_path / "disk", 2**22, {2**21: DATA})
    with path.open("rb") as file:
        source = Source(file)
        source.read(10)
        assert source.hole() > 0
        assert file.tell() == 10
        assert os.lseek(file.fileno(), 0, os.SEEK_CUR) >= 10
        assert file.read(2**21 - 10) == bytes(2**21 - 10)
        assert file.read(10) == DATA[:10]


def test_a_wrapper_is_read_through_itself_rather_than_through_its_descriptor(tmp_path: Path) -> None:
    import gzip

    (tmp_path / "disk.gz").write_bytes(gzip.compress(bytes(2**20) + DATA))
    with gzip.open(tmp_path / "disk.gz") as file:
        source = Source(file)
        assert (source.hole(), source.length) == (0, 2**20 + len(DATA))
        assert everything(source) == bytes(2**20) + DATA


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def shorten(path: Path) -> None:
    os.truncate(path, 100)


def rewrite(path: Path) -> None:
    path.write_bytes(bytes(len(DATA)))
    os.utime(path, (1, 1))


@pytest.mark.parametrize("change", [append, shorten, rewrite])
def test_a_file_that_changes_is_noticed(change: object, tmp_path: Path) -> None:
    path = tmp_path / "disk"
    path.write_bytes(DATA)
    with Source(path) as source:
        source.check_unchanged()
        assert callable(change)
        change(path)
        with pytest.raises(Stop, match="changed while it was read") as caught:
            source.check_unchanged()
        assert caught.value.hopeless
        with pytest.raises(Stop):
            source.check_ended()


def test_an_object_in_memory_that_grows_is_noticed() -> None:
    file = io.BytesIO(DATA)
    source = Source(file)
    source.check_ended()
    file.seek(0, 2)
    file.write(b"more")
    with pytest.raises(Stop, match="now has 200004"):
        source.check_ended()


@pytest.mark.parametrize("name", ["missing", ".", "a\0b"])
def test_a_path_that_cannot_be_opened_is_a_bad_argument(name: str, tmp_path: Path) -> None:
    with pytest.raises(oxide.ApiValueError, match=r"^file: "):
        Source(f"{tmp_path}/{name}")


def test_anything_but_a_binary_file_is_refused() -> None:
    for file in (io.StringIO("text"), 5, b"bytes", None):
        with pytest.raises(oxide.ApiTypeError, match=r"^file: "):
            Source(file)  # type: ignore[arg-type]  # what a user may pass by mistake


class TextLike(Pipe):
    """A file object that looks binary but returns text."""

    def read(self, size: int = -1, /) -> bytes:
        return "text"  # type: ignore[return-value]  # the mistake


def test_a_file_object_that_returns_text_is_refused() -> None:
    with pytest.raises(oxide.ApiTypeError, match="binary"):
        Source(TextLike(b"")).read(10)


class Broken(Pipe):
    """A file object that fails like a bad sector."""

    def read(self, size: int = -1, /) -> bytes:
        raise OSError(5, "Input/output error")


def test_a_read_that_fails_ends_the_upload_with_its_reason() -> None:
    with pytest.raises(Stop, match="cannot be read: Input/output error") as caught:
        Source(Broken(b"")).read(10)
    assert not caught.value.hopeless
    assert isinstance(caught.value.__cause__, OSError)


class Interrupted(Pipe):
    """A file object that waits for more until a signal arrives."""

    def read(self, size: int = -1, /) -> bytes:
        signal.raise_signal(signal.SIGALRM)
        return b""


def test_an_alarm_of_the_program_while_a_file_is_read_passes_unchanged() -> None:
    error = TimeoutError("the program's own")
    with alarm(error), pytest.raises(TimeoutError) as raised:
        Source(Interrupted(b"")).read(10)
    assert raised.value is error
