"""The service's errors: status, `error_code` and message of each kind."""

from typing import Self
from uuid import UUID


class ApiError(Exception):
    """An error of the service; `code` is None if the real service sends no `error_code`."""

    def __init__(
        self, status: int, code: str | None, message: str, headers: tuple[tuple[str, str], ...] = ()
    ):
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers

    @classmethod
    def malformed(cls, *, message: str) -> Self:
        """Return the 400 without a code, for errors found before the operation itself."""
        return cls(400, None, message)

    @classmethod
    def malformed_query(cls, *, problem: str) -> Self:
        """Return the 400 for a query string that cannot be read."""
        return cls.malformed(message=f"unable to parse query string: {problem}")

    @classmethod
    def malformed_body(cls, *, problem: str) -> Self:
        """Return the 400 for a JSON body that cannot be read."""
        return cls.malformed(message=f"unable to parse JSON body: {problem}")

    @classmethod
    def no_such_route(cls) -> Self:
        """Return the 404 for a path that the service does not have."""
        return cls(404, None, "Not Found")

    @classmethod
    def method_not_allowed(cls, allowed: list[str]) -> Self:
        """Return the 405 for a path that lacks this method, with one `Allow` header per method it has."""
        return cls(405, None, "Method Not Allowed", tuple(("allow", method) for method in sorted(allowed)))

    @classmethod
    def invalid_request(cls, *, message: str) -> Self:
        """Return the 400 for a request that can be read but not carried out."""
        return cls(400, "InvalidRequest", message)

    @classmethod
    def invalid_value(cls, *, label: str, problem: str) -> Self:
        """Return the 400 for a value that makes sense, but is not supported."""
        return cls(400, "InvalidValue", f'unsupported value for "{label}": {problem}')

    @classmethod
    def not_acceptable(cls, *, message: str) -> Self:
        """Return the 406 for a result that the requested version of the API cannot express."""
        return cls(406, "Not Acceptable", message)

    @classmethod
    def insufficient_capacity(cls, *, message: str) -> Self:
        """Return the 507 for a request that exceeds the quota or the room on the rack."""
        return cls(507, "InsufficientCapacity", f"Insufficient capacity: {message}")

    @classmethod
    def already_exists(cls, *, kind: str, name: str) -> Self:
        """Return the 400 for a name that is taken."""
        return cls(400, "ObjectAlreadyExists", f'already exists: {kind} "{name}"')

    @classmethod
    def not_found(cls, *, kind: str, selector: str | UUID) -> Self:
        """Return the 404 for a resource looked up by name or by ID."""
        looked_up = "id" if isinstance(selector, UUID) else "name"
        return cls(404, "ObjectNotFound", f'not found: {kind} with {looked_up} "{selector}"')

    @classmethod
    def unauthenticated(cls) -> Self:
        """Return the 401 for missing, unknown and expired credentials alike."""
        return cls(401, "Unauthorized", "credentials missing or invalid")

    @classmethod
    def forbidden(cls) -> Self:
        """Return the 403 for a resource that the caller may read, but not use in this way."""
        return cls(403, "Forbidden", "Forbidden")

    @classmethod
    def internal(cls) -> Self:
        """Return the 500, which hides its cause."""
        return cls(500, "Internal", "Internal Server Error")
