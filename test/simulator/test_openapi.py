"""The OpenAPI document that the simulator serves, and a run of schemathesis against it."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from core_support import CONTRACTS, published_fields
from hypothesis import example, given
from hypothesis import strategies as st
from processes import without_coverage
from simulator_http import Caller, World

from oxide._identifiers import name_problem
from oxide.testing import Simulator
from oxide.testing._openapi import openapi_document

OPERATIONS = {
    **{
        contract.name: (
            contract.method.lower(),
            contract.path.replace("my-image", "{image}"),
            str(contract.status),
        )
        for contract in CONTRACTS
    },
    "disk_bulk_write_import": ("post", "/v1/disks/{disk}/bulk-write", "204"),
    "disk_bulk_write_import_start": ("post", "/v1/disks/{disk}/bulk-write-start", "204"),
    "disk_bulk_write_import_stop": ("post", "/v1/disks/{disk}/bulk-write-stop", "204"),
    "disk_create": ("post", "/v1/disks", "201"),
    "disk_delete": ("delete", "/v1/disks/{disk}", "204"),
    "disk_finalize_import": ("post", "/v1/disks/{disk}/finalize", "204"),
    "disk_view": ("get", "/v1/disks/{disk}", "200"),
    "snapshot_delete": ("delete", "/v1/snapshots/{snapshot}", "204"),
    "snapshot_view": ("get", "/v1/snapshots/{snapshot}", "200"),
    "utilization_view": ("get", "/v1/utilization", "200"),
}
PARAMETERS: dict[str, dict[str, bool]] = {
    **{name: {"disk": True, "project": False} for name in OPERATIONS if name.startswith("disk_")},
    **{name: {"snapshot": True, "project": False} for name in OPERATIONS if name.startswith("snapshot_")},
    "disk_create": {"project": True},
    **{
        contract.name: {
            name: name in contract.required
            for name in contract.arguments
            if contract.arguments[name] != contract.body
        }
        for contract in CONTRACTS
    },
    "utilization_view": {},
}
NAME = "#/components/schemas/Name"
WITH_A_BODY = {"disk_bulk_write_import", "disk_create", "disk_finalize_import", "image_create"}


def test_the_document_is_served_without_credentials(call: Caller) -> None:
    reply = call("GET", "/openapi.json", token=None)
    assert reply.status == 200
    assert reply.json == openapi_document()
    assert reply.json["openapi"].startswith("3.")


def test_the_document_has_the_published_operations_parameters_and_statuses() -> None:
    found = {
        operation["operationId"]: (method, path, operation)
        for path, methods in openapi_document()["paths"].items()
        for method, operation in methods.items()
    }
    assert found.keys() == OPERATIONS.keys()
    for name, (method, path, operation) in found.items():
        assert (method, path, next(iter(operation["responses"]))) == OPERATIONS[name]
        assert list(operation["responses"])[1:] == ["4XX", "5XX"]
        required = {parameter["name"]: parameter["required"] for parameter in operation["parameters"]}
        assert required == PARAMETERS[name]
        assert ("requestBody" in operation) == (name in WITH_A_BODY)
        assert operation["summary"]


def test_the_document_has_the_published_schemas() -> None:
    schemas = openapi_document()["components"]["schemas"]
    assert set(schemas) == {
        "BlockSize", "ByteCount", "Digest", "DigestType", "Disk", "DiskBackend", "DiskCreate", "DiskSource", "DiskState",
        "Error", "FinalizeDisk", "Image", "ImageCreate", "ImageResultsPage", "ImageSource", "ImportBlocksBulkWrite",
        "Name", "NameOrId", "NameOrIdSortMode", "Snapshot", "Utilization", "VirtualResourceCounts",
    }  # fmt: skip
    assert set(re.findall(r"#/components/schemas/(\w+)", json.dumps(openapi_document()))) == set(schemas)
    image, create = schemas["Image"], schemas["ImageCreate"]
    fields, optional = published_fields("Image")
    assert set(image["properties"]) == fields
    assert set(image["properties"]) - set(image["required"]) == optional
    assert {name for name, schema in image["properties"].items() if schema.get("nullable")} == optional
    assert set(create["properties"]) == set(create["required"]) == published_fields("ImageCreate")[0]
    assert schemas["ImageSource"]["required"] == ["id", "type"]
    assert schemas["ImageResultsPage"]["required"] == ["items"]
    assert schemas["Error"]["required"] == ["message", "request_id"]
    # The service ignores what it does not know.
    assert "additionalProperties" not in json.dumps(schemas)


@given(
    st.text("ab-Z09_", max_size=66)
    | st.uuids().map(str)
    | st.uuids().map(lambda value: value.hex)
    | st.text(max_size=5)
)
@example("aaaaaaaa222233334444555555555555")
@example("aaaaaaaa-2222-3333-4444-555555555555")
@example("a" * 63)
@example("a" * 64)
def test_the_schema_of_names_agrees_with_the_rule_for_names(text: str) -> None:
    schema = openapi_document()["components"]["schemas"]["Name"]
    # `$` of a JSON schema's pattern is the end of the text, as `\\Z` is in Python.
    fits = re.search(schema["pattern"].removesuffix("$") + r"\Z", text) is not None
    assert (fits and schema["minLength"] <= len(text) <= schema["maxLength"]) == (name_problem(text) is None)


def _with_values_that_exist(document: dict[str, Any], world: World) -> dict[str, Any]:
    """Return the document with the IDs and names of existing resources among its values."""
    changed: dict[str, Any] = json.loads(json.dumps(document))
    schemas = changed["components"]["schemas"]
    known = [
        "proj",
        "other",
        "pimg",
        "simg",
        str(world.proj),
        str(world.pimg),
        str(world.simg),
        "snap",
        "disk",
    ]
    schemas["NameOrId"] = {"anyOf": [{"type": "string", "enum": known}, schemas["NameOrId"]]}
    schemas["ImageSource"]["properties"]["id"]["enum"] = [str(world.snap)]
    schemas["DiskCreate"]["properties"]["size"] = {"type": "integer", "enum": [2**30, 2**40]}
    schemas["DiskCreate"]["properties"]["name"] = {"anyOf": [{"enum": ["disk"]}, {"$ref": NAME}]}
    return changed


@pytest.mark.skipif(not importlib.util.find_spec("schemathesis"), reason="schemathesis is not installed")
def test_schemathesis_finds_no_difference_from_the_document(
    simulator: Simulator, call: Caller, world: World, tmp_path: Path
) -> None:
    document = _with_values_that_exist(call("GET", "/openapi.json").json, world)
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    (tmp_path / "schemathesis.toml").write_text(
        # A request that fits the schemas may still be wrong: an ID with a project, a token of no scan.
        "checks.positive_data_acceptance.enabled = false\n"
        # A malformed request is refused before credentials are checked.
        "checks.missing_required_header.enabled = false\n"
        # A text longer than its column gets 500, as in the real service; this is checked below.
        "checks.not_a_server_error.enabled = false\n"
    )
    command = [sys.executable, "-m", "schemathesis.cli", "run", "openapi.json", "--url", simulator.url]
    command += ["--header", f"Authorization: Bearer {simulator.token}"]
    command += ["--max-examples", "50", "--seed", "5", "--no-color", "--warnings", "off"]
    # Nothing of the package runs there, so its coverage need not be measured.
    result = subprocess.run(
        command,
        cwd=tmp_path,
        env=without_coverage(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    longest = {"description": 512, "os": 64, "version": 64}
    for request in simulator.requests:
        if request.status == 500:
            asked = json.loads(request.body)
            assert any(len(asked.get(key, "")) > length for key, length in longest.items())
    # Every operation succeeded at least once, except those that need a disk in a certain state.
    seen = {(request.operation, request.status) for request in simulator.requests}
    reached = {name for name in OPERATIONS if not name.startswith("disk_")} | {"disk_create", "disk_view"}
    assert seen >= {(name, int(OPERATIONS[name][2])) for name in reached}
