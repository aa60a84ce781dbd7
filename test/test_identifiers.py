"""Names and IDs: tables of examples, and a second implementation of the server's rules to compare with."""

import string
from uuid import UUID

import pytest
from core_support import (
    BAD_END,
    BAD_START,
    EMPTY,
    IS_ID,
    TEXTS,
    TOO_LONG,
    reference_id,
    reference_problem,
)
from hypothesis import assume, example, given

from oxide._identifiers import NAME_MAX_BYTES, name_or_id, name_problem, parse_id

ID = UUID("a1b2c3d4-e5f6-4789-8abc-def012345678")
HEX = str(ID).replace("-", "")


def bad_character(shown: str) -> str:
    return (
        f'name contains invalid character: "{shown}" '
        '(allowed characters are lowercase ASCII, digits, and "-")'
    )


@pytest.mark.parametrize("text", [str(ID), HEX, f"{{{ID}}}", f"urn:uuid:{ID}"])
def test_an_id_may_have_four_forms_in_any_case(text: str) -> None:
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
def test_anything_else_is_not_an_id(text: str) -> None:
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
def test_a_legal_name_has_no_problem(name: str) -> None:
    assert name_problem(name) is None
    assert name_or_id(name) == name


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        # Each name breaks the given rule and, if possible, every later one.
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
def test_an_illegal_name_is_reported_with_the_rule_it_breaks(name: str, problem: str) -> None:
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
def test_an_identifier_in_a_path_needs_no_escaping(text: str) -> None:
    """Names and canonical IDs are safe in a path and in a query without changes."""
    try:
        sent = str(name_or_id(text))
    except ValueError:
        assume(False)
    assert set(sent) <= set(string.ascii_lowercase + string.digits + "-")
    assert 0 < len(sent) <= NAME_MAX_BYTES
