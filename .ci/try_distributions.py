"""Check the sdist and the wheel in a directory, and try the wheel on every supported Python found.

On each, it is installed in an empty environment, with the newest dependencies, and on the lowest Python with the lowest
ones too. The package is imported there, and the sdist's docs/examples/tour.py is run, from outside the checkout.
"""

import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from email import message_from_bytes
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from lowest import lowest_versions

PYPROJECT = Path("pyproject.toml").absolute()
WANTED_IN_SDIST = (".ci/run", "README.md", "docs/conf.py", "setup.cfg", "test/conftest.py", "tox.ini")
IMPORT = "import oxide; from oxide import *; ImagesApi(ApiClient()); print(oxide.__version__, oxide.__file__)"


def main(directory: Path) -> None:
    """Check everything, and stop at the first problem."""
    (wheel,) = directory.glob("*.whl")
    (sdist,) = directory.glob("*.tar.gz")
    run("twine", "check", "--strict", wheel, sdist)
    run("check-wheel-contents", wheel)
    project = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]
    check_requirements(wheel, project["dependencies"])
    pythons = interpreters(project["classifiers"])
    with tempfile.TemporaryDirectory() as scratch:
        tour = unpack(sdist, Path(scratch)) / "docs/examples/tour.py"
        for python in pythons:
            try_wheel(python, Path(scratch, f"{Path(python).name}-newest"), wheel, [], tour)
        try_wheel(pythons[0], Path(scratch, "lowest"), wheel, lowest_versions(PYPROJECT), tour)


def run(*command: Any, **options: Any) -> None:
    """Print a command and run it; raise if it fails."""
    print("$", *command, flush=True)
    subprocess.run([str(part) for part in command], check=True, stdin=subprocess.DEVNULL, **options)


def check_requirements(wheel: Path, dependencies: list[str]) -> None:
    """Check that without extras the wheel requires exactly `dependencies`."""
    with ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        required = message_from_bytes(archive.read(metadata)).get_all("Requires-Dist", [])
    unconditional = [requirement for requirement in required if ";" not in requirement]
    if sorted(unconditional) != sorted(dependencies):
        sys.exit(f"The wheel requires {unconditional}, not {dependencies}.")


def interpreters(classifiers: list[str]) -> list[str]:
    """Return the interpreters on PATH for the versions in the classifiers."""
    found = []
    for classifier in classifiers:
        version = classifier.removeprefix("Programming Language :: Python :: 3.")
        path = shutil.which(f"python3.{version}") if version.isdecimal() else None
        # A version manager's shim for a version that is not installed fails when run.
        if path and subprocess.run([path, "-c", ""], check=False, capture_output=True).returncode == 0:
            found.append(path)
    if not found:
        sys.exit("No supported Python is on PATH.")
    return found


def unpack(sdist: Path, scratch: Path) -> Path:
    """Unpack the sdist, check that it has tests, docs and tools, and return its top directory."""
    with tarfile.open(sdist) as archive:
        archive.extractall(scratch, filter="data")
    top = scratch / sdist.name.removesuffix(".tar.gz")
    if missing := [name for name in WANTED_IN_SDIST if not (top / name).is_file()]:
        sys.exit(f"The sdist lacks {missing}.")
    return top


def try_wheel(python: str, environment: Path, wheel: Path, pins: list[str], tour: Path) -> None:
    """Try the wheel in a new environment, first alone and then with the simulator."""
    run(python, "-m", "venv", "--without-pip", environment)
    inner = environment / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    pip = (sys.executable, "-m", "pip", "--python", inner)
    run(*pip, "install", "--quiet", wheel, *pins)
    run(*pip, "freeze")
    run(inner, "-W", "error", "-c", IMPORT, cwd=environment)
    run(*pip, "install", "--quiet", f"{wheel}[testing,upload]", *pins)
    run(*pip, "check")
    run(inner, "-W", "error", tour, cwd=environment, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
