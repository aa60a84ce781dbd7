"""Decides what a caller may do, and which resources exist for them."""

from typing import TypeVar
from uuid import UUID

from oxide.testing._errors import ApiError
from oxide.testing._roles import Actor, Rank
from oxide.testing._store import Store

_Row = TypeVar("_Row")


def authenticated(actor: Actor | None) -> Actor:
    """Return the caller, or raise the 401 if there is none."""
    if actor is None:
        raise ApiError.unauthenticated()
    return actor


def allow(permitted: bool) -> None:  # noqa: FBT001 - reads well at the call
    """Raise the 403 if this is not permitted."""
    if not permitted:
        raise ApiError.forbidden()


def readable(row: _Row | None, rank: Rank, kind: str, selector: str | UUID) -> _Row:
    """Return the row that was looked up, or raise the 404 if it does not exist for a caller of this rank."""
    if row is None or rank < Rank.VIEWER:
        raise ApiError.not_found(kind=kind, selector=selector)
    return row


def visible_project(store: Store, actor: Actor, selector: str | UUID) -> str:
    """Return the ID of a project, or raise the 404 if it does not exist for the caller."""
    project_id = store.projects.id(selector)
    if project_id is None or actor.project(project_id) < Rank.VIEWER:
        raise ApiError.not_found(kind="project", selector=selector)
    return project_id
