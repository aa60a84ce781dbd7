"""The tables, with the rules that the real service leaves to its database."""

from typing import Final

from oxide.testing import _messages
from oxide.testing._roles import RANKS

# Raise it with every change of the schema: there is no migration.
VERSION: Final = 2

_ROLES = ", ".join(f"'{role}'" for role in RANKS)
_NAME = "TEXT NOT NULL CHECK (length(name) <= 63)"
_DESCRIPTION = f"TEXT NOT NULL CHECK (characters(description) <= {_messages.DESCRIPTION_MAX})"
_BLOCK_SIZE = "INTEGER NOT NULL CHECK (block_size IN (512, 2048, 4096))"
_SIZE = "INTEGER NOT NULL CHECK (typeof(size) = 'integer' AND size >= 0)"

# The fields of an image, in the API's order, each with its rule.
IMAGE_COLUMNS: Final = {
    "id": "TEXT PRIMARY KEY",
    "name": _NAME,
    "description": _DESCRIPTION,
    "time_created": "TEXT NOT NULL",
    "time_modified": "TEXT NOT NULL",
    "project_id": "TEXT",
    "os": f"TEXT NOT NULL CHECK (characters(os) <= {_messages.OS_MAX})",
    "version": f"TEXT NOT NULL CHECK (characters(version) <= {_messages.VERSION_MAX})",
    "digest": "TEXT",
    "block_size": _BLOCK_SIZE,
    "size": _SIZE,
}

# Times are text, as the service writes them, since no query compares them.
SCHEMA: Final = f"""
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS project (
    id TEXT PRIMARY KEY,
    name {_NAME} UNIQUE
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
    {", ".join(f"{name} {rule}" for name, rule in IMAGE_COLUMNS.items())},
    volume INTEGER,
    time_deleted TEXT
);
CREATE UNIQUE INDEX IF NOT EXISTS live_project_image ON image (project_id, name)
    WHERE project_id IS NOT NULL AND time_deleted IS NULL;
CREATE UNIQUE INDEX IF NOT EXISTS live_silo_image ON image (name)
    WHERE project_id IS NULL AND time_deleted IS NULL;
CREATE INDEX IF NOT EXISTS image_volume ON image (volume) WHERE volume IS NOT NULL;
CREATE TABLE IF NOT EXISTS disk (
    id TEXT PRIMARY KEY,
    name {_NAME},
    description {_DESCRIPTION},
    time_created TEXT NOT NULL,
    project_id TEXT NOT NULL,
    snapshot_id TEXT,
    image_id TEXT,
    size {_SIZE},
    block_size {_BLOCK_SIZE},
    state TEXT NOT NULL,
    disk_type TEXT NOT NULL,
    read_only INTEGER NOT NULL,
    importing INTEGER NOT NULL,
    volume INTEGER,
    pantry_lost INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX IF NOT EXISTS live_disk ON disk (project_id, name) WHERE state != 'destroyed';
CREATE TABLE IF NOT EXISTS snapshot (
    id TEXT PRIMARY KEY,
    name {_NAME},
    description {_DESCRIPTION},
    time_created TEXT NOT NULL,
    project_id TEXT NOT NULL,
    disk_id TEXT NOT NULL,
    state TEXT NOT NULL,
    size {_SIZE},
    block_size {_BLOCK_SIZE},
    volume INTEGER,
    UNIQUE (project_id, name)
);
CREATE TABLE IF NOT EXISTS volume (id INTEGER PRIMARY KEY AUTOINCREMENT);
CREATE TABLE IF NOT EXISTS extent (position INTEGER PRIMARY KEY, data BLOB NOT NULL);
"""
