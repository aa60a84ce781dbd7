"""Shared by the tests of the client: a simulator with a client, the contract of the operations, the rules for names."""

import json
import string
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from hypothesis import strategies as st

import oxide
from oxide.api._base import Api
from oxide.testing import Answer, ReceivedRequest, Simulator

APIS: Final[list[type[Api]]] = [
    kind for name in dir(oxide) if isinstance(kind := getattr(oxide, name), type) and issubclass(kind, Api)
]
# The methods of each API apart from its operations and those of all APIs.
HELPERS: Final[Mapping[str, set[str]]] = {
    "ImagesApi": {
        "image_ensure",
        "image_ensure_absent",
        "image_ensure_location",
        "image_list_iter",
        "image_upload",
    }
}
_PUBLISHED: Final = json.loads((Path(__file__).parent / "published.openapi.json").read_text("utf-8"))
FORMS: Final = ("", "_with_http_info", "_without_preload_content")

# What a service responds with for an image and for a page; not from the simulator, so that it may be anything.
PROJECT_ID: Final = UUID("12345678-9abc-4def-8123-456789abcdef")
IMAGE: Final[Mapping[str, Any]] = {
    "id": "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0",
    "name": "debian-13",
    "description": "golden",
    "time_created": "2026-11-01T12:00:00.000123Z",
    "time_modified": "2026-11-01T12:00:01Z",
    "project_id": str(PROJECT_ID),
    "os": "debian",
    "version": "13",
    "digest": None,
    "block_size": 4096,
    "size": 2**31,
}
PAGE: Final[Mapping[str, Any]] = {"next_page": "bmV4dA==", "items": [IMAGE]}
NEW_IMAGE: Final[Mapping[str, Any]] = {
    "name": "debian-13",
    "description": "golden",
    "os": "debian",
    "version": "13",
    "source": {"type": "snapshot", "id": "3c4d5e6f-0718-4293-a4b5-c6d7e8f90a1b"},
}


def api_with(operation: str) -> type[Api]:
    """Return the API that has an operation, given by its name."""
    (api,) = (api for api in APIS if hasattr(api, operation))
    return api


def method_of(client: oxide.ApiClient, operation: str, form: str = "") -> Callable[..., Any]:
    """Return the method of an operation in one of its forms, with the API made for a client."""
    method: Callable[..., Any] = getattr(api_with(operation)(client), operation + form)
    return method


def published_fields(model: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the fields of a model as Oxide has published it, and which of them are optional."""
    schema = _PUBLISHED["components"]["schemas"][model]
    forms = schema.get("oneOf", [schema])
    fields = frozenset(name for form in forms for name in form["properties"])
    return fields, fields.difference(*(form["required"] for form in forms))


@dataclass(frozen=True)
class Contract:
    """The wire contract of one operation, written independently of the package's table, which it checks.

    `arguments` has a value of its own for each parameter, in the order of the signature; `query` says how those that
    go into the query arrive.
    """

    name: str
    method: str
    path: str
    status: int
    arguments: Mapping[str, Any]
    required: frozenset[str]
    query: Mapping[str, str]
    response: Mapping[str, Any] | None
    body: Mapping[str, Any] | None = field(default=None)

    @property
    def template(self) -> str:
        """The path with a placeholder for each argument in it."""
        names = {value: f"{{{name}}}" for name, value in self.arguments.items() if isinstance(value, str)}
        return "/".join(names.get(segment, segment) for segment in self.path.split("/"))


def _on_image(
    name: str, method: str, suffix: str, status: int, response: Mapping[str, Any] | None
) -> Contract:
    return Contract(
        name=name,
        method=method,
        path=f"/v1/images/my-image{suffix}",
        status=status,
        arguments={"image": "my-image", "project": "my-project"},
        required=frozenset({"image", "project"} if name == "image_demote" else {"image"}),
        query={"project": "my-project"},
        response=response,
    )


CONTRACTS: Final = (
    Contract(
        name="image_create",
        method="POST",
        path="/v1/images",
        status=201,
        arguments={"image_create": NEW_IMAGE, "project": "my-project"},
        required=frozenset({"image_create"}),
        query={"project": "my-project"},
        response=IMAGE,
        body=NEW_IMAGE,
    ),
    _on_image("image_delete", "DELETE", "", 204, None),
    _on_image("image_demote", "POST", "/demote", 202, IMAGE),
    Contract(
        name="image_list",
        method="GET",
        path="/v1/images",
        status=200,
        arguments={
            "limit": 17,
            "page_token": "a+b/c=&d e",
            "project": "my-project",
            "sort_by": "name_descending",
        },
        required=frozenset(),
        query={
            "limit": "17",
            "page_token": "a+b/c=&d e",
            "project": "my-project",
            "sort_by": "name_descending",
        },
        response=PAGE,
    ),
    _on_image("image_promote", "POST", "/promote", 202, IMAGE),
    _on_image("image_view", "GET", "", 200, IMAGE),
)
BY_NAME: Final = {contract.name: contract for contract in CONTRACTS}


@dataclass(frozen=True)
class Scene:
    """A simulator with the project `my-project`, a snapshot in it, and a client with the administrator's token."""

    simulator: Simulator
    images: oxide.ImagesApi
    project: UUID
    snapshot: UUID

    @property
    def requests(self) -> list[ReceivedRequest]:
        """The requests received so far."""
        return self.simulator.requests

    @property
    def last(self) -> ReceivedRequest:
        """The latest of them."""
        return self.simulator.requests[-1]

    def respond_with(self, status: int, body: object = b"", times: int = 1, **headers: str) -> None:
        """Send this response to the next requests; a body that is neither text nor bytes is sent as JSON."""
        content = body if isinstance(body, str | bytes) else json.dumps(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.simulator.fail_next(Answer(status, content, named), times)

    def call(self, name: str, form: str = "", /, *args: Any, **kwargs: Any) -> Any:
        """Call a method of an API by the name of its operation and its form."""
        return method_of(self.images.api_client, name, form)(*args, **kwargs)

    def new_image(self, **changes: Any) -> dict[str, Any]:
        """Return the body of a request for a new image from the snapshot."""
        return {**NEW_IMAGE, "source": {"type": "snapshot", "id": str(self.snapshot)}, **changes}


@contextmanager
def open_scene(**settings: Any) -> Iterator[Scene]:
    """Run a simulator and a client, which does not retry unless `settings` say so."""
    with Simulator() as simulator:
        project = simulator.create_project("my-project")
        snapshot = simulator.create_snapshot("my-snapshot", project=project)
        configuration = simulator.configuration(**{"max_retries": 0, **settings})
        with oxide.ApiClient(configuration) as client:
            yield Scene(simulator, oxide.ImagesApi(client), project, snapshot)


TOO_LONG = "name may contain at most 63 characters"
EMPTY = "name requires at least one character"
BAD_START = "name must begin with an ASCII lowercase character"
BAD_END = 'name cannot end with "-"'
IS_ID = "name cannot be a UUID to avoid ambiguity with IDs"


def reference_id(text: str) -> UUID | None:
    """Parse an ID as the server's parser does: by its length, then its affixes, then its groups."""
    groups = [text]
    if len(text) != 32:
        if len(text) == 45 and text[:9].lower() == "urn:uuid:":
            text = text[9:]
        elif len(text) == 38 and text[0] + text[-1] == "{}":
            text = text[1:-1]
        groups = text.split("-")
        if [len(group) for group in groups] != [8, 4, 4, 4, 12]:
            return None
    digits = "".join(groups)
    return UUID(int=int(digits, 16)) if set(digits) <= set(string.hexdigits) else None


def reference_problem(text: str) -> str | None:
    """Check a name rule by rule, in the server's order; a bad character is reported without its position."""
    if sum(1 if ord(c) < 0x80 else 2 if ord(c) < 0x800 else 3 if ord(c) < 0x10000 else 4 for c in text) > 63:
        return TOO_LONG
    if text == "":
        return EMPTY
    if text[0] not in string.ascii_lowercase:
        return BAD_START
    if set(text) - set(string.ascii_lowercase + string.digits + "-"):
        return "name contains invalid character"
    if text[-1] == "-":
        return BAD_END
    return IS_ID if reference_id(text) else None


@st.composite
def damaged_ids(draw: st.DrawFn) -> str:
    """Return a written form of some ID with up to two characters inserted, removed or replaced."""
    text = str(draw(st.uuids() | st.sampled_from([UUID(int=0), UUID("deadbeef" * 4)])))
    text = draw(
        st.sampled_from([text, text.replace("-", ""), f"{{{text}}}", f"urn:uuid:{text}", f"{{{text[:-1]}"])
    )
    text = draw(st.sampled_from([text, text.upper()]))
    for _ in range(draw(st.integers(0, 2))):
        at, cut = draw(st.integers(0, len(text))), draw(st.integers(0, 1))
        put = draw(st.sampled_from(["", "-", "a", "0", "G", "{", "}", " ", "\n", "١", "ａ"]))
        text = text[:at] + put + text[at + cut :]
    return text


TEXTS = (
    damaged_ids()
    | st.text(max_size=70)
    | st.text(st.characters(), max_size=70)
    | st.text("abz019-", max_size=66)
    | st.from_regex(r"[a-z][a-z0-9-]{55,66}", fullmatch=True)
    | st.from_regex(r"[a-f][0-9a-f]{7}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[a-f][0-9a-f]{31}", fullmatch=True)
)
