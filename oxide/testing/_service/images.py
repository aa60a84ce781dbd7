"""The six operations on images."""

from dataclasses import replace
from typing import TypedDict
from uuid import UUID

from oxide.testing import _messages
from oxide.testing._bodies import NewImage
from oxide.testing._errors import ApiError
from oxide.testing._pagination import encode_page_token
from oxide.testing._parameters import Page
from oxide.testing._roles import Actor, Rank
from oxide.testing._service.access import allow, authenticated, readable, visible_project
from oxide.testing._store import ImageRow, NameTaken, Store, new_image


class ImagePage(TypedDict):
    """One page of a listing, as the API writes it."""

    next_page: str | None
    items: list[ImageRow]


def image_list(store: Store, actor: Actor | None, page: Page) -> ImagePage:
    """Return one page of the images of a project or the silo, with the next page's token unless this page is empty."""
    scan = page.scan
    scan.check_marker()
    actor = authenticated(actor)
    if scan.project is None:
        project_id = None
        allow(actor.silo >= Rank.VIEWER)
    else:
        project_id = visible_project(store, actor, scan.project)
    items = store.images.page(scan, project_id, page.limit)
    if not items:
        return {"next_page": None, "items": []}
    marker: str | UUID = UUID(items[-1]["id"]) if scan.by_id else items[-1]["name"]
    return {"next_page": encode_page_token(replace(scan, last_seen=marker)), "items": items}


def image_create(
    store: Store, actor: Actor | None, project: str | UUID | None, new: NewImage, now: str
) -> ImageRow:
    """Create an image in a project, or in the silo if `project` is None."""
    actor = authenticated(actor)
    if project is None:
        project_id = None
        allow(actor.silo >= Rank.LIMITED_COLLABORATOR)
    else:
        project_id = visible_project(store, actor, project)
        allow(actor.project(project_id) >= Rank.LIMITED_COLLABORATOR)
    snapshot = store.snapshots.by_id(new.snapshot_id)
    if snapshot is None or actor.project(snapshot["project_id"]) < Rank.VIEWER:
        raise ApiError.not_found(kind="snapshot", selector=new.snapshot_id)
    if project_id is not None and snapshot["project_id"] != project_id:
        raise ApiError.invalid_request(message="snapshot does not belong to this project")
    if snapshot["state"] == "creating":
        # The service does not check the state, and then fails because the snapshot has no data yet.
        raise ApiError.internal()
    image = new_image(
        new.name,
        project_id,
        now,
        description=new.description,
        os=new.os,
        version=new.version,
        block_size=snapshot["block_size"],
        size=snapshot["size"],
    )
    try:
        store.images.add([image], snapshot["volume"])
    except NameTaken:
        raise ApiError.already_exists(kind=_messages.CREATE_CONFLICT_KIND, name=new.name) from None
    return image


def image_view(store: Store, actor: Actor | None, image: str | UUID, project: str | UUID | None) -> ImageRow:
    """Return an image."""
    return _image(store, actor, image, project)[1]


def image_delete(
    store: Store, actor: Actor | None, image: str | UUID, project: str | UUID | None, now: str
) -> None:
    """Delete an image for good."""
    actor, row = _image(store, authenticated(actor), image, project)
    _allow_change(actor, row)
    store.volumes.release(store.images.delete(row["id"], now))


def image_promote(
    store: Store, actor: Actor | None, image: str | UUID, project: str | UUID | None, now: str
) -> ImageRow:
    """Move a project's image to the silo."""
    actor = authenticated(actor)
    if not isinstance(image, UUID) and project is None:
        raise ApiError.invalid_request(message=_messages.PROMOTE_NEEDS_PROJECT_IMAGE)
    actor, row = _image(store, actor, image, project)
    if row["project_id"] is None:
        raise ApiError.invalid_request(message=_messages.PROMOTE_NEEDS_PROJECT_IMAGE)
    # Whoever may create images in the silo may change those of its projects.
    allow(actor.silo >= Rank.LIMITED_COLLABORATOR)
    return _move(store, row, None, now, _messages.PROMOTE_CONFLICT_KIND)


def image_demote(
    store: Store, actor: Actor | None, image: str | UUID, project: str | UUID, now: str
) -> ImageRow:
    """Move an image of the silo to `project`, wherever it came from."""
    actor, row = _image(store, authenticated(actor), image, None)
    if row["project_id"] is not None:
        raise ApiError.invalid_request(message=_messages.DEMOTE_NEEDS_SILO_IMAGE)
    _allow_change(actor, row)
    # Whoever may change the silo's images may create images in any of its projects.
    project_id = visible_project(store, actor, project)
    return _move(store, row, project_id, now, _messages.DEMOTE_CONFLICT_KIND)


def _move(store: Store, image: ImageRow, project_id: str | None, now: str, conflict_kind: str) -> ImageRow:
    try:
        store.images.move(image["id"], project_id, now)
    except NameTaken:
        raise ApiError.already_exists(kind=conflict_kind, name=image["name"]) from None
    return {**image, "project_id": project_id, "time_modified": now}


def _image(
    store: Store, actor: Actor | None, image: str | UUID, project: str | UUID | None
) -> tuple[Actor, ImageRow]:
    """Return the caller and the image, which they may read; `project` is where a name is looked up."""
    if isinstance(image, UUID):
        if project is not None:
            raise ApiError.invalid_request(
                message="when providing image as an ID, project should not be specified"
            )
        actor = authenticated(actor)
        row = store.images.by_id(image)
        # By ID even a project's image needs a role on the silo; one on the project is not enough.
        return actor, readable(row, actor.silo, "image", image)
    actor = authenticated(actor)
    if project is None:
        return actor, readable(store.images.by_name(image, None), actor.silo, "silo-image", image)
    project_id = store.projects.id(project)
    if project_id is None:
        raise ApiError.not_found(kind="project", selector=project)
    row = store.images.by_name(image, project_id)
    # The project itself need not be readable, so the error is about the image.
    return actor, readable(row, actor.project(project_id), "project-image", image)


def _allow_change(actor: Actor, image: ImageRow) -> None:
    project_id = image["project_id"]
    rank = actor.silo if project_id is None else actor.project(project_id)
    allow(rank >= Rank.LIMITED_COLLABORATOR)
