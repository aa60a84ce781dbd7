"""State in SQLite: what exists, and the rules that the real service's database enforces."""

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from os import PathLike
from typing import Any, Final, TypedDict
from uuid import UUID

from oxide.testing import _messages
from oxide.testing._pagination import ID_ASCENDING, NAME_DESCENDING, Scan
from oxide.testing._roles import RANKS, Actor, Rank

_ROLES = ", ".join(f"'{role}'" for role in RANKS)

# To be raised with every change of the schema: there is no migration.
_SCHEMA_VERSION: Final = 1
# Times are text, as the service writes them, since no query compares them.
_SCHEMA: Final = f"""
CREATE TABLE IF NOT EXISTS project (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE CHECK (length(name) <= 63)
);
CREATE TABLE IF NOT EXISTS snapshot (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL,
    name TEXT NOT NULL CHECK (length(name) <= 63),
    size INTEGER NOT NULL CHECK (typeof(size) = 'integer' AND size >= 0),
    block_size INTEGER NOT NULL CHECK (block_size IN (512, 2048, 4096)),
    UNIQUE (project_id, name)
);
CREATE TABLE IF NOT EXISTS user (
    name TEXT PRIMARY KEY,
    token TEXT NOT NULL UNIQUE,
    silo_role TEXT CHECK (silo_role IN ({_ROLES}))
);
CREATE TABLE IF NOT EXISTS project_role (
    user TEXT NOT NULL,
    project_id TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ({_ROLES})),
    PRIMARY KEY (user, project_id)
);
CREATE TABLE IF NOT EXISTS image (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL CHECK (length(name) <= 63),
    description TEXT NOT NULL CHECK (characters(description) <= {_messages.DESCRIPTION_MAX}),
    time_created TEXT NOT NULL,
    time_modified TEXT NOT NULL,
    time_deleted TEXT,
    project_id TEXT,
    os TEXT NOT NULL CHECK (characters(os) <= {_messages.OS_MAX}),
    version TEXT NOT NULL CHECK (characters(version) <= {_messages.VERSION_MAX}),
    digest TEXT,
    block_size INTEGER NOT NULL CHECK (block_size IN (512, 2048, 4096)),
    size INTEGER NOT NULL CHECK (typeof(size) = 'integer' AND size >= 0)
);
CREATE UNIQUE INDEX IF NOT EXISTS live_project_image ON image (project_id, name)
    WHERE project_id IS NOT NULL AND time_deleted IS NULL;
CREATE UNIQUE INDEX IF NOT EXISTS live_silo_image ON image (name)
    WHERE project_id IS NULL AND time_deleted IS NULL;
"""

_IMAGE_COLUMNS: Final = (
    "id, name, description, time_created, time_modified, project_id, os, version, digest, block_size, size"
)


class Digest(TypedDict):
    """The digest of an image, as the API writes it."""

    type: str
    value: str


class ImageRow(TypedDict):
    """One image, its keys and values as the API writes them, in the API's order."""

    id: str
    name: str
    description: str
    time_created: str
    time_modified: str
    project_id: str | None
    os: str
    version: str
    digest: Digest | None
    block_size: int
    size: int


class SnapshotRow(TypedDict):
    """What an image inherits from its snapshot."""

    project_id: str
    size: int
    block_size: int


class NameTaken(Exception):  # noqa: N818 - not the caller's error
    """The name is taken by a live resource in that scope."""


class Store:
    """One database and one connection to it, used by one thread at a time."""

    def __init__(self, database: str | PathLike[str] | None):
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(
            ":memory:" if database is None else database,
            check_same_thread=False,
            isolation_level=None,
        )
        try:
            # SQLite's own `length` stops at a NUL.
            self._connection.create_function("characters", 1, _characters, deterministic=True)
            # With a write-ahead log, answered changes survive the process without a disk flush per request.
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._check_version(database)
            self._connection.executescript(_SCHEMA)
        except (sqlite3.Error, ValueError):
            self._connection.close()
            raise

    def _check_version(self, database: str | PathLike[str] | None) -> None:
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        (tables,) = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables and version != _SCHEMA_VERSION:
            message = (
                f"{database} was not made by this version of the simulator: delete it, or choose another file"
            )
            raise ValueError(message)
        self._connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")

    def close(self) -> None:
        """Close the database once the current transaction is done."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the block alone, and keep all of its changes, or none if it raises."""
        with self._lock, self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            yield

    def set_user(self, name: str, token: str, silo_role: str | None) -> None:
        """Add a user, or change the token and role of the existing one."""
        self._write(
            "INSERT INTO user VALUES (?, ?, ?) ON CONFLICT (name) "
            "DO UPDATE SET token = excluded.token, silo_role = excluded.silo_role",
            (name, token, silo_role),
        )

    def add_user(self, name: str, token: str, silo_role: str | None) -> None:
        """Add a user."""
        self._write("INSERT INTO user VALUES (?, ?, ?)", (name, token, silo_role))

    def add_project_role(self, user: str, project_id: str, role: str) -> None:
        """Give a user a role on a project."""
        self._write("INSERT INTO project_role VALUES (?, ?, ?)", (user, project_id, role))

    def token(self, user: str) -> str | None:
        """Return the token of a user, or None if there is no such user."""
        row = self._row("SELECT token FROM user WHERE name = ?", (user,))
        return None if row is None else str(row[0])

    def actor(self, token: str) -> Actor | None:
        """Return the user that a token belongs to, with their roles, or None if it is unknown."""
        user = self._row("SELECT name, silo_role FROM user WHERE token = ?", (token,))
        if user is None:
            return None
        roles = self._connection.execute("SELECT project_id, role FROM project_role WHERE user = ?", user[:1])
        return Actor(
            name=user[0],
            silo=Rank.NONE if user[1] is None else RANKS[user[1]],
            projects={project_id: RANKS[role] for project_id, role in roles},
        )

    def add_project(self, project_id: str, name: str) -> None:
        """Add a project."""
        self._write("INSERT INTO project VALUES (?, ?)", (project_id, name))

    def project_id(self, selector: str | UUID) -> str | None:
        """Return the ID of the project with this name or ID, or None if there is none."""
        column = "id" if isinstance(selector, UUID) else "name"
        row = self._row(f"SELECT id FROM project WHERE {column} = ?", (str(selector),))  # noqa: S608 - two names
        return None if row is None else str(row[0])

    def add_snapshot(self, snapshot_id: str, name: str, snapshot: SnapshotRow) -> None:
        """Add a snapshot."""
        values = (snapshot_id, snapshot["project_id"], name, snapshot["size"], snapshot["block_size"])
        self._write("INSERT INTO snapshot VALUES (?, ?, ?, ?, ?)", values)

    def snapshot(self, snapshot_id: UUID) -> SnapshotRow | None:
        """Return what an image inherits from this snapshot, or None if there is no such snapshot."""
        query = "SELECT project_id, size, block_size FROM snapshot WHERE id = ?"
        row = self._row(query, (str(snapshot_id),))
        return None if row is None else {"project_id": row[0], "size": row[1], "block_size": row[2]}

    def snapshot_id(self, name: str, project: str) -> str | None:
        """Return the ID of the snapshot of that name in the project of that name, or None if there is none."""
        query = (
            "SELECT snapshot.id FROM snapshot JOIN project ON project.id = project_id "
            "WHERE snapshot.name = ? AND project.name = ?"
        )
        row = self._row(query, (name, project))
        return None if row is None else str(row[0])

    def add_images(self, images: Iterable[ImageRow]) -> None:
        """Add images as they are; raise `NameTaken` if a name is taken in its scope."""
        with _name_conflicts():
            self._connection.executemany(
                f"INSERT INTO image ({_IMAGE_COLUMNS}) VALUES "  # noqa: S608 - our own columns
                "(:id, :name, :description, :time_created, :time_modified, :project_id, :os, :version, :digest, "
                ":block_size, :size)",
                ({**image, "digest": image["digest"] and image["digest"]["value"]} for image in images),
            )

    def image_by_id(self, image_id: UUID) -> ImageRow | None:
        """Return a live image, wherever it is."""
        return self._image("id = ?", (str(image_id),))

    def image_by_name(self, name: str, project_id: str | None) -> ImageRow | None:
        """Return the live image of that name in a project, or in the silo if `project_id` is None."""
        if project_id is None:
            return self._image("name = ? AND project_id IS NULL", (name,))
        return self._image("name = ? AND project_id = ?", (name, project_id))

    def images(self, scan: Scan, project_id: str | None, limit: int) -> list[ImageRow]:
        """Return the next page of a scan of a project, or of the silo if `project_id` is None."""
        column = "id" if scan.sort_by == ID_ASCENDING else "name"
        comparison, order = ("<", "DESC") if scan.sort_by == NAME_DESCENDING else (">", "ASC")
        scope = "project_id IS NULL" if project_id is None else "project_id = :project_id"
        marker = "" if scan.last_seen is None else f"AND {column} {comparison} :last_seen"
        rows = self._connection.execute(
            f"SELECT {_IMAGE_COLUMNS} FROM image WHERE {scope} AND time_deleted IS NULL {marker} "  # noqa: S608 - our own words
            f"ORDER BY {column} {order} LIMIT :limit",
            {"project_id": project_id, "last_seen": str(scan.last_seen), "limit": limit},
        )
        return [_image_row(row) for row in rows]

    def move_image(self, image_id: str, project_id: str | None, now: str) -> None:
        """Move an image to that project, or to the silo if it is None; raise `NameTaken` if the name is taken."""
        with _name_conflicts():
            self._write(
                "UPDATE image SET project_id = ?, time_modified = ? WHERE id = ?", (project_id, now, image_id)
            )

    def delete_image(self, image_id: str, now: str) -> None:
        """Mark an image deleted, which frees its name."""
        self._write("UPDATE image SET time_deleted = ? WHERE id = ?", (now, image_id))

    def _image(self, condition: str, values: tuple[str, ...]) -> ImageRow | None:
        row = self._row(
            f"SELECT {_IMAGE_COLUMNS} FROM image WHERE {condition} AND time_deleted IS NULL",  # noqa: S608 - our own words
            values,
        )
        return None if row is None else _image_row(row)

    def _row(self, query: str, values: tuple[str, ...]) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self._connection.execute(query, values).fetchone()
        return row

    def _write(self, statement: str, values: tuple[str | int | None, ...]) -> None:
        self._connection.execute(statement, values)


def _characters(value: object) -> int | None:
    return len(value) if isinstance(value, str) else None


def _image_row(row: tuple[Any, ...]) -> ImageRow:
    digest = row[8]
    return {
        "id": row[0],
        "name": row[1],
        "description": row[2],
        "time_created": row[3],
        "time_modified": row[4],
        "project_id": row[5],
        "os": row[6],
        "version": row[7],
        "digest": None if digest is None else {"type": "sha256", "value": digest},
        "block_size": row[9],
        "size": row[10],
    }


@contextmanager
def _name_conflicts() -> Iterator[None]:
    try:
        yield
    except sqlite3.IntegrityError as error:
        if error.sqlite_errorname == "SQLITE_CONSTRAINT_UNIQUE":
            raise NameTaken from error
        raise
