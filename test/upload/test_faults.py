"""Every fault at every step: either the image is right and nothing is left, or the error says what is left."""

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest

import oxide
from oxide.testing import Answer, Drop, Fault, Refuse, Truncate, Unwind
from upload.disks import CHUNK, disk
from upload.scene import PROJECT, Scene, open_scene

DATA = disk(3 * CHUNK + 700)
STEPS = (
    "image_view",
    "utilization_view",
    "disk_create",
    "disk_bulk_write_import_start",
    "disk_bulk_write_import",
    "disk_bulk_write_import_stop",
    "disk_finalize_import",
    "snapshot_view",
    "image_create",
    "snapshot_delete",
    "disk_delete",
)
# Temporary failures: the same upload, or at least the next one, succeeds despite them.
PASSING: tuple[Fault, ...] = (
    Drop(),
    Drop(after_acting=True),
    Drop(after_acting=True, reset=True),
    Answer(500, "oops"),
    Answer(500, "oops", after_acting=True),
    Answer(502, after_acting=True),
    Answer(503, "busy", {"retry-after": "7"}),
    Answer(504, after_acting=True),
    Answer(429),
    Answer(200, "<html>log in</html>", {"content-type": "text/html"}),
    Refuse(500, "Internal Server Error", "Internal"),
    Refuse(503, "Service Unavailable", "ServiceNotAvailable"),
    Truncate(),
)
TYPICAL: tuple[Fault, ...] = (
    Drop(),
    Drop(after_acting=True),
    Answer(502, after_acting=True),
    Refuse(503, "Service Unavailable", "ServiceNotAvailable"),
)
FINAL: tuple[Fault, ...] = (
    Refuse(400, "no", "InvalidRequest"),
    Refuse(401, "credentials missing or invalid", "Unauthorized"),
    Refuse(403, "Forbidden", "Forbidden"),
    Refuse(404, "not found: it", "ObjectNotFound"),
    Refuse(507, "Insufficient capacity: Not enough storage", "InsufficientCapacity"),
)
EXPECTED = (
    oxide.UploadError,
    oxide.ForbiddenException,
    oxide.UnauthorizedException,
    oxide.NotFoundException,
    oxide.BadRequestException,
)


@pytest.fixture
def scene() -> Iterator[Scene]:
    with open_scene() as scene:
        yield scene


def assert_told(error: BaseException, scene: Scene) -> None:
    """Check that an error says what is left, with the known IDs."""
    told = {(one.kind, one.name): one.id for one in getattr(error, "leftovers", ())}
    left = left_on(scene)
    assert told.keys() == {(kind, name) for kind, name, _ in left}
    assert all(told[kind, name] in {None, number} for kind, name, number in left)


def left_on(scene: Scene) -> set[tuple[str, str, str]]:
    simulator = scene.simulator
    return {
        *(("disk", disk.name, str(disk.id)) for disk in simulator.disks(PROJECT)),
        *(("snapshot", snapshot.name, str(snapshot.id)) for snapshot in simulator.snapshots(PROJECT)),
    }


def upload_in_any_case(scene: Scene, **options: Any) -> Exception | None:
    """Upload, check that the result is one of the two allowed ones, and return the error."""
    try:
        image = scene.upload(DATA, **options)
    except EXPECTED as failure:
        error = failure
    else:
        assert scene.holds(image, DATA)
        return None
    assert_told(error, scene)
    assert not scene.image_exists()
    assert getattr(error, "step", "check") in {"check", "create disk", "upload", "finalize", "create image"}
    return error


@pytest.mark.parametrize("fault", TYPICAL, ids=repr)
@pytest.mark.parametrize("operation", STEPS)
def test_the_upload_survives_a_temporary_failure(operation: str, fault: Fault, scene: Scene) -> None:
    scene.fail(operation, fault)
    error = upload_in_any_case(scene)
    # Nothing has been written when the name is looked up, so the client's own retries are enough.
    assert error is None or operation == "image_view"
    assert scene.left() == []


@pytest.mark.parametrize("fault", PASSING, ids=repr)
def test_the_upload_survives_temporary_failures_in_every_step(fault: Fault, scene: Scene) -> None:
    for operation in STEPS[1:]:
        scene.fail(operation, fault, times=10 if operation == "disk_bulk_write_import" else 1)
    assert upload_in_any_case(scene) is None
    assert scene.left() == []
    if not isinstance(fault, Truncate):
        # A response without a body cannot be truncated.
        assert scene.reports[-1].retries >= 10


@pytest.mark.parametrize("fault", FINAL, ids=repr)
@pytest.mark.parametrize("operation", STEPS[:-2])
def test_a_refusal_ends_the_upload_and_leaves_nothing(operation: str, fault: Refuse, scene: Scene) -> None:
    scene.fail(operation, fault)
    error = upload_in_any_case(scene)
    # Some do not matter because the disk is in the right state, or because the quota need not be known.
    if error is None:
        looked_into = {"utilization_view", "image_view", "snapshot_view", "image_create"}
        assert operation in looked_into or fault.status == 400
    assert scene.left() == []
    if isinstance(error, oxide.UploadError):
        assert isinstance(error.__cause__, oxide.ApiException) or operation == "snapshot_view"
        assert "nothing is left" in str(error)


def test_an_error_says_whether_the_failure_may_pass(scene: Scene) -> None:
    scene.fail(
        "disk_create", Refuse(507, "Insufficient capacity: Not enough storage", "InsufficientCapacity")
    )
    refused = upload_in_any_case(scene)
    scene.fail("disk_create", Refuse(503, "Service Unavailable", "ServiceNotAvailable"), times=5000)
    failing = upload_in_any_case(scene)
    assert isinstance(refused, oxide.UploadError)
    assert isinstance(failing, oxide.UploadError)
    assert (refused.retryable, failing.retryable) == (False, True)


@pytest.mark.parametrize("operation", STEPS)
def test_the_upload_gives_up_if_the_failure_does_not_pass(operation: str, scene: Scene) -> None:
    scene.fail(operation, Refuse(503, "Service Unavailable", "ServiceNotAvailable"), times=5000)
    with (
        pytest.warns(UserWarning, match="still on the rack")
        if operation.endswith("delete")
        else nullcontext()
    ):
        error = upload_in_any_case(scene)
    if operation.endswith("delete") or operation == "utilization_view":
        assert error is None
        return
    assert isinstance(error, oxide.UploadError)
    # The calls of the clean-up fail, too.
    stuck = {"disk_bulk_write_import_stop", "disk_finalize_import", "snapshot_view"}
    assert bool(scene.left()) == (operation in stuck)
    assert bool(error.leftovers) == (operation in stuck)


@pytest.mark.parametrize("operation", ["disk_create", "disk_finalize_import", "disk_delete"])
def test_the_upload_survives_a_failure_that_the_rack_undoes(operation: str, scene: Scene) -> None:
    scene.fail(operation, Unwind())
    assert upload_in_any_case(scene) is None
    assert scene.left() == []


@pytest.mark.parametrize("operation", ["disk_create", "disk_finalize_import"])
def test_after_a_response_is_lost_the_upload_waits_for_the_work_of_the_rack(
    operation: str, scene: Scene
) -> None:
    scene.fail(operation, Drop(during=0.2))
    scene.time.sleep = lambda seconds: _a_little(scene, seconds)  # type: ignore[method-assign]  # some real time too
    assert upload_in_any_case(scene) is None
    assert scene.left() == []
    assert scene.count("/v1/disks") == 1
    assert scene.count("/finalize") == 1


def _a_little(scene: Scene, seconds: float) -> None:
    import time

    time.sleep(0.02)
    scene.time.slept += seconds
