"""Check that other projects can link to every public name in the site: that its `objects.inv` has it, under its own name."""

import sys
import zlib
from pathlib import Path

import oxide
import oxide.testing


def names_in(inventory: bytes) -> set[str]:
    """Return the names in an `objects.inv`: four lines of text, then compressed lines that begin with a name."""
    *_, compressed = inventory.split(b"\n", 4)
    return {line.split(" ")[0] for line in zlib.decompress(compressed).decode().splitlines()}


def public_names() -> set[str]:
    """Return the full name of everything public, and of the public members of the classes."""
    names = set()
    for module in (oxide, oxide.testing):
        for name in module.__all__:
            names.add(f"{module.__name__}.{name}")
            members = vars(getattr(module, name)) if isinstance(getattr(module, name), type) else {}
            names |= {
                f"{module.__name__}.{name}.{member}"
                for member, value in members.items()
                # What begins with `model_` is pydantic's.
                if not member.startswith(("_", "model_"))
                and (callable(value) or isinstance(value, (classmethod, property)))
            }
    return names


if __name__ == "__main__":
    missing = public_names() - names_in((Path(sys.argv[1]) / "objects.inv").read_bytes())
    if missing:
        sys.exit("Not in the site's index: " + ", ".join(sorted(missing)))
