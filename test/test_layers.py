"""The package has layers: each part imports only from lower layers, and no imports form a cycle.

Imports inside functions and under `TYPE_CHECKING` count too.
"""

import ast
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Final

import oxide

PACKAGE: Final = Path(oxide.__file__).parent
# From the lowest layer up. A part is a module, or a package with everything in it.
LAYERS: Final = (
    {
        "_attempt",
        "_identifiers",
        "_lazy",
        "_uploading",
        "_traceback",
        "_version",
        "_warnings",
        "api_response",
    },
    {"exceptions", "models"},
    {"_identity"},
    {"configuration"},
    {"_transport"},
    {"_call", "rest"},
    {"_operations", "api_client"},
    {"_upload"},
    {"api"},
    {"__init__", "_program"},
    {"__main__", "testing"},
)
LAYER_OF: Final = {part: number for number, parts in enumerate(LAYERS) for part in parts}


def name_of(path: Path) -> str:
    """Return the name of a module, for a package that of its `__init__`."""
    return ".".join(("oxide", *path.relative_to(PACKAGE).with_suffix("").parts))


MODULES: Final = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def part_of(module: str) -> str:
    part = module.split(".")[1]
    # The list of the public names is a part of the package's `__init__`, and uploading is one of the helpers of an API.
    return {"_public": "__init__", "_upload": "api", "__main__": "_program"}.get(part, part)


def imported(name: str) -> str | None:
    """Return the module of the package that a dotted name stands for, or None for a name outside the package."""
    return next((module for module in (name, f"{name}.__init__") if module in MODULES), None)


def imports_of(module: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found.update(filter(None, (imported(alias.name) for alias in node.names)))
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: import by the full name"
            for alias in node.names:
                found.update(
                    filter(None, [imported(f"{node.module}.{alias.name}") or imported(str(node.module))])
                )
    # `_lazy` loads the public names when the first is used, so this import alone leads upward.
    return found - {module} - ({"oxide._public"} if module == "oxide._lazy" else set())


IMPORTS: Final = {module: imports_of(module) for module in MODULES}


def test_every_part_of_the_package_has_a_layer() -> None:
    assert {part_of(module) for module in MODULES} - LAYER_OF.keys() == set()


def test_there_are_at_most_eleven_layers() -> None:
    assert len(LAYERS) <= 11


def test_a_part_imports_only_from_lower_layers() -> None:
    upward = [
        f"{module} imports {other}"
        for module, others in IMPORTS.items()
        for other in sorted(others)
        if part_of(module) != part_of(other) and LAYER_OF[part_of(other)] >= LAYER_OF[part_of(module)]
    ]
    assert upward == []


def test_no_imports_form_a_cycle() -> None:
    # Raises `CycleError`, which names the cycle.
    assert len(tuple(TopologicalSorter(IMPORTS).static_order())) == len(MODULES)


def test_the_search_finds_imports() -> None:
    """A test that finds no imports would pass on any package."""
    assert "oxide._attempt" in IMPORTS["oxide.exceptions"]
    assert "oxide._operations" in IMPORTS["oxide.api.images_api"]
    assert "oxide.exceptions" in IMPORTS["oxide.__init__"]
