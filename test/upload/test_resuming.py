"""An interrupted upload resumes from its journal, in any state, and sends only what is missing."""

import math
import os
import random
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import oxide
from oxide.testing import Answer, Delay, Drop, LosePantry, Refuse, Simulator
from upload.disks import CHUNK, FORMATS, disk, packed
from upload.killing import Maker
from upload.scene import PROJECT, Scene, open_scene

DATA = disk(12 * CHUNK + 700)
CHUNKS = 12  # one of the thirteen is zeros


@pytest.fixture
def scene() -> Iterator[Scene]:
    with open_scene() as scene:
        yield scene


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "disk").write_bytes(DATA)
    return tmp_path / "disk"


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal"


class EnoughError(Exception):
    """Interrupts an upload."""


def interrupt(scene: Scene, path: Any, journal: Path, step: str = "upload", **options: Any) -> None:
    """Begin an upload, and interrupt it at the start of a step or after some chunks."""

    def stop(progress: oxide.UploadProgress) -> None:
        if progress.step == step != "upload":
            raise EnoughError

    if step == "upload":
        scene.fail("disk_bulk_write_import", Delay(0), times=2)
        scene.fail("disk_bulk_write_import", Refuse(400, "no"))
    with pytest.raises((EnoughError, oxide.UploadError)) as caught:
        scene.upload(path, journal=journal, progress=stop, workers=2, **options)
    told = [str(caught.value), *getattr(caught.value, "__notes__", ())]
    assert any("resumes with the journal" in line for line in told)


@pytest.mark.parametrize("step", ["upload", "finalize", "create image"])
def test_the_same_call_resumes_and_sends_only_what_is_missing(
    step: str, scene: Scene, path: Path, journal: Path
) -> None:
    interrupt(scene, path, journal, step)
    assert len(scene.left()) == (2 if step == "create image" else 1)
    image = scene.upload(path, journal=journal)
    assert scene.holds(image, DATA)
    assert scene.left() == []
    assert not journal.exists()
    # Chunks that were under way may have to be sent again.
    assert scene.count("/bulk-write") <= CHUNKS + 3
    assert scene.count("/v1/disks") == 1


@pytest.mark.parametrize("form", FORMATS)
def test_the_upload_of_a_compressed_file_resumes_too(
    form: str, scene: Scene, path: Path, journal: Path
) -> None:
    path.write_bytes(packed(disk(), form))
    interrupt(scene, path, journal)
    assert scene.holds(scene.upload(path, journal=journal), disk())
    assert scene.left() == []


def test_progress_counts_what_has_already_arrived(scene: Scene, path: Path, journal: Path) -> None:
    interrupt(scene, path, journal)
    scene.upload(path, journal=journal)
    last = scene.reports[-1]
    assert (last.done, last.total, last.skipped) == (len(DATA), len(DATA), CHUNK)


def test_an_upload_without_a_journal_does_not_resume(scene: Scene, path: Path) -> None:
    scene.fail("disk_bulk_write_import", Refuse(400, "no"))
    with pytest.raises(oxide.UploadError):
        scene.upload(path)
    assert scene.left() == []


def test_an_error_names_the_journal_and_what_is_kept(scene: Scene, path: Path, journal: Path) -> None:
    scene.fail("disk_bulk_write_import", Answer(503), times=100_000)
    with pytest.raises(oxide.UploadError, match="the same call resumes with the journal") as caught:
        scene.upload(path, journal=journal)
    assert caught.value.journal == str(journal)
    (left,) = caught.value.leftovers
    assert scene.left() == [f"disk {left.name} importing_from_bulk_writes"]
    scene.simulator.clear_faults()
    assert scene.holds(scene.upload(path, journal=journal), DATA)


@pytest.mark.parametrize("when", ["before", "during", "after"])
def test_a_disk_whose_creation_was_interrupted_is_found_again(
    when: str, scene: Scene, path: Path, journal: Path
) -> None:
    """The journal has the name before the request for the disk is sent."""
    fault = Drop(after_acting=True) if when == "after" else Drop(during=0.1) if when == "during" else Drop()
    scene.fail("disk_create", fault)
    scene.fail("disk_view", Refuse(400, "interrupted here"))
    with pytest.raises(oxide.BadRequestException):
        scene.upload(path, journal=journal)
    time.sleep(0.2 if when == "during" else 0)
    assert len(scene.left()) == (0 if when == "before" else 1)
    assert scene.holds(scene.upload(path, journal=journal), DATA)
    assert scene.left() == []
    assert scene.count("/v1/disks") == (2 if when == "before" else 1)


def test_a_creation_that_was_refused_leaves_no_journal(scene: Scene, path: Path, journal: Path) -> None:
    scene.fail("disk_create", Refuse(403, "Forbidden", "Forbidden"))
    with pytest.raises(oxide.ForbiddenException):
        scene.upload(path, journal=journal)
    assert not journal.exists()


def test_a_resumed_upload_waits_for_an_interrupted_finalization(
    scene: Scene, path: Path, journal: Path
) -> None:
    scene.fail("disk_finalize_import", Drop(during=0.2))
    scene.fail("disk_view", Refuse(400, "interrupted here"))
    with pytest.raises(oxide.UploadError) as caught:
        scene.upload(path, journal=journal)
    assert caught.value.step == "finalize"
    scene.time.sleep = lambda seconds: time.sleep(0.02)  # type: ignore[method-assign]  # the simulator needs real time
    assert scene.holds(scene.upload(path, journal=journal), DATA)
    assert scene.count("/finalize") == 1


def test_an_image_made_before_the_process_was_killed_is_returned(
    scene: Scene, path: Path, journal: Path
) -> None:
    scene.fail("snapshot_delete", Delay(math.inf))
    with closing(Maker(scene.simulator)) as maker:
        assert (
            maker.upload(lambda: "DELETE" in {r.method for r in scene.simulator.requests}, path, journal)
            is False
        )
    assert scene.image_exists()
    assert len(scene.left()) == 2
    image = scene.upload(path, journal=journal)
    assert scene.holds(image, DATA)
    assert scene.left() == []
    assert not journal.exists()
    assert scene.count("/v1/disks") == 1


def test_a_disk_that_is_gone_is_created_again(scene: Scene, path: Path, journal: Path) -> None:
    interrupt(scene, path, journal)
    remove_disks(scene)
    assert scene.holds(scene.upload(path, journal=journal), DATA)
    assert scene.left() == []


def test_a_disk_that_somebody_finalized_is_removed_and_created_again(
    scene: Scene, path: Path, journal: Path
) -> None:
    interrupt(scene, path, journal)
    finalize_disks(scene)
    assert scene.holds(scene.upload(path, journal=journal), DATA)
    assert scene.left() == []


def test_a_resumed_upload_starts_over_if_the_pantry_was_lost(scene: Scene, path: Path, journal: Path) -> None:
    interrupt(scene, path, journal)
    scene.fail("disk_bulk_write_import", LosePantry())
    assert scene.holds(scene.upload(path, journal=journal), DATA)
    assert scene.left() == []
    assert scene.count("/v1/disks") == 2


def test_a_pantry_lost_during_the_first_call_leaves_no_journal(
    scene: Scene, path: Path, journal: Path
) -> None:
    scene.fail("disk_bulk_write_import", LosePantry())
    with pytest.raises(oxide.UploadError, match="start over; nothing is left"):
        scene.upload(path, journal=journal)
    assert not journal.exists()
    assert scene.left() == []


def call(scene: Scene, method: str, path: str, body: str = "") -> None:
    """Make a call as somebody else."""
    import urllib.request

    request = urllib.request.Request(
        scene.simulator.url + path,
        body.encode() or None,
        {"authorization": f"Bearer {scene.simulator.token}", "content-type": "application/json"},
        method=method,
    )
    urllib.request.urlopen(request).close()


def finalize_disks(scene: Scene) -> None:
    for one in scene.simulator.disks(PROJECT):
        if one.state == "importing_from_bulk_writes":
            call(scene, "POST", f"/v1/disks/{one.id}/bulk-write-stop")
        call(scene, "POST", f"/v1/disks/{one.id}/finalize", "{}")


def remove_disks(scene: Scene) -> None:
    finalize_disks(scene)
    for one in scene.simulator.disks(PROJECT):
        call(scene, "DELETE", f"/v1/disks/{one.id}")


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("os", {"os": "ubuntu"}),
        ("version", {"version": "14"}),
        ("description", {"description": "other"}),
        ("name", {"name": "other"}),
        ("block_size", {"block_size": 4096}),
        ("sha256", {"sha256": "0" * 64}),
    ],
)
def test_other_arguments_are_refused_with_the_difference(
    field: str, options: dict[str, Any], scene: Scene, path: Path, journal: Path
) -> None:
    interrupt(scene, path, journal)
    before = len(scene.simulator.requests), journal.read_bytes()
    with pytest.raises(oxide.ApiValueError, match=f"of another upload: {field} was"):
        scene.upload(path, journal=journal, **options)
    assert (len(scene.simulator.requests), journal.read_bytes()) == before
    # Workers and progress may differ.
    assert scene.holds(scene.upload(path, journal=journal, workers=1, progress=None), DATA)


def test_another_rack_is_refused(scene: Scene, path: Path, journal: Path) -> None:
    interrupt(scene, path, journal)
    with open_scene() as other, pytest.raises(oxide.ApiValueError, match="of another upload: host was"):
        other.upload(path, journal=journal)


def touch(path: Path) -> None:
    os.utime(path, (1, 1))


def grow(path: Path) -> None:
    path.write_bytes(DATA + b"more")


@pytest.mark.parametrize(("change", "field"), [(touch, "modified"), (grow, "content_size")])
def test_another_file_is_refused_with_the_difference(
    change: Any, field: str, scene: Scene, path: Path, journal: Path
) -> None:
    interrupt(scene, path, journal)
    change(path)
    with pytest.raises(oxide.ApiValueError, match=f"of another upload: {field} was"):
        scene.upload(path, journal=journal)
    assert len(scene.left()) == 1


def test_a_chunk_that_has_changed_is_sent_again(scene: Scene, path: Path, journal: Path) -> None:
    times = (10**9, 10**9)
    os.utime(path, times)
    interrupt(scene, path, journal, "finalize")
    changed = bytearray(DATA)
    # Data became zeros, zeros became data, and one byte changed.
    changed[2 * CHUNK : 3 * CHUNK] = bytes(CHUNK)
    changed[CHUNK + 5] = 1
    changed[6 * CHUNK + 7] ^= 1
    path.write_bytes(changed)
    os.utime(path, times)
    before = scene.count("/bulk-write")
    assert scene.holds(scene.upload(path, journal=journal), bytes(changed))
    assert scene.count("/bulk-write") - before == 3


def test_a_file_that_is_not_a_journal_is_refused(scene: Scene, path: Path) -> None:
    with pytest.raises(oxide.ApiValueError, match="of another kind"):
        scene.upload(path, journal=path)
    assert path.read_bytes() == DATA
    assert scene.simulator.requests == []


def test_two_uploads_cannot_share_a_journal(scene: Scene, path: Path, journal: Path) -> None:
    def again(progress: oxide.UploadProgress) -> None:
        if progress.step == "upload":
            with pytest.raises(oxide.ApiValueError, match="in use by another process"):
                scene.upload(path, journal=journal, progress=None)

    assert scene.holds(scene.upload(path, journal=journal, progress=again), DATA)


def test_the_journal_never_holds_the_token(scene: Scene, path: Path, journal: Path) -> None:
    interrupt(scene, path, journal, _request_auth=scene.simulator.token)
    assert scene.simulator.token.encode() not in journal.read_bytes()
    assert journal.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("at", [1, 300, 500, 800, 1200])
def test_an_upload_can_resume_after_the_disk_of_the_journal_was_full(
    at: int, scene: Scene, path: Path, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write

    def full(file: int, data: bytes) -> int:
        if os.fstat(file).st_size + len(data) > at and os.path.samestat(os.fstat(file), journal.stat()):
            raise OSError(28, "No space left on device")
        return write(file, data)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises((oxide.UploadError, oxide.ApiValueError), match="No space left on device") as caught:
        scene.upload(path, journal=journal)
    monkeypatch.undo()
    assert len(scene.left()) == len(caught.value.leftovers)
    if isinstance(caught.value, oxide.ApiValueError):
        assert scene.paths() == []
    assert scene.holds(scene.upload(path, journal=journal), DATA)
    assert scene.left() == []


def test_an_upload_with_a_wrong_digest_cannot_resume(scene: Scene, path: Path, journal: Path) -> None:
    with pytest.raises(oxide.UploadError, match="nothing is left on the rack"):
        scene.upload(path, journal=journal, sha256="0" * 64)
    assert not journal.exists()
    assert scene.left() == []


@pytest.mark.long
def test_uploads_killed_at_random_moments_fifty_times_become_the_right_images(tmp_path: Path) -> None:
    chunks = 10
    data = disk((chunks + 1) * CHUNK)
    path, journal = tmp_path / "disk", tmp_path / "journal"
    path.write_bytes(data)
    rng = random.Random(50)
    kills = images = 0
    with Simulator() as simulator, oxide.ApiClient(simulator.configuration()) as client:
        simulator.create_project(PROJECT)
        with closing(Maker(simulator)) as maker:
            while kills < 50:
                images += 1
                name = f"debian-{images}"
                # A whole upload takes some thirty requests, but one that looks for a disk of the process before takes
                # more: it may be killed there again and again.
                while not maker.upload(
                    maker.after(rng.randrange(30) if kills < 50 else sys.maxsize), path, journal, name
                ):
                    kills += 1
                image = oxide.ImagesApi(client).image_view(name, PROJECT)
                assert simulator.image_content(image.id, 0, len(data)) == data
                assert simulator.disks(PROJECT) == []
                assert simulator.snapshots(PROJECT) == []
                assert not journal.exists()
        sent = sum(request.path.endswith("/bulk-write") for request in simulator.requests)
        assert sent <= 1.3 * chunks * images
