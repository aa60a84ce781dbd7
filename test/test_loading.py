"""Everything public is loaded in one step when the first name is used, even from several threads."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import oxide

PACKAGE = Path(oxide.__file__).parent
LAZY = ("oxide", "oxide.api", "oxide.models")

ONE_COPY = """
import sys
import oxide
from unittest import mock

with mock.patch.dict(sys.modules):
    first = {first}
from oxide.models import Image
from oxide.api import ImagesApi
assert (Image, ImagesApi) == (oxide.Image, oxide.ImagesApi)
api = oxide.ImagesApi(oxide.ApiClient(oxide.Configuration("http://127.0.0.1:1", max_retries=0)))
try:
    api.image_list()
except oxide.ApiConnectionError as error:
    assert isinstance(error, oxide.ApiException)
"""

PATCHED = """
import random, time
import oxide
from unittest import mock

def wrong(*arguments):
    raise AssertionError("called what a test had patched")

with mock.patch("time.monotonic", wrong), mock.patch("time.sleep", wrong), mock.patch("random.random", wrong):
    oxide.ImagesApi
configuration = oxide.Configuration("http://127.0.0.1:1", max_retries=1)
with oxide.ApiClient(configuration) as client:
    try:
        oxide.ImagesApi(client).image_list()
    except oxide.ApiConnectionError as error:
        assert len(error.attempts) == 2
"""

REPLACED = """
import oxide
from unittest import mock

with mock.patch("oxide.ImagesApi") as fake:
    assert oxide.ImagesApi is fake
    assert oxide.ImagePager is not None
assert isinstance(oxide.ImagesApi, type)

del oxide.Image
assert isinstance(oxide.Image, type)
"""

PUT_IN_PLACE = """
import oxide

oxide.ApiClient = "another"
assert oxide.ImagesApi.__name__ == "ImagesApi"
assert oxide.ApiClient == "another"
del oxide.ApiClient
assert oxide.ApiClient.__name__ == "ApiClient"
"""

THREADS = """
import sys, threading
sys.setswitchinterval(1e-6)
import oxide

uses = [
    "from oxide.models import ImageCreate",
    "oxide.ImagesApi",
    "from oxide.models.image import Image",
    "from oxide.exceptions import ApiException",
    "from oxide.api.images_api import ImagesApi",
    "import oxide.rest",
    "from oxide.api import ImagesApi",
    "from oxide.models.image_results_page import ImageResultsPage",
]
start, failed = threading.Barrier(8), []

def use(source):
    start.wait()
    try:
        exec(source, {"oxide": oxide})
    except BaseException as error:
        failed.append(f"{source}: {error!r}")

threads = [threading.Thread(target=use, args=[uses[number % KINDS]]) for number in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert not failed, failed
assert oxide.models.image.Image is oxide.Image
"""


def run(program: str) -> None:
    """Run a program in an interpreter of its own."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "first", ["oxide.ImagesApi", "oxide.ApiException", "oxide.models.Image", "dir(oxide)"]
)
def test_every_class_exists_once_even_if_it_was_first_used_while_sys_modules_was_patched(
    first: str,
) -> None:
    run(ONE_COPY.format(first=first))


def test_a_client_uses_the_clock_at_its_creation_not_at_the_first_use_of_the_package() -> None:
    run(PATCHED)


def test_a_name_can_be_patched_before_it_is_loaded_and_deleted_afterwards() -> None:
    run(REPLACED)


def test_a_name_that_a_program_replaced_stays_replaced() -> None:
    run(PUT_IN_PLACE)


@pytest.mark.long
@pytest.mark.parametrize("kinds", [2, 8])
def test_threads_that_load_names_at_the_same_time_do_not_deadlock(kinds: int) -> None:
    for _ in range(4):
        run(THREADS.replace("KINDS", str(kinds)))


def test_one_module_imports_every_name_explicitly() -> None:
    """Programs that bundle applications follow these imports."""
    loaded = """
import sys, oxide._public
public = {name for name in sys.modules if name.startswith("oxide.") and "._" not in name}
print(*sorted(public))
"""
    listed = subprocess.check_output([sys.executable, "-c", loaded], text=True).split()
    files = {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in PACKAGE.rglob("*.py")
    }
    assert set(listed) == {
        name
        for name in files
        if "._" not in name and name != "oxide" and not name.startswith("oxide.testing")
    }


@pytest.mark.parametrize("package", LAZY)
def test_type_checkers_and_programs_see_the_same_names(package: str) -> None:
    path = PACKAGE.parent.joinpath(*package.split("."), "__init__.py")
    (block,) = (node for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.If))
    imported = [
        (str(node.module), alias.name)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    module: Any = sys.modules[package]
    names = {name for _, name in imported if name != "*"}
    if package == "oxide":
        assert ("oxide._public", "*") in imported
        assert names == {
            name for name in dir(oxide) if name not in {*module.__all__, "__version__", "testing"}
        }
    else:
        assert names == set(module.__all__)
        assert all(getattr(sys.modules[home], name) is getattr(oxide, name) for home, name in imported)


@pytest.mark.parametrize("package", LAZY[1:])
def test_no_package_imports_its_modules_before_they_are_used(package: str) -> None:
    """It would wait for their import locks while they wait for its own."""
    seen = subprocess.check_output(
        [
            sys.executable,
            "-c",
            f"import sys, {package}\nprint(*(n for n in sys.modules if n.startswith('oxide')))",
        ],
        text=True,
    ).split()
    assert set(seen) <= {"oxide", "oxide._lazy", "oxide._version", package}
