"""Makes the reference from docstrings: each list item that is only a public name becomes what its docstring says."""

import pydoc
import re
from collections.abc import Iterator
from enum import Enum
from inspect import isclass, isroutine
from typing import Any, Final, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from sphinx.application import Sphinx
from sphinx.ext.napoleon import Config
from sphinx.ext.napoleon.docstring import GoogleDocstring
from sphinx.util.typing import stringify_annotation

import oxide
import oxide.testing

_NOT_MADE_BY_PROGRAMS: Final = {
    "oxide.ImagePager",
    "oxide.RESTResponse",
    "oxide.testing.Disk",
    "oxide.testing.ReceivedRequest",
    "oxide.testing.Snapshot",
}

_NAPOLEON: Any = Config(napoleon_use_rtype=False)

# Names are loaded on first use; Sphinx is to find all of them as programs do.
for _module in (oxide, oxide.testing):
    for _name in _module.__all__:
        getattr(_module, _name)


def _hints(described: type) -> dict[str, Any]:
    try:
        return get_type_hints(described)
    except NameError:  # A name that is imported for type checkers alone.
        return {}


# The type of a setting says what is read, then what may be assigned: show the first.
for _name, _hint in _hints(oxide.Configuration).items():
    if hasattr(get_origin(_hint), "__get__"):
        oxide.Configuration.__annotations__[_name] = get_args(_hint)[0]


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect what this file does; Sphinx calls it."""
    app.connect("source-read", _add_directives)
    app.connect("autodoc-process-docstring", _from_markdown)
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
    app: Sphinx,
    what: Any,
    name: str,
    described: object,
    options: Any,
    lines: list[str],
) -> None:
    """Turn a docstring, which is Markdown in Google's style, into reStructuredText."""
    pieces = re.split(
        r"^( *)```(\w*)\n(.*?)^ *```$", "\n".join(lines), flags=re.MULTILINE | re.DOTALL
    )
    text = _inline(pieces[0], name)
    for indent, language, code, rest in zip(*[iter(pieces[1:])] * 4, strict=True):
        block = "".join(f"   {line}" for line in code.splitlines(keepends=True))
        text += f"{indent}.. code-block:: {language or 'text'}\n\n{block}"
        text += _inline(rest, name)
    lines[:] = text.splitlines()
    if isclass(described):
        lines[:] = _with_attributes(lines, described)
    # A docstring of an attribute has no sections: napoleon would look for a type in it.
    if what not in {"attribute", "data", "property"}:
        google = GoogleDocstring(lines, _NAPOLEON, app, what, name, described, options)
        lines[:] = google.lines()


def _inline(text: str, name: str) -> str:
    """Return text with its code as reStructuredText has it, with links to names of ours."""
    # Code inside bold text: reStructuredText knows no such thing.
    text = re.sub(
        r"\*\*[^*`]*`[^*]*\*\*",
        lambda bold: re.sub(r" (`[^`]+`) ?", r"** \1 **", bold[0]),
        text,
    )
    return re.sub(
        r"(?<![`\w])`([^`]+)`(?!`)(\w?)",
        lambda code: (
            _link(" ".join(code[1].split()), name) + (code[2] and f"\\ {code[2]}")
        ),
        text,
    )


def _with_attributes(lines: list[str], described: type) -> Iterator[str]:
    """Yield lines with a directive for each attribute, which puts it into the index with its type."""
    hints = _hints(described)
    section = ""
    for line in lines:
        if re.match(r"\S", line):
            section = line
        attribute = re.match(r"    (\w+): ", line)
        if section not in {"Attributes:", "Keys:"}:
            yield line
        elif line == section:
            yield ""
        elif attribute:
            yield f".. attribute:: {attribute[1]}"
            if attribute[1] in hints:
                yield f"   :type: {stringify_annotation(hints[attribute[1]], 'smart')}"
            yield from ("", f"   {line[attribute.end() :]}")
        else:
            yield line.removeprefix("     ")


def _link(code: str, name: str) -> str:
    """Return a link if a piece of code is a public name, as seen from where it is written, else the code."""
    scopes = [name[: dot.start()] for dot in re.finditer(r"\.|$", name)]
    for scope in (*reversed(scopes), "oxide.testing"):
        target = code if code.startswith("oxide.") else f"{scope}.{code}"
        if re.fullmatch(r"oxide(\.testing)?(\.[A-Za-z]\w*)+", target) and _is_public(
            target
        ):
            return f":py:obj:`{code} <{_described(target)}>`"
    return f"``{code}``"


def _described(target: str) -> str:
    """Return the name under which the reference has something: exceptions do not repeat what they inherit."""
    owner, _, member = target.rpartition(".")
    found = pydoc.locate(owner)
    if isclass(found) and issubclass(found, Exception):
        owner = next(
            f"oxide.{base.__name__}" for base in found.__mro__ if member in vars(base)
        )
    return f"{owner}.{member}"


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
