"""The public names, and the agreement of signatures and docstrings with the table of operations."""

import http.client
import inspect
import json
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, Unpack, get_type_hints
from urllib.parse import urlsplit

import pytest
from core_support import APIS, BY_NAME, CONTRACTS, FORMS, HELPERS, Contract, api_with

import oxide
import oxide.testing
from oxide._call.operation import Operation
from oxide._operations import OPERATIONS
from oxide.api._base import Api
from oxide.testing import Simulator

PACKAGE = Path(oxide.__file__).parent
MODELS = {
    "BlockSize": "block_size",
    "Digest": "digest",
    "Error": "error",
    "Image": "image",
    "ImageCreate": "image_create",
    "ImageResultsPage": "image_results_page",
    "ImageSource": "image_source",
    "NameOrId": "name_or_id",
    "NameOrIdSortMode": "name_or_id_sort_mode",
}
ERRORS = [
    "ApiAttributeError",
    "ApiException",
    "ApiKeyError",
    "ApiTypeError",
    "ApiValueError",
    "BadRequestException",
    "ConflictException",
    "ForbiddenException",
    "NotFoundException",
    "OpenApiException",
    "ServiceException",
    "UnauthorizedException",
    "UnprocessableEntityException",
]
# Type checkers do not know it, since it is made at the first use.
NAMES: list[str] = import_module("oxide").__all__
MODULES = ["api", "api_client", "api_response", "configuration", "exceptions", "models", "rest"]
# Where generated clients have each name: the paths are part of the contract.
PATHS = [
    *((f"oxide.models.{module}", name) for name, module in MODELS.items()),
    *(("oxide.models", name) for name in MODELS),
    *(("oxide.exceptions", name) for name in ERRORS),
    ("oxide.api", "ImagesApi"),
    ("oxide.api.images_api", "ImagesApi"),
    ("oxide.api_client", "ApiClient"),
    ("oxide.api_response", "ApiResponse"),
    ("oxide.configuration", "Configuration"),
    ("oxide.rest", "ApiException"),
    ("oxide.rest", "RESTResponse"),
]


def fresh(program: str) -> Any:
    """Run a program in an interpreter of its own, and return what it prints as JSON."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"import json, sys\n{program}"],
        check=True,
        capture_output=True,
        text=True,
        cwd=PACKAGE.parent,
    )
    return json.loads(done.stdout)


class TestPackageNames:
    def test_all_is_sorted_and_lists_every_public_name(self) -> None:
        seen = fresh("""
import oxide
before = [name for name in vars(oxide) if not name.startswith("_")]
listed = dir(oxide)
values = {name: getattr(oxide, name).__name__ for name in oxide.__all__}
after = [name for name in vars(oxide) if not name.startswith("_")]
starred = {}
exec("from oxide import *", starred)
print(json.dumps([before, listed, values, after, sorted(starred.keys() - {"__builtins__"}), oxide.__all__]))
""")
        before, listed, values, after, starred, names = seen
        assert names == NAMES == sorted(set(NAMES))
        assert starred == names
        assert values == {name: name for name in names}
        assert before == ["TYPE_CHECKING"]
        assert listed == sorted([*names, *MODULES, "__version__"])
        assert set(after) == {*before, *names, *MODULES}

    @pytest.mark.parametrize(
        "name", ["ImageApi", "image_list", "_call2", "VERSION", "testing2", "__wrapped__"]
    )
    @pytest.mark.parametrize("module", ["oxide", "oxide.api", "oxide.models"])
    def test_a_misspelled_name_is_an_attribute_error(self, module: str, name: str) -> None:
        found = import_module(module)
        with pytest.raises(AttributeError, match=f"module '{module}' has no attribute '{name}'") as caught:
            getattr(found, name)
        assert (caught.value.name, caught.value.obj) == (name, found)
        with pytest.raises(ImportError, match=name):
            exec(f"from {module} import {name}")

    @pytest.mark.parametrize(
        ("name", "meant"),
        [
            ("NotFoundExcepton", "NotFoundException"),
            ("NotFoundError", "NotFoundException"),
            ("ImageApi", "ImagesApi"),
            ("Imagecreate", "ImageCreate"),
        ],
    )
    def test_python_suggests_the_right_name_for_a_misspelled_one(self, name: str, meant: str) -> None:
        done = subprocess.run(
            [sys.executable, "-c", f"import oxide\noxide.{name}"],
            check=False,
            capture_output=True,
            text=True,
            cwd=PACKAGE.parent,
        )
        assert f"Did you mean: '{meant}'?" in done.stderr

    def test_the_version_is_a_literal(self) -> None:
        source = (PACKAGE / "_version.py").read_text("utf-8")
        assert re.search(r'^__version__ = "(\d+\.\d+\.\d+)"$', source, re.MULTILINE)
        assert f'"{oxide.__version__}"' in source

    @pytest.mark.parametrize("module", ["oxide.api", "oxide.models", "oxide.testing"])
    def test_the_public_names_of_each_subpackage_are_sorted_and_exist(self, module: str) -> None:
        found = import_module(module)
        assert found.__all__ == sorted(found.__all__)
        assert all(hasattr(found, name) for name in found.__all__)


class TestGeneratedClientNames:
    @pytest.mark.parametrize(("module", "name"), PATHS)
    def test_each_name_has_the_module_path_of_generated_clients(self, module: str, name: str) -> None:
        assert getattr(import_module(module), name) is getattr(oxide, name)

    def test_submodules_are_attributes_after_importing_the_package(self) -> None:
        for path in (
            "oxide.rest.ApiException",
            "oxide.models.digest.Digest",
            "oxide.api.images_api.ImagesApi",
        ):
            assert fresh(f"import oxide\nprint(json.dumps({path}.__name__))") == path.rpartition(".")[2]

    @pytest.mark.long
    def test_every_module_can_be_the_first_to_be_imported(self) -> None:
        modules = sorted(
            ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
            for path in PACKAGE.rglob("*.py")
            if path.name != "__main__.py"
        )
        failed = fresh(f"""
import importlib, os
# Imported once for all children, which then import only modules of the package.
import pydantic, pydantic.networks, urllib3, urllib3.util.ssl_, dateutil.parser, h11, trustme
failed = []
for name in {modules!r}:
    child = os.fork()
    if not child:
        try:
            importlib.import_module(name)
        except BaseException:
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        failed.append(name)
print(json.dumps(failed))
""")
        assert failed == []
        assert len(modules) > 30


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
class TestOperations:
    def test_each_operation_agrees_with_the_contract(self, operation: Operation[Any]) -> None:
        contract = BY_NAME[operation.id]
        assert (operation.method, operation.path) == (contract.method, contract.template)
        assert set(operation.query) == set(contract.query)
        assert set(operation.required) == contract.required & set(contract.query)
        assert (operation.body is None) == (contract.body is None)
        assert (operation.result is type(None)) == (contract.response is None)

    def test_all_three_forms_have_every_parameter_of_the_operation(self, operation: Operation[Any]) -> None:
        contract = BY_NAME[operation.id]
        for form in FORMS:
            method = getattr(api_with(operation.id), operation.id + form)
            own, *parameters, options = inspect.signature(method).parameters.values()
            assert own.name == "self"
            assert [parameter.name for parameter in parameters] == list(contract.arguments)
            for parameter in parameters:
                assert parameter.kind is parameter.POSITIONAL_OR_KEYWORD
                default = parameter.empty if parameter.name in contract.required else None
                assert parameter.default is default
            assert (options.kind, options.annotation) == (options.VAR_KEYWORD, Unpack[oxide.RequestOptions])

    def test_the_three_forms_differ_only_in_their_result(self, operation: Operation[Any]) -> None:
        plain, info, unread = (
            get_type_hints(getattr(api_with(operation.id), operation.id + form)) for form in FORMS
        )
        response: Any = oxide.ApiResponse
        assert plain.pop("return") == operation.result
        assert info.pop("return") == response[operation.result]
        assert unread.pop("return") is oxide.RESTResponse
        assert plain == info == unread

    def test_result_and_an_example_are_documented(self, operation: Operation[Any]) -> None:
        text = inspect.getdoc(getattr(api_with(operation.id), operation.id)) or ""
        assert re.search(r"^Returns:\n    \S", text, re.MULTILINE)
        assert f".{operation.id}(" in text.partition("```python\n")[2].partition("```")[0]

    def test_every_parameter_is_documented(self, operation: Operation[Any]) -> None:
        plain, *others = (
            inspect.getdoc(getattr(api_with(operation.id), operation.id + form)) or "" for form in FORMS
        )
        _, _, arguments = plain.partition("\nArgs:\n")
        for name in (*BY_NAME[operation.id].arguments, r"\*\*options"):
            assert re.search(rf"^ +{name}: ", arguments, re.MULTILINE), name
        path = operation.path
        assert (
            f"`{operation.method} {path}`" in plain
            or f"`{operation.method} …{path[len('/v1/images') :]}`" in plain
        )
        assert all(text.startswith(f"Do as `{operation.id}`") and "\n" not in text for text in others)


def test_each_api_has_its_operations_in_three_forms_and_its_helpers() -> None:
    of_all = {name for name in vars(Api) if not name.startswith("_")}
    assert of_all == {"close", "from_environment"}
    for api in APIS:
        public = {name for name in dir(api) if not name.startswith("_")} - of_all
        own = {operation.id for operation in OPERATIONS if hasattr(api, operation.id)}
        assert own
        assert public == {name + form for name in own for form in FORMS} | HELPERS.get(api.__name__, set())


@pytest.fixture(scope="module")
def document() -> Any:
    with Simulator() as simulator:
        url = urlsplit(simulator.url)
        connection = http.client.HTTPConnection(str(url.hostname), url.port)
        connection.request("GET", "/openapi.json", headers={"authorization": f"Bearer {simulator.token}"})
        served = json.loads(connection.getresponse().read())
        connection.close()
    return served


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
def test_the_openapi_document_of_the_simulator_has_each_operation(document: Any, contract: Contract) -> None:
    found = document["paths"][contract.template][contract.method.lower()]
    assert found["operationId"] == contract.name
    parameters = {parameter["name"]: parameter for parameter in found["parameters"]}
    assert parameters.keys() == {
        name for name, value in contract.arguments.items() if value is not contract.body
    }
    for name, parameter in parameters.items():
        assert parameter["in"] == ("path" if f"{{{name}}}" in contract.template else "query")
        assert parameter.get("required", False) is (name in contract.required)
    assert ("requestBody" in found) is (contract.body is not None)
    assert set(found["responses"]) == {str(contract.status), "4XX", "5XX"}
    assert ("content" in found["responses"][str(contract.status)]) is (contract.response is not None)


def public_things() -> dict[str, Any]:
    """Return every public class, and every function of one, by its name."""
    found: dict[str, Any] = {}
    modules = ["oxide", *(f"oxide.{name}" for name in MODULES), "oxide.testing", "oxide.testing.faults"]
    for module in modules:
        for name in dir(import_module(module)):
            value = getattr(import_module(module), name)
            if name.startswith("_") or not getattr(value, "__module__", "").startswith("oxide"):
                continue
            if isinstance(value, type) or inspect.isfunction(value):
                found[f"{value.__module__}.{value.__qualname__}"] = value
    for name, kind in list(found.items()):
        if isinstance(kind, type):
            for method_name, method in inspect.getmembers(kind):
                plain = method.fget if isinstance(method, property) else method
                function = getattr(plain, "__func__", plain)
                if inspect.isfunction(function) and function.__module__.startswith("oxide"):
                    found[f"{name}.{method_name}"] = function
    return found


def test_every_public_annotation_can_be_evaluated() -> None:
    failed = []
    for name, thing in public_things().items():
        try:
            get_type_hints(thing, include_extras=True)
        except NameError as error:
            failed.append(f"{name}: {error}")
    assert failed == []


@pytest.mark.parametrize(
    ("api", "name"), [(api, name) for api in APIS for name in sorted(HELPERS.get(api.__name__, set()))]
)
def test_a_helper_documents_parameters_result_and_an_example(api: type[Api], name: str) -> None:
    text = inspect.getdoc(getattr(api, name)) or ""
    for parameter in [*inspect.signature(getattr(api, name)).parameters][1:-1]:
        assert re.search(rf"^    {parameter}: ", text, re.MULTILINE), parameter
    assert re.search(r"^Returns:\n    \S", text, re.MULTILINE)
    assert f".{name}(" in text.partition("```python\n")[2].partition("```")[0]
