"""The methods by which a test fills a simulator and looks into it without a request."""

import re
import secrets
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypedDict, Unpack
from uuid import UUID, uuid4

from oxide._identifiers import name_or_id, name_problem, parse_id
from oxide.testing._application import TOKEN_PREFIX
from oxide.testing._clock import wire_time
from oxide.testing._roles import RANKS, Role
from oxide.testing._service.capacity import QUOTA, SPACE
from oxide.testing._store import ImageRow, NameTaken, Store, new_image

_HEX: Final = re.compile(r"[0-9a-fA-F]+")


class ImageValues(TypedDict, total=False):
    """The values of an image that is created without a snapshot.

    The default is 1 GiB of `alpine` `edge` in blocks of 512 bytes, with an empty description and no digest.
    """

    description: str
    os: str
    version: str
    block_size: int
    size: int
    digest: str


@dataclass(frozen=True)
class Disk:
    """A disk in a simulator.

    Attributes:
        name: its name, unique in its project.
        id: its ID.
        state: the API's word for its state.
        size: its size, in bytes.
    """

    name: str
    id: UUID
    state: str
    size: int


@dataclass(frozen=True)
class Snapshot:
    """A snapshot in a simulator.

    Attributes:
        name: its name, unique in its project.
        id: its ID.
        state: the API's word for its state.
        size: its size, in bytes.
    """

    name: str
    id: UUID
    state: str
    size: int


class Contents(ABC):
    """The methods of a simulator that read and change its contents."""

    clock: Callable[[], datetime]

    def create_project(self, name: str) -> UUID:
        """Create a project and return its ID; raise `ValueError` if the name is illegal or taken."""
        project_id = uuid4()
        with self._seeding(name) as store:
            store.projects.add(str(project_id), name)
        return project_id

    def create_snapshot(
        self, name: str, project: str | UUID, size: int = 2**30, block_size: int = 512
    ) -> UUID:
        """Create a snapshot of zeros in a project (its name or ID) and return its ID; sizes are in bytes."""
        _check_bytes("size", size)
        snapshot_id = uuid4()
        with self._seeding(name) as store:
            store.snapshots.add(
                {
                    "id": str(snapshot_id),
                    "name": name,
                    "description": "",
                    "time_created": wire_time(self.clock()),
                    "project_id": _project_id(store, project),
                    "disk_id": str(uuid4()),
                    "state": "ready",
                    "size": size,
                    "block_size": block_size,
                    "volume": None,
                }
            )
        return snapshot_id

    def create_user(
        self,
        name: str,
        silo_role: Role | None = None,
        project_roles: Mapping[str | UUID, Role] | None = None,
    ) -> str:
        """Create a user with these roles on the silo and on projects (by name or ID), and return their token."""
        for role in (silo_role, *(project_roles or {}).values()):
            if role not in {None, *RANKS}:
                message = f"a role must be one of {', '.join(RANKS)}, not {role!r}"
                raise ValueError(message)
        token = new_token()
        with self._seeding() as store:
            store.users.add(name, token, silo_role)
            for project, role in (project_roles or {}).items():
                store.users.add_project_role(name, _project_id(store, project), role)
        return token

    def create_image(
        self, name: str, project: str | UUID | None = None, **values: Unpack[ImageValues]
    ) -> UUID:
        """Create an image without a snapshot, in a project (its name or ID) or else in the silo; return its ID."""
        return self.create_images([name], project, **values)[0]

    def create_images(
        self, names: Iterable[str], project: str | UUID | None = None, **values: Unpack[ImageValues]
    ) -> list[UUID]:
        """Create images as `create_image` does, all or none; this is fast enough for tens of thousands."""
        if isinstance(names, str):
            message = f"names must be a list of names, not the str {names!r}"
            raise TypeError(message)
        names = list(names)
        if unknown := values.keys() - ImageValues.__annotations__.keys():
            message = f"an image has no {', '.join(sorted(unknown))}: it has {', '.join(ImageValues.__annotations__)}"
            raise TypeError(message)
        digest = values.get("digest")
        if digest is not None and not _HEX.fullmatch(digest):
            message = f"a digest must be hexadecimal, not {digest!r}"
            raise ValueError(message)
        _check_bytes("size", values.get("size", 0))
        now = wire_time(self.clock())
        with self._seeding(*names) as store:
            project_id = None if project is None else _project_id(store, project)
            images = [new_image(name, project_id, now, **values) for name in names]
            store.images.add(images)
        return [UUID(image["id"]) for image in images]

    def disks(self, project: str | UUID) -> list[Disk]:
        """Return the disks of a project (its name or ID), by name."""
        with self._seeding() as store:
            rows = store.disks.of_project(_project_id(store, project))
        return [Disk(row["name"], UUID(row["id"]), row["state"], row["size"]) for row in rows]

    def snapshots(self, project: str | UUID) -> list[Snapshot]:
        """Return the snapshots of a project (its name or ID), by name."""
        with self._seeding() as store:
            rows = store.snapshots.of_project(_project_id(store, project))
        return [Snapshot(row["name"], UUID(row["id"]), row["state"], row["size"]) for row in rows]

    def image_content(self, image_id: str | UUID, offset: int = 0, size: int | None = None) -> bytes:
        """Return `size` bytes of an image from `offset` on, by default all the rest.

        Raises `ValueError` if there is no such image, or if it ends earlier.
        """
        wanted = parse_id(image_id) if isinstance(image_id, str) else image_id
        with self._seeding() as store:
            image: ImageRow | None = None if wanted is None else store.images.by_id(wanted)
            if image is None:
                message = f"there is no image with the ID {str(image_id)!r}"
                raise ValueError(message)
            _check_bytes("offset", offset)
            size = max(0, image["size"] - offset) if size is None else size
            _check_bytes("size", size)
            if offset + size > image["size"]:
                message = f"the image ends at byte {image['size']}, before {offset} + {size}"
                raise ValueError(message)
            return store.volumes.read(store.images.volume(image["id"]), offset, size)

    @property
    def quota(self) -> int | None:
        """How many bytes the disks and snapshots of the silo may have together; None for no limit."""
        with self._seeding() as store:
            return store.number(QUOTA)

    @quota.setter
    def quota(self, value: int | None) -> None:
        self._set_number(QUOTA, value)

    @property
    def space(self) -> int | None:
        """How many bytes the rack has room for, for disks and snapshots together; None for no limit."""
        with self._seeding() as store:
            return store.number(SPACE)

    @space.setter
    def space(self, value: int | None) -> None:
        self._set_number(SPACE, value)

    def _set_number(self, name: str, value: int | None) -> None:
        if value is not None:
            _check_bytes(name, value)
        with self._seeding() as store:
            store.set_number(name, value)

    @abstractmethod
    def _running_store(self) -> Store: ...

    @contextmanager
    def _seeding(self, *names: str) -> Iterator[Store]:
        for name in names:
            if problem := name_problem(name):
                raise ValueError(problem)
        store = self._running_store()
        try:
            with store.transaction():
                yield store
        except NameTaken as error:
            article, place = ("an", f" there: {_some(names)}") if error.kind == "image" else ("a", "")
            message = f"{article} {error.kind} of that name already exists{place}"
            raise ValueError(message) from None
        except (sqlite3.IntegrityError, OverflowError) as error:
            message = f"the database refuses it: {error}"
            raise ValueError(message) from error


def new_token() -> str:
    """Return a token that nobody has."""
    return TOKEN_PREFIX + secrets.token_hex(20)


def _some(names: tuple[str, ...]) -> str:
    return ", ".join((*names[:3], "…")) if len(names) > 3 else ", ".join(names)


def _check_bytes(name: str, value: object) -> None:
    if not isinstance(value, int) or value < 0:
        message = f"{name} must be a whole number of bytes, not {value!r}"
        raise ValueError(message)


def _project_id(store: Store, project: str | UUID) -> str:
    selector = name_or_id(project) if isinstance(project, str) else project
    project_id = store.projects.id(selector)
    if project_id is None:
        message = f"there is no project {str(project)!r}"
        raise ValueError(message)
    return project_id
