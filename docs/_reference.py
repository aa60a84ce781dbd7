"""Makes the reference from docstrings: each list item that is only a public name becomes what its docstring says."""

import pydoc
import re
from collections.abc import Iterator
from enum import Enum
from inspect import isclass, isroutine
from typing import Any, Final, get_type_hints

from pydantic import BaseModel
from sphinx.application import Sphinx
from sphinx.util.typing import stringify_annotation

import oxide
import oxide.testing

_NOT_MADE_BY_PROGRAMS: Final = {"oxide.ImagePager", "oxide.RESTResponse"}

# Names are loaded on first use; Sphinx is to find all of them as programs do.
for _module in (oxide, oxide.testing):
    for _name in _module.__all__:
        getattr(_module, _name)


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect what this file does; Sphinx calls it."""
    app.connect("source-read", _add_directives)
    # Before napoleon, which reads what this writes.
    app.connect("autodoc-process-docstring", _from_markdown, priority=400)
    app.connect("autodoc-process-signature", _leave_out_constructor)
    app.connect("autodoc-process-bases", _leave_out_private_bases)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _add_directives(_app: Sphinx, page: str, source: list[str]) -> None:
    if page.startswith("reference/"):
        source[0] = re.sub(
            r"^- `(oxide[\w.]+)`\n", _directive, source[0], flags=re.MULTILINE
        )


def _directive(item: "re.Match[str]") -> str:
    name = item[1]
    found = pydoc.locate(name)
    options = [":members:"]
    if isclass(found) and issubclass(found, Exception):
        kind = "exception"
        options += [":show-inheritance:"]
    elif isclass(found):
        kind = "class"
        # What a model has from a base of its own, but not from those of pydantic and Python.
        options += [
            ":exclude-members: model_config, model_post_init, model_rebuild",
            ":inherited-members: BaseModel, Enum, dict, int, object, str",
        ]
        if issubclass(found, Enum):
            options += [":undoc-members:"]
    else:
        kind, options = "function" if isroutine(found) else "data", []
    return "\n".join(
        [
            "",
            "```{eval-rst}",
            f".. auto{kind}:: {name}",
            *(f"   {each}" for each in options),
            "```",
            "",
        ]
    )


def _leave_out_constructor(
    _app: Sphinx,
    _what: str,
    name: str,
    described: object,
    _options: object,
    signature: str,
    returned: str,
) -> tuple[str, str] | None:
    # A model is made of its attributes; pydantic's own constructor says only `**data`.
    by_pydantic = (
        isclass(described)
        and issubclass(described, BaseModel)
        and "__init__" not in vars(described)
    )
    return (
        ("", returned)
        if by_pydantic or name in _NOT_MADE_BY_PROGRAMS
        else (signature, returned)
    )


def _from_markdown(
    _app: Sphinx,
    _what: str,
    name: str,
    described: object,
    _options: object,
    lines: list[str],
) -> None:
    """Turn the Markdown of a docstring into reStructuredText, with links to names of ours and types of attributes."""
    hints = _hints(described) if isclass(described) else {}
    lines[:] = _converted(lines, name, hints)


def _hints(described: type) -> dict[str, Any]:
    try:
        return get_type_hints(described)
    except NameError:
        return {}


def _converted(lines: list[str], name: str, hints: dict[str, Any]) -> Iterator[str]:
    fenced, section = False, ""
    for line in lines:
        if fence := re.fullmatch(r"(\s*)```(\w*)", line):
            fenced = not fenced
            yield f"{fence[1]}.. code-block:: {fence[2] or 'text'}" if fenced else ""
            yield ""
            continue
        if fenced:
            yield f"   {line}"
            continue
        if re.match(r"\S", line):
            section = line
        # Code inside bold text is not for reStructuredText.
        text = re.sub(
            r"\*\*[^*`]*`[^*]*\*\*",
            lambda bold: re.sub(r" (`[^`]+`) ?", r"** \1 **", bold[0]),
            line,
        )
        text = re.sub(
            r"(?<![`\w])`([^`]+)`(?!`)", lambda code: _link(code[1], name), text
        )
        if section not in {"Attributes:", "Keys:"}:
            yield text
        elif attribute := re.match(r"    (\w+): ", text):
            yield from ("", f".. attribute:: {attribute[1]}")
            if attribute[1] in hints:
                yield f"   :type: {stringify_annotation(hints[attribute[1]], 'smart')}"
            yield from ("", f"   {text[attribute.end() :]}")
        else:
            yield text.removeprefix("     ") if line != section else ""


def _link(code: str, name: str) -> str:
    """Return a link if a piece of code is a public name, as seen from where it is written, else the code."""
    scopes = [name[: dot.start()] for dot in re.finditer(r"\.|$", name)]
    for scope in (*reversed(scopes), "oxide.testing"):
        target = code if code.startswith("oxide.") else f"{scope}.{code}"
        if re.fullmatch(r"oxide(\.testing)?(\.[A-Za-z]\w*)+", target) and _is_public(
            target
        ):
            return f":py:obj:`{code} <{target}>`"
    return f"``{code}``"


def _is_public(name: str) -> bool:
    module = oxide.testing if name.startswith("oxide.testing.") else oxide
    first, *rest = name.removeprefix(f"{module.__name__}.").split(".")
    found = pydoc.locate(name)
    return first in module.__all__ and (
        not rest or isroutine(found) or isinstance(found, property)
    )


def _leave_out_private_bases(
    _app: Sphinx, _name: str, _object: object, _options: object, bases: list[type]
) -> None:
    bases[:] = [
        base
        for base in bases
        if base.__module__ == "builtins" or base.__name__ in oxide.__all__
    ]
