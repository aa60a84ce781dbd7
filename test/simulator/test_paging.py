"""Listing page by page: orders, limits, scopes, and the contents of tokens."""

import base64
import json
import random
from uuid import UUID

import pytest
from simulator_http import Caller, World

from oxide.testing import Simulator

TOKEN_PREFIX = "unable to parse query string: failed to parse pagination token: "
CORRUPTED = TOKEN_PREFIX + "corrupted token"
MARKER = "2aee9f0a-4d5c-4b3c-8f6d-3c1a2c0c8d11"


def token(document: object) -> str:
    """Return a token that says `document`."""
    return base64.urlsafe_b64encode(json.dumps(document, separators=(",", ":")).encode()).decode()


def page_start(**page_start: object) -> str:
    """Return a token of the right shape."""
    return token({"v": "v1", "page_start": page_start})


def all_pages(call: Caller, parameters: str) -> list[list[str]]:
    """Return the names on each page of a scan, the last, empty one included."""
    reply = call("GET", f"/v1/images?{parameters}")
    pages = [reply.names]
    limit = "".join(f"&{part}" for part in parameters.split("&") if part.startswith("limit="))
    while (next_page := reply.json["next_page"]) is not None:
        reply = call("GET", f"/v1/images?page_token={next_page.replace('=', '%3D')}{limit}")
        pages.append(reply.names)
    return pages


def test_every_page_with_an_item_has_a_token(simulator: Simulator, call: Caller) -> None:
    simulator.create_images(["c", "a", "b"])
    assert all_pages(call, "limit=2") == [["a", "b"], ["c"], []]
    assert all_pages(call, "limit=3") == [["a", "b", "c"], []]


def test_names_are_sorted_in_byte_order(simulator: Simulator, call: Caller) -> None:
    names = ["a", "a-b", "a0", "aa", "ab", "b"]
    simulator.create_images(random.Random(5).sample(names, len(names)))
    assert call("GET", "/v1/images").names == names


@pytest.mark.parametrize("scope", ["", "project=proj&"])
@pytest.mark.parametrize("sort_by", ["name_ascending", "name_descending", "id_ascending"])
@pytest.mark.parametrize("limit", [1, 3, 7])
def test_each_order_is_kept_over_all_pages(
    simulator: Simulator, call: Caller, scope: str, sort_by: str, limit: int
) -> None:
    simulator.create_project("proj")
    project = "proj" if scope else None
    ids = dict(zip("gcafbed", simulator.create_images([*"gcafbed"], project), strict=True))
    expected = sorted(ids, key=ids.__getitem__) if sort_by == "id_ascending" else sorted(ids)
    if sort_by == "name_descending":
        expected.reverse()
    pages = all_pages(call, f"{scope}limit={limit}&sort_by={sort_by}")
    assert [name for page in pages for name in page] == expected
    assert len(pages) == -(-7 // limit) + 1


def test_without_a_limit_a_page_has_100_images(simulator: Simulator, call: Caller) -> None:
    simulator.create_images(f"i{number:03}" for number in range(101))
    assert [len(page) for page in all_pages(call, "")] == [100, 1, 0]


def test_a_large_limit_is_clamped_to_10000(simulator: Simulator, call: Caller) -> None:
    simulator.create_images(f"i{number:05}" for number in range(10_001))
    reply = call("GET", "/v1/images?limit=20000")
    assert len(reply.json["items"]) == 10_000
    assert call("GET", f"/v1/images?page_token={reply.json['next_page']}&limit=20000").names == ["i10000"]


def test_a_page_token_replaces_every_other_parameter_but_limit(call: Caller, world: World) -> None:
    of_proj = page_start(sort_by="name_ascending", project="proj", last_seen="a")
    assert call("GET", f"/v1/images?page_token={of_proj}&sort_by=foo&project=BAD_NAME").names == ["pimg"]
    assert call("GET", f"/v1/images?page_token={of_proj}&project=other").names == ["pimg"]
    assert call("GET", f"/v1/images?page_token={of_proj}&limit=0").status == 400


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("q", TOKEN_PREFIX + "Invalid input length: 1"),
        ("abc!", TOKEN_PREFIX + "invalid base64"),
        ("ab%2Bd", TOKEN_PREFIX + "invalid base64"),
        ("a%3Dbc", TOKEN_PREFIX + "invalid base64"),
        ("abc", TOKEN_PREFIX + "invalid base64"),
        ("abcd%3D", TOKEN_PREFIX + "invalid base64"),
        ("ab%3D%3D", TOKEN_PREFIX + "invalid base64"),
        ("", CORRUPTED),
        (token({}), CORRUPTED),
        (token([]), CORRUPTED),
        (token("v1"), CORRUPTED),
        (token({"v": "v2", "page_start": {"last_seen": "a"}}), CORRUPTED),
        (token({"v": "v1", "page_start": ["a"]}), CORRUPTED),
        (page_start(sort_by="name_ascending", project=None), CORRUPTED),
        (page_start(last_seen=5), CORRUPTED),
        (page_start(last_seen="BAD_NAME"), CORRUPTED),
        (page_start(last_seen="a", sort_by="foo"), CORRUPTED),
        (page_start(last_seen="a", sort_by=None), CORRUPTED),
        (page_start(last_seen="a", sort_by=[]), CORRUPTED),
        (page_start(last_seen="a", project=""), CORRUPTED),
        (page_start(last_seen="a", project={}), CORRUPTED),
        (base64.urlsafe_b64encode(b"\xff\xfe\xfd").decode(), CORRUPTED),
        (base64.urlsafe_b64encode(b"[" * 380).decode(), CORRUPTED),
        ("a" * 513, TOKEN_PREFIX + "too large"),
        ("!" * 513, TOKEN_PREFIX + "too large"),
        (page_start(last_seen="a", sort_by="id_ascending"), "invalid page token"),
        (page_start(last_seen=MARKER, sort_by="name_descending"), "invalid page token"),
        (page_start(last_seen=MARKER), "invalid page token"),
    ],
)
@pytest.mark.parametrize("credentials", ["", None])
def test_a_bad_page_token_is_refused(call: Caller, bad: str, message: str, credentials: str | None) -> None:
    reply = call("GET", f"/v1/images?page_token={bad}", token=credentials)
    assert reply.error == (400, None, message)


def test_the_next_page_is_right_after_the_last_image_seen_is_deleted(
    simulator: Simulator, call: Caller
) -> None:
    simulator.create_images([*"abcd"])
    next_page = call("GET", "/v1/images?limit=2").json["next_page"]
    assert call("DELETE", "/v1/images/b").status == 204
    simulator.create_image("aa")
    assert call("GET", f"/v1/images?page_token={next_page}").names == ["c", "d"]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ("", '{"v":"v1","page_start":{"sort_by":"name_ascending","project":null,"last_seen":"simg"}}'),
        (
            "project=proj&sort_by=name_descending",
            '{"v":"v1","page_start":{"sort_by":"name_descending","project":"proj","last_seen":"pimg"}}',
        ),
        (
            "project=$proj&sort_by=id_ascending",
            '{"v":"v1","page_start":{"sort_by":"id_ascending","project":"$proj","last_seen":"$pimg"}}',
        ),
    ],
)
def test_a_page_token_holds_order_scope_and_last_item(
    call: Caller, world: World, parameters: str, expected: str
) -> None:
    def fill(text: str) -> str:
        return text.replace("$proj", str(world.proj)).replace("$pimg", str(world.pimg))

    next_page = call("GET", f"/v1/images?{fill(parameters)}").json["next_page"]
    assert len(next_page) % 4 == 0
    assert base64.urlsafe_b64decode(next_page).decode() == fill(expected)


def test_a_page_token_may_lack_order_and_scope(call: Caller, world: World) -> None:
    assert call("GET", f"/v1/images?page_token={page_start(last_seen='a', more=1)}").names == ["simg"]


def test_the_project_in_a_page_token_is_checked_again(call: Caller, world: World) -> None:
    bad = page_start(sort_by="name_ascending", project="gone", last_seen="a")
    message = 'not found: project with name "gone"'
    assert call("GET", f"/v1/images?page_token={bad}").error == (404, "ObjectNotFound", message)


def test_ids_sort_as_uuids(simulator: Simulator, call: Caller) -> None:
    simulator.create_images(f"i{number}" for number in range(50))
    ids = [UUID(item["id"]) for item in call("GET", "/v1/images?sort_by=id_ascending").json["items"]]
    assert ids == sorted(ids)
