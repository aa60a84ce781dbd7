"""The docs agree with the code: names, signatures, types, defaults, statuses, exceptions."""

import collections.abc
import inspect
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from core_support import APIS, HELPERS, api_with
from markdown_it import MarkdownIt
from pydantic import AwareDatetime, BaseModel

import oxide
import oxide.testing
from oxide import _identifiers, exceptions
from oxide._attempt import PASSING_STATUSES
from oxide._call.decoding import class_for
from oxide._call.operation import Operation
from oxide._identity.names import DROPPED
from oxide._operations import MAX_LIMIT, OPERATIONS
from oxide.api._base import Api
from oxide.testing._routing import SUCCESS_STATUSES
from oxide.testing._simulator import ImageValues

ROOT = Path(__file__).parent.parent
API = "docs/ImagesApi.md"
FORMS = ("_with_http_info", "_without_preload_content")
OF_OPERATIONS = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)


def read(page: str) -> str:
    """Return a page of the project."""
    return (ROOT / page).read_text("utf-8")


def section(text: str, heading: str) -> str:
    """Return the text below a heading, up to the next one of the same or a higher level."""
    found = re.search(rf"^(#+) {re.escape(heading)}\n", text, re.MULTILINE)
    assert found, f"no heading {heading!r}"
    rest = text[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def rows(text: str) -> list[list[str]]:
    """Return the cells of the first table, without its header, as plain text."""
    table = re.search(r"^[-: ]+\|[-:| ]+\n((?:.*\|.*\n?)+)", text, re.MULTILINE)
    assert table, "no table"
    return [[plain(cell) for cell in re.split(r"(?<!\\)\|", line)] for line in table[1].splitlines()]


def plain(markdown: str) -> str:
    """Return a piece of Markdown without its marks and links."""
    without_links = re.sub(r"\[((?:[^][]|\[[^]]*\])*)\]\([^)]*\)", r"\1", markdown)
    return re.sub(r"[`*]|\\(?=\|)", "", without_links).strip()


def written(annotation: Any) -> str:
    """Return a type as the docs write it."""
    if annotation in {None, NoneType}:
        return "None"
    if annotation is AwareDatetime:
        return "datetime"
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is None:
        return getattr(annotation, "__name__", str(annotation))
    if origin is Annotated:
        return written(arguments[0])
    if origin is Literal:
        return " | ".join(map(repr, arguments))
    if origin in {Union, UnionType}:
        return " | ".join(map(written, arguments))
    if origin is collections.abc.Callable:
        *parameters, result = arguments
        return f"Callable[[{', '.join(map(written, parameters[0]))}], {written(result)}]"
    return f"{origin.__name__}[{', '.join(map(written, arguments))}]"


def written_without_none(annotation: Any) -> str:
    """Return a type as the docs write it where "optional" stands beside it."""
    return written(annotation).removesuffix(" | None")


def call(method: Callable[..., Any]) -> str:
    """Return a signature as the docs write it."""
    parameters: list[str] = []
    for parameter in inspect.signature(method).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in parameters:
            parameters.append("*")
        if parameter.kind is parameter.VAR_KEYWORD:
            parameters.append("**" + parameter.name)
        elif parameter.default is parameter.empty:
            parameters.append(parameter.name)
        else:
            parameters.append(f"{parameter.name}={parameter.default!r}")
    parameters = [parameter for parameter in parameters if parameter != "self"]
    return f"{method.__name__}({', '.join(parameters)}) -> {written(inspect.signature(method).return_annotation)}"


def public_methods(kind: type) -> set[str]:
    """Return the names of the public methods of a class."""
    return {
        name
        for name in dir(kind)
        if not name.startswith("_") and not isinstance(getattr(kind, name), property)
    }


def page_of(api: type[Api]) -> str:
    """Return the page that describes an API."""
    return read(f"docs/{api.__name__}.md")


def section_of(operation: Operation[Any], part: str) -> str:
    """Return a part of the documentation of an operation."""
    return section(section(page_of(api_with(operation.id)), operation.id), part)


def operations_of(api: type[Api]) -> list[Operation[Any]]:
    return [operation for operation in OPERATIONS if api_with(operation.id) is api]


OF_ALL_APIS = {"from_environment", "close"}
EACH_API = pytest.mark.parametrize("api", APIS)


@EACH_API
def test_exactly_the_existing_methods_are_documented(api: type[Api]) -> None:
    plain_forms = {operation.id for operation in operations_of(api)}
    other_forms = {name + form for name in plain_forms for form in FORMS}
    helpers = HELPERS.get(api.__name__, set()) | OF_ALL_APIS
    assert public_methods(api) == plain_forms | other_forms | helpers
    headings = set(re.findall(r"^#+ (\w+)$", page_of(api), re.MULTILINE))
    assert {name for name in headings if name.islower()} == plain_forms | helpers


@EACH_API
def test_the_table_of_methods_has_every_operation(api: type[Api]) -> None:
    expected = [[operation.id, f"{operation.method} {operation.path}"] for operation in operations_of(api)]
    assert [row[-3:-1] for row in rows(page_of(api))] == expected


def test_the_table_of_all_methods_is_complete() -> None:
    documented = [
        row[-3:-1] for row in rows(section(read("docs/index.md"), "Documentation for API endpoints"))
    ]
    assert documented == [[operation.id, f"{operation.method} {operation.path}"] for operation in OPERATIONS]


@pytest.mark.parametrize(
    ("api", "name"),
    [(api, name) for api in APIS for name in sorted(public_methods(api)) if not name.endswith(FORMS)],
)
def test_each_documented_signature_is_that_of_the_method(api: type[Api], name: str) -> None:
    assert section(page_of(api), name).startswith(f"> `{call(getattr(api, name))}`\n")


@OF_OPERATIONS
def test_the_parameters_of_each_operation_are_documented(operation: Operation[Any]) -> None:
    parameters = list(inspect.signature(getattr(api_with(operation.id), operation.id)).parameters.values())[
        1:-1
    ]
    documented = rows(section_of(operation, "Parameters"))
    assert [(name, kind, notes.startswith("[optional]")) for name, kind, _, notes in documented] == [
        (
            parameter.name,
            written_without_none(parameter.annotation),
            parameter.default is None,
        )
        for parameter in parameters
    ]


def test_the_parameters_of_an_upload_are_documented() -> None:
    *parameters, _ = list(inspect.signature(oxide.ImagesApi.image_upload).parameters.values())[1:]
    documented = rows(section(read(API), "image_upload"))
    assert [(name, kind, notes.startswith("[optional]")) for name, kind, _, notes in documented] == [
        (
            parameter.name,
            written_without_none(parameter.annotation),
            parameter.default is not parameter.empty,
        )
        for parameter in parameters
    ]


@OF_OPERATIONS
def test_the_documented_return_types_are_those_of_the_methods(operation: Operation[Any]) -> None:
    text = plain(section_of(operation, "Return type"))
    text = " ".join(text.split())
    assert text.startswith(written(operation.result))
    with_info, open_response = (getattr(api_with(operation.id), operation.id + form) for form in FORMS)
    assert f"{with_info.__name__} returns {written(inspect.signature(with_info).return_annotation)}," in text
    opened = written(inspect.signature(open_response).return_annotation)
    assert f"{open_response.__name__} an open {opened}." in text


@OF_OPERATIONS
def test_the_documented_request_headers_fit_the_operation(operation: Operation[Any]) -> None:
    text = plain(section_of(operation, "HTTP request headers"))
    assert f"Content-Type: {'Not defined' if operation.body is None else 'application/json'}\n" in text
    assert text.endswith("Accept: application/json")


@OF_OPERATIONS
def test_the_documented_statuses_raise_the_documented_exceptions(operation: Operation[Any]) -> None:
    success, *failures = rows(section_of(operation, "HTTP response details"))
    assert (success[0], success[3]) == (str(SUCCESS_STATUSES[operation.id]), "")
    for status, _, headers, raised in failures:
        assert headers == "x-request-id"
        if status == "4XX":
            assert raised == "ApiException or below"
        else:
            kind = getattr(exceptions, raised)
            assert issubclass(kind, class_for(int(status.replace("X", "0")), raised))
    assert [row[0] for row in failures[-2:]] == ["4XX", "5XX"]
    docstring = inspect.getdoc(getattr(api_with(operation.id), operation.id)) or ""
    named = re.findall(r"^    (\w+): .*", docstring.partition("Raises:")[2], re.MULTILINE)
    assert set(named) <= {row[3] for row in failures}


def test_the_options_of_a_call_are_documented() -> None:
    documented = rows(section(read(API), "Options of one call"))
    hints = get_type_hints(oxide.RequestOptions)
    assert [(name, kind) for name, kind, _ in documented] == [
        (name, written(hint)) for name, hint in hints.items()
    ]


def test_the_documented_range_of_limit_is_enforced() -> None:
    limit = rows(section(section(read(API), "image_list"), "Parameters"))[0]
    assert f"1 to {MAX_LIMIT}" in limit[3]


MODELS = [name for name in dir(oxide.models) if hasattr(oxide, name) and name != "DigestType"]
WITH_A_PAGE = [name for name in MODELS if (ROOT / f"docs/{name}.md").exists()]
OF_MODELS = pytest.mark.parametrize(
    "model", [getattr(oxide, name) for name in WITH_A_PAGE], ids=lambda model: model.__name__
)


def test_every_model_is_listed() -> None:
    """Models without a page of their own are in the reference."""
    listed = re.findall(
        r"^- \[(\w+)\]\((.*)\)$", section(read("docs/index.md"), "Documentation for models"), re.MULTILINE
    )
    assert listed == [
        (name, f"{name}.md" if name in WITH_A_PAGE else "reference/models.md") for name in MODELS
    ]
    assert re.findall(r"\[(\w+)\]\(\.\./\1\.md\)", read("docs/reference/models.md")) == WITH_A_PAGE


@OF_MODELS
def test_the_page_of_a_model_has_every_field(model: type[BaseModel]) -> None:
    page = read(f"docs/{model.__name__}.md")
    documented = rows(section(page, "Properties"))
    assert [(name, kind, notes.startswith("[optional]")) for name, kind, _, notes in documented] == [
        (name, written_without_none(field.annotation), not field.is_required())
        for name, field in model.model_fields.items()
    ]
    keeps_unknown = model.model_config["extra"] == "allow"
    assert ("fields that this version does not know are kept" in page.lower()) == keeps_unknown


def test_the_reference_has_every_public_name_once() -> None:
    pages = [page.read_text("utf-8") for page in sorted((ROOT / "docs/reference").glob("*.md"))]
    listed = [name for page in pages for name in re.findall(r"^- `([\w.]+)`$", page, re.MULTILINE)]
    public = [f"{module.__name__}.{name}" for module in (oxide, oxide.testing) for name in module.__all__]
    assert sorted(listed) == sorted(public)


@pytest.mark.parametrize(
    "page", sorted(ROOT.glob("docs/**/*.md")), ids=lambda page: str(page.relative_to(ROOT))
)
def test_code_fits_the_width_of_the_site(page: Path) -> None:
    fences = [token for token in MarkdownIt().parse(page.read_text("utf-8")) if token.type == "fence"]
    # The site folds long lines of output, but not those of trees.
    code = [fence.content for fence in fences if fence.info != "text" or "── " in fence.content]
    assert [line for text in code for line in text.splitlines() if len(line) > 88] == []


def test_the_documented_block_sizes_are_those_of_the_model() -> None:
    *first, last = oxide.BlockSize
    row = rows(section(read("docs/Image.md"), "Properties"))[0]
    assert row[3] == f"An int: {', '.join(map(str, first))} or {last}"


def test_documented_lengths_are_those_of_the_model() -> None:
    for name, _, _, notes in rows(section(read("docs/ImageCreate.md"), "Properties")):
        constraints = oxide.ImageCreate.model_fields[name].metadata
        longest = [limit for part in constraints if (limit := getattr(part, "max_length", None)) is not None]
        assert re.findall(r"At most (\d+) characters", notes) == list(map(str, longest))
    assert f"1 to {_identifiers.NAME_MAX_BYTES} characters" in section(read("docs/NameOrId.md"), "Names")


def drawn_tree(kind: type[Exception], prefix: str = "") -> Iterator[str]:
    """Yield the lines of the tree of exceptions, each a class with Python's own bases."""
    below = [child for child in kind.__subclasses__() if child.__module__ == exceptions.__name__]
    for child in below:
        last = child is below[-1]
        own = [base.__name__ for base in child.__bases__ if base.__module__ == "builtins"]
        yield prefix + ("└── " if last else "├── ") + child.__name__ + "".join(f" ({name})" for name in own)
        yield from drawn_tree(child, prefix + ("    " if last else "│   "))


def test_the_documented_tree_of_exceptions_is_that_of_the_code() -> None:
    docstring = inspect.cleandoc(exceptions.__doc__ or "")
    (tree,) = re.findall(
        r"^```text\n(OpenApiException\n.*?)^```", read("docs/errors.md"), re.MULTILINE | re.DOTALL
    )
    assert inspect.cleandoc(docstring.split("\n\n")[1]) + "\n" == tree
    drawn = [re.split(r"  +(?=\S)(?![├└│])", line)[0] for line in tree.splitlines()]
    assert drawn == ["OpenApiException", *drawn_tree(oxide.OpenApiException)]


def test_the_docs_give_advice_for_each_exception() -> None:
    advised = [row[0] for row in rows(section(read("docs/errors.md"), "What to do"))]
    of_calls = [line.split("── ")[1].split(" (")[0] for line in drawn_tree(oxide.ApiException)]
    assert advised == of_calls


def test_the_attributes_of_exceptions_are_documented() -> None:
    documented = [row[0] for row in rows(section(read("docs/errors.md"), "Attributes"))]
    of_each = [name for name in vars(oxide.ApiException()) if not name.startswith("_")]
    of_class = [name for name, value in vars(oxide.ApiException).items() if isinstance(value, property)]
    assert documented == of_each + of_class
    assert of_each == attributes_in_docstring(oxide.ApiException)


def attributes_in_docstring(kind: type) -> list[str]:
    """Return the names that the docstring of a class gives its attributes."""
    return re.findall(r"^    (\w+): ", (inspect.getdoc(kind) or "").partition("Attributes:")[2], re.MULTILINE)


def test_the_documented_timeouts_are_the_defaults() -> None:
    configuration = oxide.Configuration()
    documented = rows(section(read("docs/retries-and-timeouts.md"), "Timeouts"))
    assert [(name, float(default)) for name, default, _ in documented] == [
        (name, getattr(configuration, name)) for name in ("timeout", "connect_timeout", "read_timeout")
    ]


def test_the_attributes_of_an_attempt_are_documented() -> None:
    documented = [row[0] for row in rows(section(read("docs/retries-and-timeouts.md"), "Watching"))]
    assert documented == [field.name for field in fields(oxide.Attempt)]


def test_the_documented_statuses_are_those_that_are_retried() -> None:
    documented = rows(section(read("docs/retries-and-timeouts.md"), "What is retried"))
    assert [", ".join(map(str, sorted(PASSING_STATUSES))), "retried", "no"] in documented


def test_dropped_settings_are_on_the_page_that_their_errors_name() -> None:
    page = read("docs/migrating.md")
    for name in DROPPED:
        setting: dict[str, Any] = {name: "x"}
        with pytest.raises(oxide.ApiTypeError, match=r"see docs/migrating\.md"):
            oxide.Configuration(**setting)
        assert f"`{name}`" in page


def test_the_values_of_a_seeded_image_are_documented() -> None:
    (row,) = (line for line in read("docs/testing.md").splitlines() if line.startswith("`create_image("))
    documented = re.findall(r"`(\w+)`", row.partition("`values`:")[2])
    assert set(documented) == set(ImageValues.__annotations__)


def test_the_changelog_has_a_section_for_the_version() -> None:
    assert re.search(rf"^## \[{re.escape(oxide.__version__)}\]", read("CHANGELOG.md"), re.MULTILINE)


def test_the_map_of_the_code_has_every_module() -> None:
    (picture,) = re.findall(
        r"^```text\n(.*?)^```",
        section(read("CONTRIBUTING.md"), "A map of the code"),
        re.MULTILINE | re.DOTALL,
    )
    drawn = re.findall(r"── (\w+)(?:\.py|/)(?= )", picture)
    rooms = [*ROOT.glob("oxide/*.py"), *(path.parent for path in ROOT.glob("oxide/*/__init__.py"))]
    wings = [
        path for wing in ("_call", "_identity", "_transport") for path in ROOT.glob(f"oxide/{wing}/*.py")
    ]
    found = [path.stem for path in rooms + wings if path.name != "__init__.py"]
    assert sorted(drawn) == sorted(found)


def test_the_readme_names_the_requirements() -> None:
    project = tomllib.loads(read("pyproject.toml"))["project"]
    text = " ".join(section(read("README.md"), "Install").split())
    assert f"Python {project['requires-python'].removeprefix('>=')} or later" in text
    (names,) = re.findall(r"four dependencies: ([^.]*)\.", text)
    assert sorted(re.split(r", | and ", names)) == sorted(
        requirement.split(">=")[0] for requirement in project["dependencies"]
    )
