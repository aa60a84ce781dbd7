"""The upload and its clean-up handle every state of disk and snapshot."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import oxide
from oxide._upload.cleaning import Cleaner
from oxide.testing import Answer, Drop, LosePantry, Refuse
from upload.disks import CHUNK, disk
from upload.scene import PROJECT, Scene, open_scene

BUSY = Refuse(503, "Service Unavailable", "ServiceNotAvailable")
NO = Refuse(400, "no", "InvalidRequest")


@pytest.fixture
def scene() -> Iterator[Scene]:
    with open_scene() as scene:
        yield scene


def seen_disk(scene: Scene, state: str, **changes: Any) -> Answer:
    """Return a response that shows the disk in another state."""
    one = next(iter(scene.simulator.disks(PROJECT)), None)
    body = {
        "id": str(uuid4() if one is None else one.id),
        "name": "upload-x" if one is None else one.name,
        "description": "somebody else's",
        "size": 2**30,
        "block_size": 512,
        "state": {"state": state},
        **changes,
    }
    return Answer(200, json.dumps(body), {"content-type": "application/json"})


def seen_snapshot(scene: Scene, state: str, **changes: Any) -> Answer:
    (one,) = scene.simulator.disks(PROJECT)
    body = {
        "id": str(uuid4()),
        "name": "upload-x",
        "disk_id": str(one.id),
        "project_id": str(uuid4()),
        "size": 2**30,
        "state": state,
        **changes,
    }
    return Answer(200, json.dumps(body), {"content-type": "application/json"})


def upload(scene: Scene, step: str, *faults: tuple[str, Any, int], **options: Any) -> Any:
    """Upload, with faults that are made when a step begins, since they show the disk of that moment."""
    done: list[bool] = []

    def prepare(progress: oxide.UploadProgress) -> None:
        if progress.step == step and not done:
            done.append(True)
            for operation, fault, times in faults:
                scene.fail(operation, fault(scene) if callable(fault) else fault, times)

    return scene.upload(progress=prepare, **options)


def test_the_clean_up_does_not_touch_a_disk_that_is_in_use(scene: Scene) -> None:
    with pytest.raises(oxide.UploadError, match="it is in use") as caught:
        upload(
            scene,
            "upload",
            ("disk_bulk_write_import", NO, 1),
            ("disk_view", lambda scene: seen_disk(scene, "attached"), 1),
        )
    (left,) = caught.value.leftovers
    assert left.state == "attached"
    assert len(scene.left()) == 1


@pytest.mark.parametrize("state", ["creating", "finalizing", "maintenance"])
def test_the_clean_up_waits_while_the_rack_works_on_the_disk(state: str, scene: Scene) -> None:
    with pytest.raises(oxide.UploadError, match="nothing is left"):
        upload(
            scene,
            "upload",
            ("disk_bulk_write_import", NO, 1),
            ("disk_view", lambda scene: seen_disk(scene, state), 5),
        )
    assert scene.left() == []


def test_the_clean_up_ends_within_a_minute(scene: Scene) -> None:
    slept = scene.time.slept
    with pytest.raises(oxide.UploadError, match="the server is still working on it") as caught:
        upload(
            scene,
            "upload",
            ("disk_bulk_write_import", NO, 1),
            ("disk_view", lambda scene: seen_disk(scene, "finalizing"), 5000),
        )
    assert scene.time.slept - slept < 60
    assert len(caught.value.leftovers) == 1


@pytest.mark.parametrize("operation", ["disk_bulk_write_import_stop", "disk_finalize_import", "disk_delete"])
@pytest.mark.parametrize("fault", [Refuse(404, "gone", "ObjectNotFound"), NO, BUSY])
def test_a_failed_step_of_the_clean_up_is_retried_after_a_look_at_the_disk(
    operation: str, fault: Refuse, scene: Scene
) -> None:
    with pytest.raises(oxide.UploadError, match="nothing is left"):
        upload(scene, "upload", ("disk_bulk_write_import", NO, 1), (operation, fault, 2))
    assert scene.left() == []


def test_the_error_names_a_disk_that_may_not_be_removed(scene: Scene) -> None:
    with pytest.raises(oxide.UploadError, match="403 Forbidden") as caught:
        upload(
            scene,
            "upload",
            ("disk_bulk_write_import", NO, 1),
            ("disk_bulk_write_import_stop", Refuse(403, "Forbidden", "Forbidden"), 1),
        )
    (left,) = caught.value.leftovers
    assert scene.left() == [f"disk {left.name} importing_from_bulk_writes"]


def test_the_clean_up_does_not_touch_a_snapshot_of_another_disk(scene: Scene) -> None:
    other = scene.simulator.create_snapshot("other", project=PROJECT)
    with pytest.raises(oxide.UploadError):
        upload(
            scene,
            "create image",
            ("image_create", Refuse(404, "no such snapshot", "ObjectNotFound"), 1),
            (
                "snapshot_view",
                lambda scene: seen_snapshot(scene, "ready", disk_id=str(uuid4()), id=str(other)),
                1,
            ),
        )
    assert "snapshot other ready" in scene.left()


@pytest.mark.parametrize("operation", ["snapshot_view", "snapshot_delete"])
@pytest.mark.parametrize("fault", [Refuse(404, "gone", "ObjectNotFound"), NO, BUSY])
def test_the_clean_up_removes_a_snapshot_whatever_fails_on_the_way(
    operation: str, fault: Refuse, scene: Scene
) -> None:
    with pytest.raises(oxide.UploadError) as caught:
        upload(
            scene,
            "create image",
            ("image_create", Refuse(404, "no such snapshot", "ObjectNotFound"), 1),
            (operation, fault, 1),
        )
    # The disk exists although the response denies it; only this the upload cannot know.
    assert len(scene.left()) == (fault.status == 404)
    assert caught.value.leftovers == ()


def test_the_disk_is_removed_even_if_its_snapshot_may_not_be(scene: Scene) -> None:
    with pytest.raises(oxide.UploadError) as caught:
        upload(
            scene,
            "create image",
            ("image_create", Refuse(404, "no such snapshot", "ObjectNotFound"), 1),
            ("snapshot_delete", Refuse(403, "Forbidden", "Forbidden"), 1),
        )
    (left,) = caught.value.leftovers
    assert (left.kind, left.state) == ("snapshot", "ready")
    assert scene.left() == [f"snapshot {left.name} ready"]


def test_the_upload_waits_until_the_snapshot_is_ready(scene: Scene) -> None:
    image = upload(scene, "finalize", ("snapshot_view", lambda scene: seen_snapshot(scene, "creating"), 3))
    assert scene.holds(image, disk())
    assert scene.left() == []


def test_the_upload_ends_if_the_snapshot_never_becomes_ready(scene: Scene) -> None:
    with pytest.raises(oxide.UploadError, match="in the state creating for an hour"):
        upload(scene, "finalize", ("snapshot_view", lambda scene: seen_snapshot(scene, "creating"), 370))


def test_a_snapshot_of_another_size_does_not_become_an_image(scene: Scene) -> None:
    with pytest.raises(oxide.UploadError, match="the snapshot has 5 bytes"):
        upload(scene, "finalize", ("snapshot_view", lambda scene: seen_snapshot(scene, "ready", size=5), 1))
    assert not scene.image_exists()


def test_the_upload_gives_up_after_an_hour_of_finalizing(scene: Scene) -> None:
    with pytest.raises(oxide.UploadError, match="in the state finalizing for an hour") as caught:
        upload(
            scene,
            "finalize",
            ("disk_finalize_import", Drop(), 1),
            ("disk_view", lambda scene: seen_disk(scene, "finalizing"), 2000),
        )
    # The upload does not know whether there is a snapshot yet.
    assert {left.kind for left in caught.value.leftovers} == {"snapshot", "disk"}


@pytest.mark.parametrize(
    "fault",
    [
        Refuse(400, 'already exists: snapshot "s"', "ObjectAlreadyExists"),
        Refuse(409, "volume repair lock", "Conflict"),
    ],
)
def test_a_finalization_that_is_refused_temporarily_is_retried(fault: Refuse, scene: Scene) -> None:
    image = upload(scene, "finalize", ("disk_finalize_import", fault, 1))
    assert scene.holds(image, disk())
    names = [
        json.loads(r.body)["snapshot_name"] for r in scene.simulator.requests if r.path.endswith("/finalize")
    ]
    # Only a taken name is a reason for a new name.
    assert len(names) == 2
    assert (names[0] != names[1]) == (fault.status == 400)


def test_a_disk_that_somebody_deletes_ends_the_upload(scene: Scene) -> None:
    with pytest.raises(oxide.UploadError, match="deleted by somebody else"):
        upload(
            scene,
            "finalize",
            ("disk_finalize_import", Drop(), 1),
            ("disk_view", Refuse(404, "not found: disk", "ObjectNotFound"), 1),
        )


def test_a_disk_of_somebody_else_under_the_same_name_is_never_touched(scene: Scene) -> None:
    scene.fail("disk_create", Drop())
    scene.fail("disk_view", seen_disk(scene, "import_ready"))
    image = scene.upload()
    assert scene.holds(image, disk())
    assert scene.count("/v1/disks") == 2


def test_after_a_lost_response_to_its_creation_a_disk_has_some_seconds_to_become_ready(
    scene: Scene,
) -> None:
    scene.fail("disk_create", Drop(after_acting=True))
    scene.fail("disk_bulk_write_import", Refuse(400, "Not Found", "InvalidRequest"), times=4)
    assert scene.holds(scene.upload(), disk())


def test_a_disk_that_accepts_no_chunks_after_a_minute_counts_as_lost(scene: Scene) -> None:
    scene.fail("disk_create", Drop(after_acting=True))
    scene.fail("disk_bulk_write_import", Refuse(400, "Not Found", "InvalidRequest"), times=5000)
    with pytest.raises(oxide.UploadError, match="start over"):
        scene.upload()
    assert scene.left() == []


def test_the_error_says_that_the_upload_cannot_start_over(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(disk())
    scene.fail("disk_bulk_write_import", NO)
    with pytest.raises(oxide.UploadError, match="resumes with the journal"):
        scene.upload(tmp_path / "disk", journal=tmp_path / "journal")
    scene.fail("disk_bulk_write_import", LosePantry())
    scene.fail("disk_delete", Refuse(403, "Forbidden", "Forbidden"), times=10)
    with pytest.raises(oxide.UploadError, match="cannot be removed") as caught:
        scene.upload(tmp_path / "disk", journal=tmp_path / "journal")
    (left,) = caught.value.leftovers
    assert scene.left() == [f"disk {left.name} detached"]


class Twice:
    """Interrupts a clean-up a given number of times."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.clean_up = Cleaner.clean_up

    def __call__(self, cleaner: Cleaner) -> None:
        if self.times:
            self.times -= 1
            raise KeyboardInterrupt
        self.clean_up(cleaner)


@pytest.mark.parametrize("times", [1, 2])
def test_a_second_interruption_ends_the_clean_up(
    times: int, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted = Twice(times)
    monkeypatch.setattr(Cleaner, "clean_up", lambda cleaner: interrupted(cleaner))
    scene.fail("disk_bulk_write_import", NO)
    with pytest.raises(KeyboardInterrupt) as caught:
        scene.upload()
    assert len(scene.left()) == times - 1
    assert ("still on the rack: disk upload-" in "".join(getattr(caught.value, "__notes__", ()))) == (
        times == 2
    )


def test_a_second_ctrl_c_before_the_clean_up_prevents_it(scene: Scene) -> None:
    def stop(progress: oxide.UploadProgress) -> None:
        if progress.step == "upload":
            second = KeyboardInterrupt()
            second.__context__ = KeyboardInterrupt()
            raise second

    with pytest.raises(KeyboardInterrupt) as caught:
        scene.upload(progress=stop)
    assert len(scene.left()) == 1
    assert "still on the rack: disk upload-" in "".join(caught.value.__notes__)


def test_a_system_without_support_for_holes_reads_everything(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("os.SEEK_DATA")
    (tmp_path / "disk").write_bytes(disk())
    assert scene.holds(scene.upload(tmp_path / "disk"), disk())
    assert scene.reports[-1].skipped == CHUNK
