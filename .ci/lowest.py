"""Write a requirements file with the lowest version of each runtime dependency that pyproject.toml allows."""

import sys
import tomllib
from pathlib import Path


def lowest_versions(pyproject: Path) -> list[str]:
    """Return the dependencies pinned to their lower bounds; any form but `name>=version` is an error."""
    pins = []
    for requirement in tomllib.loads(pyproject.read_text("utf-8"))["project"]["dependencies"]:
        name, version = requirement.split(">=")
        pins.append(f"{name}=={version}")
    return pins


if __name__ == "__main__":
    Path(sys.argv[1]).write_text("\n".join(lowest_versions(Path("pyproject.toml"))), "utf-8")
