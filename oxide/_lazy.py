"""Gives a package its public names when the first of them is used, all in one step.

A package that imported its own modules would hold its import lock while it waits for theirs, and they wait for it: two
threads would block each other. Loading all names at once leaves none to be loaded while a test has patched something.
"""

import sys
from collections.abc import Callable
from typing import Any


def lazy_names(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` of a package, whose names are those that are defined below it.

    The first use sets `__all__` too.
    """
    module = sys.modules[package]
    namespace = vars(module)

    def load() -> None:
        # Literal, so that programs which follow imports find all of them here.
        from oxide import _public

        names = [
            name
            for name, value in vars(_public).items()
            if getattr(value, "__module__", "").startswith(f"{package}.")
        ]
        namespace["__all__"] = sorted(names)
        for name in names:
            # Unless a program has put something of its own in the place.
            namespace.setdefault(name, getattr(_public, name))

    def find(name: str) -> Any:
        # Other private names are asked for by imports within the package, and by tools.
        if name == "__all__" or not name.startswith("_"):
            load()
            if name in namespace:
                return namespace[name]
        error = AttributeError(f"module {package!r} has no attribute {name!r}", name=name, obj=module)
        # Too far apart for Python's own "Did you mean".
        if (meant := f"{name.removesuffix('Error')}Exception") in namespace:
            error.add_note(f"Did you mean: {meant!r}?")
        raise error

    def list_names() -> list[str]:
        load()
        modules = [
            name
            for name, value in namespace.items()
            if not name.startswith("_") and getattr(value, "__name__", None) == f"{package}.{name}"
        ]
        return sorted({*namespace["__all__"], *modules, *namespace.keys() & {"__version__"}})

    return find, list_names
