"""An operation without a public method works like the others: it needs only its row in the table."""

from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID

import pytest
from core_support import Scene, open_scene

import oxide
from oxide._operations import SNAPSHOT_VIEW
from oxide.models._snapshot import Snapshot, SnapshotState

SNAPSHOT: Final[dict[str, Any]] = {
    "id": "3c4d5e6f-0718-4293-a4b5-c6d7e8f90a1b",
    "name": "golden",
    "description": "",
    "disk_id": "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0",
    "project_id": "12345678-9abc-4def-8123-456789abcdef",
    "size": 2**31,
    "state": "ready",
    "time_created": "2026-11-01T12:00:00Z",
    "time_modified": "2026-11-01T12:00:01Z",
}


@pytest.fixture
def scene() -> Iterator[Scene]:
    with open_scene() as scene:
        yield scene


def view(scene: Scene, snapshot: object, project: object = None) -> Snapshot:
    arguments = {"snapshot": snapshot, "project": project}
    return scene.images.api_client._call(SNAPSHOT_VIEW, {}, arguments).data


def test_a_snapshot_is_viewed_by_name_and_project(scene: Scene) -> None:
    scene.respond_with(200, SNAPSHOT)
    snapshot = view(scene, "golden", "my-project")
    assert scene.last.method == "GET"
    assert scene.last.target == "/v1/snapshots/golden?project=my-project"
    assert (snapshot.id, snapshot.state) == (UUID(SNAPSHOT["id"]), SnapshotState.READY)
    assert snapshot.to_dict().keys() == SNAPSHOT.keys()


def test_a_snapshot_is_viewed_by_id_alone(scene: Scene) -> None:
    scene.respond_with(200, {**SNAPSHOT, "state": "thawing"})
    assert view(scene, UUID(SNAPSHOT["id"])).state.is_unknown
    assert scene.last.target == f"/v1/snapshots/{SNAPSHOT['id']}"
    with pytest.raises(
        oxide.ApiValueError, match=r"^project: leave it out, since snapshot is given by its ID"
    ):
        view(scene, SNAPSHOT["id"], "my-project")


def test_a_view_of_a_snapshot_is_retried_like_any_read(scene: Scene) -> None:
    client = oxide.ApiClient(scene.simulator.configuration(), sleep=lambda _: None)
    scene.respond_with(503)
    scene.respond_with(200, SNAPSHOT)
    assert (
        client._call(SNAPSHOT_VIEW, {}, {"snapshot": "golden", "project": "my-project"}).data.name == "golden"
    )
    client.close()
