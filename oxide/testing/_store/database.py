"""One SQLite database and one connection to it: transactions, queries, and settings that are numbers."""

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from os import PathLike
from typing import Any

from oxide.testing._store.schema import SCHEMA, VERSION


class NameTaken(Exception):  # noqa: N818 - not the caller's error
    """The name is taken by a live resource of that kind in that scope."""

    def __init__(self, kind: str):
        super().__init__(kind)
        self.kind = kind


class Database:
    """One database and one connection to it, used by one thread at a time."""

    def __init__(self, path: str | PathLike[str] | None):
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(
            ":memory:" if path is None else path,
            check_same_thread=False,
            isolation_level=None,
        )
        self._connection.row_factory = sqlite3.Row
        try:
            # SQLite's own `length` stops at a NUL.
            self._connection.create_function("characters", 1, _characters, deterministic=True)
            # With a write-ahead log, changes survive the process without a disk flush for each request.
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._check_version(path)
            self._connection.executescript(SCHEMA)
        except (sqlite3.Error, ValueError):
            self._connection.close()
            raise

    def _check_version(self, path: str | PathLike[str] | None) -> None:
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        (tables,) = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables and version != VERSION:
            message = (
                f"{path} was not made by this version of the simulator: delete it, or choose another file"
            )
            raise ValueError(message)
        self._connection.execute(f"PRAGMA user_version = {VERSION}")

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

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Run the block, which only reads, alone in this process; other processes may write meanwhile."""
        with self._lock:
            yield

    def rows(self, query: str, *values: object) -> Iterator[sqlite3.Row]:
        """Return the rows of a query, one at a time."""
        return self._connection.execute(query, values)

    def row(self, query: str, *values: object) -> sqlite3.Row | None:
        """Return the first row of a query, or None if there is none."""
        row: sqlite3.Row | None = self._connection.execute(query, values).fetchone()
        return row

    def write(self, statement: str, *values: object) -> int:
        """Execute a statement, and return the ID of the row that it inserted."""
        return self._connection.execute(statement, values).lastrowid or 0

    def insert(self, table: str, rows: Iterable[dict[str, Any]]) -> None:
        """Add rows, which all have the same columns as keys; raise `NameTaken` if a name is taken."""
        rows = list(rows)
        if rows:
            columns, places = ", ".join(rows[0]), ", ".join(f":{column}" for column in rows[0])
            with name_conflicts(table):
                self._connection.executemany(
                    f"INSERT INTO {table} ({columns}) VALUES ({places})",  # noqa: S608 - our own words
                    rows,
                )

    def number(self, name: str) -> int | None:
        """Return the value of a setting that is a number, or None if it is not set."""
        row = self.row("SELECT value FROM setting WHERE name = ?", name)
        return None if row is None else int(row[0])

    def set_number(self, name: str, value: int | None) -> None:
        """Change a setting; None removes it."""
        self.write("DELETE FROM setting WHERE name = ?", name)
        if value is not None:
            self.write("INSERT INTO setting VALUES (?, ?)", name, value)


@contextmanager
def name_conflicts(table: str) -> Iterator[None]:
    """Raise `NameTaken` where the block's statement breaks the uniqueness of a name in a table."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        if error.sqlite_errorname in {"SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_UNIQUE"}:
            raise NameTaken(table) from error
        raise


def _characters(value: object) -> int | None:
    return len(value) if isinstance(value, str) else None
