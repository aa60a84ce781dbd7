"""The journal survives truncation at any byte, and is never confused with another file or another upload."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oxide
from oxide._upload.journal import Journal
from upload.disks import CHUNK, noise

ARGUMENTS: Mapping[str, Any] = {
    "host": "https://rack.example",
    "project": "web",
    "name": "debian",
    "size": None,
}
FIRST, SECOND = noise(CHUNK, 1), noise(CHUNK, 2)


@contextmanager
def journal_at(path: Path, arguments: Mapping[str, Any] = ARGUMENTS) -> Iterator[Journal]:
    journal = Journal(path, arguments)
    try:
        yield journal
    finally:
        journal.close()


def fill(journal: Journal) -> None:
    """Write the notes of an upload."""
    journal.agree(modified=17)
    journal.begin_disk("debian")
    journal.made_disk("1234")
    for offset, data in ((0, FIRST), (3 * CHUNK, SECOND), (5 * CHUNK, FIRST)):
        journal.will_send(offset, data)
    journal.arrived(3 * CHUNK)
    journal.arrived(0)
    journal.begin_snapshot()


def state(journal: Journal) -> tuple[Any, ...]:
    return (
        journal.disk_name,
        journal.disk_description,
        journal.disk_id,
        journal.snapshot_names,
        [journal.holds(number * CHUNK, FIRST) for number in range(7)],
        [journal.holds(number * CHUNK, SECOND) for number in range(7)],
        [journal.holds(number * CHUNK, None) for number in range(7)],
        journal.sent_within(0, 100 * CHUNK),
    )


def test_the_notes_are_kept_for_the_next_process(tmp_path: Path) -> None:
    with journal_at(tmp_path / "journal") as journal:
        assert not journal.resumed
        fill(journal)
        noted = state(journal)
    with journal_at(tmp_path / "journal") as journal:
        assert journal.resumed
        assert state(journal) == noted
        journal.agree(modified=17)
    name, description, disk_id, snapshots, first, second, zeros, sent = noted
    assert name.startswith("upload-")
    assert "debian" in description
    assert (disk_id, len(snapshots)) == ("1234", 1)
    # What was sent and not acknowledged is known to hold nothing.
    assert first == [True, False, False, False, False, False, False]
    assert second == [False, False, False, True, False, False, False]
    assert zeros == [False, True, True, False, True, False, True]
    assert sent == [0, 3 * CHUNK, 5 * CHUNK]


def test_a_chunk_that_is_sent_again_must_arrive_again(tmp_path: Path) -> None:
    with journal_at(tmp_path / "journal") as journal:
        fill(journal)
        journal.will_send(0, SECOND)
        assert not journal.holds(0, SECOND)
        journal.arrived(0)
        assert journal.holds(0, SECOND)
        assert not journal.holds(0, FIRST)


def test_zeros_that_were_written_over_data_count_as_zeros(tmp_path: Path) -> None:
    with journal_at(tmp_path / "journal") as journal:
        fill(journal)
        journal.will_send(0, bytes(CHUNK))
        journal.arrived(0)
        assert journal.holds(0, None)


def test_an_upload_that_starts_over_forgets_disk_and_chunks(tmp_path: Path) -> None:
    with journal_at(tmp_path / "journal") as journal:
        fill(journal)
        journal.start_over()
        assert (journal.disk_name, journal.disk_id, journal.snapshot_names) == (None, None, [])
        assert journal.sent_within(0, 100 * CHUNK) == []
    with journal_at(tmp_path / "journal") as journal:
        assert journal.resumed
        assert (journal.disk_name, journal.sent_within(0, 100 * CHUNK)) == (None, [])


def test_a_journal_truncated_at_any_byte_can_be_used(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with journal_at(path) as journal:
        fill(journal)
        complete = state(journal)
    whole = path.read_bytes()
    for size in range(0, len(whole) + 1, 5):
        path.write_bytes(whole[:size])
        with journal_at(path) as journal:
            fill(journal)
            again = state(journal)
        assert again[4:] == complete[4:]
        with journal_at(path) as journal:
            assert state(journal) == again


@settings(max_examples=40)
@given(st.data())
def test_damage_loses_at_most_the_damaged_lines(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("journals") / "journal"
    with journal_at(path) as journal:
        fill(journal)
    whole = path.read_bytes()
    lines = whole.count(b"\n")
    at = data.draw(st.integers(whole.index(b"\n") + 1, len(whole) - 1))
    length = data.draw(st.integers(1, 30))
    path.write_bytes(whole[:at] + bytes(length) + whole[at + length :])
    with journal_at(path) as journal:
        for number in (0, 3, 5):
            held = [noted for noted in (FIRST, SECOND) if journal.holds(number * CHUNK, noted)]
            assert held in ([], [FIRST if number != 3 else SECOND])
    assert path.read_bytes().count(b"\n") >= lines - 3


@pytest.mark.parametrize("content", [b"#!/bin/sh\n", b"o", b"oxide upload journal 2\n", bytes(100)])
def test_a_file_that_is_not_a_journal_is_refused_and_left_unchanged(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(content)
    if content == b"o":
        Journal(path, ARGUMENTS).close()
        return
    with pytest.raises(oxide.ApiValueError, match="of another kind"):
        Journal(path, ARGUMENTS)
    assert path.read_bytes() == content


def test_an_empty_file_becomes_a_journal(tmp_path: Path) -> None:
    (tmp_path / "journal").touch()
    with journal_at(tmp_path / "journal") as journal:
        fill(journal)


@pytest.mark.parametrize("where", [".", "missing/journal", "pipe"])
def test_a_path_that_cannot_be_a_journal_is_a_bad_argument(where: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(oxide.ApiValueError, match=r"^journal: "):
        Journal(tmp_path / where, ARGUMENTS)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_journal_of_another_upload_is_refused_with_the_difference(name: str, tmp_path: Path) -> None:
    with journal_at(tmp_path / "journal") as journal:
        fill(journal)
    before = (tmp_path / "journal").read_bytes()
    with pytest.raises(oxide.ApiValueError) as caught:
        Journal(tmp_path / "journal", {**ARGUMENTS, name: "another"})
    assert f"{name} was {ARGUMENTS[name]!r} and is now 'another'" in str(caught.value)
    assert (tmp_path / "journal").read_bytes() == before


def test_a_fact_that_becomes_known_later_is_compared_too(tmp_path: Path) -> None:
    with journal_at(tmp_path / "journal") as journal:
        fill(journal)
    with (
        journal_at(tmp_path / "journal") as journal,
        pytest.raises(oxide.ApiValueError, match="modified was 17"),
    ):
        journal.agree(modified=18)


def test_one_journal_serves_one_upload_at_a_time(tmp_path: Path) -> None:
    with (
        journal_at(tmp_path / "journal"),
        pytest.raises(oxide.ApiValueError, match="in use by another process"),
    ):
        Journal(tmp_path / "journal", ARGUMENTS)
    Journal(tmp_path / "journal", ARGUMENTS).close()


HOLD = "import sys; from oxide._upload.journal import Journal; Journal(sys.argv[1], {}); print(flush=True); sys.stdin.read()"


def test_the_lock_ends_with_the_process(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path / "journal")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(oxide.ApiValueError, match="in use"):
            Journal(tmp_path / "journal", {})
        process.send_signal(signal.SIGKILL)
    Journal(tmp_path / "journal", {}).close()


def test_deleting_a_journal_leaves_no_file(tmp_path: Path) -> None:
    with journal_at(tmp_path / "journal") as journal:
        fill(journal)
        journal.delete()
        journal.delete()
    assert list(tmp_path.iterdir()) == []


# Writes a journal repeatedly, in processes in which files may have only a limited size.
LITTLE_ROOM = """
import os, resource, signal, sys
sys.path[:0] = sys.argv[2:]
from upload.test_journal import fill, journal_at
import oxide, pathlib
from oxide._upload.stop import Stop

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for room in range(1, 900, 43):
    pid = os.fork()
    if pid:
        print(room, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        continue
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    try:
        with journal_at(pathlib.Path(sys.argv[1]) / str(room)) as journal:
            fill(journal)
    except oxide.ApiValueError:
        os._exit(2)
    except Stop:
        os._exit(1)
    os._exit(0)
"""


def test_a_full_disk_is_reported_and_leaves_a_usable_journal(tmp_path: Path) -> None:
    command = [sys.executable, "-u", "-c", LITTLE_ROOM, str(tmp_path), str(Path(__file__).parents[1])]
    numbers = [int(word) for word in subprocess.check_output(command, text=True).split()]
    statuses = dict(zip(numbers[::2], numbers[1::2], strict=True))
    for room in statuses:
        path = tmp_path / str(room)
        assert path.stat().st_size <= room
        assert path.read_bytes()[-1:] in {b"", b"\n"}
        with journal_at(path) as journal:
            fill(journal)
    # Before a disk is requested, nothing has been sent; later, the upload is interrupted.
    assert set(statuses.values()) == {0, 1, 2}
