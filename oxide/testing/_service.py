"""What the six operations do once a request has been read: authorize, look up, act.

Every function raises the service's own errors, and runs within one transaction of the store. `actor` is None for a
caller without credentials.
"""

from dataclasses import replace
from typing import TypedDict
from uuid import UUID, uuid4

from oxide.testing import _messages
from oxide.testing._errors import ApiError
from oxide.testing._image_create import NewImage
from oxide.testing._pagination import encode_page_token
from oxide.testing._parameters import Page
from oxide.testing._roles import Actor, Rank
from oxide.testing._store import ImageRow, NameTaken, Store


class ImagePage(TypedDict):
    """One page of a listing, as the API writes it."""

    next_page: str | None
    items: list[ImageRow]


def image_list(store: Store, actor: Actor | None, page: Page) -> ImagePage:
    """Return one page of a scope, with the token of the next page unless this one is empty."""
    scan = page.scan
    scan.check_marker()
    actor = _authenticated(actor)
    if scan.project is None:
        project_id = None
        _allow(actor.silo >= Rank.VIEWER)
    else:
        project_id = _project(store, actor, scan.project)
    items = store.images(scan, project_id, page.limit)
    if not items:
        return {"next_page": None, "items": []}
    marker: str | UUID = UUID(items[-1]["id"]) if scan.by_id else items[-1]["name"]
    return {"next_page": encode_page_token(replace(scan, last_seen=marker)), "items": items}


def image_create(
    store: Store, actor: Actor | None, project: str | UUID | None, new: NewImage, now: str
) -> ImageRow:
    """Create an image in a project, or in the silo if `project` is None."""
    actor = _authenticated(actor)
    if project is None:
        project_id = None
        _allow(actor.silo >= Rank.LIMITED_COLLABORATOR)
    else:
        project_id = _project(store, actor, project)
        _allow(actor.project(project_id) >= Rank.LIMITED_COLLABORATOR)
    snapshot = store.snapshot(new.snapshot_id)
    if snapshot is None or actor.project(snapshot["project_id"]) < Rank.VIEWER:
        raise ApiError.not_found(kind="snapshot", selector=new.snapshot_id)
    if project_id is not None and snapshot["project_id"] != project_id:
        raise ApiError.invalid_request(message="snapshot does not belong to this project")
    image: ImageRow = {
        "id": str(uuid4()),
        "name": new.name,
        "description": new.description,
        "time_created": now,
        "time_modified": now,
        "project_id": project_id,
        "os": new.os,
        "version": new.version,
        "digest": None,
        "block_size": snapshot["block_size"],
        "size": snapshot["size"],
    }
    try:
        store.add_images([image])
    except NameTaken:
        raise ApiError.already_exists(_messages.CREATE_CONFLICT_KIND, new.name) from None
    return image


def image_view(store: Store, actor: Actor | None, image: str | UUID, project: str | UUID | None) -> ImageRow:
    """Return an image."""
    return _image(store, actor, image, project)[1]


def image_delete(
    store: Store, actor: Actor | None, image: str | UUID, project: str | UUID | None, now: str
) -> None:
    """Delete an image for good."""
    actor, row = _image(store, _authenticated(actor), image, project)
    _allow_change(actor, row)
    store.delete_image(row["id"], now)


def image_promote(
    store: Store, actor: Actor | None, image: str | UUID, project: str | UUID | None, now: str
) -> ImageRow:
    """Move a project's image to the silo."""
    actor = _authenticated(actor)
    if not isinstance(image, UUID) and project is None:
        raise ApiError.invalid_request(message=_messages.PROMOTE_NEEDS_PROJECT_IMAGE)
    actor, row = _image(store, actor, image, project)
    if row["project_id"] is None:
        raise ApiError.invalid_request(message=_messages.PROMOTE_NEEDS_PROJECT_IMAGE)
    # Whoever may create images in the silo may change those of its projects.
    _allow(actor.silo >= Rank.LIMITED_COLLABORATOR)
    return _move(store, row, None, now, _messages.PROMOTE_CONFLICT_KIND)


def image_demote(
    store: Store, actor: Actor | None, image: str | UUID, project: str | UUID, now: str
) -> ImageRow:
    """Move an image of the silo to `project`, wherever it came from."""
    actor, row = _image(store, _authenticated(actor), image, None)
    if row["project_id"] is not None:
        raise ApiError.invalid_request(message=_messages.DEMOTE_NEEDS_SILO_IMAGE)
    _allow_change(actor, row)
    # Whoever may change the silo's images may create images in any of its projects.
    project_id = _project(store, actor, project)
    return _move(store, row, project_id, now, _messages.DEMOTE_CONFLICT_KIND)


def _move(store: Store, image: ImageRow, project_id: str | None, now: str, conflict_kind: str) -> ImageRow:
    try:
        store.move_image(image["id"], project_id, now)
    except NameTaken:
        raise ApiError.already_exists(conflict_kind, image["name"]) from None
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
        actor = _authenticated(actor)
        row = store.image_by_id(image)
        # By ID even a project's image needs a role on the silo; one on the project is not enough.
        return actor, _readable(row, actor.silo, "image", image)
    actor = _authenticated(actor)
    if project is None:
        return actor, _readable(store.image_by_name(image, None), actor.silo, "silo-image", image)
    project_id = store.project_id(project)
    if project_id is None:
        raise ApiError.not_found(kind="project", selector=project)
    row = store.image_by_name(image, project_id)
    # The project itself need not be readable, so the error is about the image.
    return actor, _readable(row, actor.project(project_id), "project-image", image)


def _readable(row: ImageRow | None, rank: Rank, kind: str, selector: str | UUID) -> ImageRow:
    if row is None or rank < Rank.VIEWER:
        raise ApiError.not_found(kind=kind, selector=selector)
    return row


def _project(store: Store, actor: Actor, selector: str | UUID) -> str:
    project_id = store.project_id(selector)
    if project_id is None or actor.project(project_id) < Rank.VIEWER:
        raise ApiError.not_found(kind="project", selector=selector)
    return project_id


def _authenticated(actor: Actor | None) -> Actor:
    if actor is None:
        raise ApiError.unauthenticated()
    return actor


def _allow(permitted: bool) -> None:  # noqa: FBT001 - reads well at the call
    if not permitted:
        raise ApiError.forbidden()


def _allow_change(actor: Actor, image: ImageRow) -> None:
    project_id = image["project_id"]
    rank = actor.silo if project_id is None else actor.project(project_id)
    _allow(rank >= Rank.LIMITED_COLLABORATOR)
