"""Runs every example of the documentation as it is written, and follows its links.

An example is a fenced block of Python in a Markdown page or in a docstring, or the `>>>` lines of a docstring. Each
runs in a process, a home and a directory of its own, against a simulator of its own, which `prepare` describes.
A block that must not run says why on its fence line: ```python skip="reason". The programs in `AGAIN` are run again
too, after a whole run and after interrupted ones.
"""

import ast
import doctest
import hashlib
import lzma
import os
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from processes import PYTEST, run_command, run_python

import oxide
from oxide.testing import Answer, Delay, Drop, Simulator
from oxide.testing._demo import seed_demo

pytestmark = pytest.mark.long

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
SOURCES = sorted(ROOT.glob("oxide/**/*.py"))
SCRIPTS = sorted(ROOT.glob("docs/examples/*.py"))
# The first example below each of these headings is a program that can be run again.
AGAIN = (
    ("README.md", "## Use"),
    ("docs/recipes.md", "## Create an image exactly once"),
    ("docs/recipes.md", "## Move an image to another project"),
    ("docs/recipes.md", "## Rotate a golden image across projects"),
)


def prepare(simulator: Simulator, directory: Path) -> dict[str, str]:
    """Fill a simulator and a directory as the examples expect them; return the environment variables they may read.

    The simulator has what `python -m oxide.testing --demo` has and tells. `OXIDE_HOST` and `OXIDE_TOKEN` are those of the
    silo's administrator, and `SNAPSHOT_ID` is that of `my-snapshot` in `my-project`. The directory has a disk to upload,
    `debian-13.raw`, also compressed as `debian-13.raw.xz`, and the SHA-256 of both in `SHA256SUMS`.
    """
    snapshot = seed_demo(simulator)
    files = {"debian-13.raw": small_disk(), "debian-13.raw.xz": lzma.compress(small_disk())}
    for name, content in files.items():
        (directory / name).write_bytes(content)
    sums = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items()]
    (directory / "SHA256SUMS").write_text("".join(sums), "utf-8")
    return {"OXIDE_HOST": simulator.url, "OXIDE_TOKEN": simulator.token, "SNAPSHOT_ID": str(snapshot)}


@cache
def small_disk() -> bytes:
    """Return 4 MiB that begin with a partition table (GPT) for blocks of 512 bytes."""
    disk = bytearray(2**22)
    disk[510:520] = b"\x55\xaaEFI PART"
    disk[2**20 : 2**21] = random.Random(0).randbytes(2**20)
    return bytes(disk)


@dataclass(frozen=True)
class Example:
    """A piece of Python and where it begins; `info` is the text of its fence line, if it has one."""

    path: Path
    line: int
    source: str
    info: str = "python"

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}"

    @property
    def reason_to_skip(self) -> str | None:
        """Return the reason that the fence line gives; any other text there is an error."""
        match = re.fullmatch(r'(?:python|pycon)(?: skip="(.*\S.*)")?', self.info.strip())
        if match is None:
            message = f'{self}: expected ```python or ```python skip="reason", not ```{self.info}'
            raise ValueError(message)
        return match[1]

    def run(self, directory: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """Write the example to a file, with the line numbers of its page, and run it in a home of its own."""
        text = "\n" * self.line + self.source
        module: tuple[str, ...] = ()
        if doctest.DocTestParser().get_examples(self.source):
            file, module = directory / "example.txt", ("-m", "doctest")
        elif any(
            isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
            for node in ast.walk(ast.parse(text))
        ):
            file, module = directory / "test_an_example_runs.py", PYTEST
        else:
            file = directory / "example.py"
        file.write_text(text, "utf-8")
        # gevent wants to be the first that is imported.
        fork = "patch_all" not in self.source
        return run_python([*module, str(file)], directory, {**environment, "HOME": str(directory)}, fork=fork)


def tokens(text: str) -> Iterator[Token]:
    """Yield the Markdown tokens of a text, those inside of paragraphs and tables as well."""
    for token in MarkdownIt().enable("table").parse(text):
        yield token
        yield from token.children or []


def fenced(path: Path, text: str, line: int) -> Iterator[Example]:
    """Yield the fenced Python of a Markdown text that begins after `line`, and blocks of no language."""
    for token in tokens(text):
        if token.type == "fence" and token.map and re.match("py|$", token.info.strip(), re.IGNORECASE):
            yield Example(path, line + token.map[0] + 1, token.content, token.info)


def documented() -> Iterator[Example]:
    """Yield every example of the documentation."""
    for page in PAGES:
        yield from fenced(page, page.read_text("utf-8"), 0)
    for script in SCRIPTS:
        yield Example(script, 0, script.read_text("utf-8"))
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text("utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (
                docstring := ast.get_docstring(node)
            ):
                line = node.body[0].lineno - 1
                blocks = list(fenced(source, docstring, line))
                yield from blocks
                if ">>>" in docstring and not any(">>>" in block.source for block in blocks):
                    yield Example(source, line, docstring)


def run_shell(script: str, directory: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a script in a directory that is also its home, with additional environment variables."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return run_command(
        ["bash", "-e", "-c", script], directory, {**environment, "PATH": path, "HOME": str(directory)}
    )


@pytest.mark.parametrize("example", list(documented()), ids=str)
def test_an_example_runs(example: Example, tmp_path: Path) -> None:
    """Each example ends without an error, a failed assertion or a warning."""
    if reason := example.reason_to_skip:
        pytest.skip(f"{example}: {reason}")
    with Simulator() as simulator:
        done = example.run(tmp_path, prepare(simulator, tmp_path))
    if done.returncode:
        pytest.fail(f"{example} fails:\n{done.stdout}", pytrace=False)


def below(page: Path, heading: str) -> Example:
    """Return the first example below a heading."""
    line = page.read_text("utf-8").splitlines().index(heading) + 1
    return next(example for example in fenced(page, page.read_text("utf-8"), 0) if example.line > line)


def contents(simulator: Simulator) -> dict[str | None, list[str]]:
    """Return the names of all images, by project, with those of the silo under None."""
    with oxide.ApiClient(simulator.configuration()) as api_client:
        images = oxide.ImagesApi(api_client)
        return {
            project: [image.name for image in images.image_list_iter(project=project)]
            for project in (None, "my-project", "other-project")
        }


@pytest.mark.parametrize(("page", "heading"), AGAIN, ids=[f"{page}-{heading}" for page, heading in AGAIN])
def test_a_program_can_be_run_again(page: str, heading: str, tmp_path: Path) -> None:
    """After a complete run, or one that was interrupted at any change, the next run reaches the same result."""
    example = below(ROOT / page, heading)
    with Simulator() as simulator:
        environment = prepare(simulator, tmp_path)
        whole = example.run(tmp_path, environment)
        requests, expected = simulator.requests, contents(simulator)
        again = example.run(tmp_path, environment)
        assert (whole.returncode, again.returncode) == (0, 0), whole.stdout + again.stdout
        assert contents(simulator) == expected

    changes = [number for number, request in enumerate(requests) if request.method != "GET"]
    assert changes
    for number in changes:
        for acted in (False, True):
            with Simulator() as simulator:
                environment = prepare(simulator, tmp_path)
                if number:
                    simulator.fail_next(Delay(0), times=number)
                simulator.fail_next(Drop(after_acting=acted))
                # All further requests of the program fail.
                simulator.fail_next(Answer(401), times=100)
                broken = example.run(tmp_path, environment)
                assert broken.returncode, broken.stdout
                assert simulator.requests[number].operation == requests[number].operation
                simulator.clear_faults()
                mended = example.run(tmp_path, environment)
                assert mended.returncode == 0, mended.stdout
                assert contents(simulator) == expected


def test_a_shell_script_can_use_the_simulator_in_the_background(tmp_path: Path) -> None:
    """The script in docs/testing.md sets what the examples need, and leaves no simulator behind."""
    page = (ROOT / "docs/testing.md").read_text("utf-8")
    (script,) = (token.content for token in tokens(page) if token.info == "sh" and "trap" in token.content)
    program = tmp_path / "program.py"
    program.write_text(below(ROOT / "docs/recipes.md", "## Create an image exactly once").source, "utf-8")
    script += f'python {program} && echo "$OXIDE_HOST $OXIDE_TOKEN"\n'
    done = run_shell(script, tmp_path, {"TMPDIR": str(tmp_path)})
    assert done.returncode == 0, done.stdout
    host, token = done.stdout.split()[-2:]
    with oxide.ImagesApi.from_environment(host, token) as images, pytest.raises(oxide.ApiConnectionError):
        images.image_list()


def commands_of_uploads() -> Iterator[str]:
    """Yield the shell blocks of the page on uploads, except those that need programs which may be missing."""
    page = (ROOT / "docs/uploading.md").read_text("utf-8")
    for token in tokens(page):
        if token.info == "sh" and re.search("python -m oxide|sha256sum", token.content):
            yield token.content


@pytest.mark.parametrize("script", list(commands_of_uploads()))
def test_a_command_on_the_page_about_uploads_runs(script: str, tmp_path: Path) -> None:
    """Each succeeds, and prints what the page shows below it."""
    with Simulator() as simulator:
        done = run_shell(script, tmp_path, prepare(simulator, tmp_path))
    assert done.returncode == 0, done.stdout
    page = (ROOT / "docs/uploading.md").read_text("utf-8")
    if shown := re.match(r"```\n\n```text\n(.*?)^```", page.partition(script)[2], re.DOTALL | re.MULTILINE):
        pattern = re.escape(shown[1]).replace("…", ".*")
        assert re.search(pattern, done.stdout), done.stdout


@cache
def anchors(page: Path) -> set[str]:
    """Return the fragments that a link to a page may have: GitHub's for headings, and those set in HTML."""
    text = page.read_text("utf-8")
    found = set(re.findall(r"""<a (?:id|name)="([^"]+)">""", text))
    repeated: Counter[str] = Counter()
    heading = False
    for token in tokens(text):
        if heading:
            words = "".join(child.content for child in token.children or [])
            slug = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
            found.add(f"{slug}-{repeated[slug]}" if repeated[slug] else slug)
            repeated[slug] += 1
        heading = token.type == "heading_open"
    return found


def broken_links(page: Path) -> Iterator[str]:
    """Yield the links and images of a page whose file or heading does not exist."""
    for token in tokens(page.read_text("utf-8")):
        link = str(token.attrGet("href") or token.attrGet("src") or "")
        parts = urlsplit(link)
        if parts.scheme:
            continue
        target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        if not target.exists() or (parts.fragment and parts.fragment not in anchors(target)):
            yield link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    """Each link within the project leads to a file, and to a heading of it where it names one."""
    broken = list(broken_links(page))
    assert not broken, broken


def test_the_readme_begins_with_two_commands() -> None:
    """The README's first two shell blocks are one line each, to be copied whole; .ci/run takes them from there."""
    blocks = [
        token.content for token in tokens((ROOT / "README.md").read_text("utf-8")) if token.info == "sh"
    ]
    assert [block.count("\n") for block in blocks[:2]] == [1, 1]


def test_a_code_block_that_is_not_run_says_why() -> None:
    """A fence line has the language and at most a reason; a misspelled reason is an error."""
    page = ROOT / "page.md"
    assert Example(page, 1, "", 'python skip="needs a rack"').reason_to_skip == "needs a rack"
    assert Example(page, 1, "", "python").reason_to_skip is None
    for info in "", "py", "python skip", 'python skip=""', 'python skip=" "', "python notest", "Python":
        with pytest.raises(ValueError, match=r"page\.md:1: expected"):
            _ = Example(page, 1, "", info).reason_to_skip
