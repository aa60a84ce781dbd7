"""How the service refuses requests that it cannot read: bodies, queries, paths and versions."""

import json
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simulator_http import Caller, World

from oxide.testing import Simulator

JSON_PREFIX = "unable to parse JSON body: "
QUERY_PREFIX = "unable to parse query string: "


def _raw_body(**changes: str) -> bytes:
    """Return a valid body, with changes to some members, which are JSON texts."""
    members = {
        "name": '"a"',
        "description": '""',
        "os": '"o"',
        "version": '"v"',
        "source": '{"type": "snapshot", "id": "2aee9f0a-4d5c-4b3c-8f6d-3c1a2c0c8d11"}',
    }
    return ("{" + ", ".join(f'"{key}": {value}' for key, value in (members | changes).items()) + "}").encode()


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "EOF while parsing a value at line 1 column 0"),
        (b"{", "EOF while parsing an object at line 1 column 1"),
        (b"[]", "invalid type, expected struct ImageCreate at line 1 column 0"),
        (b"not json", "expected ident at line 1 column 2"),
        (b"5", "invalid type, expected struct ImageCreate at line 1 column 1"),
        (b"null", "invalid type, expected struct ImageCreate at line 1 column 4"),
        (b'"x"', "invalid type, expected struct ImageCreate at line 1 column 3"),
        (b"true", "invalid type, expected struct ImageCreate at line 1 column 4"),
        (b"1.5", "invalid type, expected struct ImageCreate at line 1 column 3"),
        (b"{}", "missing field `os` at line 1 column 2"),
        (b'{"os": "o"}', "missing field `version` at line 1 column 11"),
        (b'{"os": "o",\n"version": "v"}', "missing field `source` at line 2 column 15"),
        (b'{"os": "o", "os": "o"}', "duplicate field `os` at line 1 column 22"),
        (b'{"os": "\xff"}', "invalid unicode code point at line 1 column …"),
        (b'{"os": "\\ud800"}', "unexpected end of hex escape at line 1 column …"),
        (b"[" * 1000, "recursion limit exceeded at line 1 column …"),
        (_raw_body(os="5"), "os: invalid type, expected a string at line 1 column …"),
        (_raw_body(version="null"), "version: invalid type, expected a string at line 1 column …"),
        (_raw_body(name="5"), "invalid type, expected a string at line 1 column …"),
        (_raw_body(description="null"), "invalid type, expected a string at line 1 column …"),
        (_raw_body(description="{}"), "invalid type, expected a string at line 1 column …"),
        (_raw_body(name='"a_b"') + b"\n ", "name contains invalid character: …"),
        (_raw_body(source='{"id": "x"}'), "source: missing field `type` at line 1 column …"),
        (_raw_body(source='{"type": "snapshot"}'), "source: missing field `id` at line 1 column …"),
        (_raw_body(source='{"type": 5, "id": "x"}'), "source.type: invalid type, expected …"),
        (_raw_body(source='{"type": "snapshot", "id": 5}'), "source: invalid type, expected …"),
        *(
            (
                _raw_body(source=f'{{"type": "snapshot", "id": "{text}"}}'),
                "source: UUID parsing failed at line 1 column …",
            )
            for text in ("snap", "abc", "a-b", "aaaaaaaa-bbb-cccc-dddd-eeeeeeeeeeee", "")
        ),
        (
            _raw_body(source='"snap"'),
            "source: invalid type, expected internally tagged enum ImageSource at line 1 column …",
        ),
        (
            _raw_body(source="null"),
            "source: invalid type, expected internally tagged enum ImageSource at line 1 column …",
        ),
    ],
)
def test_a_bad_body_is_refused_with_the_message_of_the_service(
    call: Caller, world: World, body: bytes, problem: str
) -> None:
    status, code, message = call("POST", "/v1/images", body).error
    assert (status, code) == (400, None)
    beginning, ellipsis, _ = problem.partition("…")
    assert message.startswith(JSON_PREFIX + beginning)
    assert ellipsis or message == JSON_PREFIX + problem


@pytest.mark.parametrize("garbage", [b" x", b"\n\n}", b"{}", b"\xff"])
def test_anything_after_the_json_of_a_body_is_ignored(call: Caller, world: World, garbage: bytes) -> None:
    body = b"\n " + json.dumps(world.body(description="ü\n")).encode() + garbage
    assert call("POST", "/v1/images", body).status == 201


def test_the_column_in_a_message_counts_bytes(call: Caller, world: World) -> None:
    body = json.dumps(world.body(name="ü"), ensure_ascii=False).encode()
    message = call("POST", "/v1/images", body).error[2]
    assert message.endswith(f"at line 1 column {len(body)}")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    body=st.binary()
    | st.text().map(str.encode)
    | _JSON.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(st.sampled_from(["name", "description", "os", "version", "source"]), _JSON).map(
        lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    )
)
def test_any_invalid_body_is_refused_with_400(call: Caller, body: bytes) -> None:
    status, code, message = call("POST", "/v1/images", body).error
    assert (status, code) == (400, None)
    assert message.startswith(JSON_PREFIX)


@pytest.mark.parametrize(
    ("limit", "problem"),
    [
        ("0", "invalid value: integer `0`, expected a nonzero u32"),
        ("000", "invalid value: integer `0`, expected a nonzero u32"),
        ("-3", "invalid digit found in string"),
        ("seven", "invalid digit found in string"),
        ("1.0", "invalid digit found in string"),
        ("%D9%A3", "invalid digit found in string"),
        ("", "cannot parse integer from empty string"),
        ("4294967296", "number too large to fit in target type"),
        ("9" * 5000, "number too large to fit in target type"),
        ("1&limit=2", "duplicate field `limit`"),
    ],
)
def test_a_bad_limit_is_refused(call: Caller, limit: str, problem: str) -> None:
    assert call("GET", f"/v1/images?limit={limit}").error == (400, None, QUERY_PREFIX + problem)


@pytest.mark.parametrize("limit", ["1", "%2B1", "0001", "4294967295"])
def test_a_valid_limit_is_accepted(call: Caller, limit: str) -> None:
    assert call("GET", f"/v1/images?limit={limit}").status == 200


def test_an_unknown_sort_order_is_refused(call: Caller) -> None:
    problem = "unknown variant `foo`, expected one of `name_ascending`, `name_descending`, `id_ascending`"
    assert call("GET", "/v1/images?sort_by=foo").error == (400, None, QUERY_PREFIX + problem)


@pytest.mark.parametrize(
    "request_",
    [
        "POST /v1/images",
        "GET /v1/images/simg",
        "DELETE /v1/images/simg",
        "POST /v1/images/simg/promote",
        "POST /v1/images/simg/demote",
    ],
)
def test_a_project_given_twice_is_refused(call: Caller, world: World, request_: str) -> None:
    method, path = request_.split()
    body = world.body() if path == "/v1/images" else None
    reply = call(method, f"{path}?project=proj&project=proj", body)
    assert reply.error == (400, None, QUERY_PREFIX + "duplicate field `project`")


def test_a_listing_uses_the_last_of_repeated_parameters(call: Caller, world: World) -> None:
    reply = call("GET", "/v1/images?sort_by=foo&project=NO&project=proj&sort_by=name_descending")
    assert reply.names == ["pimg"]


def test_parameters_that_are_not_utf_8_are_tolerated_or_refused(call: Caller, world: World) -> None:
    assert call("GET", "/v1/images?more=%ff&%fe=1").names == ["simg"]
    neither = "data did not match any variant of untagged enum NameOrId"
    assert call("GET", "/v1/images?project=%ff").error == (400, None, QUERY_PREFIX + neither)


def test_error_bodies_are_utf_8(call: Caller) -> None:
    body = call("POST", "/v1/images", _raw_body(source='{"type": "ü", "id": ""}')).body
    assert "unknown variant `ü`" in body.decode()


def test_parameters_are_decoded_as_form_data(call: Caller, world: World) -> None:
    assert call("GET", "/v1/images?%70roject=%70roj").names == ["pimg"]
    assert call("GET", "/v1/images?project=pr+oj").status == 400


@given(text=st.text(st.characters(codec="utf-8"), min_size=1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_text_as_identifier_gets_200_400_or_404(call: Caller, text: str) -> None:
    for target in (f"/v1/images/{quote(text, safe='')}", f"/v1/images?project={quote(text, safe='')}"):
        reply = call("GET", target)
        assert reply.status in {200, 400, 404}, reply.body


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("2099010100.0.0", "server does not support this API version: 2099010100.0.0"),
        ("2026081901.0.1", "server does not support this API version: 2026081901.0.1"),
        ("not-a-semver", "unexpected character 'n' while parsing major version number: not-a-semver"),
        ("v1.0.0", "unexpected character 'v' while parsing major version number: v1.0.0"),
        *(
            (version, f"not a semantic version: {version}")
            for version in (
                "1",
                "1.",
                "1.2",
                "2026-06-08",
                "2026060800.00.0",
                "18446744073709551616.0.0",
                "9" * 5000,
                "1.0.0x",
                "1.0.0_",
                "1.0.0+a_",
                "1.0.0-",
                "1.0.0-01",
                "1.0.0-a_b",
                "1.0.0+a..b",
                "1.0.0-a..b",
                "1.0.0+",
                "",
            )
        ),
        ("ü", r'not ASCII: "\xfc"'),
    ],
)
def test_a_bad_api_version_is_refused(call: Caller, version: str, message: str) -> None:
    if not message.startswith("server"):
        message = f'bad value for header "api-version": {message}'
    for target in ("/v1/images", "/no/such/path", "/v1/images?limit=x"):
        reply = call("GET", target, token=None, headers={"api-version": version})
        assert reply.error == (400, None, message)


@pytest.mark.parametrize(
    "version",
    [
        "2025112000.0.0", "2026081901.0.0", "0.0.1", "2026060400.0.0", "2026081901.0.0-rc1", "1.2.3-a.1.b+c.01",
        "2026081901.0.0+build", f"1.0.0-{'9' * 5000}",
    ],
)  # fmt: skip
def test_a_valid_api_version_is_accepted(call: Caller, world: World, version: str) -> None:
    plain = call("GET", f"/v1/images/{world.pimg}")
    assert call("GET", f"/v1/images/{world.pimg}", headers={"api-version": version}).body == plain.body


def test_max_api_version_sets_the_newest_version() -> None:
    with Simulator(max_api_version="2026081901.0.0-rc2") as simulator:
        call = Caller(simulator)
        statuses = [
            call("GET", "/v1/images", headers={"api-version": f"2026081901.0.0{suffix}"}).status
            for suffix in ("-10", "-9.z", "-alpha", "-rc", "-rc.2", "-rc1", "-rc2", "-rc2.0", "-rc3", "")
        ]
        call.close()
    assert statuses == [200, 200, 200, 200, 200, 200, 200, 400, 400, 400]
    with Simulator(max_api_version="1.0.0-9") as simulator:
        call = Caller(simulator)
        assert call("GET", "/v1/images", headers={"api-version": "1.0.0-10"}).status == 400
        assert call("GET", "/v1/images", headers={"api-version": "1.0.0-8"}).status == 200
        call.close()
    with pytest.raises(ValueError, match="major version number"):
        Simulator(max_api_version="newest")
