"""Header lines are read by a grammar of our own: the result is that of http.client, or an error."""

import http.client
import io
import string

from hypothesis import given
from hypothesis import strategies as st
from transport.fault_server import http_response

from performance.served import served

NAMES = st.text(string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~", min_size=1, max_size=20)
VALUES = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f\x85\xa0"), max_size=40
).map(lambda text: text.strip(" \t"))
FRAMING = {"connection", "content-encoding", "content-length", "set-cookie", "transfer-encoding"}


@given(st.lists(st.tuples(NAMES.filter(lambda name: name.lower() not in FRAMING), VALUES), max_size=8))
def test_legal_headers_are_read_as_http_client_reads_them(fields: list[tuple[str, str]]) -> None:
    """Names and values are the same as those of http.client."""
    lines = [f"{name}: {value}" for name, value in fields]
    expected = http.client.parse_headers(io.BytesIO("\r\n".join([*lines, "", ""]).encode("latin-1")))
    with (
        served(http_response(200, b"{}", *lines)) as (images, _),
        images.image_list_without_preload_content() as response,
    ):
        headers = response.headers
    for name in expected:
        assert headers[name] == ", ".join(value.strip() for value in expected.get_all(name, []))
    assert len(headers) == len({name.lower() for name in expected}) + 1


def test_a_folded_line_continues_the_line_before_it() -> None:
    """Old servers break long values over lines; they become one (RFC 9112, section 5.2)."""
    wire = http_response(200, b"{}", "X: one", "  two", "\tthree", "Y: 1")
    with served(wire) as (images, _), images.image_list_without_preload_content() as response:
        assert response.headers["X"] == "one two three"
        assert response.headers["Y"] == "1"
