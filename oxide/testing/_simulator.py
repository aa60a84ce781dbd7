"""The simulator as tests and programs use it."""

import re
import secrets
import sqlite3
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from os import PathLike
from typing import Any, Final, Self, TypedDict, TypeVar, Unpack, get_args
from uuid import UUID, uuid4

from oxide._identifiers import name_or_id, name_problem
from oxide.configuration import Configuration
from oxide.testing._api_version import NEWEST_API_VERSION, ApiVersion
from oxide.testing._application import TOKEN_PREFIX, Application
from oxide.testing._clock import utc_now, wire_time
from oxide.testing._exchange import Exchange, FaultQueue
from oxide.testing._journal import Journal, ReceivedRequest
from oxide.testing._roles import RANKS, Role
from oxide.testing._routing import Operation
from oxide.testing._server import Server
from oxide.testing._store import ImageRow, NameTaken, SnapshotRow, Store
from oxide.testing.faults import Fault

PORT_MAX: Final = 65535
_ADMIN: Final = "admin"
_TOKEN: Final = re.compile(re.escape(TOKEN_PREFIX) + r"[!-~]+")
_HEX: Final = re.compile(r"[0-9a-fA-F]+")
# A server may listen on every address, but clients send a token over plain http only to loopback.
_REACHED_AT: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - only mapped

_T = TypeVar("_T")


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


class Simulator:
    """An Oxide images service of one silo, over real HTTP on this machine.

    It listens from `start()` to `stop()`, or for the duration of a `with` block, and leaves no thread or socket behind.
    Its methods may be called from any thread.

    Args:
        host: the address to listen on.
        port: the port to listen on; 0 takes a free one.
        database: the file to keep everything in; None keeps it in memory, until `stop()`.
        tls: an `ssl.SSLContext`, or True for a new certificate, which `configuration()` trusts.
        max_api_version: the newest API version that is served; requests for newer ones are refused.
        clock: returns the time for new and changed images, as an aware datetime; may be assigned later.
        token: the token of the silo's administrator, beginning with `oxide-token-`; None takes the database's, or
            else a new one.

    Raises:
        ValueError: `max_api_version` is not a version, or `token` is not a token.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        database: str | PathLike[str] | None = None,
        *,
        tls: ssl.SSLContext | bool | None = None,
        max_api_version: str = NEWEST_API_VERSION,
        clock: Callable[[], datetime] = utc_now,
        token: str | None = None,
    ):
        if token is not None and not _TOKEN.fullmatch(token):
            message = f"a token must be {TOKEN_PREFIX!r} followed by ASCII letters, digits or punctuation"
            raise ValueError(message)
        if not 0 <= port <= PORT_MAX:
            message = f"port must be from 0 to {PORT_MAX}, not {port}"
            raise ValueError(message)
        self.clock = clock
        self._host = host
        self._port = port
        self._database = database
        self._tls = tls
        self._ca_certificate: str | None = None
        self._max_api_version = ApiVersion.parse(max_api_version)
        self._given_token = token
        self._token = ""
        self._store: Store | None = None
        self._server: Server | None = None
        self._faults = FaultQueue()
        self._journal = Journal()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start listening; a stopped simulator can be started again, with no faults and no recorded requests."""
        if self._server is not None:
            message = "the simulator is already running"
            raise RuntimeError(message)
        server = Server(self._host, self._port, self._tls_context())
        try:
            store = Store(self._database)
            with store.transaction():
                self._token = self._given_token or store.token(_ADMIN) or _new_token()
                store.set_user(_ADMIN, self._token, "admin")
        except BaseException:
            server.stop()
            raise
        self._faults, self._journal = FaultQueue(), Journal()
        application = Application(store, lambda: self.clock(), self._max_api_version)
        server.start(Exchange(application, self._faults, self._journal).serve)
        self._server, self._store = server, store

    def stop(self) -> None:
        """Stop listening, end every connection and close the database; do nothing if not running."""
        server, self._server = self._server, None
        store, self._store = self._store, None
        if server is not None and store is not None:
            server.stop()
            store.close()

    @property
    def url(self) -> str:
        """The URL to reach it from this machine, without a trailing slash."""
        name = _REACHED_AT.get(self._host, self._host)
        host = f"[{name}]" if ":" in name else name
        return f"{'https' if self._tls else 'http'}://{host}:{self._running(self._server).port}"

    @property
    def token(self) -> str:
        """The token of the silo's administrator, who may do everything."""
        self._running(self._server)
        return self._token

    @property
    def ca_certificate(self) -> str | None:
        """The certificate to trust, as PEM, if one was made; else None."""
        return self._ca_certificate

    @property
    def requests(self) -> list[ReceivedRequest]:
        """The requests received since the start, oldest first; the last 10,000 of them."""
        return self._journal.snapshot()

    def wait_for_requests(self, count: int, timeout: float = 10.0, *, answered: bool = True) -> None:
        """Wait until `count` requests since the start have been answered or dropped.

        This is for requests whose answer nobody waits for. With `answered=False` it is enough that they have arrived.
        Raises `TimeoutError` after `timeout` seconds.
        """
        if not self._journal.wait(count, timeout, finished=answered):
            message = f"fewer than {count} requests within {timeout} s"
            raise TimeoutError(message)

    def configuration(self, **settings: Any) -> Configuration:
        """Return a client configuration for this simulator and its administrator, with `settings` on top."""
        if self._ca_certificate is not None:
            settings = {"ca_cert_data": self._ca_certificate, **settings}
        return Configuration(**{"host": self.url, "access_token": self.token, **settings})

    def fail_next(self, fault: Fault, times: int = 1, operation: Operation | None = None) -> None:
        """Make the next `times` requests suffer `fault`; with `operation`, only requests of that operation count.

        Faults queue up: each request suffers the oldest that applies to it. See `oxide.testing.faults`.
        """
        if not isinstance(fault, Fault):
            message = f"fault must be a fault of oxide.testing, such as Drop(), not {fault!r}"
            raise TypeError(message)
        if not isinstance(times, int) or times < 1:
            message = f"times must be a whole number of at least 1, not {times!r}"
            raise ValueError(message)
        if operation not in {None, *get_args(Operation)}:
            message = f"operation must be one of {', '.join(get_args(Operation))}, not {operation!r}"
            raise ValueError(message)
        self._running(self._server)
        self._faults.add(fault, times, operation)

    def clear_faults(self) -> None:
        """Forget the pending faults."""
        self._faults.clear()

    def create_project(self, name: str) -> UUID:
        """Create a project and return its ID; raise `ValueError` if the name is illegal or taken."""
        project_id = uuid4()
        with self._seeding(name) as store:
            store.add_project(str(project_id), name)
        return project_id

    def create_snapshot(
        self, name: str, project: str | UUID, size: int = 2**30, block_size: int = 512
    ) -> UUID:
        """Create a snapshot in a project (its name or ID) and return its ID; sizes are in bytes."""
        _check_size(size)
        snapshot_id = uuid4()
        with self._seeding(name) as store:
            project_id = _project_id(store, project)
            snapshot: SnapshotRow = {"project_id": project_id, "size": size, "block_size": block_size}
            store.add_snapshot(str(snapshot_id), name, snapshot)
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
        token = _new_token()
        with self._seeding() as store:
            store.add_user(name, token, silo_role)
            for project, role in (project_roles or {}).items():
                store.add_project_role(name, _project_id(store, project), role)
        return token

    def create_image(
        self, name: str, project: str | UUID | None = None, **values: Unpack[ImageValues]
    ) -> UUID:
        """Create an image without a snapshot, in a project (its name or ID) or else in the silo; return its ID."""
        return self.create_images([name], project, **values)[0]

    def create_images(
        self, names: Iterable[str], project: str | UUID | None = None, **values: Unpack[ImageValues]
    ) -> list[UUID]:
        """Create images as `create_image` does, all or none; fast enough for tens of thousands."""
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
        _check_size(values.get("size", 0))
        now = wire_time(self.clock())
        images: list[ImageRow] = [
            {
                "id": str(uuid4()),
                "name": name,
                "description": values.get("description", ""),
                "time_created": now,
                "time_modified": now,
                "project_id": None,
                "os": values.get("os", "alpine"),
                "version": values.get("version", "edge"),
                "digest": None if digest is None else {"type": "sha256", "value": digest},
                "block_size": values.get("block_size", 512),
                "size": values.get("size", 2**30),
            }
            for name in names
        ]
        with self._seeding(*names) as store:
            if project is not None:
                project_id = _project_id(store, project)
                for image in images:
                    image["project_id"] = project_id
            store.add_images(images)
        return [UUID(image["id"]) for image in images]

    @contextmanager
    def _seeding(self, *names: str) -> Iterator[Store]:
        for name in names:
            if problem := name_problem(name):
                raise ValueError(problem)
        store = self._running(self._store)
        try:
            with store.transaction():
                yield store
        except NameTaken:
            message = f"an image of that name already exists there: {_some(names)}"
            raise ValueError(message) from None
        except (sqlite3.IntegrityError, OverflowError) as error:
            taken = re.fullmatch(r"UNIQUE constraint failed: (?:\w+\.\w+, )?(\w+)\.name", str(error))
            message = (
                f"a {taken[1]} of that name already exists" if taken else f"the database refuses it: {error}"
            )
            raise ValueError(message) from error

    def _tls_context(self) -> ssl.SSLContext | None:
        if not self._tls:
            return None
        if isinstance(self._tls, ssl.SSLContext):
            return self._tls
        import trustme

        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["http/1.1"])
        authority.issue_cert(self._host, "localhost", "127.0.0.1", "::1").configure_cert(context)
        self._ca_certificate = authority.cert_pem.bytes().decode("ascii")
        return context

    @staticmethod
    def _running(part: _T | None) -> _T:
        if part is None:
            message = "the simulator is not running: use `with Simulator() as simulator` or call `start()`"
            raise RuntimeError(message)
        return part


def _some(names: tuple[str, ...]) -> str:
    return ", ".join((*names[:3], "…")) if len(names) > 3 else ", ".join(names)


def _check_size(size: object) -> None:
    if not isinstance(size, int) or size < 0:
        message = f"size must be a whole number of bytes, not {size!r}"
        raise ValueError(message)


def _new_token() -> str:
    return TOKEN_PREFIX + secrets.token_hex(20)


def _project_id(store: Store, project: str | UUID) -> str:
    selector = name_or_id(project) if isinstance(project, str) else project
    project_id = store.project_id(selector)
    if project_id is None:
        message = f"there is no project {str(project)!r}"
        raise ValueError(message)
    return project_id
