"""Advice in an error's text, from a table by the response; the first row that fits counts."""

from collections.abc import Callable, Container
from typing import Final, NamedTuple

from oxide._attempt import one_line
from oxide._identity.settings import DROPPED

_MAX_HINT: Final = 300  # bytes


class Refusal(NamedTuple):
    """What is known about a response outside 2xx.

    Attributes:
        status: its HTTP status code.
        code: the server's code for the error, or None.
        message: the server's message, or where a redirect leads; `""` for none.
        problem: what is wrong with its body, if that is no error of the API; else `""`.
        credentials_from: where the token came from; if none was sent, why it was dropped, or `""`.
        role: the role that the operation needs, and on what.
    """

    status: int
    code: str | None
    message: str
    problem: str
    credentials_from: str
    role: str


class _Row(NamedTuple):
    statuses: Container[int]
    code: str | None
    message_begins: str
    hint: str
    when: Callable[[Refusal], object] = lambda _: True


_ANY: Final = range(1000)

# A code of None stands for any.
_TABLE: Final = (
    _Row({304}, None, "", "304 is the response to a conditional request: leave If-None-Match and If-Modified-Since out of _headers"),
    _Row(
        range(300, 400), None, "redirect to https://",
        "redirects are not followed: if that is the API, make it the host, with https://",
    ),
    _Row(
        range(300, 400), None, "",
        "redirects are not followed: is the host an Oxide API, or does something in front ask to log in?",
    ),
    _Row({401}, None, "", "no token was sent: set access_token, or use from_environment()", lambda it: not it.credentials_from),
    _Row(
        {401}, None, "", "no token was sent: it was {credentials_from}; set access_token after host",
        lambda it: it.credentials_from.startswith(DROPPED),
    ),
    _Row({401}, None, "", "the token is unknown or expired; it came from {credentials_from}"),
    _Row(_ANY, None, "", "{problem}", lambda it: it.problem),
    _Row({403}, None, "", "this needs {role}"),
    _Row(
        {404}, None, "", "the server has no such path: check the path in host",
        lambda it: it.code is None,
    ),
    _Row({404}, "ObjectNotFound", "not found: silo-image with name", "a name without a project is looked up in the silo only"),
    _Row(
        {404}, "ObjectNotFound", "not found: image with id",
        "a user with a role on a project alone sees no image by its ID: give its name and project",
    ),
    _Row(
        {400}, None, "Cannot promote a silo image",
        "the image is already in the silo, or was given by name without its project",
    ),
    _Row(
        {400}, None, "server does not support this API version",
        "the rack is older than the api_version of the Configuration: set an older one, or None",
    ),
)  # fmt: skip


def hint_for(refusal: Refusal) -> str | None:
    """Return what to do about a response, if that is known."""
    for row in _TABLE:
        if (
            refusal.status in row.statuses
            and row.code in {None, refusal.code}
            and refusal.message.lower().startswith(row.message_begins.lower())
            and row.when(refusal)
        ):
            return one_line(row.hint.format_map(refusal._asdict()), _MAX_HINT)
    return None
