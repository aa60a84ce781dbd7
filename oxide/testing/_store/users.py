"""Users with their tokens and roles, and the projects that they have roles on."""

from uuid import UUID

from oxide.testing._roles import RANKS, Actor, Rank
from oxide.testing._store.database import Database


class Users:
    """The users of the silo."""

    def __init__(self, database: Database):
        self._database = database

    def set(self, name: str, token: str, silo_role: str | None) -> None:
        """Add a user, or change the token and role of the existing one."""
        self._database.write(
            "INSERT INTO user VALUES (?, ?, ?) ON CONFLICT (name) "
            "DO UPDATE SET token = excluded.token, silo_role = excluded.silo_role",
            name,
            token,
            silo_role,
        )

    def add(self, name: str, token: str, silo_role: str | None) -> None:
        """Add a user; raise `NameTaken` if there is one of that name."""
        self._database.insert("user", [{"name": name, "token": token, "silo_role": silo_role}])

    def add_project_role(self, user: str, project_id: str, role: str) -> None:
        """Give a user a role on a project."""
        self._database.write("INSERT INTO project_role VALUES (?, ?, ?)", user, project_id, role)

    def token(self, user: str) -> str | None:
        """Return the token of a user, or None if there is no such user."""
        row = self._database.row("SELECT token FROM user WHERE name = ?", user)
        return None if row is None else str(row[0])

    def name(self, token: str) -> str | None:
        """Return the name of the user that a token belongs to, or None if it is unknown."""
        row = self._database.row("SELECT name FROM user WHERE token = ?", token)
        return None if row is None else str(row[0])

    def actor(self, token: str) -> Actor | None:
        """Return the user that a token belongs to, with their roles, or None if it is unknown."""
        user = self._database.row("SELECT name, silo_role FROM user WHERE token = ?", token)
        if user is None:
            return None
        roles = self._database.rows("SELECT project_id, role FROM project_role WHERE user = ?", user["name"])
        return Actor(
            name=user["name"],
            silo=Rank.NONE if user["silo_role"] is None else RANKS[user["silo_role"]],
            projects={project_id: RANKS[role] for project_id, role in roles},
        )


class Projects:
    """The projects of the silo."""

    def __init__(self, database: Database):
        self._database = database

    def add(self, project_id: str, name: str) -> None:
        """Add a project; raise `NameTaken` if there is one of that name."""
        self._database.insert("project", [{"id": project_id, "name": name}])

    def id(self, selector: str | UUID) -> str | None:
        """Return the ID of the project with this name or ID, or None if there is none."""
        column = "id" if isinstance(selector, UUID) else "name"
        row = self._database.row(f"SELECT id FROM project WHERE {column} = ?", str(selector))  # noqa: S608 - two names
        return None if row is None else str(row[0])
