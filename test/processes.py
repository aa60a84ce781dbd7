"""Runs Python programs in processes of their own, forked from one that has imported what they import.

That makes hundreds of them bearable: importing takes longer than what they do.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Final

SECONDS: Final = 60  # after which a program is taken to hang
# These plugins take seconds to load, and no program needs them.
PYTEST: Final = (
    "-m",
    "pytest",
    "--quiet",
    *(f"-pno:{name}" for name in ("hypothesispytest", "schemathesis", "cacheprovider")),
)
_FORKSERVER: Final = multiprocessing.get_context("forkserver")
_FORKSERVER.set_forkserver_preload(["oxide._public", "oxide.testing", "pytest", "doctest"])


def run_command(
    command: list[str], directory: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command in a directory, with these environment variables on top. Both outputs come together."""
    return subprocess.run(
        command,
        check=False,
        cwd=directory,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
    )


def without_coverage() -> dict[str, str]:
    """Return the environment without what makes coverage.py measure a process."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}


def run_python(
    arguments: list[str], directory: Path, environment: dict[str, str], *, fork: bool = True
) -> subprocess.CompletedProcess[str]:
    """Do as `python -W error ARGUMENTS` in a directory, with these environment variables on top.

    The arguments begin with the path of a file, or with `-m` and a module. Both outputs come together. Without `fork`,
    nothing has been imported before.
    """
    if not fork:
        return run_command([sys.executable, "-W", "error", *arguments], directory, environment)
    output = directory / f"output-{os.urandom(4).hex()}"
    program = _FORKSERVER.Process(
        target=_run, args=(arguments, str(directory), {**os.environ, **environment}, str(output))
    )
    program.start()
    program.join(SECONDS)
    if program.is_alive():
        program.kill()
        program.join()
        raise subprocess.TimeoutExpired(arguments, SECONDS, output.read_bytes())
    status = program.exitcode
    program.close()
    assert status is not None
    text = output.read_text("utf-8")
    output.unlink()
    return subprocess.CompletedProcess(arguments, status, text)


def _run(arguments: list[str], directory: str, environment: dict[str, str], output: str) -> None:
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    sys.warnoptions[:] = ["error"]
    warnings.resetwarnings()
    warnings.simplefilter("error")
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        sys.path[0] = directory
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        sys.path[0] = str(Path(arguments[0]).parent)
        runpy.run_path(arguments[0], run_name="__main__")
