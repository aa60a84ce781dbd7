"""Uploads from file to image: the image has the bytes of the file, and nothing else is left."""

import hashlib
import io
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import oxide
from oxide.testing import Answer, Delay, LosePantry, Refuse
from upload.disks import CHUNK, COMPRESS, FORMATS, GIB, Pipe, disk, noise, packed, sparse
from upload.scene import PROJECT, Scene, open_scene


@pytest.fixture
def scene() -> Iterator[Scene]:
    with open_scene() as scene:
        yield scene


@pytest.mark.parametrize("block_size", [512, 2048, 4096])
@pytest.mark.parametrize("form", FORMATS)
def test_the_image_has_the_bytes_of_the_file(
    form: str, block_size: int, scene: Scene, tmp_path: Path
) -> None:
    sizes = [1, 4095, 3 * CHUNK + 1, 4 * CHUNK] if form == "raw" else [4095, 3 * CHUNK + 1]
    for number, size in enumerate(sizes):
        data = disk(size)
        path = tmp_path / f"disk-{number}"
        path.write_bytes(packed(data, form))
        image = scene.upload(path, name=f"disk-{number}", block_size=block_size)
        assert scene.holds(image, data)
        assert (image.size, image.block_size) == (GIB, block_size)
    assert scene.left() == []


def test_the_image_has_the_requested_attributes(scene: Scene) -> None:
    image = scene.upload(description="Debian 13, generic cloud")
    found = scene.images.image_view("debian", PROJECT)
    assert image == found
    assert (found.name, found.os, found.version, found.description) == (
        "debian",
        "debian",
        "13",
        "Debian 13, generic cloud",
    )
    assert found.project_id is not None


def test_the_project_may_be_given_by_id(scene: Scene) -> None:
    project = scene.simulator.create_project("other")
    image = scene.images.image_upload(io.BytesIO(disk()), project, name="x", os="o", version="v")
    assert image.project_id == project


def test_only_the_data_of_a_large_sparse_file_is_sent(scene: Scene, tmp_path: Path) -> None:
    pieces = {0: disk(CHUNK), 10 * GIB + 5: noise(1000), 99 * GIB: noise(10)}
    image = scene.upload(sparse(tmp_path / "disk", 100 * GIB - 3, pieces))
    assert image.size == 100 * GIB
    for offset, data in pieces.items():
        assert scene.simulator.image_content(image.id, offset, len(data) + 100) == data + bytes(100)
    assert scene.count("/bulk-write") == 3
    assert scene.reports[-1].done == 100 * GIB - 3
    assert scene.reports[-1].skipped == 100 * GIB - 3 - 3 * CHUNK


def test_a_disk_of_zeros_becomes_an_image_of_zeros(scene: Scene, tmp_path: Path) -> None:
    image = scene.upload(sparse(tmp_path / "disk", GIB + 1, {}))
    assert image.size == 2 * GIB
    assert scene.count("/bulk-write") == 0


@pytest.mark.parametrize("form", FORMATS)
def test_a_stream_is_uploaded_in_one_pass(form: str, scene: Scene) -> None:
    data = packed(disk(), form)
    image = scene.upload(Pipe(data), size=len(disk()), sha256=hashlib.sha256(data).hexdigest())
    assert scene.holds(image, disk())


@pytest.mark.parametrize("form", FORMATS)
def test_the_expected_digest_is_checked(form: str, scene: Scene) -> None:
    data = packed(disk(), form)
    image = scene.upload(data, sha256=hashlib.sha256(data).hexdigest().upper())
    assert scene.holds(image, disk())
    with pytest.raises(oxide.UploadError, match="has the SHA-256") as caught:
        scene.upload(data, name="other", sha256="0" * 64)
    # The digest of a compressed file is known before anything is sent.
    assert caught.value.step == ("upload" if form == "raw" else "check")
    assert scene.left() == []
    assert [image.name for image in scene.images.image_list(project=PROJECT).items] == ["debian"]


def test_running_again_returns_the_image_and_uploads_nothing(scene: Scene) -> None:
    image = scene.upload()
    before = len(scene.simulator.requests)
    assert scene.upload() == image
    assert len(scene.simulator.requests) == before + 1
    assert scene.reports[-1].step == "done"


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("description", {"description": "other"}),
        ("os", {"os": "other"}),
        ("version", {"version": "other"}),
        ("block_size", {"block_size": 4096}),
    ],
)
def test_an_existing_image_that_differs_is_an_error(
    field: str, options: dict[str, Any], scene: Scene
) -> None:
    scene.upload()
    before = len(scene.simulator.requests)
    with pytest.raises(oxide.ObjectAlreadyExists, match=f"with a different {field}"):
        scene.upload(**options)
    assert len(scene.simulator.requests) == before + 1


def test_an_existing_image_of_another_size_is_an_error(scene: Scene, tmp_path: Path) -> None:
    scene.upload()
    with pytest.raises(oxide.ObjectAlreadyExists, match="with a different size: 1073741824 instead of 21474"):
        scene.upload(sparse(tmp_path / "disk", 2 * GIB, {0: disk(CHUNK)}))


BAD: list[dict[str, Any]] = [
    {"name": "Debian"},
    {"name": ""},
    {"name": 5},
    {"os": "x" * 65},
    {"version": "x" * 65},
    {"description": "x" * 513},
    {"block_size": 1024},
    {"block_size": "512"},
    {"sha256": "abc"},
    {"sha256": 5},
    {"size": 0},
    {"size": -1},
    {"size": 1024 * GIB},
    {"size": "1"},
    {"size": True},
    {"workers": 0},
    {"workers": 1.5},
    {"progress": "yes"},
    {"data": b""},
    {"data": "/no/such/file"},
    {"data": b"QFI\xfb" + bytes(1000)},
    {"data": 5},
    {"journal": "/no/such/directory/journal"},
    {"_request_timeout": 0},
    {"_timeout": 5},
]


@pytest.mark.parametrize("options", BAD, ids=repr)
def test_a_bad_argument_is_refused_before_anything_is_sent(options: dict[str, Any], scene: Scene) -> None:
    with pytest.raises((oxide.ApiValueError, oxide.ApiTypeError)) as caught:
        scene.upload(**options)
    name = next(iter(options))
    assert {"data": "file"}.get(name, name) in str(caught.value)
    assert scene.simulator.requests == []


@pytest.mark.parametrize("project", [None, "", "No-Project", 5])
def test_a_bad_project_is_refused_before_anything_is_sent(project: Any, scene: Scene) -> None:
    with pytest.raises((oxide.ApiValueError, oxide.ApiTypeError), match="project"):
        scene.images.image_upload(io.BytesIO(disk()), project, name="x", os="o", version="v")
    assert scene.simulator.requests == []


def test_an_unknown_project_is_not_found(scene: Scene) -> None:
    with pytest.raises(oxide.NotFoundException, match="project") as caught:
        scene.images.image_upload(io.BytesIO(disk()), "unknown", name="x", os="o", version="v")
    assert caught.value.leftovers == ()


def test_a_viewer_may_not_upload(scene: Scene) -> None:
    token = scene.simulator.create_user("viewer", project_roles={PROJECT: "viewer"})
    with pytest.raises(oxide.ForbiddenException):
        scene.upload(_request_auth=token)
    assert scene.left() == []


def test_a_role_on_the_project_is_enough(scene: Scene) -> None:
    token = scene.simulator.create_user("builder", project_roles={PROJECT: "limited_collaborator"})
    assert scene.holds(scene.upload(_request_auth=token), disk())
    assert scene.left() == []
    assert {request.user for request in scene.simulator.requests} == {"builder"}


@pytest.mark.parametrize("version", [None, "2025112000.0.0", "2026013001.0.0"])
def test_every_api_version_accepts_the_request_for_a_disk(version: str | None) -> None:
    with open_scene(api_version=version) as scene:
        assert scene.holds(scene.upload(), disk())


def test_the_quota_is_checked_before_anything_is_made(scene: Scene, tmp_path: Path) -> None:
    path = sparse(tmp_path / "disk", GIB + 1, {0: disk(CHUNK)})
    scene.simulator.quota = 4 * GIB - 1
    with pytest.raises(oxide.UploadError, match=r"needs 4 GiB .* 4.0 GiB of its quota are free") as caught:
        scene.upload(path)
    assert caught.value.step == "check"
    assert scene.paths() == []
    scene.simulator.quota = 4 * GIB
    scene.upload(path)
    assert scene.left() == []


@pytest.mark.parametrize(
    "fault", [Refuse(403, "no", "Forbidden"), Refuse(404, "no"), Answer(500), Answer(200, "{}")]
)
def test_a_quota_that_cannot_be_seen_does_not_end_the_upload(fault: Any, scene: Scene) -> None:
    scene.fail("utilization_view", fault, times=10)
    assert scene.holds(scene.upload(), disk())


def test_running_out_of_space_during_the_upload_is_an_error_that_leaves_nothing(scene: Scene) -> None:
    def shrink(progress: oxide.UploadProgress) -> None:
        if progress.step == "upload":
            scene.simulator.space = GIB

    with pytest.raises(oxide.UploadError, match="507 InsufficientCapacity") as caught:
        scene.upload(progress=shrink)
    assert caught.value.step == "finalize"
    assert isinstance(caught.value.__cause__, oxide.ServiceException)
    assert scene.left() == []


def test_a_lost_pantry_ends_the_upload_at_once_and_leaves_nothing(scene: Scene) -> None:
    scene.fail("disk_bulk_write_import", LosePantry())
    with pytest.raises(oxide.UploadError, match="start over") as caught:
        scene.upload(noise(30 * CHUNK))
    assert caught.value.step == "upload"
    assert scene.count("/bulk-write") < 30
    assert scene.left() == []


def test_the_upload_ends_if_no_chunk_is_acknowledged_for_too_long(scene: Scene) -> None:
    scene.fail("disk_bulk_write_import", Answer(503), times=100_000)
    with pytest.raises(oxide.UploadError, match="no chunk has been acknowledged for 300 s") as caught:
        scene.upload()
    assert isinstance(caught.value.__cause__, oxide.ServiceException)
    assert scene.left() == []


def test_a_token_that_expires_is_renewed(scene: Scene) -> None:
    expired: list[bool] = []

    def token() -> str:
        # One token has expired when it arrives; the next one is good.
        if scene.count("/bulk-write") >= 3 and not expired:
            expired.append(True)
            return "oxide-token-expired"
        return scene.simulator.token

    assert scene.holds(scene.upload(noise(10 * CHUNK), _request_auth=token), noise(10 * CHUNK))
    assert expired
    assert scene.left() == []


def test_a_token_that_stays_expired_ends_the_upload(scene: Scene) -> None:
    scene.fail("disk_bulk_write_import", Refuse(401, "expired", "Unauthorized"), times=1000)
    with pytest.raises(oxide.UploadError) as caught:
        scene.upload()
    assert isinstance(caught.value.__cause__, oxide.UnauthorizedException)
    assert scene.left() == []


def test_a_source_that_changes_does_not_become_an_image(scene: Scene, tmp_path: Path) -> None:
    path = tmp_path / "disk"
    path.write_bytes(noise(20 * CHUNK))

    def change(progress: oxide.UploadProgress) -> None:
        if progress.step == "upload":
            with path.open("r+b") as file:
                file.write(b"changed")

    with pytest.raises(oxide.UploadError, match="changed while it was read") as caught:
        scene.upload(path, progress=change)
    assert caught.value.step == "upload"
    assert scene.left() == []


class EnoughError(Exception):
    """An exception of the caller's callable."""


@pytest.mark.parametrize("step", ["check", "create disk", "upload", "finalize", "create image", "clean up"])
@pytest.mark.parametrize("kind", [EnoughError, KeyboardInterrupt])
def test_an_exception_of_the_progress_callable_ends_the_upload_and_passes_unchanged(
    kind: type[BaseException], step: str, scene: Scene
) -> None:
    def stop(progress: oxide.UploadProgress) -> None:
        if progress.step == step:
            raise kind

    with pytest.raises(kind):
        scene.upload(progress=stop)
    assert scene.left() == []
    assert scene.image_exists() == (step == "clean up")


def test_all_progress_reports_come_from_the_thread_of_the_call(scene: Scene) -> None:
    threads = set()
    scene.upload(noise(20 * CHUNK), progress=lambda _: threads.add(threading.get_ident()))
    assert threads == {threading.get_ident()}


def test_the_progress_reports_follow_the_steps(scene: Scene) -> None:
    scene.upload()
    steps = [report.step for report in scene.reports]
    order = ["check", "create disk", "upload", "finalize", "create image", "clean up", "done"]
    assert sorted(steps, key=order.index) == steps
    assert set(steps) == set(order)
    size = len(disk())
    last = scene.reports[-1]
    assert (last.done, last.total, last.skipped, last.retries) == (size, size, CHUNK, 0)
    assert [r.done for r in scene.reports if r.step == "upload"][-1] == size


@pytest.mark.parametrize("workers", [1, 3])
def test_no_more_requests_are_under_way_than_there_are_workers(workers: int, scene: Scene) -> None:
    scene.fail("disk_bulk_write_import", Delay(0.03), times=12)
    most, done = 0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.001):
            chunks = [r for r in scene.simulator.requests if r.operation == "disk_bulk_write_import"]
            most = max(most, sum(request.status is None for request in chunks))

    watcher = threading.Thread(target=watch)
    watcher.start()
    scene.upload(noise(12 * CHUNK), workers=workers)
    done.set()
    watcher.join()
    assert most == workers


def test_if_the_name_is_taken_meanwhile_the_snapshot_is_kept(scene: Scene) -> None:
    def take(progress: oxide.UploadProgress) -> None:
        if progress.step == "finalize" and not scene.image_exists():
            scene.simulator.create_image("debian", PROJECT, os="other")

    with pytest.raises(oxide.ObjectAlreadyExists) as caught:
        scene.upload(progress=take)
    (left,) = caught.value.leftovers
    assert (left.kind, left.state) == ("snapshot", "ready")
    assert scene.left() == [f"snapshot {left.name} ready"]
    assert left.name in str(caught.value)


def test_two_simultaneous_uploads_of_one_name_make_one_image(scene: Scene) -> None:
    results: list[Any] = []

    def upload(data: bytes, version: str) -> None:
        try:
            results.append(
                scene.images.image_upload(
                    io.BytesIO(data), PROJECT, name="debian", os="debian", version=version
                )
            )
        except oxide.ObjectAlreadyExists as error:
            results.append(error)

    for versions in (("13", "13"), ("13", "14")):
        results.clear()
        threads = [threading.Thread(target=upload, args=(noise(8 * CHUNK), v)) for v in versions]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        images = [result for result in results if isinstance(result, oxide.Image)]
        assert len({image.id for image in images}) == 1
        assert len(results) == 2
        assert scene.holds(images[0], noise(8 * CHUNK))
        # The upload that came too late keeps its snapshot, and says so.
        kept = [
            left.name
            for error in results
            if isinstance(error, oxide.ObjectAlreadyExists)
            for left in error.leftovers
        ]
        assert scene.left() == [f"snapshot {name} ready" for name in kept]
        scene.images.image_delete(images[0])


def test_a_disk_that_may_not_boot_causes_a_warning(scene: Scene) -> None:
    with pytest.warns(UserWarning, match="may not boot") as caught:
        scene.images.image_upload(io.BytesIO(noise(CHUNK)), PROJECT, name="x", os="o", version="v")
    assert caught[0].filename == __file__


def test_a_warning_that_is_an_error_ends_the_upload_before_anything_is_made(scene: Scene) -> None:
    with pytest.raises(UserWarning, match="may not boot"):
        scene.images.image_upload(io.BytesIO(noise(CHUNK)), PROJECT, name="x", os="o", version="v")
    assert scene.paths() == []


def test_leftovers_cause_a_warning_and_the_image_is_returned(scene: Scene) -> None:
    scene.fail("snapshot_delete", Refuse(403, "Forbidden", "Forbidden"))
    with pytest.warns(UserWarning, match="snapshot upload-[a-z]+ .*403 Forbidden"):
        image = scene.upload()
    assert scene.holds(image, disk())
    assert len(scene.left()) == 1


def test_headers_and_token_of_the_call_apply_to_every_request(scene: Scene) -> None:
    scene.upload(_headers={"X-Job": "nightly"}, _request_auth=scene.simulator.token)
    assert {request.headers["x-job"] for request in scene.simulator.requests} == {"nightly"}


def test_a_closed_client_is_refused(scene: Scene) -> None:
    scene.images.api_client.close()
    with pytest.raises(oxide.ApiValueError, match="closed"):
        scene.upload()


def check_is_called(progress: Callable[[oxide.UploadProgress], object]) -> None:
    """Show type checkers that a callable of this type is accepted."""
    with oxide.ImagesApi() as images:
        images.image_upload("x", "p", name="n", os="o", version="v", progress=progress)


@pytest.mark.parametrize("form", [*COMPRESS])
def test_a_compressed_file_is_decoded_in_two_passes_and_reported_in_both(form: str, scene: Scene) -> None:
    scene.upload(packed(noise(2 * CHUNK), form))
    totals = [report.total for report in scene.reports if report.step == "check"]
    assert totals[0] is None
    assert totals[-1] == 2 * CHUNK
