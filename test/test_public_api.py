"""Compare the public interface with the description in public_api.txt, so that no change of it goes unnoticed.

A change that is meant is written down by `tox -e public-api`, and reviewed as a change of that file.
"""

from collections.abc import Iterator
from difflib import unified_diff
from importlib import import_module
from pathlib import Path

import griffe
import pytest

STORED = Path(__file__).with_name("public_api.txt")
SPECIAL_METHODS = {"__init__", "__call__", "__enter__", "__iter__", "__next__"}
WIDTH = 110
# The results of the derived forms; {} stands for the result of the plain form.
RESULTS_OF_FORMS = {"with_http_info": "ApiResponse[{}]", "without_preload_content": "RESTResponse"}


def interface() -> str:
    """Describe every public name of the package, from its source: signatures, types, bases, constants."""
    package = griffe.load("oxide", allow_inspection=False)
    assert isinstance(package, griffe.Module)
    return "".join(f"{line}\n" for line in module_lines(package, {}))


def module_lines(module: griffe.Module, described: dict[str, str]) -> Iterator[str]:
    """Describe a module; a name from a private module is described at its first public path."""
    # A package whose names are loaded when they are used lists them only then.
    listed = getattr(import_module(module.path), "__all__", ())
    for name, member in sorted(module.members.items()):
        if name.startswith("_") or not (member.is_public or name in listed):
            continue
        if member.is_module:
            continue
        target = member.final_target if isinstance(member, griffe.Alias) else member
        known = described.get(target.path) if private(target.path) else target.path
        if member.is_alias and known is not None:
            yield f"{member.path} = {known}"
        else:
            described[target.path] = member.path
            yield from member_lines(target, member.path)
    for _, submodule in sorted(module.modules.items()):
        if submodule.is_public:
            yield from module_lines(submodule, described)


def member_lines(member: griffe.Object, path: str) -> Iterator[str]:
    """Describe a class with its members, a function or an attribute."""
    if isinstance(member, griffe.Class):
        bases = ", ".join(str(base) for base in member.bases)
        yield f"class {path}({bases})"
        for name, inner in sorted(class_members(member).items()):
            yield from (f"    {line}" for line in member_lines(inner, name))
    elif isinstance(member, griffe.Function):
        yield from signature_lines(member, path)
    elif isinstance(member, griffe.Attribute):
        yield from form_lines(member, path)


def form_lines(attribute: griffe.Attribute, path: str) -> Iterator[str]:
    """Describe an attribute; a method that is derived from another one is described as if written out."""
    value, owner = attribute.value, attribute.parent
    if isinstance(value, griffe.ExprCall) and (result := RESULTS_OF_FORMS.get(str(value.function))):
        (plain,) = value.arguments
        assert isinstance(owner, griffe.Class)
        method = owner.members[str(plain)]
        assert isinstance(method, griffe.Function)
        derived = griffe.Function(
            attribute.name, parameters=method.parameters, returns=result.format(method.returns)
        )
        yield from signature_lines(derived, path)
    else:
        yield attribute_line(attribute, path)


def class_members(cls: griffe.Class) -> dict[str, griffe.Object]:
    """Return the public members of a class, and those that it inherits from private classes."""
    found: dict[str, griffe.Object] = {}
    keys = any(str(base) == "TypedDict" for base in cls.bases)
    for owner in reversed([cls, *(base for base in cls.mro() if private(base.path))]):
        found |= {
            name: member
            for name, member in owner.members.items()
            if isinstance(member, griffe.Object)
            and (keys or not name.startswith("_") or name in SPECIAL_METHODS)
        }
    return found


def signature_lines(function: griffe.Function, path: str) -> Iterator[str]:
    """Describe a function, with a line for each parameter if they do not fit into one."""
    name = "@classmethod " * ("classmethod" in function.labels) + path
    line = name + str(function.signature()).removeprefix(function.name)
    if len(line) <= WIDTH:
        yield line
        return
    yield f"{name}("
    previous = None
    for parameter in function.parameters:
        if parameter.name in {"self", "cls"}:
            continue
        if previous is not parameter.kind is griffe.ParameterKind.keyword_only:
            yield "    *,"
        previous = parameter.kind
        yield f"    {parameter_text(parameter)},"
    yield f") -> {function.returns}"


def parameter_text(parameter: griffe.Parameter) -> str:
    """Describe one parameter."""
    if parameter.kind is griffe.ParameterKind.var_keyword:
        return f"**{parameter.name}: {parameter.annotation}"
    default = "" if parameter.default is None else f" = {parameter.default}"
    return f"{parameter.name}: {parameter.annotation}{default}"


def attribute_line(attribute: griffe.Attribute, path: str) -> str:
    """Describe an attribute; its value only where it is a constant or a default, not what a method assigns."""
    settable = "property" in attribute.labels and "writable" in attribute.labels
    kind = "@property " * ("property" in attribute.labels)
    annotation = "" if attribute.annotation is None else f": {attribute.annotation}"
    constant = attribute.value is not None and attribute.labels & {"class-attribute", "module-attribute"}
    return (
        f"{kind}{path}{annotation}" + (f" = {attribute.value}" if constant else "") + ", settable" * settable
    )


def private(path: str) -> bool:
    """Tell whether a dotted path has a private part."""
    return any(part.startswith("_") for part in path.split("."))


def test_the_public_interface_is_the_recorded_one() -> None:
    """The public interface is the recorded one; see above for intended changes."""
    written, found = STORED.read_text("utf-8").splitlines(), interface().splitlines()
    changes = list(unified_diff(written, found, "public_api.txt", "the code", lineterm="", n=0))
    if changes:
        pytest.fail("\n".join(["run `tox -e public-api` if this is meant:", *changes]), pytrace=False)


if __name__ == "__main__":
    STORED.write_text(interface(), "utf-8")
