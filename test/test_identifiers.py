"""What is a name and what is an ID: tables, and a second implementation of the server's rules to compare with."""

import string
from uuid import UUID

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from oxide._identifiers import NAME_MAX_BYTES, name_or_id, name_problem, parse_id

ID = UUID("a1b2c3d4-e5f6-4789-8abc-def012345678")
HEX = str(ID).replace("-", "")

TOO_LONG = "name may contain at most 63 characters"
EMPTY = "name requires at least one character"
BAD_START = "name must begin with an ASCII lowercase character"
BAD_END = 'name cannot end with "-"'
IS_ID = "name cannot be a UUID to avoid ambiguity with IDs"


def bad_character(shown: str) -> str:
    return (
        f'name contains invalid character: "{shown}" '
        '(allowed characters are lowercase ASCII, digits, and "-")'
    )


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
    """Check a name rule by rule, in the server's order; of a bad character tell only that there is one."""
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
    """Return a written form of some ID with up to two characters put in, taken out or exchanged."""
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


@pytest.mark.parametrize("text", [str(ID), HEX, f"{{{ID}}}", f"urn:uuid:{ID}"])
def test_an_id_has_four_forms_in_any_case(text: str) -> None:
    for form in (text, text.upper(), text.title()):
        assert parse_id(form) == ID
        assert name_or_id(form) == ID


@pytest.mark.parametrize(
    "text",
    [
        "",
        "alpine",
        "deadbeef-deadbeef-deadbeef-deadbeef",
        "deadbeef-deadbeef-deadbeef-abcde",
        "a1b2c3d4e5f6-4789-8abc-def012345678",
        "a1b2c3d4-e5f64789-8abc-def012345678",
        "-".join(HEX),
        HEX[:-1],
        HEX + "0",
        f"{{{HEX}}}",
        f"urn:uuid:{HEX}",
        f"urn:{ID}",
        f"uuid:{ID}",
        f"urn:uuid:{{{ID}}}",
        f"{{{ID}",
        f"{ID}}}",
        f"({ID})",
        f"{ID}\n",
        f" {ID}",
        f"0x{HEX}",
        str(ID).replace("a", "g"),
        str(ID).replace("-", "_"),
        str(ID).replace("1", "١"),
        str(ID).replace("a", "ａ"),
        HEX[:-2] + "__",
    ],
)
def test_anything_else_is_no_id(text: str) -> None:
    assert parse_id(text) is None


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "a0",
        "a-0",
        "a--b",
        "alpine-edge-3",
        "x" * 63,
        "urn",
        "deadbeef-deadbeef-deadbeef-deadbeef",
        "deadbeef-deadbeef-deadbeef-abcde",
        f"{HEX[:-1]}",
        f"{HEX}0",
        f"a{HEX}",
        "a1b2c3d4e5f6-4789-8abc-def012345678",
    ],
)
def test_legal_names(name: str) -> None:
    assert name_problem(name) is None
    assert name_or_id(name) == name


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        # Each row breaks the rule it is told of and, where it can, every later one.
        ("A" * 64, TOO_LONG),
        ("ä" * 32, TOO_LONG),
        ("a" + "\ud800" * 21, TOO_LONG),
        ("x" * 64, TOO_LONG),
        ("", EMPTY),
        ("A_-", BAD_START),
        ("0", BAD_START),
        ("-", BAD_START),
        ("_a", BAD_START),
        (" a", BAD_START),
        ("äa", BAD_START),
        ("ａ", BAD_START),
        (f"0{HEX[1:]}", BAD_START),
        (f"{{{ID}}}", BAD_START),
        ("aB-", bad_character("B")),
        ("a_b.c", bad_character("_")),
        ("a b", bad_character(" ")),
        ("a/../b", bad_character("/")),
        ("a\n", bad_character(r"\n")),
        ('a"', bad_character(r"\"")),
        ("a\\", bad_character(r"\\")),
        ("aé", bad_character("é")),
        ("a٣", bad_character("٣")),
        (f"urn:uuid:{ID}", bad_character(":")),
        ("a" * 62 + "_", bad_character("_")),
        ("a-", BAD_END),
        ("a1b2c3d4-", BAD_END),
        (str(ID), IS_ID),
        (HEX, IS_ID),
    ],
)
def test_illegal_names_and_the_rule_they_break(name: str, problem: str) -> None:
    assert name_problem(name) == problem


@given(text=TEXTS)
@example(text="deadbeef-deadbeef-deadbeef-deadbeef")
def test_parse_id_agrees_with_the_reference(text: str) -> None:
    assert parse_id(text) == reference_id(text)


@given(text=TEXTS)
def test_name_problem_agrees_with_the_reference(text: str) -> None:
    problem, expected = name_problem(text), reference_problem(text)
    assert problem == expected or (problem or "").startswith(f"{expected}: ")


@given(text=TEXTS)
def test_an_identifier_is_an_id_or_a_legal_name_or_refused_with_the_rule(text: str) -> None:
    problem = name_problem(text)
    if expected := parse_id(text):
        assert name_or_id(text) == expected
    elif problem is None:
        found = name_or_id(text)
        assert (type(found), found) == (str, text)
    else:
        with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
            name_or_id(text)
        assert str(caught.value) == problem


@given(text=TEXTS)
def test_what_is_sent_needs_no_escaping(text: str) -> None:
    """Names and canonical IDs are safe in a path and in a query as they are."""
    try:
        sent = str(name_or_id(text))
    except ValueError:
        assume(False)
    assert set(sent) <= set(string.ascii_lowercase + string.digits + "-")
    assert 0 < len(sent) <= NAME_MAX_BYTES
