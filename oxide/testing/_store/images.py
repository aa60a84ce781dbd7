"""The table of images; a new field needs a column in the schema and, unless it is null, a value in `new_image`."""

import sqlite3
from collections.abc import Iterable
from typing import Any, Final, cast
from uuid import UUID, uuid4

from oxide.testing._pagination import ID_ASCENDING, NAME_DESCENDING, Scan
from oxide.testing._store.database import Database, name_conflicts
from oxide.testing._store.schema import IMAGE_COLUMNS

# One image, its keys and values as the API writes them.
ImageRow = dict[str, Any]

_COLUMNS: Final = ", ".join(IMAGE_COLUMNS)


def new_image(
    name: str,
    project_id: str | None,
    now: str,
    *,
    description: str = "",
    os: str = "alpine",
    version: str = "edge",
    digest: str | None = None,
    block_size: int = 512,
    size: int = 2**30,
) -> ImageRow:
    """Return an image that is made at the time `now`; `digest` is hexadecimal."""
    return dict.fromkeys(IMAGE_COLUMNS) | {
        "id": str(uuid4()),
        "name": name,
        "description": description,
        "time_created": now,
        "time_modified": now,
        "project_id": project_id,
        "os": os,
        "version": version,
        "digest": None if digest is None else {"type": "sha256", "value": digest},
        "block_size": block_size,
        "size": size,
    }


class Images:
    """The images of the silo and its projects, deleted ones included."""

    def __init__(self, database: Database):
        self._database = database

    def add(self, images: Iterable[ImageRow], volume: int | None = None) -> None:
        """Add images as they are; raise `NameTaken` if a name is taken in its scope."""
        self._database.insert(
            "image",
            (
                {**image, "digest": image["digest"] and image["digest"]["value"], "volume": volume}
                for image in images
            ),
        )

    def by_id(self, image_id: UUID) -> ImageRow | None:
        """Return a live image, wherever it is."""
        return self._one("id = ?", str(image_id))

    def by_name(self, name: str, project_id: str | None) -> ImageRow | None:
        """Return the live image of that name in a project, or in the silo if `project_id` is None."""
        if project_id is None:
            return self._one("name = ? AND project_id IS NULL", name)
        return self._one("name = ? AND project_id = ?", name, project_id)

    def page(self, scan: Scan, project_id: str | None, limit: int) -> list[ImageRow]:
        """Return the next page of a scan of a project, or of the silo if `project_id` is None."""
        column = "id" if scan.sort_by == ID_ASCENDING else "name"
        comparison, order = ("<", "DESC") if scan.sort_by == NAME_DESCENDING else (">", "ASC")
        scope = "project_id IS NULL" if project_id is None else "project_id = ?"
        marker = "" if scan.last_seen is None else f"AND {column} {comparison} ?"
        values = [project_id, None if scan.last_seen is None else str(scan.last_seen)]
        rows = self._database.rows(
            f"SELECT {_COLUMNS} FROM image WHERE {scope} AND time_deleted IS NULL {marker} "  # noqa: S608 - our own words
            f"ORDER BY {column} {order} LIMIT ?",
            *(value for value in values if value is not None),
            limit,
        )
        return [_image_row(row) for row in rows]

    def move(self, image_id: str, project_id: str | None, now: str) -> None:
        """Move an image to that project, or to the silo if it is None; raise `NameTaken` if the name is taken."""
        with name_conflicts("image"):
            self._database.write(
                "UPDATE image SET project_id = ?, time_modified = ? WHERE id = ?", project_id, now, image_id
            )

    def delete(self, image_id: str, now: str) -> int | None:
        """Mark an image deleted, which frees its name, and return the volume that it no longer needs."""
        volume = self.volume(image_id)
        self._database.write("UPDATE image SET time_deleted = ?, volume = NULL WHERE id = ?", now, image_id)
        return volume

    def volume(self, image_id: str) -> int | None:
        """Return the volume that has the bytes of an image, or None if they are all zeros."""
        row = self._database.row("SELECT volume FROM image WHERE id = ?", image_id)
        return None if row is None else cast(int | None, row[0])

    def _one(self, condition: str, *values: object) -> ImageRow | None:
        row = self._database.row(
            f"SELECT {_COLUMNS} FROM image WHERE {condition} AND time_deleted IS NULL",  # noqa: S608 - our own words
            *values,
        )
        return None if row is None else _image_row(row)


def _image_row(row: sqlite3.Row) -> ImageRow:
    image = dict(row)
    if row["digest"] is not None:
        image["digest"] = {"type": "sha256", "value": row["digest"]}
    return image
