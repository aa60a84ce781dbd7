"""Models are strict in requests and lenient in responses, and lose nothing either way."""

import copy
import json
import pickle
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from core_support import IMAGE, NEW_IMAGE, PAGE, TEXTS, published_fields, reference_id, reference_problem
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

import oxide
from oxide import (
    BlockSize,
    Digest,
    DigestType,
    Error,
    Image,
    ImageCreate,
    ImageResultsPage,
    ImageSource,
    NameOrId,
    NameOrIdSortMode,
)

ID = UUID("a1b2c3d4-e5f6-4789-8abc-def012345678")
ERROR = {"request_id": "r-1", "error_code": "ObjectNotFound", "message": "not found"}
DIGEST = {"type": "sha256", "value": "00ff"}
RECEIVED: list[tuple[type[Any], dict[str, Any]]] = [
    (Digest, DIGEST),
    (Error, ERROR),
    (Image, dict(IMAGE)),
    (ImageResultsPage, dict(PAGE)),
]
OPTIONAL = {name for model, _ in RECEIVED for name in published_fields(model.__name__)[1]}

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


def maybe(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


def documents(model: type[BaseModel], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return JSON objects with these fields and some that the model does not know."""
    unknown = st.dictionaries(
        texts.filter(lambda name: name not in model.model_fields), json_values, max_size=2
    )
    return st.builds(lambda known, more: {**more, **known}, st.fixed_dictionaries(fields), unknown)


@st.composite
def timestamps(draw: st.DrawFn) -> tuple[str, datetime]:
    """Return a time as the service may write it, with 0 to 9 decimals, and its value."""
    moment = draw(st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30))).replace(microsecond=0)
    digits = draw(st.text("0123456789", max_size=9))
    hours = draw(st.integers(-12, 14) | st.none())
    zone = "Z" if hours is None else f"{hours:+03d}:00"
    text = f"{moment.isoformat()}{'.' if digits else ''}{digits}{zone}"
    micros = int(digits[:6].ljust(6, "0"))
    return text, moment.replace(microsecond=micros, tzinfo=timezone(timedelta(hours=hours or 0)))


times = timestamps().map(lambda pair: pair[0])
digests = documents(Digest, type=st.just("sha256") | texts, value=texts)
images = st.builds(
    lambda required, optional: {**required, **optional},
    documents(
        Image,
        block_size=st.sampled_from([512, 2048, 4096]) | st.integers(-(2**63), 2**63 - 1),
        description=texts,
        id=st.uuids().map(str),
        name=texts,
        os=texts,
        size=st.integers(0),
        time_created=times,
        time_modified=times,
        version=texts,
    ),
    maybe(digest=st.none() | digests, project_id=st.none() | st.uuids().map(str)),
)
pages = st.builds(
    lambda required, optional: {**required, **optional},
    documents(ImageResultsPage, items=st.lists(images, max_size=2)),
    maybe(next_page=st.none() | texts),
)
errors = st.builds(
    lambda required, optional: {**required, **optional},
    documents(Error, message=texts, request_id=texts),
    maybe(error_code=st.none() | texts),
)


def canonical(value: Any) -> Any:
    """Return a JSON value with every timestamp of an image written in one way, as `to_json` writes it."""
    if isinstance(value, list):
        return [canonical(item) for item in value]
    if not isinstance(value, dict):
        return value
    out = {key: canonical(item) for key, item in value.items()}
    for key in {"time_created", "time_modified"} & (out.keys() if "block_size" in out else set()):
        out[key] = datetime.fromisoformat(value[key])
    return out


def assert_alike(one: Any, other: Any) -> None:
    assert type(one) is type(other)
    assert one == other
    assert one.model_fields_set == other.model_fields_set
    assert one.to_dict() == other.to_dict()


def assert_round_trips(model: Any) -> None:
    cls = type(model)
    assert_alike(cls.from_dict(model.to_dict()), model)
    assert_alike(cls.from_json(model.to_json()), model)
    assert_alike(cls.from_json(model.to_json().encode()), model)
    assert_alike(cls.from_dict(json.loads(model.to_json())), model)
    assert_alike(pickle.loads(pickle.dumps(model)), model)
    assert_alike(copy.deepcopy(model), model)
    assert_alike(copy.copy(model), model)
    assert model.to_str()


class TestResponseModels:
    @pytest.mark.parametrize(
        ("cls", "document"),
        [(Image, images), (ImageResultsPage, pages), (Digest, digests), (Error, errors)],
        ids=["Image", "ImageResultsPage", "Digest", "Error"],
    )
    @given(data=st.data())
    def test_every_field_and_value_of_a_document_is_kept(
        self, cls: Any, document: Any, data: st.DataObject
    ) -> None:
        """Unknown fields and values, missing fields and nulls all come out again unchanged."""
        sent = data.draw(document)
        model = cls.from_json(json.dumps(sent))
        assert canonical(json.loads(model.to_json())) == canonical(sent)
        assert model.to_dict().keys() == sent.keys()
        assert_alike(cls.from_dict(sent), model)
        assert_round_trips(model)

    @pytest.mark.parametrize(("cls", "document"), RECEIVED)
    def test_a_missing_field_is_an_error_unless_optional(self, cls: Any, document: dict[str, Any]) -> None:
        assert set(document) <= set(cls.model_fields)
        optional = {name for name, field in cls.model_fields.items() if not field.is_required()}
        assert optional == published_fields(cls.__name__)[1]
        for field in cls.model_fields:
            rest = {name: value for name, value in document.items() if name != field}
            if field in OPTIONAL:
                assert getattr(cls.from_dict(rest), field) is None
                assert field not in cls.from_dict(rest).model_fields_set
                assert field in cls.from_dict({**rest, field: None}).model_fields_set
                continue
            for wrong, kind in ((rest, "missing"), ({**rest, field: None}, "")):
                with pytest.raises(ValidationError) as caught:
                    cls.from_dict(wrong)
                (problem,) = caught.value.errors()
                assert problem["loc"] == (field,)
                assert problem["type"].startswith(kind)

    @pytest.mark.parametrize(("cls", "document"), RECEIVED)
    def test_to_str_shows_every_field_and_nothing_else(self, cls: Any, document: dict[str, Any]) -> None:
        for fields in (document, {name: document[name] for name in document if name not in OPTIONAL}):
            shown = cls.from_dict(fields).to_str()
            assert {name for name in cls.model_fields if f"'{name}': " in shown} == set(fields)

    def test_unknown_fields_are_attributes(self) -> None:
        image = Image.from_dict({**IMAGE, "state": {"phase": "ready"}})
        assert image.state == {"phase": "ready"}  # type: ignore[attr-defined]  # unknown to this version
        assert image.to_dict()["state"] == {"phase": "ready"}
        assert image != Image.from_dict(dict(IMAGE))

    @pytest.mark.parametrize("make", [Image.from_json, Image.model_validate_json])
    def test_models_without_unknown_fields_are_equal_and_accept_new_attributes(
        self, make: Callable[[str], Image]
    ) -> None:
        """This holds for every way to make an image."""
        image, other = make(json.dumps(dict(IMAGE))), Image.from_dict(dict(IMAGE))
        assert image == other
        assert other == image
        assert image.model_extra == other.model_extra == {}
        for either in (image, other):
            either.state = "ready"  # type: ignore[attr-defined]  # unknown to this version
        image.model_extra["phase"] = other.model_extra["phase"] = 1
        assert image == other
        assert image.to_dict() == {**other.to_dict(), "state": "ready", "phase": 1}

    @pytest.mark.parametrize("place", ["page", "image", "digest"])
    def test_an_unknown_field_is_kept_at_any_depth(self, place: str) -> None:
        page: dict[str, Any] = {"items": [dict(IMAGE), {**IMAGE, "digest": dict(DIGEST)}]}
        {"page": page, "image": page["items"][1], "digest": page["items"][1]["digest"]}[place]["newer"] = [1]
        result = ImageResultsPage.from_json(json.dumps(page))
        assert canonical(json.loads(result.to_json())) == canonical(page)
        assert result == ImageResultsPage.from_dict(page)

    def test_an_unknown_field_does_not_hide_an_error(self) -> None:
        """A wrong field is reported as it would be without an unknown one; the unknown one is not mentioned."""
        document = json.dumps({**IMAGE, "newer": 1, "size": "big"})
        with pytest.raises(ValidationError) as caught:
            Image.from_json(document)
        with pytest.raises(ValidationError) as expected:
            Image.model_validate_json(document)
        assert caught.value.errors() == expected.value.errors()
        assert [error["loc"] for error in caught.value.errors()] == [("size",)]
        assert caught.value.__context__ is None

    @pytest.mark.parametrize("name", ["", "Not A Legal Name", "x" * 500, "ünï", str(ID)])
    def test_received_texts_may_have_any_form_and_length(self, name: str) -> None:
        long = "x" * 5000
        image = Image.from_dict({**IMAGE, "name": name, "description": long, "os": long, "version": long})
        assert (image.name, image.description, image.os, image.version) == (name, long, long, long)

    @pytest.mark.parametrize("size", [0, 2**63 - 1, 2**64 - 1, 2**80])
    def test_a_size_is_exact(self, size: int) -> None:
        image = Image.from_json(json.dumps({**IMAGE, "size": size}))
        assert (image.size, json.loads(image.to_json())["size"]) == (size, size)

    @given(pair=timestamps())
    @example(pair=("2023-11-14T22:13:20Z", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)))
    @example(pair=("2023-11-14T22:13:20.000100Z", datetime(2023, 11, 14, 22, 13, 20, 100, UTC)))
    @example(pair=("2023-11-14T22:13:20.999999999Z", datetime(2023, 11, 14, 22, 13, 20, 999999, UTC)))
    def test_a_time_may_have_nine_decimals_of_which_six_are_kept(self, pair: tuple[str, datetime]) -> None:
        text, moment = pair
        for image in (
            Image.from_json(json.dumps({**IMAGE, "time_created": text})),
            Image.from_dict({**IMAGE, "time_created": text}),
        ):
            assert image.time_created == moment
            assert image.time_created.utcoffset() == moment.utcoffset()

    @given(moment=st.datetimes())
    def test_a_time_without_a_zone_is_an_error(self, moment: datetime) -> None:
        for value in (moment, moment.isoformat()):
            with pytest.raises(ValidationError) as caught:
                Image.from_dict({**IMAGE, "time_modified": value})
            assert [problem["loc"] for problem in caught.value.errors()] == [("time_modified",)]

    @pytest.mark.parametrize(
        ("change", "where"),
        [
            ({"name": 5}, ("name",)),
            ({"id": "debian-13"}, ("id",)),
            ({"size": "big"}, ("size",)),
            ({"block_size": "big"}, ("block_size",)),
            ({"block_size": 512.5}, ("block_size",)),
            ({"time_created": "yesterday"}, ("time_created",)),
            ({"digest": "00ff"}, ("digest",)),
            ({"digest": {"type": 256, "value": ""}}, ("digest", "type")),
            ({"digest": {"type": "sha256"}}, ("digest", "value")),
        ],
    )
    def test_a_value_of_a_wrong_type_is_an_error(
        self, change: dict[str, Any], where: tuple[str, ...]
    ) -> None:
        for read in (Image.from_dict, lambda document: Image.from_json(json.dumps(document))):
            with pytest.raises(ValidationError) as caught:
                read({**IMAGE, **change})
            assert caught.value.errors()[0]["loc"] == where

    @given(
        text=st.from_regex(r"[+-]?[0-9]{1,30}([.][0-9]{0,12})?", fullmatch=True)
        | st.floats(0, 2e9)
        | st.integers(0, 2**40)
    )
    @example(text="1700000000")
    @example(text="1700000000.123456789")
    @example(text="000000000001700000000")
    @example(text=1700000000)
    @example(text=1.7e9)
    @example(text=True)
    def test_neither_a_number_nor_a_text_of_digits_is_a_time(self, text: str | float) -> None:
        for read in (Image.from_dict, lambda document: Image.from_json(json.dumps(document))):
            with pytest.raises(ValidationError) as caught:
                read({**IMAGE, "time_modified": text})
            assert [problem["loc"] for problem in caught.value.errors()] == [("time_modified",)]

    def test_the_schema_of_a_time_is_date_time(self) -> None:
        schema = Image.model_json_schema()["properties"]["time_created"]
        assert (schema["type"], schema["format"]) == ("string", "date-time")

    def test_iterating_over_a_page_is_an_error_that_says_what_to_iterate(self) -> None:
        page: Any = ImageResultsPage.from_dict(dict(PAGE))
        uses: list[Callable[[], object]] = [
            lambda: list(page),
            lambda: dict(page),
            lambda: [*page],
            lambda: iter(page),
        ]
        for use in uses:
            with pytest.raises(TypeError, match=r"not iterable.* \.items.* image_list_iter\(\)"):
                use()

    @pytest.mark.parametrize(
        ("change", "text"),
        [
            (
                {},
                "debian-13 (0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0), 2 GiB, project 12345678-9abc-4def-8123-456789abcdef",
            ),
            ({"project_id": None}, "debian-13 (0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0), 2 GiB, silo"),
            (
                {"size": 0, "project_id": None},
                "debian-13 (0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0), 0 bytes, silo",
            ),
            (
                {"size": 1023, "name": "a\nb", "project_id": None},
                "a b (0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0), 1023 bytes, silo",
            ),
            (
                {"size": 1536 * 2**20, "project_id": None},
                "debian-13 (0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0), 1.5 GiB, silo",
            ),
            (
                {"size": 2**63, "project_id": None},
                "debian-13 (0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0), 8192 PiB, silo",
            ),
        ],
    )
    def test_str_of_an_image_is_one_short_line(self, change: dict[str, Any], text: str) -> None:
        image = Image.from_dict({**IMAGE, **change})
        assert f"{image}" == str(image) == text
        assert "block_size" in repr(image)

    def test_str_of_an_odd_image_is_still_one_short_line(self) -> None:
        assert len(str(Image.from_dict({**IMAGE, "name": "x\n" * 5000})).encode()) <= 200
        assert str(Image.model_construct()) == "None (None), size unknown, silo"

    def test_a_page_of_wrong_items_reports_only_the_first(self) -> None:
        with pytest.raises(ValidationError) as caught:
            ImageResultsPage.from_json(json.dumps({"items": [{}] * 1000}))
        assert {problem["loc"][:2] for problem in caught.value.errors()} == {("items", 0)}

    def test_an_assignment_to_a_received_model_is_checked(self) -> None:
        image = Image.from_dict(dict(IMAGE))
        with pytest.raises(ValidationError):
            image.time_created = datetime(2026, 1, 1)
        with pytest.raises(ValidationError):
            image.size = None  # type: ignore[assignment]  # what is tested
        image.block_size = 8192  # type: ignore[assignment]  # what is tested
        assert image.block_size.is_unknown


def check_member(cls: Any, value: Any, known: set[Any]) -> None:
    names = list(cls.__members__)
    member = cls(value)
    assert type(member) is cls
    assert member == value
    assert member == cls(value)
    assert hash(member) == hash(value)
    assert (member.value, str(member), f"{member}") == (value, str(value), str(value))
    assert member.is_unknown is (value not in known)
    assert (member.name in names) is (value in known)
    assert json.loads(json.dumps(member)) == value
    assert repr(value) in repr(member)
    for twin in (pickle.loads(pickle.dumps(member)), copy.deepcopy(member), copy.copy(member)):
        assert (type(twin), twin, twin.is_unknown) == (cls, member, member.is_unknown)
    # Nothing is kept of an unknown value.
    assert (cls(value) is member) is (value in known)
    assert list(cls.__members__) == names
    assert {one.value for one in cls} == known


class TestOpenEnums:
    @given(value=st.integers() | st.sampled_from([512, 2048, 4096]))
    def test_any_integer_is_a_block_size(self, value: int) -> None:
        check_member(BlockSize, value, known={512, 2048, 4096})

    @given(value=texts | st.just("sha256"))
    def test_any_text_is_a_digest_type(self, value: str) -> None:
        check_member(DigestType, value, known={"sha256"})

    def test_a_block_size_behaves_like_an_integer(self) -> None:
        assert (
            f"{BlockSize.NUMBER_4096:,} {BlockSize(8192):>6d} {BlockSize.NUMBER_512:x}" == "4,096   8192 200"
        )
        assert BlockSize(8192) + 1 == 8193
        assert sorted([BlockSize(8192), BlockSize.NUMBER_512, BlockSize(1024)]) == [512, 1024, 8192]

    @pytest.mark.parametrize("value", ["512", "x", b"y", 8192.0, 0.5, True, None, (), [512]])
    def test_only_an_int_is_a_block_size(self, value: Any) -> None:
        with pytest.raises(ValueError, match="not a valid BlockSize"):
            BlockSize(value)

    @pytest.mark.parametrize("value", [b"sha256", 256, None, True, ["sha256"]])
    def test_only_a_str_is_a_digest_type(self, value: Any) -> None:
        with pytest.raises(ValueError, match="not a valid DigestType"):
            DigestType(value)

    def test_a_block_size_is_read_from_json(self) -> None:
        assert BlockSize.from_json("512") is BlockSize.NUMBER_512
        assert BlockSize.from_json(b"8192").is_unknown
        for wrong in ('"512"', "null", "true", "0.5", "[]"):
            with pytest.raises(ValueError, match="not a valid BlockSize"):
                BlockSize.from_json(wrong)

    def test_unknown_enum_values_survive_in_an_image(self) -> None:
        digest = {"type": "blake3", "value": "00"}
        image = Image.from_dict({**IMAGE, "block_size": 8192, "digest": digest})
        assert image.digest is not None
        assert (image.block_size, image.digest.type) == (8192, "blake3")
        assert image.block_size.is_unknown
        assert image.digest.type.is_unknown
        assert json.loads(image.to_json())["digest"] == digest


class TestSortMode:
    def test_an_unknown_sort_mode_is_refused(self) -> None:
        assert [mode.value for mode in NameOrIdSortMode] == [
            "name_ascending",
            "name_descending",
            "id_ascending",
        ]
        wrong: Any
        for wrong in ("time_ascending", "NAME_ASCENDING", "", 0, None):
            with pytest.raises(ValueError, match="not a valid NameOrIdSortMode"):
                NameOrIdSortMode(wrong)

    def test_a_sort_mode_is_read_from_json(self) -> None:
        assert NameOrIdSortMode.from_json('"id_ascending"') is NameOrIdSortMode.ID_ASCENDING
        with pytest.raises(ValueError, match="not a valid NameOrIdSortMode"):
            NameOrIdSortMode.from_json('"time"')


def problems(build: Callable[[], object]) -> dict[str, str]:
    """Return the validation errors of `build` by field; none if it succeeds."""
    try:
        build()
    except ValidationError as error:
        return {".".join(map(str, line["loc"])): line["msg"] for line in error.errors()}
    return {}


class TestRequestModels:
    def test_a_valid_request_round_trips(self) -> None:
        create = ImageCreate.from_dict(NEW_IMAGE)
        assert json.loads(create.to_json()) == NEW_IMAGE
        assert create.to_dict() == {
            **NEW_IMAGE,
            "source": {"type": "snapshot", "id": UUID(NEW_IMAGE["source"]["id"])},
        }
        assert_round_trips(create)
        assert_round_trips(create.source)

    @given(name=TEXTS)
    @example(name="deadbeef-deadbeef-deadbeef-deadbeef")
    @example(name="aaaaaaaa222233334444555555555555")
    @example(name="aB")
    def test_a_name_is_refused_by_the_same_rule_as_on_the_server(self, name: str) -> None:
        expected = reference_problem(name)
        found = problems(lambda: ImageCreate.from_dict({**NEW_IMAGE, "name": name}))
        if any("\ud800" <= c <= "\udfff" for c in name):
            # UTF-8 cannot encode these, so pydantic's own rule comes before the server's.
            assert found.keys() == {"name"}
        elif expected is None:
            assert found == {}
        else:
            assert found.keys() == {"name"}
            assert found["name"].startswith(f"Value error, {expected}")

    @pytest.mark.parametrize(("field", "most"), [("description", 512), ("os", 64), ("version", 64)])
    @pytest.mark.parametrize("character", ["x", "ä", "漢", "😀"])
    def test_texts_may_be_as_long_as_the_database_of_the_server_allows(
        self, field: str, most: int, character: str
    ) -> None:
        assert problems(lambda: ImageCreate.from_dict({**NEW_IMAGE, field: character * most})) == {}
        found = problems(lambda: ImageCreate.from_dict({**NEW_IMAGE, field: character * (most + 1)}))
        assert found == {field: f"String should have at most {most} characters"}
        assert problems(lambda: ImageCreate.from_dict({**NEW_IMAGE, field: ""})) == {}

    @pytest.mark.parametrize("field", NEW_IMAGE)
    def test_every_field_of_a_request_is_required_and_not_nullable(self, field: str) -> None:
        rest = {name: value for name, value in NEW_IMAGE.items() if name != field}
        assert problems(lambda: ImageCreate.from_dict(rest)) == {field: "Field required"}
        assert problems(lambda: ImageCreate.from_dict({**rest, field: None})).keys() == {field}

    @given(field=st.sampled_from(["description", "name", "os", "version"]), value=json_values | st.binary())
    def test_a_text_must_be_a_str(self, field: str, value: object) -> None:
        found = problems(lambda: ImageCreate.from_dict({**NEW_IMAGE, field: value}))
        assert isinstance(value, str) or found.keys() == {field}

    @given(name=texts)
    def test_unknown_fields_are_refused_by_name(self, name: str) -> None:
        known = name in ImageCreate.model_fields or name in ImageSource.model_fields
        if not known:
            source = NEW_IMAGE["source"]
            assert problems(lambda: ImageCreate.from_dict({**NEW_IMAGE, name: 1})) == {
                name: "Extra inputs are not permitted"
            }
            assert problems(lambda: ImageSource.from_dict({**source, name: 1})) == {
                name: "Extra inputs are not permitted"
            }
            found = problems(lambda: ImageCreate.from_dict({**NEW_IMAGE, "source": {**source, name: 1}}))
            assert found.keys() == {f"source.{name}"}

    def test_an_assignment_to_a_request_model_is_checked(self) -> None:
        create = ImageCreate.from_dict(NEW_IMAGE)
        assert problems(lambda: setattr(create, "name", "Bad")).keys() == {"name"}
        assert problems(lambda: setattr(create, "nmae", "good")).keys() == {"nmae"}
        assert problems(lambda: setattr(create.source, "type", "url")).keys() == {"type"}
        assert create == ImageCreate.from_dict(NEW_IMAGE)

    @given(text=TEXTS)
    def test_a_snapshot_can_be_given_only_by_id(self, text: str) -> None:
        expected = reference_id(text)
        builds: list[Callable[[], ImageSource]] = [
            lambda: ImageSource.from_dict({"id": text}),
            lambda: ImageSource.from_json(json.dumps({"id": text})),
        ]
        for build in builds:
            if expected is None:
                # A lone surrogate is found while the JSON is read, which is before any field.
                assert problems(build).keys() in ({"id"}, {""})
            else:
                assert build().id == expected

    @pytest.mark.parametrize("value", [None, 5, b"0123456789abcdef", str(ID).encode(), [str(ID)], 1.5])
    def test_anything_but_text_and_uuid_is_not_an_id(self, value: Any) -> None:
        assert problems(lambda: ImageSource(id=value)).keys() == {"id"}

    @pytest.mark.parametrize("kind", ["url", "SNAPSHOT", "", None, 5])
    def test_a_source_can_only_be_a_snapshot(self, kind: Any) -> None:
        assert problems(lambda: ImageSource(id=ID, type=kind)).keys() == {"type"}

    def test_the_type_of_a_source_is_kept_however_it_is_built(self) -> None:
        plain = ImageSource(id=ID)
        sources = [
            plain,
            ImageSource(id=ID, type="snapshot"),
            ImageSource.from_dict({"id": ID}),
            ImageSource.from_json(f'{{"id": "{ID}"}}'),
            ImageSource.model_construct(id=ID),
            plain.model_copy(),
            plain.model_copy(deep=True),
            ImageSource(id=UUID(int=0)).model_copy(update={"id": ID}),
            copy.copy(plain),
            copy.deepcopy(plain),
            pickle.loads(pickle.dumps(plain)),
        ]
        for source in sources:
            expected = {"id": ID, "type": "snapshot"}
            assert source.to_dict() == expected
            assert source.model_dump(exclude_unset=True) == expected
            assert json.loads(source.to_json()) == {"id": str(ID), "type": "snapshot"}
            create = ImageCreate.from_dict({**NEW_IMAGE, "source": source})
            assert json.loads(create.to_json())["source"] == {"id": str(ID), "type": "snapshot"}


class _Mixed(str, Enum):  # noqa: UP042 - str() of such a member is its name, which must not be kept
    PLACE = "my-place"


class TestNameOrId:
    @given(text=TEXTS)
    def test_a_text_is_an_id_or_a_legal_name_or_refused(self, text: str) -> None:
        expected = reference_id(text)
        if expected is None and reference_problem(text):
            assert problems(lambda: NameOrId(text)).keys() == {"actual_instance"}
        else:
            assert NameOrId(text).actual_instance == (expected or text)

    @pytest.mark.parametrize(("given", "kept"), [("my-place", "my-place"), (ID, ID), (ID.urn, ID)])
    def test_every_form_of_an_identifier_is_accepted(self, given: Any, kept: str | UUID) -> None:
        one = NameOrId(given)
        assert type(one.actual_instance) is type(kept)
        assert (one.actual_instance, str(one), one.to_dict()) == (kept, str(kept), kept)
        assert one.to_json() == f'"{kept}"'
        for same in (
            NameOrId(actual_instance=given),
            NameOrId.from_dict(given),
            NameOrId.from_dict(one.to_dict()),
            NameOrId.from_json(one.to_json()),
            NameOrId.from_json(one.to_json().encode()),
            pickle.loads(pickle.dumps(one)),
            copy.copy(one),
            copy.deepcopy(one),
            NameOrId.model_validate({"actual_instance": given}),
        ):
            assert same == one
            assert type(same.actual_instance) is type(kept)
        assert one != NameOrId("elsewhere")
        assert str(kept) in one.to_str()

    def test_an_enum_member_is_read_as_its_text(self) -> None:
        one = NameOrId(_Mixed.PLACE)
        assert (str(one), one.to_json(), type(one.actual_instance)) == ("my-place", '"my-place"', str)

    @pytest.mark.parametrize(
        "value", [None, 5, True, b"my-place", ["my-place"], NameOrId("my-place"), ID.bytes]
    )
    def test_anything_else_is_not_an_identifier(self, value: Any) -> None:
        assert problems(lambda: NameOrId(value)).keys() == {"actual_instance"}

    def test_an_identifier_without_a_value_is_refused(self) -> None:
        with pytest.raises(TypeError):
            NameOrId()  # type: ignore[call-arg]  # what is tested

    def test_an_assignment_to_an_identifier_is_checked(self) -> None:
        one = NameOrId("my-place")
        assert problems(lambda: setattr(one, "actual_instance", "Bad")).keys() == {"actual_instance"}
        one.actual_instance = ID.urn
        assert one.actual_instance == ID


def test_a_model_of_a_program_resolves_names_where_it_is_rebuilt() -> None:
    class Registered(oxide.Image):
        owner: "Owner"

    class Owner(BaseModel):
        name: str

    Registered.model_rebuild()
    assert Registered.from_dict({**IMAGE, "owner": {"name": "ann"}}).owner.name == "ann"


def test_a_model_of_a_program_resolves_names_where_it_is_first_used() -> None:
    class Registered(oxide.Image):
        owner: "Owner"

    class Owner(BaseModel):
        name: str

    assert Registered.model_validate({**IMAGE, "owner": {"name": "ann"}}).owner.name == "ann"


def test_a_model_of_a_program_that_cannot_be_built_yet_does_not_prevent_a_client() -> None:
    class Registered(oxide.Image):
        owner: "Nowhere"  # type: ignore[name-defined]  # noqa: F821 - what is tested

    with oxide.ApiClient():
        assert not Registered.__pydantic_complete__


def test_models_have_the_fields_of_the_published_contract() -> None:
    public = {value for name in dir(oxide) if isinstance(value := getattr(oxide, name), type)}
    models = {model for model in public if issubclass(model, BaseModel)}
    assert models == {Digest, Error, Image, ImageCreate, ImageResultsPage, ImageSource, NameOrId}
    for model in models - {NameOrId}:
        assert set(model.model_fields) == published_fields(model.__name__)[0], model.__name__


@pytest.mark.parametrize("cls", [Digest, Error, Image, ImageCreate, ImageResultsPage, ImageSource])
@pytest.mark.parametrize("text", ["", "{", "null", "[]", '"x"', b"\xff", "{}"])
def test_json_that_does_not_describe_the_model_is_an_error(cls: Any, text: str | bytes) -> None:
    with pytest.raises(ValidationError):
        cls.from_json(text)


@pytest.mark.parametrize("text", ["", "{", "null", "[]", "5", '"Bad"', b"\xff"])
def test_json_that_is_not_an_identifier_is_an_error(text: str | bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of json or of pydantic
        NameOrId.from_json(text)
